/* A case from R's values, scored or preprocessed. */
#include "deeptepp_r.h"

/* options: label (0: the only one), largest_part, grid. */
static deeptepp_mask_options mask_options(SEXP options)
{
    deeptepp_mask_options found = {.struct_size = sizeof found};
    found.label = (int64_t)REAL_RO(options)[0];
    found.largest_part = REAL_RO(options)[1] != 0;
    found.grid = (int32_t)REAL_RO(options)[2];
    return found;
}

static deeptepp_status set_images(deeptepp_case *patient, SEXP images, deeptepp_error *error)
{
    SEXP names = Rf_getAttrib(images, R_NamesSymbol);
    deeptepp_status status = DEEPTEPP_OK;
    for (R_xlen_t i = 0; i < XLENGTH(images) && !status; i++) {
        deeptepp_volume *image = dtr_handle_get(VECTOR_ELT(images, i), DTR_VOLUME);
        status = deeptepp_case_set_image(patient, dtr_utf8(names, i), image, error);
    }
    return status;
}

static deeptepp_status set_covariates(deeptepp_case *patient, SEXP covariates, deeptepp_error *error)
{
    SEXP names = PROTECT(Rf_getAttrib(covariates, R_NamesSymbol));
    deeptepp_status status = DEEPTEPP_OK;
    for (R_xlen_t i = 0; i < XLENGTH(covariates) && !status; i++)
        status = deeptepp_case_set_covariate(patient, dtr_utf8(names, i), REAL_RO(covariates)[i], error);
    UNPROTECT(1);
    return status;
}

/* The arrays behind the volumes: a progress function that closes one of them must not take its memory away. */
static SEXP arrays_of(SEXP images, SEXP mask)
{
    R_xlen_t count = XLENGTH(images);
    SEXP arrays = PROTECT(Rf_allocVector(VECSXP, count + 1));
    for (R_xlen_t i = 0; i < count; i++)
        SET_VECTOR_ELT(arrays, i, R_ExternalPtrProtected(VECTOR_ELT(images, i)));
    SET_VECTOR_ELT(arrays, count, R_ExternalPtrProtected(mask));
    UNPROTECT(1);
    return arrays;
}

/* Sets a new case into its pointer. */
static deeptepp_status set_case(SEXP handle, SEXP images, SEXP mask, SEXP options, SEXP covariates,
                                deeptepp_error *error)
{
    deeptepp_case *patient;
    deeptepp_mask_options settings = mask_options(options);
    deeptepp_status status = deeptepp_case_new(&patient, error);
    R_SetExternalPtrAddr(handle, patient);
    if (!status)
        status = set_covariates(patient, covariates, error);
    if (!status)
        status = set_images(patient, images, error);
    if (!status)
        status = deeptepp_case_set_mask(patient, dtr_handle_get(mask, DTR_VOLUME), &settings, error);
    return status;
}

SEXP dtr_score(SEXP session, SEXP images, SEXP mask, SEXP options, SEXP covariates, SEXP progress)
{
    deeptepp_session *open = dtr_handle_get(session, DTR_SESSION);
    SEXP token = PROTECT(R_MakeUnwindCont()), patient = PROTECT(dtr_handle_new(DTR_CASE, R_NilValue));
    SEXP handle = PROTECT(dtr_handle_new(DTR_RESULT, R_NilValue));
    dtr_call call;
    deeptepp_error error;
    deeptepp_result *result = NULL;
    deeptepp_status status = set_case(patient, images, mask, options, covariates, &error);
    PROTECT(arrays_of(images, mask));
    if (!status) {
        dtr_call_begin(&call, progress, token);
        status = deeptepp_session_score(open, R_ExternalPtrAddr(patient), &result, &error);
        dtr_call_end(&call);
        R_SetExternalPtrAddr(handle, result);
        dtr_handle_close(patient);
        dtr_call_finish(&call);
    }
    SEXP found = PROTECT(status ? dtr_failure(status, &error) : dtr_result_read(result));
    dtr_handle_close(handle);
    UNPROTECT(5);
    return found;
}

/* The tensor, float32 in C order with the views slowest, as an R array whose first axis runs fastest: width first. */
static SEXP tensor_of(const float *values, size_t count, SEXP shape)
{
    SEXP tensor = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)count));
    for (size_t i = 0; i < count; i++)
        REAL(tensor)[i] = values[i];
    SEXP dims = PROTECT(Rf_allocVector(INTSXP, 5));
    for (int i = 0; i < 5; i++)
        INTEGER(dims)[i] = INTEGER_RO(shape)[4 - i];
    Rf_setAttrib(tensor, R_DimSymbol, dims);
    UNPROTECT(2);
    return tensor;
}

SEXP dtr_preprocess(SEXP session, SEXP images, SEXP mask, SEXP options, SEXP shape, SEXP progress)
{
    deeptepp_session *open = dtr_handle_get(session, DTR_SESSION);
    size_t count = 1;
    for (int i = 0; i < 5; i++)
        count *= (size_t)INTEGER_RO(shape)[i];
    float *values = (float *)R_alloc(count, sizeof *values);
    SEXP token = PROTECT(R_MakeUnwindCont()), patient = PROTECT(dtr_handle_new(DTR_CASE, R_NilValue));
    SEXP none = PROTECT(Rf_allocVector(REALSXP, 0));
    dtr_call call;
    deeptepp_error error;
    deeptepp_status status = set_case(patient, images, mask, options, none, &error);
    PROTECT(arrays_of(images, mask));
    if (!status) {
        dtr_call_begin(&call, progress, token);
        status = deeptepp_session_preprocess(open, R_ExternalPtrAddr(patient), values, count, &error);
        dtr_call_end(&call);
        dtr_handle_close(patient);
        dtr_call_finish(&call);
    }
    SEXP found = status ? dtr_failure(status, &error) : tensor_of(values, count, shape);
    UNPROTECT(4);
    return found;
}

SEXP dtr_self_test(SEXP session, SEXP progress)
{
    deeptepp_session *open = dtr_handle_get(session, DTR_SESSION);
    SEXP token = PROTECT(R_MakeUnwindCont());
    double expected = NA_REAL, found = NA_REAL;
    dtr_call call;
    deeptepp_error error;
    dtr_call_begin(&call, progress, token);
    deeptepp_status status = deeptepp_session_self_test(open, &expected, &found, &error);
    dtr_call_end(&call);
    dtr_call_finish(&call);
    SEXP scores = PROTECT(status ? dtr_failure(status, &error) : Rf_allocVector(REALSXP, 2));
    if (!status) {
        REAL(scores)[0] = expected;
        REAL(scores)[1] = found;
    }
    UNPROTECT(2);
    return scores;
}
