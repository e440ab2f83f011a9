/* Calls into the library: progress and interrupts on the way, failures as R lists. */
#include "deeptepp_r.h"

/* R runs on one thread, and so do the library's callbacks: the innermost call is theirs. */
static dtr_call *current;

void dtr_call_begin(dtr_call *call, SEXP progress, SEXP token)
{
    call->outer = current;
    call->progress = progress;
    call->token = token;
    call->error = R_NilValue;
    call->jumped = call->interrupted = 0;
    current = call;
}

void dtr_call_end(dtr_call *call)
{
    current = call->outer;
}

void dtr_call_finish(dtr_call *call)
{
    if (call->jumped)
        R_ContinueUnwind(call->token);
    if (call->error == R_NilValue)
        return;
    SEXP expression = PROTECT(Rf_lang2(Rf_install("stop"), call->error));
    R_ReleaseObject(call->error);
    Rf_eval(expression, R_BaseEnv);
    UNPROTECT(1);
}

SEXP dtr_call_made(dtr_call *call, SEXP handle, void *made, deeptepp_status status, const deeptepp_error *error)
{
    R_SetExternalPtrAddr(handle, made);
    dtr_call_finish(call);
    return status ? dtr_failure(status, error) : handle;
}

static SEXP tell(void *data)
{
    dtr_call *call = data;
    SEXP fraction = PROTECT(Rf_ScalarReal(call->fraction));
    SEXP expression = PROTECT(Rf_lang2(call->progress, fraction));
    Rf_eval(expression, R_GlobalEnv);
    UNPROTECT(2);
    return R_NilValue;
}

static void leave(void *data, Rboolean jump)
{
    if (jump)
        longjmp(((dtr_call *)data)->jump, 1);
}

/* An error, or any other jump, of the caller's function may not pass through the library: the next on_cancel ends the
 * call, and dtr_call_finish lets the jump go on. */
static void on_progress(void *user, double fraction)
{
    (void)user;
    dtr_call *call = current;
    if (!call || call->jumped || call->interrupted || call->error != R_NilValue || call->progress == R_NilValue)
        return;
    call->fraction = fraction;
    if (setjmp(call->jump)) {
        current = call;
        call->jumped = 1;
        return;
    }
    R_UnwindProtect(tell, call, leave, call, call->token);
}

static SEXP check_interrupt(void *data)
{
    (void)data;
    R_CheckUserInterrupt();
    return R_NilValue;
}

static SEXP keep_error(SEXP error, void *data)
{
    R_PreserveObject(error);
    ((dtr_call *)data)->error = error;
    return R_NilValue;
}

/* An interrupt leaves by a jump to the top level; an error is setTimeLimit's. */
static void check_user(void *data)
{
    R_tryCatchError(check_interrupt, NULL, keep_error, data);
}

static int on_cancel(void *user)
{
    (void)user;
    dtr_call *call = current;
    if (!call)
        return 0;
    if (!call->jumped && !call->interrupted && call->error == R_NilValue)
        call->interrupted = !R_ToplevelExec(check_user, call);
    return call->jumped || call->interrupted || call->error != R_NilValue;
}

const deeptepp_callbacks dtr_callbacks = {
    .struct_size = sizeof(deeptepp_callbacks), .progress = on_progress, .cancel = on_cancel};

SEXP dtr_failure(deeptepp_status status, const deeptepp_error *error)
{
    const char *names[] = {"status", "name", "message", "volumes", ""};
    SEXP failure = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(failure, 0, Rf_ScalarInteger((int)status));
    SET_VECTOR_ELT(failure, 1, dtr_string(deeptepp_status_name(status)));
    SET_VECTOR_ELT(failure, 2, dtr_string(error->message));
    SEXP volumes = Rf_allocVector(INTSXP, 2);
    SET_VECTOR_ELT(failure, 3, volumes);
    for (int i = 0; i < 2; i++)
        INTEGER(volumes)[i] = error->volumes[i];
    SEXP class = PROTECT(Rf_mkString("tepp_failure"));
    Rf_setAttrib(failure, R_ClassSymbol, class);
    UNPROTECT(2);
    return failure;
}
