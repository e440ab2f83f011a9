/* What the package's C files share.
 *
 * R leaves a function by longjmp, from any call that allocates. So no handle of the library's is ever held by a C
 * variable alone: its external pointer is made first, empty, and gets the handle at once. Whatever jumps later, the
 * finaliser frees it. */
#ifndef DEEPTEPP_R_H
#define DEEPTEPP_R_H

#include <setjmp.h>
#include <string.h>

#include <R.h>
#include <Rinternals.h>

#include <deeptepp/deeptepp.h>

/* ---- handle.c: external pointers ---- */

typedef enum dtr_kind { DTR_MODEL, DTR_SESSION, DTR_VOLUME, DTR_CASE, DTR_RESULT, DTR_KINDS } dtr_kind;

/* An empty one. kept: an R object that lives as long as it. */
SEXP dtr_handle_new(dtr_kind kind, SEXP kept);

/* Never NULL: an R error for anything but an open handle of that kind. */
void *dtr_handle_get(SEXP handle, dtr_kind kind);

/* Frees what it holds, if anything, and lets go of the R object. */
void dtr_handle_close(SEXP handle);

/* ---- call.c: calls into the library, and back into R ---- */

/* One call into the library. Between begin and end nothing of R may be called but from the callbacks, which hold back
 * every jump; finish lets it go on, once the handles are where they belong. */
typedef struct dtr_call {
    struct dtr_call *outer;
    SEXP progress; /* a function of the fraction done, or NULL */
    SEXP token;    /* of R_MakeUnwindCont, protected by the caller */
    SEXP error;    /* R's own, of a time limit, preserved until finish signals it; or NULL */
    int jumped;
    int interrupted;
    double fraction;
    jmp_buf jump;
} dtr_call;

extern const deeptepp_callbacks dtr_callbacks;

void dtr_call_begin(dtr_call *call, SEXP progress, SEXP token);
void dtr_call_end(dtr_call *call);
void dtr_call_finish(dtr_call *call);

/* Finishes a call that has made `made` (NULL if it failed) for a new handle: the handle, or the failure. */
SEXP dtr_call_made(dtr_call *call, SEXP handle, void *made, deeptepp_status status, const deeptepp_error *error);

/* What an entry returns in place of its value when the library refuses: errors.R makes a condition of it. */
SEXP dtr_failure(deeptepp_status status, const deeptepp_error *error);

/* ---- value.c: R values ---- */

SEXP dtr_text(const char *text);                    /* a CHARSXP; NA for NULL */
SEXP dtr_string(const char *text);                  /* a vector of one */
SEXP dtr_number(double value);                      /* NA for NaN */
const char *dtr_utf8(SEXP strings, R_xlen_t index); /* NULL where strings is NULL */
const char *dtr_path(SEXP path);
/* Vectors of `count` values that a getter gives. */
SEXP dtr_texts(const void *handle, int64_t count, const char *(*getter)(const void *, int64_t));
SEXP dtr_numbers(const void *handle, int64_t count, double (*getter)(const void *, int64_t));

/* ---- result.c ---- */

SEXP dtr_result_read(const deeptepp_result *result);

/* ---- The entries, as entries.c registers them ---- */

SEXP dtr_version(void);
SEXP dtr_handle_state(SEXP handle, SEXP kind);
SEXP dtr_close(SEXP handle);
SEXP dtr_shard(SEXP ids, SEXP count);
SEXP dtr_precision_available(SEXP precision);
SEXP dtr_model_open(SEXP path, SEXP threads, SEXP max_file_bytes, SEXP sha256, SEXP precision, SEXP progress);
SEXP dtr_model_facts(SEXP model);
SEXP dtr_session_new(SEXP model, SEXP guidance, SEXP memory_limit, SEXP progress);
SEXP dtr_volume_open(SEXP path, SEXP number, SEXP orientation, SEXP limits, SEXP progress);
SEXP dtr_volume_array(SEXP array, SEXP affine);
SEXP dtr_volume_count(SEXP path);
SEXP dtr_volume_facts(SEXP volume);
SEXP dtr_volume_ras(SEXP volume);
SEXP dtr_score(SEXP session, SEXP images, SEXP mask, SEXP options, SEXP covariates, SEXP progress);
SEXP dtr_preprocess(SEXP session, SEXP images, SEXP mask, SEXP options, SEXP shape, SEXP progress);
SEXP dtr_self_test(SEXP session, SEXP progress);
SEXP dtr_journal_open(SEXP path);
SEXP dtr_journal_append(SEXP journal, SEXP bytes);
SEXP dtr_journal_close(SEXP journal);

#endif
