/* Text for people on the standard output: labelled lines, long ones wrapped. */
#ifndef DEEPTEPP_CLI_TEXT_H
#define DEEPTEPP_CLI_TEXT_H

#include "cli.h"

/* "label      text", wrapped at 100 columns and indented under its first word. label "": a further line. */
__attribute__((format(printf, 2, 3))) void cli_text_line(const char *label, const char *format, ...);

/* One paragraph, the same way. The line breaks and tabs of a model's text count as spaces. */
void cli_text_paragraph(const char *label, const char *text);

/* "name: text" as one paragraph. */
void cli_text_named(const char *label, const char *name, const char *text);

/* Two words on one line, however long: to be copied, so never broken. */
void cli_text_whole(const char *label, const char *first, const char *second);

#endif
