/* Opening a volume as a user names it on the command line. */
#ifndef DEEPTEPP_CLI_VOLUME_H
#define DEEPTEPP_CLI_VOLUME_H

#include "args.h"

typedef struct cli_volume_options {
    const char *orientation; /* for a file that states none, or NULL; a file that does state its own gets a note */
    bool any_size;           /* also files larger than the library's bounds */
} cli_volume_options;

/* `text` is a path, or a path and #N for volume N, from 1, of a 4-D file (unless a file of just that name exists).
 * Returns an exit code, having said what is wrong. */
int cli_volume_open(deeptepp_volume **out, const char *text, const cli_volume_options *options);

/* The same in two steps, of which the first prints nothing and may be on any thread. */
typedef struct cli_volume_attempt {
    const char *text;
    const cli_volume_options *options;
    deeptepp_volume *volume; /* to be finished, or freed */
    deeptepp_status status;
    deeptepp_error error;
} cli_volume_attempt;

void cli_volume_try(cli_volume_attempt *attempt, const deeptepp_callbacks *callbacks);
int cli_volume_finish(deeptepp_volume **out, cli_volume_attempt *attempt);

/* Whether it can but end in a message. */
bool cli_volume_failed(const cli_volume_attempt *attempt);

/* For the middle of the table of every command that opens volumes. */
#define CLI_VOLUME_OPTIONS(o)                                                                                          \
    {"orientation", "RAS", "where the axes run to, for files that do not state it", cli_take_orientation,              \
     &(o).orientation, .required = false},                                                                             \
        {"any-size", NULL, "also files larger than scanners make: of more than 2048 voxels\nalong an axis, or 2 GiB",  \
         cli_take_switch, &(o).any_size, .required = false}

/* The path in such a text, to be freed. NULL: no memory. */
char *cli_volume_path(const char *text);

#endif
