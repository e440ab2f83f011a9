#include "json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void dtp_json_fail(dtp_json *json, const char *key, deeptepp_status status, const char *format, ...)
{
    if (json->check->status != DEEPTEPP_OK)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json->check->status = dtp_fail(json->check->error, status, "model description: %s%s%s: %s", json->path,
                                   *json->path && *key ? "." : "", key, text);
    json->object = NULL;
}

typedef struct cut_text {
    char *text;
    size_t used, room;
    bool cut;
} cut_text;

/* jansson's own buffer version skips a piece that does not fit and leaves what was there before. */
static int append_cut(const char *piece, size_t size, void *user)
{
    cut_text *out = user;
    size_t fits = size < out->room - out->used ? size : out->room - out->used;
    memcpy(out->text + out->used, piece, fits);
    out->used += fits;
    out->cut |= fits < size;
    return 0;
}

const char *dtp_json_show(const json_t *value, char *text, size_t size)
{
    cut_text out = {.text = text, .room = size - sizeof "..."};
    json_dump_callback(value, append_cut, &out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    snprintf(text + out.used, sizeof "...", "%s", out.cut ? "..." : "");
    return text;
}

static void fail_kind(dtp_json *json, const char *key, const json_t *value, const char *wanted)
{
    char text[40];
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %s, wanted %s", dtp_json_show(value, text, sizeof text),
                  wanted);
}

dtp_json dtp_json_root(const json_t *object, const char *path, dtp_json_check *check)
{
    dtp_json json = {.object = object, .check = check};
    snprintf(json.path, sizeof json.path, "%s", path);
    if (!json_is_object(object))
        fail_kind(&json, "", object, "an object");
    return json;
}

bool dtp_json_has(dtp_json *json, const char *key)
{
    if (!json->object)
        return false;
    if (json->n_known < (int)DTP_COUNT(json->known))
        json->known[json->n_known++] = key;
    return json_object_get(json->object, key) != NULL;
}

static const json_t *required(dtp_json *json, const char *key)
{
    if (!json->object)
        return NULL;
    if (dtp_json_has(json, key))
        return json_object_get(json->object, key);
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_METADATA, "is missing");
    return NULL;
}

dtp_json dtp_json_child(dtp_json *parent, const char *key)
{
    dtp_json child = {.check = parent->check};
    const json_t *object = required(parent, key);
    if (!object)
        return child;
    snprintf(child.path, sizeof child.path, "%.47s%s%.47s", parent->path, *parent->path ? "." : "", key);
    if (!json_is_object(object))
        fail_kind(parent, key, object, "an object");
    else
        child.object = object;
    return child;
}

const char *dtp_json_text(dtp_json *json, const char *key)
{
    const json_t *value = required(json, key);
    if (!value)
        return "";
    const char *text = json_string_value(value);
    if (!text || !*text || strlen(text) != json_string_length(value)) {
        fail_kind(json, key, value, "a text of at least one character");
        return "";
    }
    return text;
}

static double checked_number(dtp_json *json, const char *key, const json_t *value, double low, double high)
{
    if (!json_is_number(value)) {
        fail_kind(json, key, value, "a number");
        return 0;
    }
    double number = json_number_value(value);
    if (!isfinite(number) || number < low || number > high) {
        dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %.17g, wanted %.9g to %.9g", number, low, high);
        return 0;
    }
    return number;
}

static int64_t checked_integer(dtp_json *json, const char *key, const json_t *value, int64_t low, int64_t high)
{
    if (!json_is_integer(value)) {
        fail_kind(json, key, value, "an integer");
        return 0;
    }
    int64_t number = json_integer_value(value);
    if (number < low || number > high) {
        dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %lld, wanted %lld to %lld", (long long)number,
                      (long long)low, (long long)high);
        return 0;
    }
    return number;
}

double dtp_json_number(dtp_json *json, const char *key, double low, double high)
{
    const json_t *value = required(json, key);
    return value ? checked_number(json, key, value, low, high) : 0;
}

int64_t dtp_json_integer(dtp_json *json, const char *key, int64_t low, int64_t high)
{
    const json_t *value = required(json, key);
    return value ? checked_integer(json, key, value, low, high) : 0;
}

bool dtp_json_bool(dtp_json *json, const char *key)
{
    const json_t *value = required(json, key);
    if (value && !json_is_boolean(value))
        fail_kind(json, key, value, "true or false");
    return json_is_true(value);
}

int dtp_json_choice(dtp_json *json, const char *key, const char *const *choices)
{
    const char *text = dtp_json_text(json, key);
    char wanted[256] = "";
    for (int i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0)
            return i;
        size_t used = strlen(wanted);
        snprintf(wanted + used, sizeof wanted - used, "%s%s", i ? ", " : "", choices[i]);
    }
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is \"%.60s\", wanted one of: %s", text, wanted);
    return 0;
}

const json_t *dtp_json_array(dtp_json *json, const char *key, int least, int most)
{
    const json_t *value = required(json, key);
    if (!value)
        return NULL;
    size_t count = json_array_size(value);
    if (json_is_array(value) && count >= (size_t)least && count <= (size_t)most)
        return value;
    char text[40];
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %s, wanted an array of %d to %d elements",
                  dtp_json_show(value, text, sizeof text), least, most);
    return NULL;
}

/* "key[2]" */
static const char *element(char name[64], const char *key, int index)
{
    snprintf(name, 64, "%.50s[%d]", key, index);
    return name;
}

int dtp_json_numbers(dtp_json *json, const char *key, double *out, int least, int most, double low, double high)
{
    char name[64];
    const json_t *array = dtp_json_array(json, key, least, most);
    int count = array ? (int)json_array_size(array) : 0;
    for (int i = 0; i < count; i++)
        out[i] = checked_number(json, element(name, key, i), json_array_get(array, (size_t)i), low, high);
    return count;
}

int dtp_json_integers(dtp_json *json, const char *key, int64_t *out, int least, int most, int64_t low, int64_t high)
{
    char name[64];
    const json_t *array = dtp_json_array(json, key, least, most);
    int count = array ? (int)json_array_size(array) : 0;
    for (int i = 0; i < count; i++)
        out[i] = checked_integer(json, element(name, key, i), json_array_get(array, (size_t)i), low, high);
    return count;
}

static bool is_known(const dtp_json *json, const char *key)
{
    for (int i = 0; i < json->n_known; i++)
        if (strcmp(json->known[i], key) == 0)
            return true;
    return false;
}

void dtp_json_close(dtp_json *json)
{
    const char *key;
    json_t *value;
    if (!json->object)
        return;
    json_object_foreach((json_t *)(uintptr_t)json->object, key, value) {
        if (!is_known(json, key)) {
            char name[64];
            snprintf(name, sizeof name, "%.60s", key);
            dtp_json_fail(json, name, DEEPTEPP_ERR_MODEL_METADATA, "is not a key of this section");
            return;
        }
    }
}

char *dtp_json_print(const json_t *json)
{
    size_t size = json ? json_dumpb(json, NULL, 0, JSON_INDENT(2)) : 0;
    char *text = size ? malloc(size + 1) : NULL;
    if (!text)
        return NULL;
    json_dumpb(json, text, size, JSON_INDENT(2));
    text[size] = '\0';
    return text;
}
