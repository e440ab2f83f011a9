#include "print.h"

#include <stdlib.h>
#include <string.h>

typedef struct character {
    uint32_t code; /* UINT32_MAX: the byte is no UTF-8 */
    size_t length; /* bytes */
} character;

/* RFC 3629: neither overlong forms nor surrogates nor beyond U+10FFFF. */
static character read_character(const char *text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *c = (const unsigned char *)text;
    const size_t length = c[0] < 0x80 ? 1 : c[0] < 0xc0 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf8 ? 4 : 0;
    uint32_t code = length == 1 ? c[0] : length ? c[0] & (0x7fu >> length) : 0;
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return (character){UINT32_MAX, 1};
        code = code << 6 | (c[i] & 0x3fu);
    }
    if (!length || code < least[length] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
        return (character){UINT32_MAX, 1};
    return (character){code, length};
}

/* The last two rows: line and paragraph separators, and the Unicode property Bidi_Control. */
static bool is_plain(uint32_t code)
{
    return code != UINT32_MAX && code >= 0x20 && !(code >= 0x7f && code < 0xa0) &&
           !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069) &&
           code != 0x061c && code != 0x200e && code != 0x200f;
}

void cli_print_clean(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        const character found = read_character(from);
        const bool plain = is_plain(found.code);
        memmove(to, plain ? from : "?", plain ? found.length : 1);
        to += plain ? found.length : 1;
        from += found.length;
    }
    *to = '\0';
}

/* A text that finds no memory is cut: the program may be about to say that there is none. */
void cli_print_list(FILE *stream, const char *before, const char *format, va_list arguments)
{
    char small[4096], *text = small;
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(small, sizeof small, format, arguments);
    char *large = length >= (int)sizeof small ? malloc((size_t)length + 1) : NULL;
    if (large)
        vsnprintf(text = large, (size_t)length + 1, format, again);
    va_end(again);
    cli_print_clean(text);
    fprintf(stream, "%s%s\n", before, text);
    free(large);
}

void cli_print_line(FILE *stream, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    cli_print_list(stream, "", format, arguments);
    va_end(arguments);
}

void cli_print_lines(FILE *stream, const char *text)
{
    for (size_t length; *text; text += length + (text[length] != '\0')) {
        length = strcspn(text, "\n");
        cli_print_line(stream, "%.*s", (int)length, text);
    }
}

void cli_print_json(const char *json)
{
    for (const char *at = json; *at;) {
        const character found = read_character(at);
        if (is_plain(found.code) || found.code == '\n')
            fwrite(at, 1, found.length, stdout);
        else
            printf("\\u%04x", found.code == UINT32_MAX ? 0xfffdu : (unsigned)found.code);
        at += found.length;
    }
    putchar('\n');
}
