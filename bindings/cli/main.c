#include <signal.h>
#include <string.h>

#include "cli.h"
#include "output.h"
#include "print.h"
#include "progress.h"
#include "report.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} command;

static const command commands[] = {
    {"score", cli_score, "a case's score and tier, with all that a reader should know of them"},
    {"preprocess", cli_preprocess, "the network's input for a case, as a NumPy file"},
    {"info", cli_info, "what a model is, where it comes from and what it wants"},
    {"selftest", cli_selftest, "does this machine give the score the model file says it must?"},
    {"picture", cli_picture, "an image with its tumour mask, to look at, as a PNG"},
    {"phantom", cli_phantom, "a generated breast MR with a tumour, and its mask"},
};

static const char help_top[] =
    "Usage: deeptepp COMMAND [options]\n"
    "       deeptepp COMMAND --help\n\n"
    "A risk score and a tier from a breast MR and its tumour mask. RESEARCH USE ONLY: not a medical device.\n\n"
    "Commands:\n";
static const char help_bottom[] =
    "\nOptions:\n"
    "  --help       this text\n"
    "  --version    the version of program and library\n\n"
    "Only the answer goes to the standard output; messages, and on a terminal a progress bar, go to the\n"
    "standard error. Output files appear whole or not at all. Numbers have a point, whatever the locale.\n\n"
    "Exit codes:\n"
    "  0    done\n"
    "  1    the command line is wrong\n"
    "  2    bad input: an image, a mask, a model or a case that cannot be used; a failed self-test\n"
    "  3    a file cannot be read or written: it is missing, no permission, a full disk\n"
    "  4    no memory, no threads, or a fault of the program\n"
    "  130  interrupted by Ctrl-C (143: by SIGTERM)\n";

static int print_help(void)
{
    cli_print_lines(stdout, help_top);
    for (size_t i = 0; i < CLI_COUNT(commands); i++)
        cli_print_line(stdout, "  %-12s %s", commands[i].name, commands[i].summary);
    cli_print_lines(stdout, help_bottom);
    return CLI_OK;
}

static int print_version(void)
{
    cli_print_line(stdout, "deeptepp %d.%d.%d (library %s)", DEEPTEPP_VERSION_MAJOR, DEEPTEPP_VERSION_MINOR,
                   DEEPTEPP_VERSION_PATCH, deeptepp_version());
    return CLI_OK;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2)
        return cli_fail(CLI_USAGE, "no command given (`deeptepp --help` lists them)");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    for (size_t i = 0; i < CLI_COUNT(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return cli_fail(CLI_USAGE, "'%s' is not a command (`deeptepp --help` lists them)", argv[1]);
}

/* A reader that went away, and a file-size limit, are noticed when writing fails, so that nothing is left half-written.
 */
int main(int argc, char **argv)
{
    cli_stdio_secure();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    cli_interrupt_install();
    const int code = dispatch(argc, argv);
    cli_progress_clear();
    const int written = cli_stdout_finish();
    return code ? code : written;
}
