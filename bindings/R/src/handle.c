/* External pointers: their tag says whose they are and of which kind, their protected value keeps an array alive. */
#include "deeptepp_r.h"

static const char *const TAGS[DTR_KINDS] = {"deeptepp::model", "deeptepp::session", "deeptepp::volume",
                                            "deeptepp::case", "deeptepp::result"};
static const char *const NAMES[DTR_KINDS] = {"model", "session", "volume", "case", "result"};

static dtr_kind kind_of(SEXP handle)
{
    dtr_kind kind = 0;
    if (TYPEOF(handle) != EXTPTRSXP)
        return DTR_KINDS;
    while (kind < DTR_KINDS && R_ExternalPtrTag(handle) != Rf_install(TAGS[kind]))
        kind++;
    return kind;
}

static void free_handle(dtr_kind kind, void *handle)
{
    switch (kind) {
    case DTR_MODEL: deeptepp_model_free(handle); break;
    case DTR_SESSION: deeptepp_session_free(handle); break;
    case DTR_VOLUME: deeptepp_volume_free(handle); break;
    case DTR_CASE: deeptepp_case_free(handle); break;
    case DTR_RESULT: deeptepp_result_free(handle); break;
    default: break;
    }
}

void dtr_handle_close(SEXP handle)
{
    void *held = R_ExternalPtrAddr(handle);
    R_ClearExternalPtr(handle);
    free_handle(kind_of(handle), held);
    R_SetExternalPtrProtected(handle, R_NilValue);
}

SEXP dtr_handle_new(dtr_kind kind, SEXP kept)
{
    SEXP handle = PROTECT(R_MakeExternalPtr(NULL, Rf_install(TAGS[kind]), kept));
    R_RegisterCFinalizerEx(handle, dtr_handle_close, FALSE);
    UNPROTECT(1);
    return handle;
}

void *dtr_handle_get(SEXP handle, dtr_kind kind)
{
    if (kind_of(handle) != kind)
        Rf_error("wanted a %s of this package", NAMES[kind]);
    void *held = R_ExternalPtrAddr(handle);
    if (!held)
        Rf_error("the %s is closed, or was restored from a file", NAMES[kind]);
    return held;
}

/* 0: open; 1: closed, or restored from a file; 2: not one of that kind. */
SEXP dtr_handle_state(SEXP handle, SEXP kind)
{
    if (TYPEOF(kind) != INTSXP || XLENGTH(kind) != 1 || kind_of(handle) != (dtr_kind)INTEGER_RO(kind)[0])
        return Rf_ScalarInteger(2);
    return Rf_ScalarInteger(R_ExternalPtrAddr(handle) ? 0 : 1);
}

SEXP dtr_close(SEXP handle)
{
    if (kind_of(handle) != DTR_KINDS)
        dtr_handle_close(handle);
    return R_NilValue;
}
