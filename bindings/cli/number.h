/* Numbers as a command line says them: decimal, with a point, whatever the locale. */
#ifndef DEEPTEPP_CLI_NUMBER_H
#define DEEPTEPP_CLI_NUMBER_H

#include "cli.h"

/* Each reads a number from where *text begins and sets *text behind it; false where there is none. No blanks, no
 * hexadecimal, no names (inf, nan), no separators. */

/* A sign or none, digits with a point or without, an exponent or none, and a value within what a double holds. */
bool cli_number_read(const char **text, double *value);

/* A sign or none and digits, within int64_t. */
bool cli_number_read_whole(const char **text, int64_t *value);

/* Digits, within uint64_t. */
bool cli_number_read_natural(const char **text, uint64_t *value);

/* The whole of `text` as such a number. */
bool cli_number_parse(const char *text, double *value);

#endif
