/* The threads that share a piece of work. Lane 0 is the thread that hands the work out; the others are helpers, which
 * sleep in between. Work is taken as it comes: a thread that the system puts off delays nobody but by the piece it
 * holds. A team serves one thread and one piece of work at a time; what is handed out from inside it is done by that
 * lane alone (dtp_team_alone). */
#ifndef DTP_TEAM_H
#define DTP_TEAM_H

#include <pthread.h>

#include "base.h"

enum { DTP_MAX_THREADS = 256 };

typedef struct dtp_team dtp_team;

/* Items first .. last - 1 of the work; lane: whose scratch memory they may use. */
typedef void (*dtp_team_function)(void *argument, int lane, int64_t first, int64_t last);

/* A team of `lanes` threads, 1 to DTP_MAX_THREADS: one is the caller, the others start now. In them the host's signals
 * are blocked, the floating-point environment is the default, and the backend starts no threads of its own. Errors:
 * THREAD, MEMORY. */
deeptepp_status dtp_team_new(dtp_team **out, int lanes, deeptepp_error *error);

/* What to say where the system does not start threads. */
deeptepp_status dtp_team_refused(int lanes, deeptepp_error *error);

/* Ends the helpers. Accepts NULL. */
void dtp_team_free(dtp_team *team);

/* The same in a child of fork(), where there are no helpers to end. */
void dtp_team_forget(dtp_team *team);

int dtp_team_lanes(const dtp_team *team);

/* That lane alone, as a team of one. It lives as long as the team. NULL for NULL. */
dtp_team *dtp_team_alone(dtp_team *team, int lane);

/* Hands out `count` items, up to `grain` at once, and waits until all are done. team NULL: the calling thread alone, as
 * lane 0. */
void dtp_team_for(dtp_team *team, int64_t count, int64_t grain, dtp_team_function function, void *argument);

/* Called between steps of an item that takes more than a few milliseconds; each item begins with it. A lane that has
 * come to work on the processor of an earlier one moves to another, if it may run on one that no lane works on. Never
 * where a filter watches system calls. Accepts NULL. */
void dtp_team_spread(dtp_team *team, int lane);

/* pthread_create with the host's signals blocked: they are for the host's threads. */
int dtp_thread_start(pthread_t *thread, void *(*function)(void *), void *argument);

#endif
