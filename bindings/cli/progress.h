/* Interruption, and the progress bar on a terminal. */
#ifndef DEEPTEPP_CLI_PROGRESS_H
#define DEEPTEPP_CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>

#include "cli.h"

/* From now on SIGINT and SIGTERM are noted instead of ending the program; a second one ends it at once. */
void cli_interrupt_install(void);

/* The signal that was noted, or 0. */
int cli_interrupted(void);

/* Prints "interrupted" and returns the exit code for it when a signal was noted, else 0. */
int cli_check_interrupt(void);

/* A thread that takes no interrupts: they are for the one that waits for input. False where there is none to be had. */
bool cli_thread_start(pthread_t *thread, void *(*function)(void *), void *argument);

/* Callbacks for the library: a bar labelled `what` where the standard error is a terminal, cancelling on a signal, and
 * the library's log lines on the standard error when `verbose`, after their level. `what` must outlive the
 * callbacks. */
deeptepp_callbacks cli_progress_callbacks(const char *what, bool verbose);

/* Shows, by a loop of the program's own, that `fraction` of `what` is done. */
void cli_progress_show(const char *what, double fraction);

/* Removes the bar, if there is one. */
void cli_progress_clear(void);

#endif
