#include "json.h"

#include <math.h>
#include <stdarg.h>

#include "json_write.h"

void dtp_json_fail(dtp_json *json, const char *key, deeptepp_status status, const char *format, ...)
{
    if (json->check->status != DEEPTEPP_OK)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    dtp_vformat(text, sizeof text, format, arguments);
    va_end(arguments);
    json->check->status = dtp_fail(json->check->error, status, "model description: %s%s%s: %s", json->path,
                                   *json->path && *key ? "." : "", key, text);
    json->object = NULL;
}

const char *dtp_json_show(const dtp_json_value *value, char *text, size_t size)
{
    dtp_json_writer writer = {
        .text = text, .room = size - strlen("..."), .fixed = true, .compact = true, .ascii = true};
    dtp_write_value(&writer, NULL, value);
    if (writer.cut)
        memcpy(text + writer.used, "...", sizeof "...");
    return text;
}

static void fail_kind(dtp_json *json, const char *key, const dtp_json_value *value, const char *wanted)
{
    char text[40];
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %s, wanted %s", dtp_json_show(value, text, sizeof text),
                  wanted);
}

dtp_json dtp_json_root(const dtp_json_value *object, const char *path, dtp_json_check *check)
{
    dtp_json json = {.object = object, .check = check};
    dtp_format(json.path, sizeof json.path, "%s", path);
    if (!object || object->kind != DTP_JSON_OBJECT)
        fail_kind(&json, "", object, "an object");
    return json;
}

bool dtp_json_has(dtp_json *json, const char *key)
{
    if (!json->object)
        return false;
    if (json->n_known < (int)DTP_COUNT(json->known))
        json->known[json->n_known++] = key;
    return dtp_json_find(json->object, key) != NULL;
}

static const dtp_json_value *required(dtp_json *json, const char *key)
{
    if (!json->object)
        return NULL;
    if (dtp_json_has(json, key))
        return dtp_json_find(json->object, key);
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_METADATA, "is missing");
    return NULL;
}

dtp_json dtp_json_child(dtp_json *parent, const char *key)
{
    dtp_json child = {.check = parent->check};
    const dtp_json_value *object = required(parent, key);
    if (!object)
        return child;
    dtp_format(child.path, sizeof child.path, "%.47s%s%.47s", parent->path, *parent->path ? "." : "", key);
    if (object->kind != DTP_JSON_OBJECT)
        fail_kind(parent, key, object, "an object");
    else
        child.object = object;
    return child;
}

const char *dtp_json_text(dtp_json *json, const char *key)
{
    const dtp_json_value *value = required(json, key);
    if (!value)
        return "";
    if (value->kind == DTP_JSON_TEXT && *value->text)
        return value->text;
    fail_kind(json, key, value, "a text of at least one character");
    return "";
}

static double checked_number(dtp_json *json, const char *key, const dtp_json_value *value, double low, double high)
{
    double number = 0;
    if (value->kind != DTP_JSON_INTEGER && value->kind != DTP_JSON_REAL) {
        fail_kind(json, key, value, "a number");
        return 0;
    }
    if (!dtp_json_real(value, &number))
        dtp_json_fail(json, key, DEEPTEPP_ERR_MEMORY, "out of memory: a number");
    if (!isfinite(number) || number < low || number > high) {
        dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %.17g, wanted %.9g to %.9g", number, low, high);
        return 0;
    }
    return number;
}

static int64_t checked_integer(dtp_json *json, const char *key, const dtp_json_value *value, int64_t low, int64_t high)
{
    if (value->kind != DTP_JSON_INTEGER) {
        fail_kind(json, key, value, "an integer");
        return 0;
    }
    int64_t number = dtp_json_whole(value);
    if (number < low || number > high) {
        dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %lld, wanted %lld to %lld", (long long)number,
                      (long long)low, (long long)high);
        return 0;
    }
    return number;
}

double dtp_json_number(dtp_json *json, const char *key, double low, double high)
{
    const dtp_json_value *value = required(json, key);
    return value ? checked_number(json, key, value, low, high) : 0;
}

int64_t dtp_json_integer(dtp_json *json, const char *key, int64_t low, int64_t high)
{
    const dtp_json_value *value = required(json, key);
    return value ? checked_integer(json, key, value, low, high) : 0;
}

bool dtp_json_bool(dtp_json *json, const char *key)
{
    const dtp_json_value *value = required(json, key);
    if (value && value->kind != DTP_JSON_TRUE && value->kind != DTP_JSON_FALSE)
        fail_kind(json, key, value, "true or false");
    return value && value->kind == DTP_JSON_TRUE;
}

int dtp_json_choice(dtp_json *json, const char *key, const char *const *choices)
{
    const char *text = dtp_json_text(json, key);
    char wanted[256] = "";
    for (int i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0)
            return i;
        size_t used = strlen(wanted);
        dtp_format(wanted + used, sizeof wanted - used, "%s%s", i ? ", " : "", choices[i]);
    }
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is \"%.60s\", wanted one of: %s", text, wanted);
    return 0;
}

static const dtp_json_value *checked_array(dtp_json *json, const char *key, const dtp_json_value *value, int least,
                                           int most)
{
    if (value->kind == DTP_JSON_ARRAY && value->count >= (uint32_t)least && value->count <= (uint32_t)most)
        return value;
    char text[40];
    dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is %s, wanted an array of %d to %d elements",
                  dtp_json_show(value, text, sizeof text), least, most);
    return NULL;
}

const dtp_json_value *dtp_json_array(dtp_json *json, const char *key, int least, int most)
{
    const dtp_json_value *value = required(json, key);
    return value ? checked_array(json, key, value, least, most) : NULL;
}

/* "key[2]" */
static const char *element(char name[64], const char *key, int index)
{
    dtp_format(name, 64, "%.50s[%d]", key, index);
    return name;
}

/* array: NULL after an error. */
static int checked_numbers(dtp_json *json, const char *key, const dtp_json_value *array, double *out, double low,
                           double high)
{
    char name[64];
    int count = 0;
    if (!array)
        return 0;
    DTP_JSON_EACH(value, array) {
        out[count] = checked_number(json, element(name, key, count), value, low, high);
        count++;
    }
    return count;
}

int dtp_json_numbers(dtp_json *json, const char *key, double *out, int least, int most, double low, double high)
{
    return checked_numbers(json, key, dtp_json_array(json, key, least, most), out, low, high);
}

int dtp_json_pairs(dtp_json *json, const char *key, double (*out)[2], int least, int most, double low, double high)
{
    char name[64];
    const dtp_json_value *array = dtp_json_array(json, key, least, most);
    int count = 0;
    if (!array)
        return 0;
    DTP_JSON_EACH(pair, array) {
        element(name, key, count);
        checked_numbers(json, name, checked_array(json, name, pair, 2, 2), out[count], low, high);
        count++;
    }
    return count;
}

int dtp_json_integers(dtp_json *json, const char *key, int64_t *out, int least, int most, int64_t low, int64_t high)
{
    char name[64];
    const dtp_json_value *array = dtp_json_array(json, key, least, most);
    int count = 0;
    if (!array)
        return 0;
    DTP_JSON_EACH(value, array) {
        out[count] = checked_integer(json, element(name, key, count), value, low, high);
        count++;
    }
    return count;
}

void dtp_json_texts(dtp_json *json, const char *key, int most)
{
    char name[64];
    dtp_json texts = dtp_json_child(json, key);
    const dtp_json_value *object = texts.object;
    if (!object)
        return;
    if (object->count > (uint32_t)most)
        dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "has %u texts, wanted at most %d", (unsigned)object->count,
                      most);
    DTP_JSON_EACH(member, object) {
        dtp_format(name, sizeof name, "%.60s", member->key);
        if (!*name)
            dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "has a key of no character, wanted at least one");
        if (member->kind != DTP_JSON_TEXT || !*member->text)
            fail_kind(&texts, name, member, "a text of at least one character");
    }
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
    char name[64];
    const dtp_json_value *object = json->object;
    if (!object)
        return;
    DTP_JSON_EACH(member, object) {
        if (is_known(json, member->key))
            continue;
        dtp_format(name, sizeof name, "%.60s", member->key);
        dtp_json_fail(json, name, DEEPTEPP_ERR_MODEL_METADATA, "is not a key of this section");
        return;
    }
}
