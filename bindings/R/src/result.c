/* A result, read out into an R list: it lives on without the library's. */
#include "deeptepp_r.h"

static double view_score(const void *result, int64_t i) { return deeptepp_result_view_score(result, i); }
static double view_share(const void *result, int64_t i) { return deeptepp_result_view_mask_share(result, i); }
static double member_score(const void *result, int64_t i) { return deeptepp_result_member_score(result, i); }
static double survival_time(const void *result, int64_t i) { return deeptepp_result_survival_time(result, i); }
static double survival(const void *result, int64_t i) { return deeptepp_result_survival(result, i); }
static const char *covariate_name(const void *result, int64_t i) { return deeptepp_result_covariate_name(result, i); }
static const char *covariate_unit(const void *result, int64_t i) { return deeptepp_result_covariate_unit(result, i); }
static double covariate_value(const void *result, int64_t i) { return deeptepp_result_covariate_value(result, i); }
static double covariate_term(const void *result, int64_t i) { return deeptepp_result_covariate_term(result, i); }
static const char *warning_text(const void *result, int64_t i) { return deeptepp_result_warning_message(result, i); }
static double part_distance(const void *mask, int64_t i) { return deeptepp_mask_part_distance(mask, i); }
static double part_voxels(const void *mask, int64_t i) { return (double)deeptepp_mask_part_voxels(mask, i); }

/* No function of the library's gives a warning's name. */
#define NAME(code) {DEEPTEPP_WARN_##code, "DEEPTEPP_WARN_" #code}
static const struct {
    deeptepp_warning code;
    const char *name;
} WARNINGS[] = {
    NAME(AFFINES_DISAGREE), NAME(ORIENTATION_ASSUMED), NAME(PADDED), NAME(MASK_AT_BORDER), NAME(SPACING),
    NAME(NEAR_CUTPOINT), NAME(COVARIATE_FILLED), NAME(GEOMETRY_TOLERATED), NAME(SEEDED_WEIGHTS), NAME(STORED_ORDER),
    NAME(SLICES_DROPPED), NAME(CONSTANT_SLICE), NAME(MASK_FADED), NAME(MASK_PARTS), NAME(MASK_OUTSIDE_REGION),
    NAME(MASK_ROUNDED), NAME(FORM_UNUSABLE), NAME(IMAGE_TWICE), NAME(MASK_REGRIDDED), NAME(PIXDIM_IGNORED),
    NAME(MASK_UNUSUAL), NAME(INTENSITY_UNUSUAL),
};

static const char *warning_name(const void *result, int64_t index)
{
    deeptepp_warning code = deeptepp_result_warning_code(result, index);
    for (size_t i = 0; i < sizeof WARNINGS / sizeof *WARNINGS; i++)
        if (WARNINGS[i].code == code)
            return WARNINGS[i].name;
    return "DEEPTEPP_WARN_UNKNOWN";
}

static SEXP survival_of(const deeptepp_result *result)
{
    const char *names[] = {"time", "probability", ""};
    int64_t count = deeptepp_result_survival_count(result);
    SEXP found = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(found, 0, dtr_numbers(result, count, survival_time));
    SET_VECTOR_ELT(found, 1, dtr_numbers(result, count, survival));
    UNPROTECT(1);
    return found;
}

static SEXP covariates_of(const deeptepp_result *result)
{
    const char *names[] = {"name", "unit", "value", "filled", "term", ""};
    int64_t count = deeptepp_result_covariate_count(result);
    SEXP found = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(found, 0, dtr_texts(result, count, covariate_name));
    SET_VECTOR_ELT(found, 1, dtr_texts(result, count, covariate_unit));
    SET_VECTOR_ELT(found, 2, dtr_numbers(result, count, covariate_value));
    SEXP filled = Rf_allocVector(LGLSXP, (R_xlen_t)count);
    SET_VECTOR_ELT(found, 3, filled);
    for (int64_t i = 0; i < count; i++)
        LOGICAL(filled)[i] = deeptepp_result_covariate_filled(result, i) != 0;
    SET_VECTOR_ELT(found, 4, dtr_numbers(result, count, covariate_term));
    UNPROTECT(1);
    return found;
}

static SEXP warnings_of(const deeptepp_result *result)
{
    const char *names[] = {"code", "name", "message", ""};
    int64_t count = deeptepp_result_warning_count(result);
    SEXP found = PROTECT(Rf_mkNamed(VECSXP, names));
    SEXP codes = Rf_allocVector(INTSXP, (R_xlen_t)count);
    SET_VECTOR_ELT(found, 0, codes);
    for (int64_t i = 0; i < count; i++)
        INTEGER(codes)[i] = (int)deeptepp_result_warning_code(result, i);
    SET_VECTOR_ELT(found, 1, dtr_texts(result, count, warning_name));
    SET_VECTOR_ELT(found, 2, dtr_texts(result, count, warning_text));
    UNPROTECT(1);
    return found;
}

static SEXP parts_of(const deeptepp_mask *mask)
{
    const char *names[] = {"voxels", "distance", ""};
    int64_t count = deeptepp_mask_part_count(mask);
    int64_t told = 0; /* the library tells the largest 64 */
    while (told < count && deeptepp_mask_part_voxels(mask, told) > 0)
        told++;
    SEXP found = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(found, 0, dtr_numbers(mask, told, part_voxels));
    SET_VECTOR_ELT(found, 1, dtr_numbers(mask, told, part_distance));
    UNPROTECT(1);
    return found;
}

/* Indices of R's count from 1. */
static SEXP index_of(const int64_t voxel[3])
{
    SEXP index = Rf_allocVector(REALSXP, 3);
    for (int i = 0; i < 3; i++)
        REAL(index)[i] = (double)voxel[i] + 1;
    return index;
}

static SEXP mask_of(const deeptepp_result *result)
{
    const char *names[] = {"label", "voxels", "part_count", "parts", "low", "high", "rounding", "share",
                           "view_shares", ""};
    const deeptepp_mask *mask = deeptepp_result_mask(result);
    int64_t low[3], high[3];
    deeptepp_mask_box(mask, low, high);
    SEXP found = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(found, 0, Rf_ScalarReal((double)deeptepp_mask_label(mask)));
    SET_VECTOR_ELT(found, 1, Rf_ScalarReal((double)deeptepp_mask_voxels(mask)));
    SET_VECTOR_ELT(found, 2, Rf_ScalarReal((double)deeptepp_mask_part_count(mask)));
    SET_VECTOR_ELT(found, 3, parts_of(mask));
    SET_VECTOR_ELT(found, 4, index_of(low));
    SET_VECTOR_ELT(found, 5, index_of(high));
    SET_VECTOR_ELT(found, 6, Rf_ScalarReal(deeptepp_mask_rounding(mask)));
    SET_VECTOR_ELT(found, 7, Rf_ScalarReal(deeptepp_result_mask_share(result)));
    SET_VECTOR_ELT(found, 8, dtr_numbers(result, deeptepp_result_view_count(result), view_share));
    UNPROTECT(1);
    return found;
}

SEXP dtr_result_read(const deeptepp_result *result)
{
    const char *names[] = {"score", "score_sd", "view_scores", "member_scores", "tier", "tier_name",
                           "cutpoint_distance", "survival", "covariates", "mask", "guidance", "warnings", "json",
                           "precision", ""};
    int tier = deeptepp_result_tier(result);
    SEXP found = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(found, 0, Rf_ScalarReal(deeptepp_result_score(result)));
    SET_VECTOR_ELT(found, 1, dtr_number(deeptepp_result_score_sd(result)));
    SET_VECTOR_ELT(found, 2, dtr_numbers(result, deeptepp_result_view_count(result), view_score));
    SET_VECTOR_ELT(found, 3, dtr_numbers(result, deeptepp_result_member_count(result), member_score));
    SET_VECTOR_ELT(found, 4, Rf_ScalarInteger(tier < 0 ? NA_INTEGER : tier));
    SET_VECTOR_ELT(found, 5, dtr_string(deeptepp_result_tier_name(result)));
    SET_VECTOR_ELT(found, 6, dtr_number(deeptepp_result_cutpoint_distance(result)));
    SET_VECTOR_ELT(found, 7, survival_of(result));
    SET_VECTOR_ELT(found, 8, covariates_of(result));
    SET_VECTOR_ELT(found, 9, mask_of(result));
    SET_VECTOR_ELT(found, 10, dtr_string(deeptepp_result_guidance(result)));
    SET_VECTOR_ELT(found, 11, warnings_of(result));
    SET_VECTOR_ELT(found, 12, dtr_string(deeptepp_result_json(result)));
    const char *precision = deeptepp_result_precision(result) == DEEPTEPP_PRECISION_BF16 ? "bf16" : "f32";
    SET_VECTOR_ELT(found, 13, dtr_string(precision));
    UNPROTECT(1);
    return found;
}
