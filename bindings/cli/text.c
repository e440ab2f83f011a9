#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"

enum { LABEL = 16, COLUMNS = 100 };

/* Bytes of the text that fit in a line; breaks at a space where there is one. */
static size_t fitting(const char *text)
{
    const size_t room = COLUMNS - LABEL, length = strlen(text);
    if (length <= room)
        return length;
    size_t end = room;
    while (end > 0 && text[end] != ' ')
        end--;
    return end ? end : strcspn(text, " ");
}

static void print_wrapped(const char *label, const char *text)
{
    const char *left = label;
    do {
        const size_t length = fitting(text);
        size_t shown = length;
        while (shown > 0 && text[shown - 1] == ' ')
            shown--;
        cli_print_line(stdout, "%-*s%.*s", LABEL, left, (int)shown, text);
        text += length + strspn(text + length, " ");
        left = "";
    } while (*text);
}

void cli_text_paragraph(const char *label, const char *text)
{
    char *flat = strdup(text);
    for (char *c = flat; c && *c; c++)
        if (*c == '\n' || *c == '\t' || *c == '\r')
            *c = ' ';
    print_wrapped(label, flat ? flat : text);
    free(flat);
}

void cli_text_line(const char *label, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_text_paragraph(label, text);
}

void cli_text_whole(const char *label, const char *first, const char *second)
{
    cli_print_line(stdout, "%-*s%s  %s", LABEL, label, first, second);
}

const char *cli_json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double cli_json_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static size_t append(const json_t *value, char *out, size_t size)
{
    int length = 0;
    if (json_is_string(value))
        length = snprintf(out, size, "%s", json_string_value(value));
    else if (json_is_number(value))
        length = snprintf(out, size, "%.6g", json_number_value(value));
    else
        length = snprintf(out, size, "%s", json_is_true(value) ? "yes" : "no");
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

const char *cli_json_list(const json_t *value, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    if (!json_is_array(value))
        return (void)append(value, out, size), out;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i && size - used > 2)
            used += (size_t)snprintf(out + used, size - used, ", ");
        used += append(json_array_get(value, i), out + used, size - used);
    }
    return out;
}
