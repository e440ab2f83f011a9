/* Opening a volume as a user names it on the command line. */
#ifndef DEEPTEPP_CLI_VOLUME_H
#define DEEPTEPP_CLI_VOLUME_H

#include "cli.h"

/* `text` is a path, or a path and #N for volume N, from 1, of a 4-D file (unless a file of just that name exists).
 * orientation: for a file that states none, or NULL; a file that does state its own gets a note. Returns an exit code,
 * having said what is wrong. */
int cli_volume_open(deeptepp_volume **out, const char *text, const char *orientation);

/* The path in such a text, to be freed. NULL: no memory. */
char *cli_volume_path(const char *text);

#endif
