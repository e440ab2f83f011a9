#include "json_tree.h"

#include <float.h>
#include <math.h>

#include "json_tokens.h"

/* For finding duplicate keys: members of one object, sorted. */
typedef struct hashed_key {
    uint64_t hash;
    const char *key;
} hashed_key;

typedef struct builder {
    dtp_tokens tokens;
    const char *what;
    dtp_watch *watch;
    deeptepp_error *error;
    unsigned steps; /* since the beginning, for asking the watch now and then */
    /* What a first pass over the text finds, which is all that has to be allocated. */
    size_t n_values, most, n_bytes, most_members;
    uint32_t members[DTP_JSON_MAX_DEPTH + 1]; /* so far, of each open bracket; [0]: the root */
    /* What the second fills. */
    dtp_json_value *values, *open[DTP_JSON_MAX_DEPTH + 1];
    hashed_key *keys;
    char *bytes;
} builder;

static deeptepp_status fail(const builder *b, size_t at, const char *why)
{
    if (dtp_watch_cancelled(b->watch))
        return dtp_watch_ask(b->watch, b->error);
    return dtp_fail(b->error, DEEPTEPP_ERR_MODEL_JSON, "%s: not strict JSON at byte %zu: %s", b->what, at, why);
}

static deeptepp_status step(builder *b)
{
    const bool now = b->steps++ % 4096 == 0 || dtp_watch_cancelled(b->watch);
    return now ? dtp_watch_ask(b->watch, b->error) : DEEPTEPP_OK;
}

/* ---- first pass: what is there, and whether it is JSON ---- */

static void count_token(builder *b, dtp_token token)
{
    const dtp_tokens *t = &b->tokens;
    const bool opens = token == DTP_TOKEN_ARRAY || token == DTP_TOKEN_OBJECT;
    if (token == DTP_TOKEN_KEY || token == DTP_TOKEN_TEXT || token == DTP_TOKEN_INTEGER || token == DTP_TOKEN_REAL)
        b->n_bytes += t->length + 1;
    if (token == DTP_TOKEN_KEY || token == DTP_TOKEN_CLOSE)
        return;
    b->n_values++;
    uint32_t *members = &b->members[t->depth - opens];
    if (++*members > b->most_members)
        b->most_members = *members;
    if (opens)
        b->members[t->depth] = 0;
}

static deeptepp_status measure(builder *b)
{
    dtp_token token;
    deeptepp_status status = DEEPTEPP_OK;
    while (status == DEEPTEPP_OK && (token = dtp_tokens_next(&b->tokens)) != DTP_TOKEN_END) {
        if (token == DTP_TOKEN_FAULT)
            return fail(b, b->tokens.at, b->tokens.fault);
        count_token(b, token);
        if (b->n_values > b->most)
            return dtp_fail(b->error, DEEPTEPP_ERR_MODEL_JSON, "%s: %zu JSON values by byte %zu, wanted at most %zu",
                            b->what, b->n_values, b->tokens.at, b->most);
        status = step(b);
    }
    return status;
}

/* ---- the memory ---- */

static deeptepp_status allocate(builder *b)
{
    size_t values, keys, size;
    bool fits = !dtp_mul_overflows(b->n_values, sizeof *b->values, &values) &&
                !dtp_mul_overflows(b->most_members, sizeof *b->keys, &keys) &&
                !dtp_add_overflows(values, keys, &size) && !dtp_add_overflows(size, b->n_bytes, &size);
    char *block = fits ? malloc(size) : NULL;
    if (!block)
        return dtp_fail_memory(b->error, b->what, fits ? size : 0);
    b->values = (dtp_json_value *)(void *)block;
    b->keys = (hashed_key *)(void *)(block + values);
    b->bytes = block + values + keys;
    return DEEPTEPP_OK;
}

/* ---- no key twice ---- */

/* FNV-1a. */
static uint64_t hash_of(const char *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *key; key++)
        hash = (hash ^ (uint8_t)*key) * UINT64_C(0x100000001b3);
    return hash;
}

static int compare_keys(const hashed_key *a, const hashed_key *b)
{
    return a->hash != b->hash ? (a->hash < b->hash ? -1 : 1) : strcmp(a->key, b->key);
}

static void sift_down(hashed_key *keys, size_t at, size_t count)
{
    const hashed_key moved = keys[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && compare_keys(&keys[child], &keys[child + 1]) < 0;
        if (compare_keys(&moved, &keys[child]) >= 0)
            break;
        keys[at] = keys[child];
    }
    keys[at] = moved;
}

/* Heapsort: in place, and no keys that a hostile file may hold make it slow. */
static deeptepp_status sort_keys(builder *b, size_t count)
{
    hashed_key *keys = b->keys;
    deeptepp_status status = DEEPTEPP_OK;
    for (size_t i = count / 2; i-- > 0 && status == DEEPTEPP_OK; status = step(b))
        sift_down(keys, i, count);
    for (size_t end = count; end-- > 1 && status == DEEPTEPP_OK; status = step(b)) {
        const hashed_key largest = keys[0];
        keys[0] = keys[end];
        keys[end] = largest;
        sift_down(keys, 0, end);
    }
    return status;
}

static deeptepp_status check_keys(builder *b, const dtp_json_value *object)
{
    size_t count = 0;
    DTP_JSON_EACH(member, object)
        b->keys[count++] = (hashed_key){hash_of(member->key), member->key};
    deeptepp_status status = sort_keys(b, count);
    for (size_t i = 1; i < count && status == DEEPTEPP_OK; i++)
        if (compare_keys(&b->keys[i - 1], &b->keys[i]) == 0)
            return dtp_fail(b->error, DEEPTEPP_ERR_MODEL_JSON,
                            "%s: not strict JSON at byte %zu: duplicate key \"%.60s\" in the object that ends there",
                            b->what, b->tokens.at, b->keys[i].key);
    return status;
}

/* ---- second pass ---- */

static dtp_json_kind kind_of(dtp_token token)
{
    static const dtp_json_kind kinds[] = {
        [DTP_TOKEN_NULL] = DTP_JSON_NULL, [DTP_TOKEN_FALSE] = DTP_JSON_FALSE,     [DTP_TOKEN_TRUE] = DTP_JSON_TRUE,
        [DTP_TOKEN_TEXT] = DTP_JSON_TEXT, [DTP_TOKEN_INTEGER] = DTP_JSON_INTEGER, [DTP_TOKEN_REAL] = DTP_JSON_REAL,
        [DTP_TOKEN_ARRAY] = DTP_JSON_ARRAY, [DTP_TOKEN_OBJECT] = DTP_JSON_OBJECT,
    };
    return kinds[token];
}

static const char *keep_bytes(builder *b)
{
    char *kept = b->bytes;
    dtp_tokens_copy(&b->tokens, kept);
    b->bytes += b->tokens.length + 1;
    return kept;
}

/* Without an exponent it takes more digits. */
static deeptepp_status check_real(const builder *b, const char *text)
{
    double number;
    if (b->tokens.length < DBL_MAX_10_EXP && !strpbrk(text, "eE"))
        return DEEPTEPP_OK;
    if (!dtp_number(text, &number))
        return dtp_fail_memory(b->error, b->what, 0);
    return isfinite(number) ? DEEPTEPP_OK : fail(b, b->tokens.begin, "real number overflow");
}

static deeptepp_status add_value(builder *b, dtp_token token, const char *key)
{
    const bool opens = token == DTP_TOKEN_ARRAY || token == DTP_TOKEN_OBJECT;
    const int depth = b->tokens.depth;
    dtp_json_value *value = &b->values[b->n_values++];
    *value = (dtp_json_value){.key = key, .kind = kind_of(token), .span = 1};
    if (depth - opens > 0)
        b->open[depth - opens]->count++;
    if (opens)
        b->open[depth] = value;
    else if (token >= DTP_TOKEN_INTEGER)
        value->text = keep_bytes(b);
    return token == DTP_TOKEN_REAL ? check_real(b, value->text) : DEEPTEPP_OK;
}

static deeptepp_status close_value(builder *b)
{
    dtp_json_value *value = b->open[b->tokens.depth + 1];
    value->span = (uint32_t)(&b->values[b->n_values] - value);
    return value->kind == DTP_JSON_OBJECT ? check_keys(b, value) : DEEPTEPP_OK;
}

static deeptepp_status fill(builder *b)
{
    deeptepp_status status = DEEPTEPP_OK;
    const char *key = NULL;
    for (dtp_token token; status == DEEPTEPP_OK && (token = dtp_tokens_next(&b->tokens)) != DTP_TOKEN_END;) {
        const bool is_key = token == DTP_TOKEN_KEY;
        if (!is_key)
            status = token == DTP_TOKEN_CLOSE ? close_value(b) : add_value(b, token, key);
        key = is_key ? keep_bytes(b) : NULL;
        if (status == DEEPTEPP_OK)
            status = step(b);
    }
    return status;
}

deeptepp_status dtp_json_parse(dtp_json_value **out, const char *text, size_t size, size_t most, const char *what,
                               dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status;
    const dtp_tokens tokens = {.text = text, .size = size, .watch = watch};
    builder b = {.tokens = tokens, .what = what, .watch = watch, .error = error, .most = most};
    *out = NULL;
    DTP_TRY(measure(&b));
    DTP_TRY(allocate(&b));
    b.tokens = tokens;
    b.n_values = 0;
    DTP_TRY(fill(&b));
    *out = b.values;
    return DEEPTEPP_OK;
fail:
    free(b.values);
    return status;
}

/* ---- reading ---- */

const dtp_json_value *dtp_json_find(const dtp_json_value *object, const char *key)
{
    if (!object || object->kind != DTP_JSON_OBJECT)
        return NULL;
    DTP_JSON_EACH(member, object)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}

bool dtp_json_real(const dtp_json_value *value, double *out)
{
    if (!value || (value->kind != DTP_JSON_INTEGER && value->kind != DTP_JSON_REAL) || !dtp_number(value->text, out))
        return false;
    if (value->kind == DTP_JSON_INTEGER && *out == 0)
        *out = 0; /* the integer -0 */
    return true;
}

int64_t dtp_json_whole(const dtp_json_value *value)
{
    int64_t number = 0;
    if (value && value->kind == DTP_JSON_INTEGER)
        dtp_tokens_integer(value->text, strlen(value->text), &number);
    return number;
}
