/* A call of the host's into the library, on its thread: the default floating-point environment whatever the host's is,
 * no cancellation of the thread, which would leave locks and handles held, and callbacks in the host's environment. */
#ifndef DTP_CALL_H
#define DTP_CALL_H

#include <fenv.h>

#include "watch.h"

typedef struct dtp_call {
    dtp_watch watch; /* to be told and asked inside: its callbacks pass on to the host's */
    deeptepp_callbacks host;
    fenv_t floats; /* the host's */
    int cancelling;
} dtp_call;

/* callbacks: the host's, copied; NULL: none. The call stays where it is until it ends. */
void dtp_call_begin(dtp_call *call, const deeptepp_callbacks *callbacks);
void dtp_call_end(dtp_call *call);

#endif
