#include "properties.h"

#include <math.h>

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

/* Digits before the point. */
static int whole_digits(double number)
{
    int digits = 1;
    for (double top = 10; top <= fabs(number) && digits < 15; top *= 10)
        digits++;
    return digits;
}

/* As few digits as read back the same; 120 and not 1.2e+02. */
static void append_number(flattener *f, const dtp_json_value *value)
{
    char digits[40];
    double number = 0, back = 0;
    int precision = 1;
    f->short_of_memory |= !dtp_json_real(value, &number);
    for (; precision < 17; precision++) {
        dtp_format(digits, sizeof digits, "%.*g", precision, number);
        if (dtp_number(digits, &back) && back == number)
            break;
    }
    int whole = whole_digits(number);
    dtp_format(digits, sizeof digits, "%.*g", precision < whole ? whole : precision, number);
    append(f, &f->value, digits);
}

static void append_plain(flattener *f, const dtp_json_value *value)
{
    static const char *const words[] = {[DTP_JSON_NULL] = "null", [DTP_JSON_FALSE] = "false", [DTP_JSON_TRUE] = "true"};
    if (value->kind == DTP_JSON_REAL)
        append_number(f, value);
    else
        append(f, &f->value, value->text ? value->text : words[value->kind]);
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

static bool is_plain(const dtp_json_value *value)
{
    if (value->kind == DTP_JSON_ARRAY)
        DTP_JSON_EACH(element, value)
            if (element->kind >= DTP_JSON_ARRAY)
                return false;
    return value->kind != DTP_JSON_OBJECT;
}

static void flatten_plain(flattener *f, const dtp_json_value *value)
{
    f->value.used = 0;
    append(f, &f->value, "");
    if (value->kind != DTP_JSON_ARRAY)
        append_plain(f, value);
    DTP_JSON_EACH(element, value) {
        append(f, &f->value, element == value + 1 ? "" : ", ");
        append_plain(f, element);
    }
    finish(f);
}

static void flatten(flattener *f, const dtp_json_value *value);

/* What `name` holds, its key after those around it. */
static void flatten_member(flattener *f, const char *name, const dtp_json_value *value)
{
    size_t used = f->key.used;
    append(f, &f->key, used ? "." : "");
    append(f, &f->key, name);
    flatten(f, value);
    f->key.used = used;
}

/* As deep as the file's JSON may be: 32. */
static void flatten(flattener *f, const dtp_json_value *value)
{
    char index[24];
    size_t n = 0;
    if (f->short_of_memory)
        return;
    if (is_plain(value)) {
        flatten_plain(f, value);
        return;
    }
    DTP_JSON_EACH(child, value) {
        dtp_format(index, sizeof index, "%zu", n++);
        flatten_member(f, child->key ? child->key : index, child);
    }
}

bool dtp_properties_make(dtp_properties *out, const dtp_json_value *object)
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
