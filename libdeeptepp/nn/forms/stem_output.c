/* A stem's output cells to its map or into the maxima of the pool that follows. */
#include "stem_tiles.h"

/* The box's cells that lie within the map, along an axis. */
typedef struct span {
    int64_t first, last;
} span;

DTP_INLINE span cells_of(const dtp_stem_axis *a, int64_t tile, int64_t tiles)
{
    return (span){tile * a->m, dtp_min_i64((tile + tiles) * a->m, a->out)};
}

DTP_INLINE void copy_map(const dtp_stem *stem, const lanes *box, const span s[3], float *image)
{
    const dtp_stem_axis *a = stem->axis;
    const int64_t row = DTP_STEM_TILES * a[2].m;
    for (int64_t d = s[0].first; d < s[0].last; d++)
        for (int64_t h = s[1].first; h < s[1].last; h++) {
            const lanes *from = box + ((d - s[0].first) * a[1].m + h - s[1].first) * row;
            float *to = image + ((d * a[1].out + h) * a[2].out + s[2].first) * stem->oc;
            for (int64_t w = s[2].first; w < s[2].last; w++, from++, to += stem->oc)
                memcpy(to, from, sizeof *from);
        }
}

/* ---- The pool ---- */

/* The pool's cells whose windows meet some cells along an axis; the cells one of them sees of those. */
DTP_INLINE span pools_of(const dtp_layer *pool, int axis, span cells, int64_t size)
{
    int64_t stride = pool->stride[axis], low = cells.first + pool->pad[axis] - pool->kernel[axis] + 1;
    int64_t first = low <= 0 ? 0 : (low + stride - 1) / stride;
    return (span){first, dtp_min_i64((cells.last - 1 + pool->pad[axis]) / stride + 1, size)};
}

DTP_INLINE span seen_by(const dtp_layer *pool, int axis, int64_t at, span cells)
{
    int64_t first = at * pool->stride[axis] - pool->pad[axis];
    return (span){dtp_max_i64(first, cells.first), dtp_min_i64(first + pool->kernel[axis], cells.last)};
}

DTP_INLINE void take_larger(lanes *most, const lanes *x)
{
    lane_mask keep = *most > *x;
    *most = (lanes)((keep & (lane_mask)*most) | (~keep & (lane_mask)*x));
}

/* Along the width: rows of cells to rows of the pool's. */
DTP_INLINE void pool_width(const dtp_stem *stem, const lanes *row, span cells, span pools, lanes *to)
{
    for (int64_t p = pools.first; p < pools.last; p++) {
        span s = seen_by(stem->pool, 2, p, cells);
        lanes most = row[s.first - cells.first];
        for (int64_t w = s.first + 1; w < s.last; w++)
            take_larger(&most, &row[w - cells.first]);
        *to++ = most;
    }
}

/* A row of the pool's: the maxima of those rows that its windows see, and of what is there. */
DTP_INLINE void pool_rows(const dtp_stem *stem, const lanes *maxima, int64_t row, span d, span h, float *to)
{
    for (int64_t i = 0; i < row; i++, to += stem->oc) {
        lanes most;
        __builtin_prefetch(to + LANES, 1); /* the next block's */
        memcpy(&most, to, sizeof most);
        for (int64_t j = d.first; j < d.last; j++)
            for (int64_t k = h.first; k < h.last; k++)
                take_larger(&most, &maxima[(j * stem->axis[1].m + k) * row + i]);
        memcpy(to, &most, sizeof most);
    }
}

DTP_INLINE void pool_box(const dtp_stem *stem, const dtp_stem_bench *bench, const span s[3], float *image)
{
    const dtp_shape out = stem->pooled;
    const dtp_layer *pool = stem->pool;
    const int64_t high = stem->axis[1].m, from = DTP_STEM_TILES * stem->axis[2].m;
    const span pd = pools_of(pool, 0, s[0], out.d), ph = pools_of(pool, 1, s[1], out.h);
    const span pw = pools_of(pool, 2, s[2], out.w);
    const int64_t row = pw.last - pw.first;
    for (int64_t d = 0; d < s[0].last - s[0].first; d++)
        for (int64_t h = 0; h < s[1].last - s[1].first; h++)
            pool_width(stem, bench->box + (d * high + h) * from, s[2], pw, bench->maxima + (d * high + h) * row);
    for (int64_t d = pd.first; d < pd.last; d++)
        for (int64_t h = ph.first; h < ph.last; h++) {
            span sd = seen_by(pool, 0, d, s[0]), sh = seen_by(pool, 1, h, s[1]);
            sd = (span){sd.first - s[0].first, sd.last - s[0].first};
            sh = (span){sh.first - s[1].first, sh.last - s[1].first};
            pool_rows(stem, bench->maxima, row, sd, sh, image + ((d * out.h + h) * out.w + pw.first) * stem->oc);
        }
}

DTP_WIDEST static void write_box(const dtp_stem *stem, const dtp_stem_bench *bench, const dtp_stem_place *place,
                                 float *dst, int64_t channel)
{
    const dtp_stem_axis *a = stem->axis;
    const span s[3] = {cells_of(&a[0], place->tile[0], 1), cells_of(&a[1], place->tile[1], 1),
                       cells_of(&a[2], place->tile[2], place->tiles)};
    const dtp_shape out = stem->pooled;
    const int64_t cells = stem->pool ? out.d * out.h * out.w : a[0].out * a[1].out * a[2].out;
    float *image = dst + place->image * cells * stem->oc + channel;
    if (stem->pool)
        pool_box(stem, bench, s, image);
    else
        copy_map(stem, bench->box, s, image);
}

void dtp_stem_write(const dtp_stem *stem, const dtp_stem_bench *bench, const dtp_stem_place *place, float *dst,
                    int64_t channel)
{
    write_box(stem, bench, place, dst, channel);
}
