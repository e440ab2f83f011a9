#include "properties.h"

#include <stdio.h>

/* Two texts, growing: what a value's key is and what it says. */
typedef struct text {
    char *bytes;
    size_t used, room;
} text;

typedef struct flattener {
    dtp_properties *out;
    text key, value;
    bool short_of_memory;
} flattener;

static void append(flattener *f, text *to, const char *piece)
{
    size_t length = strlen(piece);
    if (to->used + length >= to->room) {
        size_t room = 2 * (to->used + length) + 64;
        char *grown = realloc(to->bytes, room);
        f->short_of_memory |= !grown;
        if (!grown)
            return;
        to->bytes = grown;
        to->room = room;
    }
    memcpy(to->bytes + to->used, piece, length + 1);
    to->used += length;
}

/* The shortest text that reads back the same. */
static void append_number(flattener *f, double number)
{
    char digits[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    append(f, &f->value, digits);
}

static void append_plain(flattener *f, const json_t *value)
{
    char digits[24];
    switch (json_typeof(value)) {
    case JSON_STRING:
        append(f, &f->value, json_string_value(value));
        return;
    case JSON_INTEGER:
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
        append(f, &f->value, digits);
        return;
    case JSON_REAL:
        append_number(f, json_real_value(value));
        return;
    default:
        append(f, &f->value, json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
    }
}

static bool make_room(dtp_properties *out)
{
    if (out->count < out->room)
        return true;
    size_t room = 2 * out->room + 32;
    dtp_property *grown = realloc(out->items, room * sizeof *grown);
    if (!grown)
        return false;
    out->items = grown;
    out->room = room;
    return true;
}

/* Key and value as they stand, as one more property. */
static void finish(flattener *f)
{
    char *block = f->short_of_memory || !make_room(f->out) ? NULL : malloc(f->key.used + f->value.used + 2);
    f->short_of_memory |= !block;
    if (!block)
        return;
    dtp_property *item = &f->out->items[f->out->count++];
    item->key = memcpy(block, f->key.bytes, f->key.used + 1);
    item->value = memcpy(block + f->key.used + 1, f->value.bytes, f->value.used + 1);
}

static bool is_plain(const json_t *value)
{
    bool plain = !json_is_object(value);
    for (size_t i = 0; plain && json_is_array(value) && i < json_array_size(value); i++) {
        const json_t *element = json_array_get(value, i);
        plain = !json_is_object(element) && !json_is_array(element);
    }
    return plain;
}

static void flatten_plain(flattener *f, const json_t *value)
{
    f->value.used = 0;
    append(f, &f->value, "");
    if (!json_is_array(value))
        append_plain(f, value);
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        append(f, &f->value, i ? ", " : "");
        append_plain(f, json_array_get(value, i));
    }
    finish(f);
}

static void flatten(flattener *f, const json_t *value);

/* What `name` holds, its key after those around it. */
static void flatten_member(flattener *f, const char *name, const json_t *value)
{
    size_t used = f->key.used;
    append(f, &f->key, used ? "." : "");
    append(f, &f->key, name);
    flatten(f, value);
    f->key.used = used;
}

/* As deep as the file's JSON may be: 32. */
static void flatten(flattener *f, const json_t *value)
{
    const char *key;
    json_t *member;
    char index[24];
    if (f->short_of_memory)
        return;
    if (is_plain(value)) {
        flatten_plain(f, value);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
        flatten_member(f, key, member);
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        snprintf(index, sizeof index, "%zu", i);
        flatten_member(f, index, json_array_get(value, i));
    }
}

bool dtp_properties_make(dtp_properties *out, const json_t *object)
{
    flattener f = {.out = out};
    *out = (dtp_properties){0};
    flatten(&f, object);
    free(f.key.bytes);
    free(f.value.bytes);
    return !f.short_of_memory;
}

void dtp_properties_free(dtp_properties *properties)
{
    for (size_t i = 0; i < properties->count; i++)
        free(properties->items[i].key);
    free(properties->items);
    *properties = (dtp_properties){0};
}
