/* Models and sessions. */
#include "deeptepp_r.h"

SEXP dtr_precision_available(SEXP precision)
{
    return Rf_ScalarLogical(deeptepp_precision_available((deeptepp_precision)Rf_asInteger(precision)));
}

SEXP dtr_model_open(SEXP path, SEXP threads, SEXP max_file_bytes, SEXP sha256, SEXP precision, SEXP progress)
{
    deeptepp_model_options options = {.struct_size = sizeof options, .callbacks = &dtr_callbacks};
    options.threads = Rf_asInteger(threads);
    options.max_file_bytes = (uint64_t)Rf_asReal(max_file_bytes);
    options.expected_sha256 = dtr_utf8(sha256, 0);
    options.precision = Rf_asInteger(precision);
    const char *file = dtr_path(path);
    SEXP token = PROTECT(R_MakeUnwindCont());
    SEXP handle = PROTECT(dtr_handle_new(DTR_MODEL, R_NilValue));
    dtr_call call;
    deeptepp_error error;
    deeptepp_model *model;
    dtr_call_begin(&call, progress, token);
    deeptepp_status status = deeptepp_model_open(&model, file, &options, &error);
    dtr_call_end(&call);
    handle = dtr_call_made(&call, handle, model, status, &error);
    UNPROTECT(2);
    return handle;
}

SEXP dtr_session_new(SEXP model, SEXP guidance, SEXP memory_limit, SEXP progress)
{
    deeptepp_session_options options = {.struct_size = sizeof options, .callbacks = &dtr_callbacks};
    options.no_guidance = !Rf_asLogical(guidance);
    options.memory_limit = (uint64_t)Rf_asReal(memory_limit);
    deeptepp_model *opened = dtr_handle_get(model, DTR_MODEL);
    SEXP token = PROTECT(R_MakeUnwindCont());
    SEXP handle = PROTECT(dtr_handle_new(DTR_SESSION, R_NilValue));
    dtr_call call;
    deeptepp_error error;
    deeptepp_session *session;
    dtr_call_begin(&call, progress, token);
    deeptepp_status status = deeptepp_session_new(&session, opened, &options, &error);
    dtr_call_end(&call);
    handle = dtr_call_made(&call, handle, session, status, &error);
    UNPROTECT(2);
    return handle;
}

/* ---- What a model says ---- */

static const char *property_key(const void *model, int64_t i) { return deeptepp_model_property_key(model, i); }
static const char *property_value(const void *model, int64_t i) { return deeptepp_model_property_value(model, i); }
static const char *channel(const void *model, int64_t i) { return deeptepp_model_channel_name(model, i); }
static const char *member(const void *model, int64_t i) { return deeptepp_model_member_name(model, i); }
static const char *tier(const void *model, int64_t i) { return deeptepp_model_tier_name(model, i); }
static double cutpoint(const void *model, int64_t i) { return deeptepp_model_cutpoint(model, i); }
static double survival_time(const void *model, int64_t i) { return deeptepp_model_survival_time(model, i); }
static const char *covariate_name(const void *model, int64_t i) { return deeptepp_model_covariate_name(model, i); }
static const char *covariate_unit(const void *model, int64_t i) { return deeptepp_model_covariate_unit(model, i); }
static double substitute(const void *model, int64_t i) { return deeptepp_model_covariate_substitute(model, i); }

static double covariate_bound(const void *model, int64_t index, int which)
{
    double range[2] = {NA_REAL, NA_REAL};
    deeptepp_model_covariate_range(model, index, range);
    return range[which];
}

static double covariate_low(const void *model, int64_t i) { return covariate_bound(model, i, 0); }
static double covariate_high(const void *model, int64_t i) { return covariate_bound(model, i, 1); }

static SEXP levels_of(const deeptepp_model *model, int64_t covariate)
{
    R_xlen_t count = (R_xlen_t)deeptepp_model_covariate_level_count(model, covariate);
    SEXP levels = PROTECT(Rf_allocVector(REALSXP, count));
    SEXP names = PROTECT(Rf_allocVector(STRSXP, count));
    for (R_xlen_t i = 0; i < count; i++) {
        REAL(levels)[i] = deeptepp_model_covariate_level(model, covariate, i);
        SET_STRING_ELT(names, i, dtr_text(deeptepp_model_covariate_level_name(model, covariate, i)));
    }
    Rf_setAttrib(levels, R_NamesSymbol, names);
    UNPROTECT(2);
    return levels;
}

static SEXP covariates_of(const deeptepp_model *model)
{
    const char *names[] = {"name", "unit", "low", "high", "substitute", "levels", ""};
    int64_t count = deeptepp_model_covariate_count(model);
    SEXP all = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(all, 0, dtr_texts(model, count, covariate_name));
    SET_VECTOR_ELT(all, 1, dtr_texts(model, count, covariate_unit));
    SET_VECTOR_ELT(all, 2, dtr_numbers(model, count, covariate_low));
    SET_VECTOR_ELT(all, 3, dtr_numbers(model, count, covariate_high));
    SET_VECTOR_ELT(all, 4, dtr_numbers(model, count, substitute));
    SEXP levels = Rf_allocVector(VECSXP, (R_xlen_t)count);
    SET_VECTOR_ELT(all, 5, levels);
    for (int64_t i = 0; i < count; i++)
        SET_VECTOR_ELT(levels, (R_xlen_t)i, levels_of(model, i));
    UNPROTECT(1);
    return all;
}

static SEXP properties_of(const deeptepp_model *model)
{
    int64_t count = deeptepp_model_property_count(model);
    SEXP values = PROTECT(dtr_texts(model, count, property_value));
    SEXP keys = PROTECT(dtr_texts(model, count, property_key));
    Rf_setAttrib(values, R_NamesSymbol, keys);
    UNPROTECT(2);
    return values;
}

static SEXP input_shape_of(const deeptepp_model *model)
{
    int64_t shape[5];
    deeptepp_model_input_shape(model, shape);
    SEXP found = Rf_allocVector(INTSXP, 5);
    for (int i = 0; i < 5; i++)
        INTEGER(found)[i] = (int)shape[i];
    return found;
}

SEXP dtr_model_facts(SEXP handle)
{
    const char *names[] = {"name", "sha256", "properties", "channels", "covariates", "tiers", "cutpoints", "members",
                           "survival_times", "input_shape", "memory", "json", "precision_shift", "precision_margin",
                           ""};
    const deeptepp_model *model = dtr_handle_get(handle, DTR_MODEL);
    int64_t tiers = deeptepp_model_tier_count(model);
    SEXP facts = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(facts, 0, dtr_string(deeptepp_model_name(model)));
    SET_VECTOR_ELT(facts, 1, dtr_string(deeptepp_model_sha256(model)));
    SET_VECTOR_ELT(facts, 2, properties_of(model));
    SET_VECTOR_ELT(facts, 3, dtr_texts(model, deeptepp_model_channel_count(model), channel));
    SET_VECTOR_ELT(facts, 4, covariates_of(model));
    SET_VECTOR_ELT(facts, 5, dtr_texts(model, tiers, tier));
    SET_VECTOR_ELT(facts, 6, dtr_numbers(model, tiers ? tiers - 1 : 0, cutpoint));
    SET_VECTOR_ELT(facts, 7, dtr_texts(model, deeptepp_model_member_count(model), member));
    SET_VECTOR_ELT(facts, 8, dtr_numbers(model, deeptepp_model_survival_count(model), survival_time));
    SET_VECTOR_ELT(facts, 9, input_shape_of(model));
    SET_VECTOR_ELT(facts, 10, Rf_ScalarReal((double)deeptepp_model_memory(model)));
    SET_VECTOR_ELT(facts, 11, dtr_string(deeptepp_model_json(model)));
    SET_VECTOR_ELT(facts, 12, Rf_ScalarReal(deeptepp_model_precision_shift(model)));
    SET_VECTOR_ELT(facts, 13, Rf_ScalarReal(deeptepp_model_precision_margin(model)));
    UNPROTECT(1);
    return facts;
}
