/* The command line program, over the public header alone. One function a subcommand; each returns the exit code. */
#ifndef DEEPTEPP_CLI_H
#define DEEPTEPP_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <deeptepp/deeptepp.h>

#define CLI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The exit codes, as --help states them. An interruption is 128 plus the signal's number. */
enum { CLI_OK = 0, CLI_USAGE = 1, CLI_INPUT = 2, CLI_FILE = 3, CLI_INTERNAL = 4 };

int cli_score(int argc, char **argv);
int cli_preprocess(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_selftest(int argc, char **argv);
int cli_picture(int argc, char **argv);
int cli_phantom(int argc, char **argv);

#endif
