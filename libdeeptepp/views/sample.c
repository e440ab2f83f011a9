#include "sample.h"

#include "../base/widest.h"
#include "../volume/voxels.h"

/* A grid that ends on the image's very edge must not lose its last sample to rounding. */
static const double EDGE = 0.5 + 1e-6;

/* A row along the cube's last axis: sample w lies at voxel start + w step. */
typedef struct row {
    const deeptepp_volume *volume;
    double start[3], step[3];
} row;

DTP_INLINE double place_of(const row *r, int v, int w)
{
    return r->start[v] + (double)w * r->step[v];
}

DTP_INLINE double between(double a, double b, double weight)
{
    return a + (b - a) * weight;
}

/* ---- Inner samples, with eight voxels around them: nearly all, so made in loops that compilers vectorise ---- */

enum { BLOCK = 64 };

/* Consecutive samples of a row. */
typedef struct block {
    int n;
    int64_t offset[BLOCK];   /* bytes to the first of a sample's eight voxels */
    double weight[3][BLOCK]; /* of the next voxel along i, j, k */
} block;

/* The margin keeps the eight voxels in memory should a compiler round the place differently where it is used. Indices
 * of 32 bits: SSE2 converts no longer ones. */
static bool is_inner(const row *r, int w)
{
    const double margin = 1e-6;
    for (int v = 0; v < 3; v++) {
        double place = place_of(r, v, w), last = (double)dtp_min_i64(r->volume->dims[v] - 1, INT32_MAX);
        if (!(place >= 0 && place < last - margin))
            return false;
    }
    return true;
}

DTP_INLINE void place_block(block *b, const row *r, int first, int n)
{
    const int64_t *stride = r->volume->strides;
    int32_t low[3][BLOCK];
    b->n = n;
    for (int v = 0; v < 3; v++) {
        for (int w = 0; w < n; w++) {
            double place = place_of(r, v, first + w);
            low[v][w] = (int32_t)place;
            b->weight[v][w] = place - (double)low[v][w];
        }
    }
    for (int w = 0; w < n; w++)
        b->offset[w] = low[0][w] * stride[0] + low[1][w] * stride[1] + low[2][w] * stride[2];
}

/* One function a voxel type, so that the type is not decided anew for each voxel. Of a sample's eight voxels two each
 * lie side by side along i: pair n is the first pair's neighbour along j, k where bit 0, 1 of n is set. */
#define DEFINE_SAMPLE(name, type, real, count)                                                                         \
    DTP_INLINE void fetch_##name(const block *b, const deeptepp_volume *volume, type pair[4][BLOCK][2])                \
    {                                                                                                                  \
        const int64_t *s = volume->strides;                                                                            \
        const int64_t step[4] = {0, s[1], s[2], s[2] + s[1]};                                                          \
        for (int w = 0; s[0] == (int64_t)sizeof(type) && w < b->n; w++)                                                \
            for (int n = 0; n < 4; n++)                                                                                \
                memcpy(pair[n][w], volume->data + b->offset[w] + step[n], sizeof pair[n][w]);                          \
        for (int w = 0; s[0] != (int64_t)sizeof(type) && w < b->n; w++)                                                \
            for (int c = 0; c < 8; c++)                                                                                \
                memcpy(&pair[c / 2][w][c % 2], volume->data + b->offset[w] + step[c / 2] + c % 2 * s[0], sizeof(type));\
    }                                                                                                                  \
    DTP_INLINE void blend_##name(const block *b, const deeptepp_volume *volume, float *out)                            \
    {                                                                                                                  \
        const double slope = volume->slope, inter = volume->inter;                                                     \
        type pair[4][BLOCK][2];                                                                                        \
        fetch_##name(b, volume, pair);                                                                                 \
        for (int w = 0; w < b->n; w++) {                                                                               \
            double line[4], plane[2];                                                                                  \
            for (int n = 0; n < 4; n++)                                                                                \
                line[n] = between((double)pair[n][w][0], (double)pair[n][w][1], b->weight[0][w]);                      \
            for (int n = 0; n < 2; n++)                                                                                \
                plane[n] = between(line[2 * n], line[2 * n + 1], b->weight[1][w]);                                     \
            out[w] = (float)(slope * between(plane[0], plane[1], b->weight[2][w]) + inter);                            \
        }                                                                                                              \
    }                                                                                                                  \
    DTP_WIDEST static void sample_##name(const row *r, int first, int last, float *out)                                \
    {                                                                                                                  \
        block b;                                                                                                       \
        for (int from = first; from < last; from += BLOCK) {                                                           \
            place_block(&b, r, from, last - from < BLOCK ? last - from : BLOCK);                                       \
            blend_##name(&b, r->volume, out + from);                                                                   \
        }                                                                                                              \
    }

DTP_VOXEL_TYPES(DEFINE_SAMPLE)

/* Samples first to last - 1 of a row, all inner ones. */
typedef void (*sample_function)(const row *r, int first, int last, float *out);

static sample_function sampler_of(deeptepp_type type)
{
#define SAMPLER(name, voxel, real, count) [DEEPTEPP_##name] = sample_##name,
    static const sample_function samplers[] = {DTP_VOXEL_TYPES(SAMPLER)};
    return samplers[type];
}

/* ---- Samples at the volume's edge and beyond ---- */

static double blend_clamped(const deeptepp_volume *volume, int64_t voxel[3][2], const double weight[3])
{
    double plane[2], line[2];
    for (int k = 0; k < 2; k++) {
        for (int j = 0; j < 2; j++)
            line[j] = between(dtp_volume_stored(volume, voxel[0][0], voxel[1][j], voxel[2][k]),
                              dtp_volume_stored(volume, voxel[0][1], voxel[1][j], voxel[2][k]), weight[0]);
        plane[k] = between(line[0], line[1], weight[1]);
    }
    return volume->slope * between(plane[0], plane[1], weight[2]) + volume->inter;
}

/* Whether the sample is inside; its value, the edge's where it is not. */
static bool sample_clamped(const row *r, int w, float *out)
{
    bool inside = true;
    int64_t voxel[3][2];
    double weight[3];
    for (int v = 0; v < 3; v++) {
        double place = place_of(r, v, w), last = (double)(r->volume->dims[v] - 1);
        double clamped = place < 0 ? 0 : place > last ? last : place;
        inside &= place >= -EDGE && place <= last + EDGE;
        voxel[v][0] = (int64_t)clamped;
        voxel[v][1] = dtp_min_i64(voxel[v][0] + 1, r->volume->dims[v] - 1);
        weight[v] = clamped - (double)voxel[v][0];
    }
    *out = (float)blend_clamped(r->volume, voxel, weight);
    return inside;
}

static int64_t sample_edge(const row *r, const dtp_recipe *recipe, int first, int last, float *out)
{
    int64_t outside = 0;
    for (int w = first; w < last; w++) {
        if (sample_clamped(r, w, &out[w]))
            continue;
        outside++;
        if (!recipe->fill_edge)
            out[w] = (float)recipe->fill_value;
    }
    return outside;
}

/* ---- Rows ---- */

static row make_row(const deeptepp_volume *volume, const dtp_grid *grid, int64_t d, int64_t h)
{
    row r = {.volume = volume};
    for (int v = 0; v < 3; v++) {
        r.start[v] = grid->origin[v] + (double)d * grid->step[0][v] + (double)h * grid->step[1][v];
        r.step[v] = grid->step[2][v];
    }
    return r;
}

/* A row is straight, so its inner samples follow each other. Returns how many points lie outside. */
static int64_t sample_row(const row *r, sample_function inner, const dtp_recipe *recipe, float *out)
{
    int size = (int)recipe->size[2], first = 0, last = size;
    while (first < size && !is_inner(r, first))
        first++;
    while (last > first && !is_inner(r, last - 1))
        last--;
    inner(r, first, last, out);
    return sample_edge(r, recipe, 0, first, out) + sample_edge(r, recipe, last, size, out);
}

typedef struct sampling {
    const deeptepp_volume *volume;
    const dtp_grid *grid;
    const dtp_recipe *recipe;
    sample_function inner;
    float *out;
    const dtp_watch *watch;
    atomic_llong outside;
} sampling;

static void sample_rows(void *argument, int lane, int64_t first, int64_t last)
{
    sampling *s = argument;
    const int64_t *size = s->recipe->size;
    int64_t outside = 0;
    (void)lane;
    for (int64_t n = first; n < last && !dtp_watch_cancelled(s->watch); n++) {
        const row r = make_row(s->volume, s->grid, n / size[1], n % size[1]);
        outside += sample_row(&r, s->inner, s->recipe, s->out + n * size[2]);
    }
    atomic_fetch_add(&s->outside, outside);
}

int64_t dtp_sample(const deeptepp_volume *volume, const dtp_grid *grid, const dtp_recipe *recipe,
                   float *out, const dtp_watch *watch)
{
    sampling s = {volume, grid, recipe, sampler_of(volume->type), out, watch, 0};
    dtp_team_for(dtp_watch_team(watch), recipe->size[0] * recipe->size[1], recipe->size[1], sample_rows, &s);
    return atomic_load(&s.outside);
}
