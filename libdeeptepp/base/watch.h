/* One call's progress, which only rises, its cancelling and the threads for it: the one thing that whatever takes long
 * is handed down. On the caller's thread it has the caller's callbacks; a compute thread's has none, but a team, and
 * the caller who waits for it looks at the progress and sets the cancelling (worker.c). NULL is a watch that nobody
 * looks at and nobody cancels, of the calling thread alone. */
#ifndef DTP_WATCH_H
#define DTP_WATCH_H

#include <stdatomic.h>

#include "team.h"

typedef struct dtp_watch {
    deeptepp_callbacks callbacks; /* none, or the caller's: for the thread that the call was made on */
    atomic_bool cancelled;        /* for good: a callback that said so is not asked again */
    atomic_int permille;          /* of the call: how much is done, and has been told */
    int from, to;                 /* of the call: what the part in hand begins and ends with */
    dtp_team *team;               /* NULL: the thread that the call was made on, alone */
} dtp_watch;

/* A finished line for the caller's log, if there is one. */
static inline void dtp_log(const deeptepp_callbacks *callbacks, deeptepp_log_level level, const char *line)
{
    if (callbacks && callbacks->log)
        callbacks->log(callbacks->user, level, line);
}

/* The beginning of a call, all of it in hand. callbacks: NULL for none. */
static inline void dtp_watch_start(dtp_watch *watch, const deeptepp_callbacks *callbacks)
{
    watch->callbacks = callbacks ? *callbacks : (deeptepp_callbacks){0};
    atomic_store(&watch->cancelled, false);
    atomic_store(&watch->permille, 0);
    watch->from = 0;
    watch->to = 1000;
    watch->team = NULL;
}

static inline dtp_team *dtp_watch_team(const dtp_watch *watch)
{
    return watch ? watch->team : NULL;
}

/* What comes next is the part of the call from `from` to `to` thousandths. */
static inline void dtp_watch_part(dtp_watch *watch, int from, int to)
{
    if (!watch)
        return;
    watch->from = from;
    watch->to = to;
}

/* Any thread, as often as it likes. */
static inline bool dtp_watch_cancelled(const dtp_watch *watch)
{
    return watch && atomic_load_explicit(&watch->cancelled, memory_order_relaxed);
}

/* Errors: CANCELLED. */
static inline deeptepp_status dtp_watch_ask(dtp_watch *watch, deeptepp_error *error)
{
    const deeptepp_callbacks *c = watch ? &watch->callbacks : NULL;
    if (c && c->cancel && !dtp_watch_cancelled(watch) && c->cancel(c->user))
        atomic_store(&watch->cancelled, true);
    if (!dtp_watch_cancelled(watch))
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_CANCELLED, "cancelled by the caller's callback");
}

/* `permille` of the part in hand is done: tells of it where that is more than before. */
static inline void dtp_watch_tell(dtp_watch *watch, int permille)
{
    int done = watch ? watch->from + (watch->to - watch->from) * permille / 1000 : 0;
    int told = watch ? atomic_load_explicit(&watch->permille, memory_order_relaxed) : 0;
    while (done > told && !atomic_compare_exchange_weak(&watch->permille, &told, done))
        ;
    if (done > told && watch->callbacks.progress)
        watch->callbacks.progress(watch->callbacks.user, done / 1000.0);
}

/* Tells, then asks; once cancelled it tells no more. Errors: CANCELLED. */
static inline deeptepp_status dtp_watch_step(dtp_watch *watch, int permille, deeptepp_error *error)
{
    if (!dtp_watch_cancelled(watch))
        dtp_watch_tell(watch, permille);
    return dtp_watch_ask(watch, error);
}

/* The part in hand is done. */
static inline void dtp_watch_finish(dtp_watch *watch)
{
    dtp_watch_tell(watch, 1000);
}

#endif
