/* Output files that appear whole or not at all, and a standard output that is known to have been written. */
#ifndef DEEPTEPP_CLI_OUTPUT_H
#define DEEPTEPP_CLI_OUTPUT_H

#include <stdio.h>

#include "cli.h"

/* All zero: nothing open. */
typedef struct cli_output {
    FILE *file;
    char *path;      /* as the user gave it */
    char *temporary; /* renamed to `target` at the end; NULL: `path` is a device or pipe and is written in place */
    char *target;    /* the file `path` leads to */
} cli_output;

/* Opens a temporary file beside `path`. Returns an exit code. */
int cli_output_open(cli_output *output, const char *path);

/* Closes it and gives it its name. Returns an exit code; either way `output` is empty afterwards. */
int cli_output_commit(cli_output *output);

/* Closes and removes it; does nothing after a commit. */
void cli_output_abandon(cli_output *output);

/* Makes sure that descriptors 0 to 2 are taken, so that no output file gets the number of a closed one. */
void cli_stdio_secure(void);

/* Writes out what is left of the standard output; CLI_FILE when any of it was lost. */
int cli_stdout_finish(void);

#endif
