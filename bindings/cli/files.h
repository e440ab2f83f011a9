/* The files that a command line names for output: where they lie, and checks before any work is done. */
#ifndef DEEPTEPP_CLI_FILES_H
#define DEEPTEPP_CLI_FILES_H

#include "cli.h"

/* A path and the option (without "--") that named it. */
typedef struct cli_path {
    const char *option, *path;
} cli_path;

/* The program's own descriptor that the path names (1: /dev/stdout), or -1. */
int cli_file_descriptor(const char *path);

/* Whether the path is written in place: a descriptor, a device or a pipe. */
bool cli_file_in_place(const char *path);

/* The file that the path leads to, through links, whether it exists or not; to be freed. NULL: errno says why. */
char *cli_file_target(const char *path);

/* Whether the path ends so, in letters of either case. */
bool cli_file_has_ending(const char *path, const char *ending);

/* Every output has a name with one of the endings (up to a NULL) or is written in place, is no other output and no
 * input (#N at the end of an input's path is no part of it), and lies in a folder that can be written. Returns an exit
 * code, having said what is wrong. */
int cli_outputs_check(const cli_path *outputs, size_t count, const char *const *endings, const cli_path *inputs,
                      size_t input_count);

#endif
