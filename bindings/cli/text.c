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

void cli_text_named(const char *label, const char *name, const char *text)
{
    const size_t room = strlen(name) + strlen(text) + sizeof ": ";
    char *joined = malloc(room);
    if (joined)
        snprintf(joined, room, "%s: %s", name, text);
    cli_text_paragraph(label, joined ? joined : text);
    free(joined);
}

void cli_text_whole(const char *label, const char *first, const char *second)
{
    cli_print_line(stdout, "%-*s%s  %s", LABEL, label, first, second);
}
