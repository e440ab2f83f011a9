/* The one place through which the program's words go to the standard streams. Names and texts come from files, and
 * must not steer a terminal or look like a line of the program's own. */
#ifndef DEEPTEPP_CLI_PRINT_H
#define DEEPTEPP_CLI_PRINT_H

#include <stdarg.h>
#include <stdio.h>

#include "cli.h"

/* Control characters (C0, DEL, C1), those that turn the direction of writing or end a line (U+2028, U+2029), and bytes
 * that are no UTF-8 become '?', each. In place. */
void cli_print_clean(char *text);

/* One line: the text, cleaned, and a newline. */
__attribute__((format(printf, 2, 3))) void cli_print_line(FILE *stream, const char *format, ...);
__attribute__((format(printf, 3, 0))) void cli_print_list(FILE *stream, const char *before, const char *format,
                                                          va_list arguments);

/* The program's own text, of any number of lines. */
void cli_print_lines(FILE *stream, const char *text);

/* A JSON text on the standard output, and a newline: the same value, with escapes for what would be cleaned. */
void cli_print_json(const char *json);

#endif
