/* Reading a subcommand's options from a table that also makes its help text. */
#ifndef DEEPTEPP_CLI_ARGS_H
#define DEEPTEPP_CLI_ARGS_H

#include "cli.h"

#define CLI_MOST_LABEL 9007199254740992.0 /* 2^53: beyond it doubles skip whole numbers */

typedef struct cli_list {
    const char **items;
    size_t count;
} cli_list;

typedef struct cli_option cli_option;

/* Puts the option's text where it belongs; returns an exit code, having said what is wrong. */
typedef int cli_take(const cli_option *option, const char *text);

struct cli_option {
    const char *name;
    const char *value; /* how the help names its value; NULL: a switch */
    const char *help;  /* lines separated by \n */
    cli_take *take;
    void *target;
    double low, high; /* for numbers, inclusive */
    bool required;
};

typedef struct cli_usage {
    const char *command;
    const char *synopsis; /* after "deeptepp COMMAND " */
    const char *text;     /* paragraphs above the options; a final newline */
    const char *examples; /* below them; a final newline */
} cli_usage;

/* Every option once, except where take is cli_take_list; no other words. Sets *done when there is nothing left to do:
 * the help was asked for and printed, or something is wrong. Returns an exit code. */
int cli_args_parse(const cli_usage *usage, const cli_option *options, size_t count, int argc, char **argv, bool *done);

cli_take cli_take_switch;  /* bool */
cli_take cli_take_text;    /* const char * */
cli_take cli_take_list;    /* cli_list; repeatable; free(items) */
cli_take cli_take_integer; /* int64_t within low..high, which doubles hold exactly */
cli_take cli_take_seed;    /* uint64_t */
cli_take cli_take_number;  /* double within low..high */
cli_take cli_take_triple;  /* double[3] within low..high, written X,Y,Z */
cli_take cli_take_bytes;   /* uint64_t above 0: digits, then nothing or K, M, G, T (powers of 1024) */
cli_take cli_take_grid;    /* int32_t: a deeptepp_mask_grid by its name */
cli_take cli_take_precision; /* int32_t: a deeptepp_precision by its name */
cli_take cli_take_orientation; /* const char *: a letter each of RL, AP, SI */

#endif
