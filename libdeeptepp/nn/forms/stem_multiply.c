/* A stem's products and the way back to output cells, axis by axis while they are in cache. */
#include "stem_tiles.h"

/* What one point of depth multiplies, to (height cell, tile, width cell). */
typedef struct products {
    const dtp_stem_sum *sums; /* one a point of height */
    const float *v, *weights; /* of the block of channels */
    int second;               /* points of the width's second split */
    int64_t step;             /* from a width pair's weights to the next's */
    int64_t tiles, width, height; /* width, height: cells of a tile */
    lanes *columns, *out;         /* columns: (height point, tile, width cell) */
    int64_t row;                  /* from a height point or cell to the next */
} products;

/* ---- Products ---- */

#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 6")
#endif

/* A point of the width for T tiles. The weights are read once: as each instruction's operand they would keep the
 * processor, which reads no more than two registers a cycle. */
#define ADD_PRODUCTS(T, KEEP, sum)                                                                                     \
    do {                                                                                                               \
        lanes weight = *(const lanes *)w;                                                                              \
        KEEP(weight);                                                                                                  \
        UNROLLED for (int t = 0; t < (T); t++)(sum)[t] += v[t] * weight;                                               \
        v += LANES;                                                                                                    \
        w += p->step;                                                                                                  \
    } while (0)

/* Tiles from `tile` on at one point of depth and height: sums in registers for all points of the width, then cells. */
#define DEFINE_POINT(NAME, SPECIFIERS, T, KEEP)                                                                        \
    SPECIFIERS void NAME(const products *p, const dtp_stem_sum *s, int64_t tile, int64_t m, lanes *out)                \
    {                                                                                                                  \
        lanes sum[DTP_STEM_POINTS][T] = {0};                                                                           \
        const float *power = DTP_POWERS;                                                                               \
        for (int n = 0; n < s->count; n++) {                                                                           \
            const float *v = p->v + s->at[n] * LANES + tile, *w = p->weights + s->weights[n] * LANES;                  \
            UNROLLED for (int i = 0; i < DTP_STEM_POINTS; i++) ADD_PRODUCTS(T, KEEP, sum[i]);                          \
            if (p->second) {                                                                                           \
                UNROLLED for (int i = 0; i < DTP_STEM_POINTS - 1; i++) ADD_PRODUCTS(T, KEEP, sum[i]);                  \
                if (p->second == DTP_STEM_POINTS)                                                                      \
                    ADD_PRODUCTS(T, KEEP, sum[DTP_STEM_POINTS - 1]);                                                   \
            }                                                                                                          \
        }                                                                                                              \
        __asm__("" : "+r"(power)); /* else they would be kept in registers that the sums need */                       \
        UNROLLED for (int t = 0; t < (T); t++) dtp_six_output(&sum[0][t], T, out + t * m, 1, m, power);                \
    }

/* Height by height, so that its weights and tiles stay in the first-level cache. */
#define MULTIPLY_TILES(POINT, T, HEIGHT, WIDTH)                                                                        \
    do {                                                                                                               \
        for (int h = 0; h < DTP_STEM_POINTS; h++)                                                                      \
            for (int64_t t = 0; t < p->tiles; t += (T))                                                                \
                POINT(p, &p->sums[h], t, WIDTH, p->columns + h * p->row + t * (WIDTH));                                \
        for (int64_t i = 0; i < p->tiles * (WIDTH); i++)                                                               \
            dtp_six_output(p->columns + i, p->row, p->out + i, p->row, HEIGHT, DTP_POWERS);                            \
    } while (0)

#define DEFINE_MULTIPLY(NAME, SPECIFIERS, POINT, T)                                                                    \
    SPECIFIERS void NAME(const products *p)                                                                            \
    {                                                                                                                  \
        if (p->height == 3 && p->width == 3)                                                                           \
            MULTIPLY_TILES(POINT, T, 3, 3);                                                                            \
        else if (p->height == 3)                                                                                       \
            MULTIPLY_TILES(POINT, T, 3, 4);                                                                            \
        else if (p->width == 3)                                                                                        \
            MULTIPLY_TILES(POINT, T, 4, 3);                                                                            \
        else                                                                                                           \
            MULTIPLY_TILES(POINT, T, 4, 4);                                                                            \
    }

#define LEAVE(x) (void)(x)
DEFINE_POINT(point_narrow, DTP_INLINE, 1, LEAVE)
DEFINE_MULTIPLY(multiply_narrow, DTP_WIDEST static, point_narrow, 1)

/* With 32 registers of 16 floats four tiles' sums stay in them. */
#if DTP_HAS_WIDER
#define V4 __attribute__((target("arch=x86-64-v4")))
#define KEEP_V4(x) __asm__("" : "+v"(x))
DEFINE_POINT(point_v4, V4 DTP_INLINE, 4, KEEP_V4)
DEFINE_MULTIPLY(multiply_v4, V4 static, point_v4, 4)

static void multiply(const products *p)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        multiply_v4(p);
    else
        multiply_narrow(p);
}
#else
static void multiply(const products *p)
{
    multiply_narrow(p);
}
#endif

/* ---- Back along the depth ---- */

/* `count` lanes of each point, `row` lanes apart, to as many of each cell. */
DTP_INLINE void finish_lanes(const lanes *x, lanes *y, int64_t row, int64_t count, const lanes *bias, float slope,
                             int64_t m)
{
    for (int64_t i = 0; i < count; i++) {
        lanes cells[4];
        if (m == 1)
            cells[0] = x[i];
        else
            dtp_six_output(x + i, row, cells, 1, m, DTP_POWERS);
        for (int64_t j = 0; j < m; j++) {
            cells[j] += *bias;
            dtp_activate(&cells[j], slope);
            y[j * row + i] = cells[j];
        }
    }
}

DTP_WIDEST static void finish_depth(const dtp_stem *stem, const lanes *x, lanes *y, int64_t row, int64_t count,
                                    const float *bias)
{
    const float slope = dtp_negative_slope(stem->activation);
    lanes add;
    memcpy(&add, bias, sizeof add);
    if (stem->axis[0].m == 1)
        finish_lanes(x, y, row, count, &add, slope, 1);
    else if (stem->axis[0].m == 3)
        finish_lanes(x, y, row, count, &add, slope, 3);
    else
        finish_lanes(x, y, row, count, &add, slope, 4);
}

void dtp_stem_multiply(const dtp_stem *stem, const dtp_stem_bench *bench, int64_t tiles, const float *weights,
                       const float *bias)
{
    const dtp_stem_axis *a = stem->axis;
    const int64_t row = DTP_STEM_TILES * a[2].m, slab = a[1].m * row, used = tiles * a[2].m;
    const int depths = a[0].kernel == 1 ? 1 : DTP_STEM_POINTS;
    products p = {.v = (const float *)bench->v, .weights = weights, .second = a[2].split[1].points,
                  .step = stem->ic * LANES, .tiles = tiles, .width = a[2].m, .height = a[1].m,
                  .columns = bench->columns, .row = row};
    for (int d = 0; d < depths; d++) {
        p.sums = stem->sums[d];
        p.out = bench->slabs + d * slab;
        multiply(&p);
    }
    for (int64_t h = 0; h < a[1].m; h++)
        finish_depth(stem, bench->slabs + h * row, bench->box + h * row, slab, used, bias);
}
