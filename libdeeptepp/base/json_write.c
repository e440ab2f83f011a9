#include "json_write.h"

#include <math.h>

#include "json_tokens.h"

/* ---- bytes ---- */

/* Room for `size` more and a NUL. */
static bool grow(dtp_json_writer *w, size_t size)
{
    size_t least, room;
    if (w->fixed || w->no_memory)
        return false;
    if (dtp_add_overflows(w->used, size, &least) || dtp_add_overflows(least, 1, &least) ||
        dtp_mul_overflows(least, 2, &room))
        room = 0;
    char *text = room ? realloc(w->text, room) : NULL;
    if (!text) {
        w->no_memory = true;
        return false;
    }
    w->text = text;
    w->room = room;
    return true;
}

static void put(dtp_json_writer *w, const char *bytes, size_t size)
{
    if (size >= w->room - w->used && !grow(w, size)) {
        w->cut = true;
        size = w->fixed && w->room > 0 ? w->room - w->used - 1 : 0;
    }
    if (size == 0)
        return;
    memcpy(w->text + w->used, bytes, size);
    w->used += size;
    w->text[w->used] = '\0';
}

static void put_string(dtp_json_writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_unit(dtp_json_writer *w, unsigned unit)
{
    char text[8];
    put(w, text, (size_t)dtp_format(text, sizeof text, "\\u%04X", unit));
}

/* ---- texts ---- */

/* Bytes from `text` on that stand for themselves. */
static size_t plain_length(const dtp_json_writer *w, const char *text)
{
    size_t n = 0;
    for (uint8_t c; (c = (uint8_t)text[n]) >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || !w->ascii);)
        n++;
    return n;
}

static uint32_t code_point(const char *text, int length)
{
    uint32_t code = (uint8_t)text[0] & (0xffu >> (length + 1));
    for (int i = 1; i < length; i++)
        code = code << 6 | ((uint8_t)text[i] & 0x3f);
    return code;
}

/* One character that does not stand for itself; its bytes. */
static size_t put_escaped(dtp_json_writer *w, const char *text)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = strchr(from, *text);
    if (found) {
        put(w, (const char[]){'\\', to[found - from]}, 2);
        return 1;
    }
    int length = dtp_utf8_length(text, strlen(text));
    uint32_t code = length > 1 ? code_point(text, length) : (uint8_t)*text;
    if (code >= 0x10000) {
        put_unit(w, 0xd7c0 + (code >> 10));
        code = 0xdc00 | (code & 0x3ff);
    }
    put_unit(w, code);
    return length > 1 ? (size_t)length : 1;
}

static void put_quoted(dtp_json_writer *w, const char *text)
{
    put(w, "\"", 1);
    while (*text) {
        size_t plain = plain_length(w, text);
        put(w, text, plain);
        text += plain;
        if (*text)
            text += put_escaped(w, text);
    }
    put(w, "\"", 1);
}

/* ---- structure ---- */

static void put_line(dtp_json_writer *w)
{
    if (w->compact)
        return;
    put(w, "\n", 1);
    for (int i = 0; i < w->depth; i++)
        put(w, "  ", 2);
}

/* What comes before a value: a comma, a new line, the key. */
static void begin_value(dtp_json_writer *w, const char *key)
{
    const uint32_t bit = w->depth ? UINT32_C(1) << (w->depth - 1) : 0;
    if (w->filled & bit)
        put(w, ",", 1);
    w->filled |= bit;
    if (w->depth)
        put_line(w);
    if (!key)
        return;
    put_quoted(w, key);
    put_string(w, w->compact ? ":" : ": ");
}

/* No description, and nothing that is made of one, comes near 32 brackets. */
static void open_bracket(dtp_json_writer *w, const char *key, const char *bracket)
{
    begin_value(w, key);
    put_string(w, bracket);
    w->filled &= ~(UINT32_C(1) << w->depth++);
}

static void close_bracket(dtp_json_writer *w, const char *bracket)
{
    const bool filled = w->filled >> --w->depth & 1;
    if (filled)
        put_line(w);
    put_string(w, bracket);
}

void dtp_write_object(dtp_json_writer *writer, const char *key)
{
    open_bracket(writer, key, "{");
}

void dtp_write_array(dtp_json_writer *writer, const char *key)
{
    open_bracket(writer, key, "[");
}

void dtp_write_object_end(dtp_json_writer *writer)
{
    close_bracket(writer, "}");
}

void dtp_write_array_end(dtp_json_writer *writer)
{
    close_bracket(writer, "]");
}

/* ---- values ---- */

static void write_word(dtp_json_writer *w, const char *key, const char *word)
{
    begin_value(w, key);
    put_string(w, word);
}

void dtp_write_text(dtp_json_writer *writer, const char *key, const char *text)
{
    begin_value(writer, key);
    put_quoted(writer, text);
}

void dtp_write_integer(dtp_json_writer *writer, const char *key, int64_t value)
{
    char text[24];
    dtp_format(text, sizeof text, "%lld", (long long)value);
    write_word(writer, key, text);
    writer->no_memory |= !*text;
}

void dtp_write_bool(dtp_json_writer *writer, const char *key, bool value)
{
    write_word(writer, key, value ? "true" : "false");
}

void dtp_write_null(dtp_json_writer *writer, const char *key)
{
    write_word(writer, key, "null");
}

/* The shortest form of the exponent, and never that of an integer: 1e20, 2.0. */
static void tidy_number(char *text)
{
    char *exponent = strchr(text, 'e');
    if (!exponent) {
        if (!strchr(text, '.'))
            memcpy(text + strlen(text), ".0", sizeof ".0");
        return;
    }
    char *to = exponent + 1, *from = to + 1;
    to += *to == '-';
    from += strspn(from, "0");
    memmove(to, from, strlen(from) + 1);
}

void dtp_write_number(dtp_json_writer *writer, const char *key, double value)
{
    char text[40] = "null";
    if (isfinite(value) && dtp_format(text, sizeof text, "%.17g", value) > 0)
        tidy_number(text);
    write_word(writer, key, text);
    writer->no_memory |= !*text;
}

void dtp_write_numbers(dtp_json_writer *writer, const char *key, const double *values, int count)
{
    dtp_write_array(writer, key);
    for (int i = 0; i < count; i++)
        dtp_write_number(writer, NULL, values[i]);
    dtp_write_array_end(writer);
}

void dtp_write_integers(dtp_json_writer *writer, const char *key, const int64_t *values, int count)
{
    dtp_write_array(writer, key);
    for (int i = 0; i < count; i++)
        dtp_write_integer(writer, NULL, values[i]);
    dtp_write_array_end(writer);
}

/* ---- values that were read ---- */

static void write_leaf(dtp_json_writer *w, const dtp_json_value *value, const char *key)
{
    static const char *const words[] = {[DTP_JSON_NULL] = "null", [DTP_JSON_FALSE] = "false", [DTP_JSON_TRUE] = "true"};
    if (value->kind == DTP_JSON_TEXT)
        dtp_write_text(w, key, value->text);
    else
        write_word(w, key, value->text ? value->text : words[value->kind]);
}

/* As the values lie in memory; `ends` holds where each bracket that is open closes. */
void dtp_write_value(dtp_json_writer *writer, const char *key, const dtp_json_value *value)
{
    const dtp_json_value *ends[DTP_JSON_MAX_DEPTH];
    bool objects[DTP_JSON_MAX_DEPTH];
    int open = 0;
    if (!value) {
        dtp_write_null(writer, key);
        return;
    }
    for (const dtp_json_value *at = value, *end = value + value->span; at < end; at++) {
        const char *name = at == value ? key : at->key;
        if (at->kind == DTP_JSON_OBJECT || at->kind == DTP_JSON_ARRAY) {
            objects[open] = at->kind == DTP_JSON_OBJECT;
            open_bracket(writer, name, objects[open] ? "{" : "[");
            ends[open++] = at + at->span;
        } else {
            write_leaf(writer, at, name);
        }
        while (open > 0 && ends[open - 1] == at + 1)
            close_bracket(writer, objects[--open] ? "}" : "]");
    }
}

void dtp_write_members(dtp_json_writer *writer, const dtp_json_value *object)
{
    DTP_JSON_EACH(member, object)
        dtp_write_value(writer, member->key, member);
}

char *dtp_write_finish(dtp_json_writer *writer)
{
    if (!writer->no_memory)
        return writer->text;
    free(writer->text);
    return NULL;
}
