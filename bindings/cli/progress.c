#include "progress.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "print.h"
#include "report.h"

enum { BAR = 32 };

static atomic_int noted; /* lock-free, as a handler needs it */
static int shown; /* columns the bar takes now; 0: there is none */

static void note_signal(int signal_number)
{
    noted = signal_number;
}

/* SA_RESETHAND lets an impatient second Ctrl-C end the program, whatever it is waiting for. */
void cli_interrupt_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note_signal;
    action.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int cli_interrupted(void)
{
    return noted;
}

int cli_check_interrupt(void)
{
    return noted ? cli_fail(128 + noted, "interrupted") : 0;
}

bool cli_thread_start(pthread_t *thread, void *(*function)(void *), void *argument)
{
    sigset_t interrupts, before;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &interrupts, &before);
    const bool started = pthread_create(thread, NULL, function, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void cli_progress_clear(void)
{
    if (shown)
        fprintf(stderr, "\r%*s\r", shown, "");
    shown = 0;
    fflush(stderr);
}

void cli_progress_show(const char *what, double fraction)
{
    if (!isatty(STDERR_FILENO))
        return;
    double clipped = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    int full = (int)(clipped * (double)BAR);
    char bar[BAR + 1];
    memset(bar, '#', (size_t)full);
    memset(bar + full, '.', (size_t)(BAR - full));
    bar[BAR] = '\0';
    int columns = fprintf(stderr, "\r%-16s [%s] %3d %%", what, bar, (int)(100 * clipped)) - 1;
    shown = columns > shown ? columns : shown;
    fflush(stderr);
}

static void show(void *user, double fraction)
{
    cli_progress_show(user, fraction);
}

static int cancelled(void *user)
{
    (void)user;
    return noted != 0;
}

static const char *word_of(deeptepp_log_level level)
{
    return level == DEEPTEPP_LOG_ERROR ? "error" : level == DEEPTEPP_LOG_WARNING ? "warning" : "note";
}

static void log_line(void *user, deeptepp_log_level level, const char *line)
{
    (void)user;
    cli_progress_clear();
    cli_print_line(stderr, "deeptepp: %s: %s", word_of(level), line);
}

deeptepp_callbacks cli_progress_callbacks(const char *what, bool verbose)
{
    deeptepp_callbacks callbacks;
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.struct_size = sizeof callbacks;
    callbacks.progress = show;
    callbacks.cancel = cancelled;
    callbacks.log = verbose ? log_line : NULL;
    callbacks.user = (void *)(uintptr_t)what; /* the library hands it back, nobody writes through it */
    return callbacks;
}
