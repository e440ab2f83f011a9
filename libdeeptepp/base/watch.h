/* A caller's callbacks during one call: progress that only rises, and cancelling. On the caller's thread. */
#ifndef DTP_WATCH_H
#define DTP_WATCH_H

#include "base.h"

typedef struct dtp_watch {
    deeptepp_callbacks callbacks;
    int told; /* thousandths that progress has been told of */
} dtp_watch;

/* A finished line for the caller's log, if there is one. */
static inline void dtp_log(const deeptepp_callbacks *callbacks, deeptepp_log_level level, const char *line)
{
    if (callbacks && callbacks->log)
        callbacks->log(callbacks->user, level, line);
}

/* Tells of progress where it has risen, and asks. Errors: CANCELLED. */
static inline deeptepp_status dtp_watch_step(dtp_watch *watch, int permille, deeptepp_error *error)
{
    const deeptepp_callbacks *c = &watch->callbacks;
    if (c->progress && permille > watch->told)
        c->progress(c->user, permille / 1000.0);
    watch->told = permille > watch->told ? permille : watch->told;
    if (c->cancel && c->cancel(c->user))
        return dtp_fail(error, DEEPTEPP_ERR_CANCELLED, "cancelled by the caller's callback");
    return DEEPTEPP_OK;
}

/* The end: all of it is done. */
static inline void dtp_watch_finish(dtp_watch *watch)
{
    if (watch->callbacks.progress && watch->told < 1000)
        watch->callbacks.progress(watch->callbacks.user, 1.0);
}

#endif
