#include "call.h"

#include <pthread.h>

#include "floats.h"

static void pass_log(void *user, deeptepp_log_level level, const char *line)
{
    dtp_call *call = user;
    dtp_floats_leave(&call->floats);
    call->host.log(call->host.user, level, line);
    dtp_floats_enter(&call->floats);
}

static void pass_progress(void *user, double fraction)
{
    dtp_call *call = user;
    dtp_floats_leave(&call->floats);
    call->host.progress(call->host.user, fraction);
    dtp_floats_enter(&call->floats);
}

static int pass_cancel(void *user)
{
    dtp_call *call = user;
    dtp_floats_leave(&call->floats);
    int answer = call->host.cancel(call->host.user);
    dtp_floats_enter(&call->floats);
    return answer;
}

void dtp_call_begin(dtp_call *call, const deeptepp_callbacks *callbacks)
{
    call->host = callbacks ? *callbacks : (deeptepp_callbacks){0};
    const deeptepp_callbacks passing = {
        .struct_size = sizeof passing,
        .log = call->host.log ? pass_log : NULL,
        .progress = call->host.progress ? pass_progress : NULL,
        .cancel = call->host.cancel ? pass_cancel : NULL,
        .user = call,
    };
    dtp_watch_start(&call->watch, &passing);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancelling);
    dtp_floats_enter(&call->floats);
}

void dtp_call_end(dtp_call *call)
{
    dtp_floats_leave(&call->floats);
    pthread_setcancelstate(call->cancelling, NULL);
}
