/* Volumes, from files and from R arrays. */
#include "deeptepp_r.h"

/* limits: max_bytes and max_edge, 0 for the defaults. */
SEXP dtr_volume_open(SEXP path, SEXP number, SEXP orientation, SEXP limits, SEXP progress)
{
    deeptepp_volume_options options = {.struct_size = sizeof options, .callbacks = &dtr_callbacks};
    options.volume_number = (int64_t)Rf_asReal(number);
    options.orientation = dtr_utf8(orientation, 0);
    options.max_bytes = (uint64_t)REAL_RO(limits)[0];
    options.max_edge = (int64_t)REAL_RO(limits)[1];
    const char *file = dtr_path(path);
    SEXP token = PROTECT(R_MakeUnwindCont());
    SEXP handle = PROTECT(dtr_handle_new(DTR_VOLUME, R_NilValue));
    dtr_call call;
    deeptepp_error error;
    deeptepp_volume *volume;
    dtr_call_begin(&call, progress, token);
    deeptepp_status status = deeptepp_volume_open(&volume, file, &options, &error);
    dtr_call_end(&call);
    handle = dtr_call_made(&call, handle, volume, status, &error);
    UNPROTECT(2);
    return handle;
}

static void describe(deeptepp_array *out, SEXP array, SEXP affine)
{
    SEXP dims = Rf_getAttrib(array, R_DimSymbol);
    switch (TYPEOF(array)) {
    case REALSXP: out->data = REAL_RO(array); out->type = DEEPTEPP_FLOAT64; break;
    case INTSXP: out->data = INTEGER_RO(array); out->type = DEEPTEPP_INT32; break;
    case LGLSXP: out->data = LOGICAL_RO(array); out->type = DEEPTEPP_INT32; break;
    default: Rf_error("wanted an array of numbers");
    }
    if (TYPEOF(dims) != INTSXP || XLENGTH(dims) != 3 || TYPEOF(affine) != REALSXP || XLENGTH(affine) != 16)
        Rf_error("wanted an array of 3 axes and a 4 x 4 affine");
    for (int i = 0; i < 3; i++)
        out->dims[i] = INTEGER_RO(dims)[i];
    for (int i = 0; i < 16; i++)
        out->affine[i] = REAL_RO(affine)[i % 4 * 4 + i / 4];
}

/* Over the array's own memory: R copies it before anyone changes it. */
SEXP dtr_volume_array(SEXP array, SEXP affine)
{
    deeptepp_array described = {.struct_size = sizeof described};
    describe(&described, array, affine);
    MARK_NOT_MUTABLE(array);
    SEXP handle = PROTECT(dtr_handle_new(DTR_VOLUME, array));
    deeptepp_error error;
    deeptepp_volume *volume;
    deeptepp_status status = deeptepp_volume_from_array(&volume, &described, &error);
    R_SetExternalPtrAddr(handle, volume);
    if (status)
        handle = dtr_failure(status, &error);
    UNPROTECT(1);
    return handle;
}

SEXP dtr_volume_count(SEXP path)
{
    int64_t count;
    deeptepp_error error;
    deeptepp_status status = deeptepp_volume_count_in_file(&count, dtr_path(path), &error);
    return status ? dtr_failure(status, &error) : Rf_ScalarInteger((int)count);
}

static SEXP dims_of(const int64_t dims[3])
{
    SEXP found = Rf_allocVector(INTSXP, 3);
    for (int i = 0; i < 3; i++)
        INTEGER(found)[i] = (int)dims[i];
    return found;
}

static SEXP affine_of(const deeptepp_volume *volume)
{
    double affine[16];
    deeptepp_volume_affine(volume, affine);
    SEXP matrix = Rf_allocMatrix(REALSXP, 4, 4);
    for (int i = 0; i < 16; i++)
        REAL(matrix)[i % 4 * 4 + i / 4] = affine[i];
    return matrix;
}

SEXP dtr_volume_facts(SEXP handle)
{
    const char *names[] = {"dim", "spacing", "affine", "orientation", "number", "sha256", ""};
    const deeptepp_volume *volume = dtr_handle_get(handle, DTR_VOLUME);
    int64_t dims[3];
    deeptepp_volume_dims(volume, dims);
    SEXP facts = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(facts, 0, dims_of(dims));
    SEXP spacing = Rf_allocVector(REALSXP, 3);
    SET_VECTOR_ELT(facts, 1, spacing);
    deeptepp_volume_spacing(volume, REAL(spacing));
    SET_VECTOR_ELT(facts, 2, affine_of(volume));
    SET_VECTOR_ELT(facts, 3, dtr_string(deeptepp_volume_orientation(volume)));
    SET_VECTOR_ELT(facts, 4, Rf_ScalarInteger((int)deeptepp_volume_number(volume)));
    SET_VECTOR_ELT(facts, 5, dtr_string(deeptepp_volume_sha256(volume)));
    UNPROTECT(1);
    return facts;
}

static SEXP array_of(const float *values, size_t count, const int64_t dims[3])
{
    SEXP array = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)count));
    for (size_t i = 0; i < count; i++)
        REAL(array)[i] = values[i];
    SEXP shape = PROTECT(dims_of(dims));
    Rf_setAttrib(array, R_DimSymbol, shape);
    UNPROTECT(2);
    return array;
}

SEXP dtr_volume_ras(SEXP handle)
{
    const char *names[] = {"voxels", "spacing", ""};
    const deeptepp_volume *volume = dtr_handle_get(handle, DTR_VOLUME);
    int64_t dims[3];
    double spacing[3];
    deeptepp_error error;
    deeptepp_status status = deeptepp_volume_copy_ras(volume, NULL, 0, dims, spacing, &error);
    if (status)
        return dtr_failure(status, &error);
    size_t count = (size_t)(dims[0] * dims[1] * dims[2]);
    float *values = (float *)R_alloc(count, sizeof *values);
    status = deeptepp_volume_copy_ras(volume, values, count, dims, spacing, &error);
    if (status)
        return dtr_failure(status, &error);
    SEXP found = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(found, 0, array_of(values, count, dims));
    SET_VECTOR_ELT(found, 1, Rf_allocVector(REALSXP, 3));
    memcpy(REAL(VECTOR_ELT(found, 1)), spacing, sizeof spacing);
    UNPROTECT(1);
    return found;
}
