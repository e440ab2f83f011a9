#include "volume.h"

#include <math.h>

#include "../base/call.h"
#include "axes.h"
#include "nifti.h"
#include "voxels.h"

/* Bounds no scanner comes near, so that arithmetic on coordinates downstream can neither overflow nor underflow. */
static const double EDGE_MIN_MM = 1e-6, EDGE_MAX_MM = 1e6, ORIGIN_MAX_MM = 1e9;

/* Cosine between two voxel axes: 1e-3 is 0.3 mm over 300 mm. Directions that scanners and converters round to four
 * digits stay below 2e-4; the shear of a registration or of a tilted gantry is tens of times more. */
static const double SHEAR_MAX = 1e-3;

/* Below this the axes lie in one plane, but for rounding. */
static const double DETERMINANT_MIN = 1e-6;

static deeptepp_status check_finite(const double affine[16], deeptepp_error *error)
{
    for (int e = 0; e < 16; e++)
        if (!isfinite(affine[e]))
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_AFFINE, "affine, row %d, column %d: %g, wanted a finite number",
                            e / 4, e % 4, affine[e]);
    if (affine[12] != 0 || affine[13] != 0 || affine[14] != 0 || affine[15] != 1)
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_AFFINE, "affine, last row: %g %g %g %g, wanted 0 0 0 1", affine[12],
                        affine[13], affine[14], affine[15]);
    for (int e = 3; e < 12; e += 4)
        if (fabs(affine[e]) > ORIGIN_MAX_MM)
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_AFFINE, "affine, origin: %g mm, wanted %g either way at most",
                            affine[e], ORIGIN_MAX_MM);
    return DEEPTEPP_OK;
}

/* The lengths and directions of the voxel axes. */
static deeptepp_status measure_axes(const double affine[16], double edge[3], double unit[3][3], deeptepp_error *error)
{
    for (int a = 0; a < 3; a++) {
        edge[a] = sqrt(affine[a] * affine[a] + affine[4 + a] * affine[4 + a] + affine[8 + a] * affine[8 + a]);
        if (!(edge[a] >= EDGE_MIN_MM && edge[a] <= EDGE_MAX_MM))
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_AFFINE, "affine, voxel edge along %c: %g mm, wanted %g to %g",
                            "ijk"[a], edge[a], EDGE_MIN_MM, EDGE_MAX_MM);
        for (int w = 0; w < 3; w++)
            unit[a][w] = affine[4 * w + a] / edge[a];
    }
    return DEEPTEPP_OK;
}

static deeptepp_status check_angles(const double unit[3][3], deeptepp_error *error)
{
    double determinant = 0;
    for (int w = 0, x = 1, y = 2; w < 3; w++, x = (x + 1) % 3, y = (y + 1) % 3)
        determinant += unit[0][w] * (unit[1][x] * unit[2][y] - unit[1][y] * unit[2][x]);
    if (fabs(determinant) < DETERMINANT_MIN)
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_AFFINE,
                        "affine: determinant %g of its axes' directions, wanted an invertible matrix", determinant);
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3;
        double cosine = unit[a][0] * unit[b][0] + unit[a][1] * unit[b][1] + unit[a][2] * unit[b][2];
        if (fabs(cosine) > SHEAR_MAX)
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_SHEAR,
                            "affine: cosine %g between axes %c and %c, wanted a right angle (%g at most)", cosine,
                            "ijk"[a], "ijk"[b], SHEAR_MAX);
    }
    return DEEPTEPP_OK;
}

deeptepp_status dtp_volume_check_affine(const double affine[16], double spacing[3], deeptepp_error *error)
{
    double edge[3], unit[3][3];
    deeptepp_status status = check_finite(affine, error);
    if (status == DEEPTEPP_OK)
        status = measure_axes(affine, edge, unit, error);
    if (status == DEEPTEPP_OK)
        status = check_angles((const double(*)[3])unit, error);
    if (status == DEEPTEPP_OK)
        memcpy(spacing, edge, sizeof edge);
    return status;
}

deeptepp_status dtp_volume_make(deeptepp_volume **out, const deeptepp_volume *draft, dtp_watch *watch,
                                deeptepp_error *error)
{
    dtp_layout memory;
    double spacing[3];
    *out = NULL;
    deeptepp_status status = dtp_volume_check_affine(draft->affine, spacing, error);
    if (status == DEEPTEPP_OK)
        status = dtp_voxels_layout(draft, &memory, error);
    if (status == DEEPTEPP_OK)
        status = dtp_voxels_check(draft, &memory, watch, error);
    if (status != DEEPTEPP_OK)
        return status;
    deeptepp_volume *volume = malloc(sizeof *volume);
    if (!volume)
        return dtp_fail_memory(error, "a volume", sizeof *volume);
    memcpy(volume, draft, sizeof *volume);
    atomic_init(&volume->references, 1);
    memcpy(volume->spacing, spacing, sizeof spacing);
    dtp_nifti_orientation(volume->affine, volume->orientation);
    *out = volume;
    return DEEPTEPP_OK;
}

static deeptepp_status digest_array(deeptepp_volume *draft, deeptepp_error *error)
{
    dtp_digest digest;
    int32_t type = (int32_t)draft->type;
    dtp_digest_init(&digest);
    dtp_digest_add(&digest, &type, sizeof type);
    dtp_digest_add(&digest, draft->dims, sizeof draft->dims);
    dtp_digest_add(&digest, draft->affine, sizeof draft->affine);
    deeptepp_status status = dtp_voxels_digest(&digest, draft, error);
    if (status == DEEPTEPP_OK)
        dtp_digest_hex(&digest, draft->sha256);
    return status;
}

/* No strides at all: i fastest, no gaps. */
static deeptepp_status fill_strides(deeptepp_volume *draft, deeptepp_error *error)
{
    const int64_t *dims = draft->dims;
    int64_t *strides = draft->strides;
    if (strides[0] || strides[1] || strides[2])
        return DEEPTEPP_OK;
    strides[0] = (int64_t)dtp_type_size(draft->type);
    if (__builtin_mul_overflow(strides[0], dims[0], &strides[1]) ||
        __builtin_mul_overflow(strides[1], dims[1], &strides[2]))
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_DIMS, "dims: %lld x %lld x %lld, wanted a product without overflow",
                        (long long)dims[0], (long long)dims[1], (long long)dims[2]);
    return DEEPTEPP_OK;
}

static deeptepp_status make_from_array(deeptepp_volume **out, const deeptepp_array *array, deeptepp_error *error)
{
    dtp_layout memory;
    deeptepp_volume draft = {.slope = 1, .number = 1, .type = array->type, .data = array->data};
    if (!array->data)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "array.data: NULL, wanted voxels");
    memcpy(draft.dims, array->dims, sizeof draft.dims);
    memcpy(draft.strides, array->strides, sizeof draft.strides);
    memcpy(draft.affine, array->affine, sizeof draft.affine);
    deeptepp_status status = fill_strides(&draft, error);
    status = status ? status : dtp_voxels_layout(&draft, &memory, error);
    status = status ? status : digest_array(&draft, error);
    return status ? status : dtp_volume_make(out, &draft, NULL, error);
}

deeptepp_status deeptepp_volume_from_array(deeptepp_volume **out, const deeptepp_array *array, deeptepp_error *error)
{
    deeptepp_array read;
    dtp_call call;
    if (!out)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "out: NULL, wanted a place for the volume");
    *out = NULL;
    if (!array)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "array: NULL, wanted a deeptepp_array");
    deeptepp_status status = DTP_OPTIONS_READ(&read, deeptepp_array, affine, array, error);
    if (status != DEEPTEPP_OK)
        return status;
    dtp_call_begin(&call, NULL);
    status = make_from_array(out, &read, error);
    dtp_call_end(&call);
    return status;
}

deeptepp_volume *dtp_volume_ref(deeptepp_volume *volume)
{
    atomic_fetch_add(&volume->references, 1);
    return volume;
}

void deeptepp_volume_free(deeptepp_volume *volume)
{
    if (!volume || atomic_fetch_sub(&volume->references, 1) != 1)
        return;
    free(volume->owned);
    free(volume);
}

void deeptepp_volume_dims(const deeptepp_volume *volume, int64_t dims[3])
{
    if (volume && dims)
        memcpy(dims, volume->dims, sizeof volume->dims);
}

void deeptepp_volume_spacing(const deeptepp_volume *volume, double spacing[3])
{
    if (volume && spacing)
        memcpy(spacing, volume->spacing, sizeof volume->spacing);
}

void deeptepp_volume_affine(const deeptepp_volume *volume, double affine[16])
{
    if (volume && affine)
        memcpy(affine, volume->affine, sizeof volume->affine);
}

int64_t deeptepp_volume_number(const deeptepp_volume *volume)
{
    return volume ? volume->number : 0;
}

const char *deeptepp_volume_orientation(const deeptepp_volume *volume)
{
    return volume ? volume->orientation : NULL;
}

const char *deeptepp_volume_sha256(const deeptepp_volume *volume)
{
    return volume ? volume->sha256 : NULL;
}

/* The volume with its axes renamed and turned round, so that they run nearest to R, A and S; only its description. */
static deeptepp_volume as_ras(const deeptepp_volume *volume)
{
    deeptepp_volume ras = {.type = volume->type, .data = volume->data, .slope = volume->slope, .inter = volume->inter};
    for (int a = 0; a < 3; a++) {
        int sign, axis = dtp_axis_of(volume->orientation[a], &sign);
        if (axis < 0)
            continue; /* never: an orientation has letters of directions only, which a compiler cannot know */
        ras.dims[axis] = volume->dims[a];
        ras.spacing[axis] = volume->spacing[a];
        ras.strides[axis] = sign * volume->strides[a];
        if (sign < 0)
            ras.data += (volume->dims[a] - 1) * volume->strides[a];
    }
    return ras;
}

static void copy_row(const deeptepp_volume *volume, int64_t j, int64_t k, float *out)
{
    enum { BLOCK = 256 };
    double block[BLOCK];
    for (int64_t i = 0, n; i < volume->dims[0]; i += n) {
        n = dtp_min_i64(BLOCK, volume->dims[0] - i);
        dtp_volume_row(volume, i, j, k, n, block);
        for (int64_t b = 0; b < n; b++)
            out[i + b] = (float)block[b];
    }
}

deeptepp_status deeptepp_volume_copy_ras(const deeptepp_volume *volume, float *out, size_t count, int64_t dims[3],
                                         double spacing[3], deeptepp_error *error)
{
    if (!volume)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "volume: NULL, wanted a volume");
    dtp_call call;
    deeptepp_volume ras = as_ras(volume);
    const int64_t *n = ras.dims;
    size_t voxels = (size_t)(n[0] * n[1] * n[2]);
    if (out && count != voxels)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "count: %zu floats, wanted %zu", count, voxels);
    dtp_call_begin(&call, NULL);
    for (int64_t k = 0; out && k < n[2]; k++)
        for (int64_t j = 0; j < n[1]; j++)
            copy_row(&ras, j, k, out + (k * n[1] + j) * n[0]);
    dtp_call_end(&call);
    if (dims)
        memcpy(dims, ras.dims, sizeof ras.dims);
    if (spacing)
        memcpy(spacing, ras.spacing, sizeof ras.spacing);
    return DEEPTEPP_OK;
}
