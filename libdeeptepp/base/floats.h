/* Arithmetic on the host's own thread: its rounding mode, flushing and traps must not reach a result. */
#ifndef DTP_FLOATS_H
#define DTP_FLOATS_H

#include <fenv.h>

/* The default environment until dtp_floats_leave, which gives the host's back, flags included. */
static inline void dtp_floats_enter(fenv_t *host)
{
    fegetenv(host);
    fesetenv(FE_DFL_ENV);
}

static inline void dtp_floats_leave(const fenv_t *host)
{
    fesetenv(host);
}

#endif
