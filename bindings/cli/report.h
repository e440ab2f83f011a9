/* Telling the user what went wrong: one clean line on the standard error, and the exit code that goes with it. */
#ifndef DEEPTEPP_CLI_REPORT_H
#define DEEPTEPP_CLI_REPORT_H

#include "cli.h"

/* Prints "deeptepp: <text>" and returns `code`. */
__attribute__((format(printf, 2, 3))) int cli_fail(int code, const char *format, ...);

/* The same for a file that cannot be written; the reason is errno's. Returns CLI_FILE. */
int cli_fail_write(const char *path);

/* CLI_INTERNAL for an allocation of `what` that failed. */
int cli_fail_memory(const char *what);

/* What the library said, after the one or two files that it is about, and a hint on what to do next. NULL: no file, or
 * one that the message itself names, as those of opening do. Returns an exit code. */
int cli_fail_library(const char *first, const char *second, const deeptepp_error *error);

/* A remark that is no failure: "deeptepp: note: <text>". */
__attribute__((format(printf, 1, 2))) void cli_note(const char *format, ...);

#endif
