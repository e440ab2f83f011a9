#include "voxels.h"

#include <float.h>
#include <math.h>

#include "../base/widest.h"

/* 2^53: up to here a double holds every integer. */
#define EXACT_MAX 9007199254740992

typedef size_t (*count_function)(const uint8_t *at, int64_t n, int64_t step, double slope, double inter);

/* A voxel must be finite as float32 after scaling, for that is what every reader makes of it; a NaN fails every
 * comparison. Counted in blocks of a constant length, which GCC vectorises at -O2 too. */
#define COUNT_BAD(name, voxel, bad)                                                                                    \
    static size_t name(const uint8_t *at, int64_t n, int64_t step, double slope, double inter)                         \
    {                                                                                                                  \
        enum { BLOCK = 64 };                                                                                           \
        size_t count = 0;                                                                                              \
        int64_t t = 0;                                                                                                 \
        (void)slope, (void)inter;                                                                                      \
        for (; step == sizeof(voxel) && t + BLOCK <= n; t += BLOCK) {                                                  \
            voxel block[BLOCK];                                                                                        \
            int in_block = 0;                                                                                          \
            memcpy(block, at + t * (int64_t)sizeof(voxel), sizeof block);                                              \
            for (int b = 0; b < BLOCK; b++) {                                                                          \
                voxel v = block[b];                                                                                    \
                in_block += (bad);                                                                                     \
            }                                                                                                          \
            count += (size_t)in_block;                                                                                 \
        }                                                                                                              \
        for (; t < n; t++) {                                                                                           \
            voxel v;                                                                                                   \
            memcpy(&v, at + t * step, sizeof v);                                                                       \
            count += (size_t)(bad);                                                                                    \
        }                                                                                                              \
        return count;                                                                                                  \
    }

COUNT_BAD(count_f32_unscaled, float, !(fabsf(v) <= FLT_MAX))
COUNT_BAD(count_f32, float, !(fabs(slope * (double)v + inter) <= (double)FLT_MAX))
COUNT_BAD(count_f64, double, !(fabs(slope * v + inter) <= (double)FLT_MAX))
COUNT_BAD(count_i64, int64_t, v > EXACT_MAX || v < -EXACT_MAX)
COUNT_BAD(count_u64, uint64_t, v > EXACT_MAX)
static const count_function count_none = NULL;

/* Voxels side by side have a loop of their own, which is vectorised. */
DTP_WIDEST static void take(const uint8_t *at, deeptepp_type type, int64_t n, int64_t step, double slope, double inter,
                            double *out)
{
#define TAKE(name, voxel, real, count)                                                                                 \
    case DEEPTEPP_##name:                                                                                              \
        for (int64_t t = 0; t < n && step == (int64_t)sizeof(voxel); t++) {                                            \
            voxel v;                                                                                                   \
            memcpy(&v, at + t * (int64_t)sizeof v, sizeof v);                                                          \
            out[t] = slope * (double)v + inter;                                                                        \
        }                                                                                                              \
        for (int64_t t = 0; t < n && step != (int64_t)sizeof(voxel); t++) {                                            \
            voxel v;                                                                                                   \
            memcpy(&v, at + t * step, sizeof v);                                                                       \
            out[t] = slope * (double)v + inter;                                                                        \
        }                                                                                                              \
        break;
    switch (type) {
        DTP_VOXEL_TYPES(TAKE)
    case DEEPTEPP_TYPE_FORCE_INT32: break;
    }
}

void dtp_voxels_take(const uint8_t *at, deeptepp_type type, int64_t n, int64_t step, double slope, double inter,
                     double *out)
{
    take(at, type, n, step, slope, inter, out);
}

size_t dtp_type_size(deeptepp_type type)
{
#define SIZE(name, voxel, real, count)                                                                                 \
    case DEEPTEPP_##name: return sizeof(voxel);
    switch (type) {
        DTP_VOXEL_TYPES(SIZE)
    case DEEPTEPP_TYPE_FORCE_INT32: break;
    }
    return 0;
}

bool dtp_type_is_real(deeptepp_type type)
{
#define REAL(name, voxel, real, count) [DEEPTEPP_##name] = real,
    static const bool reals[] = {DTP_VOXEL_TYPES(REAL)};
    return reals[type];
}

const uint8_t *dtp_voxels_at(const deeptepp_volume *volume, int64_t i, int64_t j, int64_t k)
{
    return volume->data + i * volume->strides[0] + j * volume->strides[1] + k * volume->strides[2];
}

double dtp_volume_stored(const deeptepp_volume *volume, int64_t i, int64_t j, int64_t k)
{
    double value = 0;
    dtp_voxels_take(dtp_voxels_at(volume, i, j, k), volume->type, 1, 0, 1, 0, &value);
    return value;
}

void dtp_volume_row(const deeptepp_volume *volume, int64_t i, int64_t j, int64_t k, int64_t n, double *out)
{
    dtp_voxels_take(dtp_voxels_at(volume, i, j, k), volume->type, n, volume->strides[0], volume->slope, volume->inter,
                    out);
}

/* A loop without branches is vectorised. */
static bool all_zero(const uint8_t *bytes, int64_t size)
{
    uint8_t any = 0;
    for (int64_t i = 0; i < size; i++)
        any |= bytes[i];
    return !any;
}

/* Bytes of 0 are a 0 of every type, and stay one where nothing is added. */
static bool seen_zero(const deeptepp_volume *volume, const int64_t at[3], int64_t n)
{
    const int64_t size = (int64_t)dtp_type_size(volume->type);
    return volume->inter == 0 && volume->strides[0] == size &&
           all_zero(dtp_voxels_at(volume, at[0], at[1], at[2]), n * size);
}

static bool visit_blocks(const deeptepp_volume *volume, dtp_visit visit, void *state, bool nonzero,
                         const dtp_watch *watch)
{
    double block[DTP_BLOCK];
    const int64_t *dims = volume->dims;
    for (int64_t jk = 0; jk < dims[1] * dims[2]; jk++)
        for (int64_t i = 0; i < dims[0]; i += DTP_BLOCK) {
            int64_t n = dtp_min_i64(DTP_BLOCK, dims[0] - i), at[3] = {i, jk % dims[1], jk / dims[1]};
            if (dtp_watch_cancelled(watch))
                return false;
            if (nonzero && seen_zero(volume, at, n))
                continue;
            dtp_volume_row(volume, at[0], at[1], at[2], n, block);
            visit(state, block, n, at);
        }
    return true;
}

bool dtp_volume_visit(const deeptepp_volume *volume, dtp_visit visit, void *state, const dtp_watch *watch)
{
    return visit_blocks(volume, visit, state, false, watch);
}

bool dtp_volume_visit_nonzero(const deeptepp_volume *volume, dtp_visit visit, void *state, const dtp_watch *watch)
{
    return visit_blocks(volume, visit, state, true, watch);
}

static deeptepp_status fail_stride(const deeptepp_volume *draft, int axis, const char *what, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_VOLUME_STRIDES, "stride along %c: %lld bytes for %lld voxels, %s", "ijk"[axis],
                    (long long)draft->strides[axis], (long long)draft->dims[axis], what);
}

/* The axes with more than one voxel, by rising step. */
static int sort_axes(const deeptepp_volume *draft, int order[3])
{
    int n_axes = 0;
    for (int a = 0; a < 3; a++) {
        if (draft->dims[a] == 1)
            continue;
        int at = n_axes++;
        for (; at > 0 && llabs(draft->strides[order[at - 1]]) > llabs(draft->strides[a]); at--)
            order[at] = order[at - 1];
        order[at] = a;
    }
    return n_axes;
}

/* Each step must clear all that the smaller ones span. (Some layouts that interleave without overlap are refused too:
 * no array library makes them.) */
static deeptepp_status check_steps(const deeptepp_volume *draft, const int order[3], int n_axes, deeptepp_error *error)
{
    int64_t span = (int64_t)dtp_type_size(draft->type), reach;
    for (int n = 0; n < n_axes; n++) {
        int axis = order[n];
        int64_t step = llabs(draft->strides[axis]);
        if (step < span)
            return fail_stride(draft, axis, "which overlap, wanted more", error);
        if (__builtin_mul_overflow(step, draft->dims[axis] - 1, &reach) ||
            __builtin_add_overflow(span, reach, &span) || span > PTRDIFF_MAX)
            return fail_stride(draft, axis, "which overflow, wanted less", error);
    }
    return DEEPTEPP_OK;
}

static deeptepp_status check_extent(const deeptepp_volume *draft, deeptepp_error *error)
{
    const int64_t *n = draft->dims;
    size_t size = dtp_type_size(draft->type), voxels;
    if (size == 0)
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_TYPE, "voxel type: %d, wanted %d to %d", (int)draft->type,
                        DEEPTEPP_UINT8, DEEPTEPP_FLOAT64);
    if (n[0] < 1 || n[1] < 1 || n[2] < 1 || !dtp_product(n, 3, PTRDIFF_MAX / size, &voxels))
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_DIMS,
                        "dims: %lld x %lld x %lld of %zu bytes, wanted each from 1 and a product that memory can hold",
                        (long long)n[0], (long long)n[1], (long long)n[2], size);
    for (int a = 0; a < 3; a++)
        if (draft->strides[a] == INT64_MIN)
            return fail_stride(draft, a, "which overflow, wanted less", error);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_voxels_layout(const deeptepp_volume *draft, dtp_layout *out, deeptepp_error *error)
{
    int order[3], last = 0;
    deeptepp_status status = check_extent(draft, error);
    if (status != DEEPTEPP_OK)
        return status;
    int n_axes = sort_axes(draft, order);
    status = check_steps(draft, order, n_axes, error);
    *out = (dtp_layout){draft->data, {1, 1, 1}, {(int64_t)dtp_type_size(draft->type), 0, 0}};
    for (int n = 0; status == DEEPTEPP_OK && n < n_axes; n++) {
        int64_t stride = draft->strides[order[n]], step = llabs(stride), count = draft->dims[order[n]];
        if (stride < 0)
            out->start += stride * (count - 1);
        if (step == out->step[last] * out->count[last]) {
            out->count[last] *= count;
            continue;
        }
        last += n > 0;
        out->step[last] = step;
        out->count[last] = count;
    }
    return status;
}

static count_function counter(const deeptepp_volume *draft)
{
#define COUNT(name, voxel, real, count)                                                                                \
    case DEEPTEPP_##name: return count;
    if (draft->type == DEEPTEPP_FLOAT32 && draft->slope == 1 && draft->inter == 0)
        return count_f32_unscaled;
    switch (draft->type) {
        DTP_VOXEL_TYPES(COUNT)
    case DEEPTEPP_TYPE_FORCE_INT32: break;
    }
    return NULL;
}

/* Voxels between two questions: a millisecond or two. */
enum { PIECE = 1 << 21 };

/* One pass over all voxels, and one up to the first bad one. */
typedef struct inspection {
    const deeptepp_volume *draft;
    count_function count;
    size_t bad;
    int64_t unasked; /* voxels since the watch was asked */
    dtp_watch *watch;
} inspection;

static size_t count_bad(const inspection *in, const uint8_t *at, int64_t n, int64_t step)
{
    return in->count(at, n, step, in->draft->slope, in->draft->inter);
}

static deeptepp_status ask(inspection *in, deeptepp_error *error)
{
    in->unasked = 0;
    return dtp_watch_ask(in->watch, error);
}

/* How many of `n` voxels, a PIECE at most, are bad. */
static deeptepp_status inspect_piece(inspection *in, const uint8_t *at, int64_t n, int64_t step, size_t *bad,
                                     deeptepp_error *error)
{
    *bad = count_bad(in, at, n, step);
    in->unasked += n;
    return in->watch && in->unasked >= PIECE ? ask(in, error) : DEEPTEPP_OK;
}

static deeptepp_status inspect_run(inspection *in, const uint8_t *at, int64_t n, int64_t step, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    for (int64_t t = 0; t < n && status == DEEPTEPP_OK; t += PIECE) {
        size_t bad;
        status = inspect_piece(in, at + t * step, dtp_min_i64(n - t, PIECE), step, &bad, error);
        in->bad += bad;
    }
    return status;
}

/* The first bad one of `n` voxels that hold one, by halves. */
static int64_t first_bad(const inspection *in, const uint8_t *at, int64_t n, int64_t step)
{
    int64_t first = 0;
    while (n > 1) {
        int64_t half = n / 2;
        bool before = count_bad(in, at + first * step, half, step);
        first += before ? 0 : half;
        n = before ? half : n - half;
    }
    return first;
}

/* The first bad voxel, i fastest, whatever the order of memory; the dims if its owner has mended it meanwhile. */
static deeptepp_status find_first(inspection *in, int64_t at[3], deeptepp_error *error)
{
    const int64_t *dims = in->draft->dims, step = in->draft->strides[0];
    for (at[2] = 0; at[2] < dims[2]; at[2]++)
        for (at[1] = 0; at[1] < dims[1]; at[1]++)
            for (at[0] = 0; at[0] < dims[0]; at[0] += PIECE) {
                const uint8_t *piece = dtp_voxels_at(in->draft, at[0], at[1], at[2]);
                int64_t n = dtp_min_i64(dims[0] - at[0], PIECE);
                size_t bad;
                deeptepp_status status = inspect_piece(in, piece, n, step, &bad, error);
                if (status == DEEPTEPP_OK && bad)
                    at[0] += first_bad(in, piece, n, step);
                if (status != DEEPTEPP_OK || bad)
                    return status;
            }
    memcpy(at, dims, sizeof in->draft->dims);
    return DEEPTEPP_OK;
}

static deeptepp_status fail_voxels(inspection *in, deeptepp_error *error)
{
    const deeptepp_volume *draft = in->draft;
    const int64_t *n = draft->dims;
    int64_t at[3] = {0};
    bool real = dtp_type_is_real(draft->type);
    deeptepp_status status = find_first(in, at, error);
    if (status != DEEPTEPP_OK)
        return status;
    return dtp_fail(error, real ? DEEPTEPP_ERR_VOLUME_NONFINITE : DEEPTEPP_ERR_VOLUME_INEXACT,
                    "voxels: %zu of %lld %s, the first at (%lld, %lld, %lld), wanted none", in->bad,
                    (long long)(n[0] * n[1] * n[2]), real ? "NaN or infinite (as float32)" : "beyond 2^53",
                    (long long)at[0], (long long)at[1], (long long)at[2]);
}

deeptepp_status dtp_voxels_check(const deeptepp_volume *draft, const dtp_layout *layout, dtp_watch *watch,
                                 deeptepp_error *error)
{
    inspection in = {.draft = draft, .count = counter(draft), .watch = watch};
    deeptepp_status status = DEEPTEPP_OK;
    for (int64_t c = 0; in.count && c < layout->count[2]; c++)
        for (int64_t b = 0; b < layout->count[1] && status == DEEPTEPP_OK; b++)
            status = inspect_run(&in, layout->start + c * layout->step[2] + b * layout->step[1], layout->count[0],
                                 layout->step[0], error);
    if (status == DEEPTEPP_OK && in.bad)
        status = fail_voxels(&in, error);
    return status;
}

/* Rows of i, gathered when their voxels do not lie side by side. */
deeptepp_status dtp_voxels_digest(dtp_digest *digest, const deeptepp_volume *draft, deeptepp_error *error)
{
    int64_t size = (int64_t)dtp_type_size(draft->type), n = draft->dims[0];
    bool gather = draft->strides[0] != size && n > 1;
    uint8_t *row = gather ? malloc((size_t)(n * size)) : NULL;
    if (gather && !row)
        return dtp_fail_memory(error, "a row of voxels", (size_t)(n * size));
    for (int64_t k = 0; k < draft->dims[2]; k++)
        for (int64_t j = 0; j < draft->dims[1]; j++) {
            const uint8_t *at = dtp_voxels_at(draft, 0, j, k);
            for (int64_t i = 0; gather && i < n; i++)
                memcpy(row + i * size, at + i * draft->strides[0], (size_t)size);
            dtp_digest_add(digest, gather ? row : at, (size_t)(n * size));
        }
    free(row);
    return DEEPTEPP_OK;
}
