/* A stem's input to v: along the width and depth as rows come, along the height when a tile's rows are there. */
#include "stem_tiles.h"

enum { MAX_STEP = 8, COLUMNS = LANES + DTP_STEM_WINDOW / 3 };

/* A row of the input, dealt to columns: x[r][t] is cell r of step t. */
typedef struct columns {
    float x[MAX_STEP][COLUMNS];
} columns;

size_t dtp_stem_bench_lay(const dtp_stem *stem, dtp_stem_bench *bench, void *memory)
{
    const dtp_stem_axis *a = stem->axis;
    const int64_t slice = stem->ic * a[0].pairs * a[2].pairs, row = DTP_STEM_TILES * a[2].m;
    const int64_t pools = row + 2; /* where each cell has one */
    const int64_t sizes[] = {a[1].window * slice, a[1].pairs * slice, DTP_STEM_POINTS * row,
                             DTP_STEM_POINTS * a[1].m * row, a[0].m * a[1].m * row, a[0].m * a[1].m * pools};
    dtp_stem_bench none;
    bench = bench ? bench : &none;
    lanes **parts[] = {&bench->ring, &bench->v, &bench->columns, &bench->slabs, &bench->box, &bench->maxima};
    int64_t at = 0;
    for (size_t i = 0; i < DTP_COUNT(sizes); i++, at += sizes[i - 1])
        if (memory)
            *parts[i] = (lanes *)memory + at;
    return (size_t)at * sizeof(lanes);
}

/* All splits of an axis: the window's cells, `s` lanes apart, to its pairs, `t` lanes apart. */
DTP_INLINE void input_axis(const dtp_stem_axis *a, const lanes *x, int64_t s, lanes *y, int64_t t)
{
    if (a->kernel == 1) {
        *y = *x;
        return;
    }
    for (int i = 0; i < a->splits; i++, y += DTP_STEM_POINTS * t)
        dtp_six_input(x + a->split[i].first * s, a->stride * s, y, t, a->split[i].points);
}

/* ---- Along the width ---- */

DTP_INLINE void deal_steps(const float *cells, int64_t step, int64_t count, columns *to)
{
    for (int64_t t = 0; t < count; t++)
        for (int64_t r = 0; r < step; r++)
            to->x[r][t] = cells[t * step + r];
}

/* The cells of 16 tiles' windows from tile `first` on, zeros outside the map. */
DTP_INLINE void deal(const dtp_stem_axis *a, const float *row, int64_t first, columns *to)
{
    float cells[MAX_STEP * COLUMNS];
    int64_t count = LANES + (a->window - 1) / a->step, at = first * a->step - a->pad, end = at + count * a->step;
    int64_t before = dtp_max_i64(-at, 0), inside = dtp_max_i64(dtp_min_i64(end, a->in) - at, before);
    memset(cells, 0, (size_t)before * sizeof *cells);
    memcpy(cells + before, row + at + before, (size_t)(inside - before) * sizeof *cells);
    memset(cells + inside, 0, (size_t)(end - at - inside) * sizeof *cells);
    if (a->step == 6)
        deal_steps(cells, 6, count, to);
    else if (a->step == 3)
        deal_steps(cells, 3, count, to);
    else
        deal_steps(cells, a->step, count, to);
}

/* One row of the input, transformed along the width, to its pairs. */
DTP_INLINE void transform_row(const dtp_stem_axis *a, const float *row, int64_t first, lanes *to)
{
    columns c;
    lanes x[DTP_STEM_WINDOW];
    deal(a, row, first, &c);
    for (int64_t i = 0; i < a->window; i++)
        memcpy(&x[i], &c.x[i % a->step][i / a->step], sizeof x[i]);
    input_axis(a, x, 1, to, 1);
}

/* ---- Along the depth ---- */

/* Row h of all the depths a tile sees, of one channel: (depth pair, width pair). */
DTP_INLINE void transform_slice(const dtp_stem *stem, const float *channel, const dtp_stem_place *place, int64_t h,
                                lanes *to)
{
    const dtp_stem_axis *d = &stem->axis[0], *w = &stem->axis[2];
    lanes rows[DTP_STEM_WINDOW][DTP_STEM_PAIRS];
    for (int64_t i = 0; i < d->window; i++) {
        int64_t at = place->tile[0] * d->step - d->pad + i;
        if (dtp_inside(at, d->in))
            transform_row(w, channel + (at * stem->axis[1].in + h) * w->in, place->tile[2], rows[i]);
        else
            memset(rows[i], 0, sizeof rows[i]);
    }
    for (int i = 0; i < w->pairs; i++)
        input_axis(d, &rows[0][i], DTP_STEM_PAIRS, to + i, w->pairs);
}

DTP_WIDEST static void read_rows(const dtp_stem *stem, const dtp_stem_bench *bench, const float *src,
                                 const dtp_stem_place *place, int64_t first, int64_t last)
{
    const dtp_stem_axis *a = stem->axis;
    const int64_t slice = (int64_t)a[0].pairs * a[2].pairs, channel = a[0].in * a[1].in * a[2].in;
    const float *image = src + place->image * stem->ic * channel;
    for (int64_t row = first; row < last; row++) {
        lanes *to = bench->ring + row % a[1].window * stem->ic * slice;
        for (int64_t c = 0; c < stem->ic; c++, to += slice)
            if (dtp_inside(row - a[1].pad, a[1].in))
                transform_slice(stem, image + c * channel, place, row - a[1].pad, to);
            else
                memset(to, 0, (size_t)slice * sizeof *to);
    }
}

void dtp_stem_read(const dtp_stem *stem, const dtp_stem_bench *bench, const float *src, const dtp_stem_place *place,
                   int64_t first, int64_t last)
{
    read_rows(stem, bench, src, place, first, last);
}

/* ---- Along the height ---- */

/* One split of the height, of every channel, depth and width pair. */
DTP_INLINE void gather_split(const dtp_stem *stem, const lanes *const row[DTP_STEM_POINTS], lanes *v, int points)
{
    const int64_t width = stem->axis[2].pairs, depth = stem->axis[0].pairs, height = stem->axis[1].pairs;
    for (int64_t c = 0; c < stem->ic; c++)
        for (int64_t d = 0; d < depth; d++)
            for (int64_t w = 0; w < width; w++) {
                lanes x[DTP_STEM_POINTS];
                for (int i = 0; i < points; i++)
                    x[i] = row[i][(c * depth + d) * width + w];
                dtp_six_input(x, 1, v + (d * height * stem->ic + c) * width + w, stem->ic * width, points);
            }
}

DTP_WIDEST static void gather(const dtp_stem *stem, const dtp_stem_bench *bench, const dtp_stem_place *place)
{
    const dtp_stem_axis *h = &stem->axis[1];
    const int64_t slot = stem->ic * stem->axis[0].pairs * stem->axis[2].pairs;
    for (int s = 0; s < h->splits; s++) {
        const lanes *row[DTP_STEM_POINTS] = {0};
        int64_t at = place->tile[1] * h->step + h->split[s].first;
        for (int i = 0; i < h->split[s].points; i++)
            row[i] = bench->ring + (at + i * h->stride) % h->window * slot;
        lanes *v = bench->v + s * DTP_STEM_POINTS * stem->ic * stem->axis[2].pairs;
        if (h->split[s].points == DTP_STEM_POINTS)
            gather_split(stem, row, v, DTP_STEM_POINTS);
        else
            gather_split(stem, row, v, DTP_STEM_POINTS - 1);
    }
}

void dtp_stem_gather(const dtp_stem *stem, const dtp_stem_bench *bench, const dtp_stem_place *place)
{
    gather(stem, bench, place);
}
