/* The floating-point environment: a host's rounding mode, flushing and traps must not reach a result. */
#ifndef DTP_FLOATS_H
#define DTP_FLOATS_H

#include <fenv.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* Rounding to nearest, nothing flushed, nothing trapped. */
static inline void dtp_floats_default(void)
{
    fesetenv(FE_DFL_ENV);
#if defined(__SSE__)
    _mm_setcsr(_MM_MASK_MASK); /* the trap for denormal operands, which FE_DFL_ENV leaves as it is */
#endif
}

/* The default environment until dtp_floats_leave, which gives the host's back, flags included. */
static inline void dtp_floats_enter(fenv_t *host)
{
    fegetenv(host);
    dtp_floats_default();
}

static inline void dtp_floats_leave(const fenv_t *host)
{
    fesetenv(host);
}

#endif
