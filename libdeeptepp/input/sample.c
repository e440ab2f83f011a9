#include "sample.h"

/* A grid that ends on the image's very edge must not lose its last sample to rounding. */
static const double EDGE = 0.5 + 1e-6;

/* One axis of a trilinear sample: byte offsets of the two voxels, and the second one's weight. */
typedef struct tap {
    int64_t offset[2];
    double weight;
} tap;

static bool make_tap(tap *out, double at, int64_t dim, int64_t stride)
{
    bool inside = at >= -EDGE && at <= (double)(dim - 1) + EDGE;
    double last = (double)(dim - 1), clamped = at < 0 ? 0 : at > last ? last : at;
    int64_t low = (int64_t)clamped;
    out->weight = clamped - (double)low;
    out->offset[0] = low * stride;
    out->offset[1] = low + 1 < dim ? out->offset[0] + stride : out->offset[0];
    return inside;
}

/* One function a voxel type, so that the type is not decided anew for each of a sample's eight voxels. */
#define DEFINE_TRILINEAR(name, type)                                                                                   \
    static inline double load_##name(const uint8_t *at)                                                                \
    {                                                                                                                  \
        type value;                                                                                                    \
        memcpy(&value, at, sizeof value);                                                                              \
        return (double)value;                                                                                          \
    }                                                                                                                  \
    static double trilinear_##name(const uint8_t *data, const tap t[3])                                                \
    {                                                                                                                  \
        double plane[2];                                                                                               \
        for (int k = 0; k < 2; k++) {                                                                                  \
            double line[2];                                                                                            \
            for (int j = 0; j < 2; j++) {                                                                              \
                const uint8_t *at = data + t[2].offset[k] + t[1].offset[j];                                            \
                double a = load_##name(at + t[0].offset[0]), b = load_##name(at + t[0].offset[1]);                     \
                line[j] = a + (b - a) * t[0].weight;                                                                   \
            }                                                                                                          \
            plane[k] = line[0] + (line[1] - line[0]) * t[1].weight;                                                    \
        }                                                                                                              \
        return plane[0] + (plane[1] - plane[0]) * t[2].weight;                                                         \
    }

DEFINE_TRILINEAR(u8, uint8_t)
DEFINE_TRILINEAR(i8, int8_t)
DEFINE_TRILINEAR(u16, uint16_t)
DEFINE_TRILINEAR(i16, int16_t)
DEFINE_TRILINEAR(u32, uint32_t)
DEFINE_TRILINEAR(i32, int32_t)
DEFINE_TRILINEAR(u64, uint64_t)
DEFINE_TRILINEAR(i64, int64_t)
DEFINE_TRILINEAR(f32, float)
DEFINE_TRILINEAR(f64, double)

typedef double (*trilinear_function)(const uint8_t *data, const tap t[3]);

static trilinear_function trilinear_of(deeptepp_type type)
{
    switch (type) {
    case DEEPTEPP_UINT8: return trilinear_u8;
    case DEEPTEPP_INT8: return trilinear_i8;
    case DEEPTEPP_UINT16: return trilinear_u16;
    case DEEPTEPP_INT16: return trilinear_i16;
    case DEEPTEPP_UINT32: return trilinear_u32;
    case DEEPTEPP_INT32: return trilinear_i32;
    case DEEPTEPP_UINT64: return trilinear_u64;
    case DEEPTEPP_INT64: return trilinear_i64;
    case DEEPTEPP_FLOAT32: return trilinear_f32;
    case DEEPTEPP_FLOAT64:
    case DEEPTEPP_TYPE_FORCE_INT32: break;
    }
    return trilinear_f64;
}

/* A row along the cube's last axis. Returns how many points lie outside. */
static int64_t sample_row(const deeptepp_volume *volume, trilinear_function trilinear, const dtp_grid *grid,
                          const dtp_recipe *recipe, int64_t d, int64_t h, float *out)
{
    int64_t outside = 0;
    for (int64_t w = 0; w < recipe->size[2]; w++) {
        tap taps[3];
        bool inside = true;
        for (int v = 0; v < 3; v++) {
            double at = grid->origin[v] + (double)d * grid->step[0][v] + (double)h * grid->step[1][v] +
                        (double)w * grid->step[2][v];
            inside &= make_tap(&taps[v], at, volume->dims[v], volume->strides[v]);
        }
        outside += !inside;
        if (inside || recipe->fill_edge)
            out[w] = (float)(volume->slope * trilinear(volume->data, taps) + volume->inter);
        else
            out[w] = (float)recipe->fill_value;
    }
    return outside;
}

int64_t dtp_sample(const deeptepp_volume *volume, const dtp_grid *grid, const dtp_recipe *recipe,
                   const atomic_bool *cancelled, float *out)
{
    trilinear_function trilinear = trilinear_of(volume->type);
    int64_t rows = recipe->size[0] * recipe->size[1], outside = 0;
#pragma omp parallel for reduction(+ : outside) schedule(static)
    for (int64_t row = 0; row < rows; row++)
        if (!atomic_load_explicit(cancelled, memory_order_relaxed))
            outside += sample_row(volume, trilinear, grid, recipe, row / recipe->size[1], row % recipe->size[1],
                                  out + row * recipe->size[2]);
    return outside;
}
