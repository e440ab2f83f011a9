/* Trilinear sampling by its formula - eight voxels, eight weights, in double, over a plain array - and pictures stored
 * in every type and with every kind of stride. */
#ifndef SAMPLE_REFERENCE_H
#define SAMPLE_REFERENCE_H

#include "../libdeeptepp/views/sample.h"
#include "picture_maker.h"

/* ---- The formula ---- */

static inline double clamp(double at, int64_t dim)
{
    return fmin(fmax(at, 0), (double)(dim - 1));
}

static inline double naive(const picture *p, const double at[3])
{
    double sum = 0;
    for (int corner = 0; corner < 8; corner++) {
        double weight = 1;
        int64_t voxel[3];
        for (int a = 0; a < 3; a++) {
            double x = clamp(at[a], p->dims[a]), below = floor(x);
            voxel[a] = (int64_t)below + (corner >> a & 1);
            weight *= corner >> a & 1 ? x - below : 1 - (x - below);
        }
        if (weight > 0)
            sum += weight * *picture_at(p, voxel[0], voxel[1], voxel[2]);
    }
    return sum;
}

static inline bool is_outside(const picture *p, const double at[3])
{
    bool outside = false;
    for (int a = 0; a < 3; a++)
        outside |= at[a] < -0.5 - 1e-6 || at[a] > (double)p->dims[a] - 0.5 + 1e-6;
    return outside;
}

static inline void place_of(const dtp_grid *grid, const int64_t at[3], double out[3])
{
    for (int v = 0; v < 3; v++) {
        out[v] = grid->origin[v];
        for (int t = 0; t < 3; t++)
            out[v] += (double)at[t] * grid->step[t][v];
    }
}

/* ---- Storing a picture in a type ---- */

#define STORE(constant, type)                                                                                          \
    case constant: {                                                                                                   \
        type stored = (type)value;                                                                                     \
        memcpy(at, &stored, sizeof stored);                                                                            \
        break;                                                                                                         \
    }

static inline void store(uint8_t *at, deeptepp_type type, double value)
{
    switch (type) {
        STORE(DEEPTEPP_UINT8, uint8_t)
        STORE(DEEPTEPP_INT8, int8_t)
        STORE(DEEPTEPP_UINT16, uint16_t)
        STORE(DEEPTEPP_INT16, int16_t)
        STORE(DEEPTEPP_UINT32, uint32_t)
        STORE(DEEPTEPP_INT32, int32_t)
        STORE(DEEPTEPP_UINT64, uint64_t)
        STORE(DEEPTEPP_INT64, int64_t)
        STORE(DEEPTEPP_FLOAT32, float)
        STORE(DEEPTEPP_FLOAT64, double)
    case DEEPTEPP_TYPE_FORCE_INT32: break;
    }
}

/* What values of a type can be: low and high, and the step between them. */
static const struct {
    deeptepp_type type;
    double low, high, step;
} TYPES[] = {
    {DEEPTEPP_UINT8, 0, 255, 1},
    {DEEPTEPP_INT8, -128, 127, 1},
    {DEEPTEPP_UINT16, 0, 65535, 1},
    {DEEPTEPP_INT16, -32768, 32767, 1},
    {DEEPTEPP_UINT32, 0, 4294967295.0, 1},
    {DEEPTEPP_INT32, -2147483648.0, 2147483647.0, 1},
    {DEEPTEPP_UINT64, 0, 9007199254740992.0, 1},
    {DEEPTEPP_INT64, -9007199254740992.0, 9007199254740992.0, 1},
    {DEEPTEPP_FLOAT32, -1000, 1000, 0.125},
    {DEEPTEPP_FLOAT64, -1e6, 1e6, 1e-3},
};

static inline void fill_random(picture *p, size_t type, uint64_t seed)
{
    double low = TYPES[type].low, high = TYPES[type].high, step = TYPES[type].step;
    for (size_t n = 0; n < picture_count(p); n++)
        p->values[n] = fmin(high, low + step * floor(picture_random(&seed) * ((high - low) / step + 1)));
    p->values[0] = low;
    p->values[picture_count(p) - 1] = high;
}

/* A volume of the picture with `gap` bytes between voxels, rows and slices, backwards along axes whose bit is set. */
typedef struct stored {
    deeptepp_volume *volume;
    uint8_t *block;
} stored;

static inline stored store_picture(const picture *p, deeptepp_type type, int64_t gap, int backwards, double slope,
                                   double inter)
{
    stored s;
    deeptepp_error error = {0};
    deeptepp_volume draft = {.type = type, .slope = slope, .inter = inter};
    int64_t size = (int64_t)dtp_type_size(type), first = 1; /* nothing is aligned */
    for (int a = 0; a < 3; a++) {
        draft.dims[a] = p->dims[a];
        draft.strides[a] = (a ? draft.strides[a - 1] * p->dims[a - 1] : size) + gap;
    }
    s.block = calloc((size_t)(draft.strides[2] * p->dims[2]) + 1, 1);
    assert_non_null(s.block);
    for (int a = 0; a < 3; a++)
        if (backwards >> a & 1) {
            first += draft.strides[a] * (p->dims[a] - 1);
            draft.strides[a] = -draft.strides[a];
        }
    for (int64_t k = 0; k < p->dims[2]; k++)
        for (int64_t j = 0; j < p->dims[1]; j++)
            for (int64_t i = 0; i < p->dims[0]; i++)
                store(s.block + first + i * draft.strides[0] + j * draft.strides[1] + k * draft.strides[2], type,
                      *picture_at(p, i, j, k));
    draft.data = s.block + first;
    memcpy(draft.affine, p->affine, sizeof draft.affine);
    if (dtp_volume_make(&s.volume, &draft, NULL, &error) != DEEPTEPP_OK)
        fail_msg("the test's own volume is wrong: %s", error.message);
    return s;
}

static inline void free_stored(stored *s)
{
    deeptepp_volume_free(s->volume);
    free(s->block);
}

#endif
