/* Text for people on the standard output: labelled lines, long ones wrapped. */
#ifndef DEEPTEPP_CLI_TEXT_H
#define DEEPTEPP_CLI_TEXT_H

#include <jansson.h>

#include "cli.h"

/* "label      text", wrapped at 100 columns and indented under its first word. label "": a further line. */
__attribute__((format(printf, 2, 3))) void cli_text_line(const char *label, const char *format, ...);

/* One paragraph, the same way. The line breaks and tabs of a model's text count as spaces. */
void cli_text_paragraph(const char *label, const char *text);

/* Two words on one line, however long: to be copied, so never broken. */
void cli_text_whole(const char *label, const char *first, const char *second);

/* Members of a JSON object; "" or 0 where there is none. */
const char *cli_json_text(const json_t *object, const char *key);
double cli_json_number(const json_t *object, const char *key);

/* The elements of an array of numbers or texts (or the one number or text), with commas, into `out`. Returns `out`. */
const char *cli_json_list(const json_t *value, char *out, size_t size);

#endif
