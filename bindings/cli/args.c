#include "args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "print.h"
#include "report.h"

enum { MOST_OPTIONS = 24, HELP = 'h' };

static int print_help(const cli_usage *usage, const cli_option *options, size_t count)
{
    cli_print_line(stdout, "Usage: deeptepp %s %s", usage->command, usage->synopsis);
    cli_print_lines(stdout, "\n");
    cli_print_lines(stdout, usage->text);
    cli_print_lines(stdout, "\nOptions:\n");
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        const char *line = options[i].help;
        for (bool first = true; line; first = false) {
            size_t length = strcspn(line, "\n");
            cli_print_line(stdout, "  %-26s %.*s", first ? left : "", (int)length, line);
            line = line[length] ? line + length + 1 : NULL;
        }
    }
    cli_print_line(stdout, "  %-26s %s", "--help", "this text");
    if (usage->examples) {
        cli_print_lines(stdout, "\nExamples:\n");
        cli_print_lines(stdout, usage->examples);
    }
    return CLI_OK;
}

static int refuse(const cli_usage *usage, const char *what, const char *name, const char *why)
{
    return cli_fail(CLI_USAGE, "%s: %s'%s' %s (`deeptepp %s --help` lists the options)", usage->command, what, name,
                    why, usage->command);
}

static int check_required(const cli_usage *usage, const cli_option *options, size_t count, const int *seen)
{
    for (size_t i = 0; i < count; i++)
        if (options[i].required && !seen[i])
            return refuse(usage, "option ", options[i].name, "is missing");
    return CLI_OK;
}

static int take_one(const cli_usage *usage, const cli_option *option, int *seen)
{
    if ((*seen)++ && option->take != cli_take_list)
        return refuse(usage, "option ", option->name, "is given twice");
    return option->take(option, optarg ? optarg : "");
}

static void fill_table(struct option *table, const cli_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        table[i] = (struct option){options[i].name, options[i].value ? required_argument : no_argument, NULL, (int)i};
    table[count] = (struct option){"help", no_argument, NULL, HELP};
    table[count + 1] = (struct option){NULL, 0, NULL, 0};
}

static int read_all(const cli_usage *usage, const cli_option *options, size_t count, int argc, char **argv, bool *help)
{
    struct option table[MOST_OPTIONS + 2];
    int seen[MOST_OPTIONS] = {0}, code = CLI_OK;
    fill_table(table, options, count);
    opterr = 0;
    optind = 1;
    for (int found; !code && (found = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
        if (found == ':')
            code = refuse(usage, "", argv[optind - 1], "needs a value");
        else if (found == '?')
            code = refuse(usage, "", argv[optind - 1], "is not understood");
        else if (found == HELP)
            return (void)(*help = true), CLI_OK;
        else
            code = take_one(usage, &options[found], &seen[found]);
    }
    if (!code && optind < argc)
        code = refuse(usage, "", argv[optind], "is one word too many");
    return code ? code : check_required(usage, options, count, seen);
}

int cli_args_parse(const cli_usage *usage, const cli_option *options, size_t count, int argc, char **argv, bool *done)
{
    bool help = false;
    if (count > MOST_OPTIONS)
        return (void)(*done = true), cli_fail(CLI_INTERNAL, "%s: too many options in the table", usage->command);
    int code = read_all(usage, options, count, argc, argv, &help);
    *done = help || code;
    return help ? print_help(usage, options, count) : code;
}

static int bad_value(const cli_option *option, const char *text, const char *wanted)
{
    return cli_fail(CLI_USAGE, "--%s: found '%s', wanted %s", option->name, text, wanted);
}

static int out_of_range(const cli_option *option, const char *text)
{
    return cli_fail(CLI_USAGE, "--%s: found '%s', wanted %.16g to %.16g", option->name, text, option->low,
                    option->high);
}

int cli_take_switch(const cli_option *option, const char *text)
{
    (void)text;
    *(bool *)option->target = true;
    return CLI_OK;
}

int cli_take_text(const cli_option *option, const char *text)
{
    if (!*text)
        return bad_value(option, text, option->value);
    *(const char **)option->target = text;
    return CLI_OK;
}

int cli_take_list(const cli_option *option, const char *text)
{
    cli_list *list = option->target;
    if (!*text)
        return bad_value(option, text, option->value);
    const char **grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (!grown)
        return cli_fail_memory("the options");
    list->items = grown;
    list->items[list->count++] = text;
    return CLI_OK;
}

int cli_take_number(const cli_option *option, const char *text)
{
    double value = 0;
    if (!cli_number_parse(text, &value))
        return bad_value(option, text, "a decimal number");
    if (!(value >= option->low && value <= option->high))
        return out_of_range(option, text);
    *(double *)option->target = value;
    return CLI_OK;
}

int cli_take_integer(const cli_option *option, const char *text)
{
    int64_t value = 0;
    const char *at = text;
    if (!cli_number_read_whole(&at, &value) || *at)
        return bad_value(option, text, "a whole number");
    if (value < (int64_t)option->low || value > (int64_t)option->high)
        return out_of_range(option, text);
    *(int64_t *)option->target = value;
    return CLI_OK;
}

int cli_take_seed(const cli_option *option, const char *text)
{
    const char *at = text;
    if (!cli_number_read_natural(&at, option->target) || *at)
        return bad_value(option, text, "a whole number from 0 to 18446744073709551615");
    return CLI_OK;
}

int cli_take_triple(const cli_option *option, const char *text)
{
    double values[3];
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        if (!cli_number_read(&at, &values[i]) || *at != (i < 2 ? ',' : '\0'))
            return bad_value(option, text, "three decimal numbers with commas between them");
        if (!(values[i] >= option->low && values[i] <= option->high))
            return out_of_range(option, text);
        at++;
    }
    memcpy(option->target, values, sizeof values);
    return CLI_OK;
}

int cli_take_bytes(const cli_option *option, const char *text)
{
    static const char units[] = "KMGTkmgt";
    uint64_t value = 0;
    const char *at = text;
    const bool fine = cli_number_read_natural(&at, &value) && value > 0;
    const char *unit = *at ? strchr(units, *at) : NULL;
    const unsigned shift = unit ? 10 * (unsigned)((unit - units) % 4 + 1) : 0;
    if (!fine || at[unit != NULL] || (value << shift) >> shift != value)
        return bad_value(option, text, "a number of bytes above 0, e.g. 4G");
    *(uint64_t *)option->target = value << shift;
    return CLI_OK;
}

int cli_take_orientation(const cli_option *option, const char *text)
{
    static const char ends[] = "RLAPSI";
    bool fine = strlen(text) == 3, seen[3] = {false};
    for (int i = 0; fine && i < 3; i++) {
        const char *end = strchr(ends, text[i]);
        fine = end && !seen[(end - ends) / 2];
        if (fine)
            seen[(end - ends) / 2] = true;
    }
    if (!fine)
        return bad_value(option, text, "three letters, one each of R or L, A or P, S or I, e.g. RAS");
    *(const char **)option->target = text;
    return CLI_OK;
}

/* The index of the name that it is. */
static int take_name(const cli_option *option, const char *text, const char *const *names, size_t count,
                     const char *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) {
            *(int32_t *)option->target = (int32_t)i;
            return CLI_OK;
        }
    return bad_value(option, text, wanted);
}

int cli_take_grid(const cli_option *option, const char *text)
{
    static const char *const names[] = {[DEEPTEPP_MASK_GRID_SAME] = "same", [DEEPTEPP_MASK_GRID_IMAGE] = "image",
                                        [DEEPTEPP_MASK_GRID_NEAREST] = "nearest"};
    return take_name(option, text, names, CLI_COUNT(names), "same, image or nearest");
}

int cli_take_precision(const cli_option *option, const char *text)
{
    static const char *const names[] = {[DEEPTEPP_PRECISION_F32] = "f32", [DEEPTEPP_PRECISION_BF16] = "bf16"};
    return take_name(option, text, names, CLI_COUNT(names), "f32 or bf16");
}
