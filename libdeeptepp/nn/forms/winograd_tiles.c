#include "winograd_tiles.h"

#include "six_points.h"

enum { MAX_REACH = DTP_SIX_POINTS, MAX_POINTS = 64 };

static void axis_make(dtp_tile_axis *axis, const dtp_layer *layer, int index, int64_t in, int64_t out, bool flat)
{
    bool filtered = layer->kernel[index] == 3;
    axis->m = !filtered ? 1 : flat ? 4 : 2;
    axis->alpha = filtered ? axis->m + 2 : 1;
    axis->pad = layer->pad[index];
    axis->in = in;
    axis->out = out;
    axis->tiles = (out + axis->m - 1) / axis->m;
}

void dtp_tiling_make(dtp_tiling *out, const dtp_graph *graph, int layer, int64_t images)
{
    const dtp_layer *l = &graph->layers[layer];
    dtp_shape from = graph->values[l->src], to = graph->values[layer + 1];
    bool flat = l->kernel[0] == 1 || l->kernel[1] == 1 || l->kernel[2] == 1;
    *out = (dtp_tiling){.ic = from.c, .oc = to.c};
    axis_make(&out->axis[0], l, 0, from.d, to.d, flat);
    axis_make(&out->axis[1], l, 1, from.h, to.h, flat);
    axis_make(&out->axis[2], l, 2, from.w, to.w, flat);
    out->points = out->axis[0].alpha * out->axis[1].alpha * out->axis[2].alpha;
    out->tiles = images * out->axis[0].tiles * out->axis[1].tiles * out->axis[2].tiles;
}

/* Where a tile lies. */
typedef struct place {
    int64_t image, at[3]; /* its first output cell */
} place;

static place place_of(const dtp_tiling *t, int64_t tile)
{
    place p;
    for (int i = 2; i >= 0; i--) {
        p.at[i] = tile % t->axis[i].tiles * t->axis[i].m;
        tile /= t->axis[i].tiles;
    }
    p.image = tile;
    return p;
}

/* B^T along one axis, in place: `s` places from one cell to the next. F(2, 3) has the points 0, 1, -1 and infinity. */
DTP_INLINE void input_axis(lanes *x, int64_t s, int64_t m)
{
    if (m == 2) {
        lanes a = x[0], b = x[s], c = x[2 * s], d = x[3 * s];
        x[0] = a - c;
        x[s] = b + c;
        x[2 * s] = c - b;
        x[3 * s] = b - d;
    } else if (m == 4) {
        dtp_six_input(x, s, x, s, DTP_SIX_POINTS);
    }
}

/* A^T along one axis, in place: the first m cells become the output. */
DTP_INLINE void output_axis(lanes *x, int64_t s, int64_t m)
{
    if (m == 2) {
        lanes a = x[0], b = x[s], c = x[2 * s], d = x[3 * s];
        x[0] = a + b + c;
        x[s] = b - c - d;
    } else if (m == 4) {
        dtp_six_output(x, s, x, s, 4, DTP_POWERS);
    }
}

/* Cells that a tile of m output cells reads along an axis. */
DTP_INLINE int64_t reach(int64_t m)
{
    return m == 1 ? 1 : m + 2;
}

/* A row of a tile's input cells; zeros outside the map. */
DTP_INLINE void load_row(const dtp_tile_axis *a, const float *row, int64_t first, int64_t ic, int64_t cells, lanes *x)
{
    bool within = row && first >= 0 && first + cells <= a->in;
    for (int64_t w = 0; w < cells; w++) {
        if (within || (row && dtp_inside(first + w, a->in)))
            memcpy(&x[w], row + (first + w) * ic, sizeof *x);
        else
            memset(&x[w], 0, sizeof *x);
    }
}

/* Where the sizes of tiles are constants, all loops within one are unrolled. */
DTP_INLINE void gather_sized(const dtp_tiling *t, const float *src, int64_t tile, int64_t row, float *v, int64_t m0,
                             int64_t m1, int64_t m2)
{
    const int64_t depth = reach(m0), height = reach(m1), width = reach(m2), plane = height * width;
    const dtp_tile_axis *a = t->axis;
    lanes x[MAX_POINTS], y[MAX_REACH];
    const place p = place_of(t, tile);
    const int64_t d0 = p.at[0] - a[0].pad, h0 = p.at[1] - a[1].pad, w0 = p.at[2] - a[2].pad;
    const float *image = src + p.image * a[0].in * a[1].in * a[2].in * t->ic;
    for (int64_t channel = 0; channel < t->ic; channel += LANES) {
        for (int64_t i = 0; i < depth * height; i++) {
            int64_t d = d0 + i / height, h = h0 + i % height;
            bool there = dtp_inside(d, a[0].in) && dtp_inside(h, a[1].in);
            const float *from = there ? image + (d * a[1].in + h) * a[2].in * t->ic + channel : NULL;
            load_row(&a[2], from, w0, t->ic, width, x + i * width);
            input_axis(x + i * width, 1, m2);
        }
        for (int64_t i = 0; i < depth * width; i++)
            input_axis(x + i / width * plane + i % width, width, m1);
        for (int64_t i = 0; i < plane; i++) {
            for (int64_t d = 0; d < depth; d++)
                y[d] = x[d * plane + i];
            input_axis(y, 1, m0);
            for (int64_t d = 0; d < depth; d++)
                memcpy(v + ((d * plane + i) * t->block + row) * t->ic + channel, &y[d], sizeof *y);
        }
    }
}

DTP_INLINE void finish_cell(float *dst, const lanes *x, const float *bias, bool add, float slope)
{
    lanes y = *x, term;
    memcpy(&term, bias, sizeof term);
    y += term;
    if (add) {
        memcpy(&term, dst, sizeof term);
        y += term;
    }
    dtp_activate(&y, slope);
    memcpy(dst, &y, sizeof y);
}

/* What becomes of a tile's products. */
typedef struct finishing {
    const float *bias;
    bool add;
    float slope;
} finishing;

/* A row of a tile's output cells, those inside the map. */
DTP_INLINE void store_row(const dtp_tile_axis *a, float *row, int64_t first, int64_t oc, int64_t m, const lanes *x,
                          const finishing *f, int64_t channel)
{
    int64_t cells = dtp_min_i64(m, a->out - first);
    for (int64_t w = 0; w < cells; w++)
        finish_cell(row + (first + w) * oc + channel, &x[w], f->bias + channel, f->add, f->slope);
}

DTP_INLINE void scatter_sized(const dtp_tiling *t, const float *m, int64_t tile, int64_t row, const finishing *f,
                              float *dst, int64_t m0, int64_t m1, int64_t m2)
{
    const int64_t depth = reach(m0), height = reach(m1), width = reach(m2), plane = height * width;
    const dtp_tile_axis *a = t->axis;
    lanes x[MAX_POINTS], y[MAX_REACH];
    const place p = place_of(t, tile);
    float *image = dst + p.image * a[0].out * a[1].out * a[2].out * t->oc;
    for (int64_t channel = 0; channel < t->oc; channel += LANES) {
        for (int64_t i = 0; i < plane; i++) {
            for (int64_t d = 0; d < depth; d++)
                memcpy(&y[d], m + ((d * plane + i) * t->block + row) * t->oc + channel, sizeof *y);
            output_axis(y, 1, m0);
            for (int64_t d = 0; d < m0; d++)
                x[d * plane + i] = y[d];
        }
        for (int64_t i = 0; i < m0 * width; i++)
            output_axis(x + i / width * plane + i % width, width, m1);
        for (int64_t i = 0; i < m0 * m1; i++) {
            int64_t d = p.at[0] + i / m1, h = p.at[1] + i % m1;
            lanes *cells = x + i / m1 * plane + i % m1 * width;
            output_axis(cells, 1, m2);
            if (d < a[0].out && h < a[1].out)
                store_row(&a[2], image + (d * a[1].out + h) * a[2].out * t->oc, p.at[2], t->oc, m2, cells, f, channel);
        }
    }
}

static bool has_sizes(const dtp_tiling *t, int64_t m0, int64_t m1, int64_t m2)
{
    return t->axis[0].m == m0 && t->axis[1].m == m1 && t->axis[2].m == m2;
}

DTP_WIDEST static void gather_tile(const dtp_tiling *t, const float *src, int64_t tile, int64_t row, float *v)
{
    if (has_sizes(t, 2, 2, 2))
        gather_sized(t, src, tile, row, v, 2, 2, 2);
    else if (has_sizes(t, 1, 4, 4))
        gather_sized(t, src, tile, row, v, 1, 4, 4);
    else
        gather_sized(t, src, tile, row, v, t->axis[0].m, t->axis[1].m, t->axis[2].m);
}

DTP_WIDEST static void scatter_tile(const dtp_tiling *t, const float *m, int64_t tile, int64_t row, const finishing *f,
                                    float *dst)
{
    if (has_sizes(t, 2, 2, 2))
        scatter_sized(t, m, tile, row, f, dst, 2, 2, 2);
    else if (has_sizes(t, 1, 4, 4))
        scatter_sized(t, m, tile, row, f, dst, 1, 4, 4);
    else
        scatter_sized(t, m, tile, row, f, dst, t->axis[0].m, t->axis[1].m, t->axis[2].m);
}

void dtp_tiles_gather(const dtp_tiling *tiling, const float *src, int64_t tile, int64_t first, int64_t last, float *v)
{
    for (int64_t row = first; row < last; row++)
        gather_tile(tiling, src, tile + row, row, v);
}

void dtp_tiles_scatter(const dtp_tiling *tiling, const float *m, int64_t tile, int64_t first, int64_t last,
                       const float *bias, bool add, dtp_activation activation, float *dst)
{
    const finishing f = {bias, add, dtp_negative_slope(activation)};
    for (int64_t row = first; row < last; row++)
        scatter_tile(tiling, m, tile + row, row, &f, dst);
}

/* G along one axis: three weights to alpha points; `s` doubles from one to the next. */
static void weight_axis(const double g[3], double *out, int64_t m)
{
    if (m == 1) {
        out[0] = g[0];
    } else if (m == 2) {
        out[0] = g[0];
        out[1] = (g[0] + g[1] + g[2]) / 2;
        out[2] = (g[0] - g[1] + g[2]) / 2;
        out[3] = g[2];
    } else {
        for (int i = 0; i < DTP_SIX_POINTS; i++)
            out[i] = dtp_six_share(i, 0, 3) * g[0] + dtp_six_share(i, 1, 3) * g[1] + dtp_six_share(i, 2, 3) * g[2];
    }
}

/* One filter: kernel cells to points, axis by axis; the array keeps 6 places an axis. */
static void transform_filter(const dtp_tiling *t, const int64_t kernel[3], const float *filter, double x[6][6][6])
{
    double g[3] = {0}, out[6] = {0};
    for (int64_t d = 0; d < kernel[0]; d++)
        for (int64_t h = 0; h < kernel[1]; h++) {
            for (int64_t w = 0; w < kernel[2]; w++)
                g[w] = filter[(d * kernel[1] + h) * kernel[2] + w];
            weight_axis(g, x[d][h], t->axis[2].m);
        }
    for (int64_t d = 0; d < kernel[0]; d++)
        for (int64_t w = 0; w < t->axis[2].alpha; w++) {
            for (int64_t h = 0; h < kernel[1]; h++)
                g[h] = x[d][h][w];
            weight_axis(g, out, t->axis[1].m);
            for (int64_t h = 0; h < t->axis[1].alpha; h++)
                x[d][h][w] = out[h];
        }
    for (int64_t h = 0; h < t->axis[1].alpha; h++)
        for (int64_t w = 0; w < t->axis[2].alpha; w++) {
            for (int64_t d = 0; d < kernel[0]; d++)
                g[d] = x[d][h][w];
            weight_axis(g, out, t->axis[0].m);
            for (int64_t d = 0; d < t->axis[0].alpha; d++)
                x[d][h][w] = out[d];
        }
}

typedef struct transforming {
    const dtp_tiling *tiling;
    const int64_t *kernel;
    const float *plain; /* from the first output channel on */
    int64_t count;
    float *out;
    const dtp_watch *watch;
} transforming;

static void transform_pair(const transforming *f, int64_t ic, int64_t oc)
{
    const dtp_tiling *t = f->tiling;
    double x[6][6][6];
    float *to = f->out + ic * f->count + oc;
    transform_filter(t, f->kernel, f->plain + (oc * t->ic + ic) * f->kernel[0] * f->kernel[1] * f->kernel[2], x);
    for (int64_t d = 0; d < t->axis[0].alpha; d++)
        for (int64_t h = 0; h < t->axis[1].alpha; h++)
            for (int64_t w = 0; w < t->axis[2].alpha; w++, to += t->ic * f->count)
                *to = (float)x[d][h][w];
}

static void transform_inputs(void *argument, int lane, int64_t first, int64_t last)
{
    const transforming *f = argument;
    (void)lane;
    for (int64_t ic = first; ic < last; ic++)
        for (int64_t oc = 0; oc < f->count && !dtp_watch_cancelled(f->watch); oc++)
            transform_pair(f, ic, oc);
}

void dtp_tiles_weights(const dtp_graph *graph, int layer, const float *plain, int64_t first, int64_t count, float *out,
                       const dtp_watch *watch)
{
    dtp_tiling tiling;
    const int64_t *kernel = graph->layers[layer].kernel;
    dtp_tiling_make(&tiling, graph, layer, 1);
    int64_t before = first * tiling.ic * kernel[0] * kernel[1] * kernel[2];
    transforming f = {&tiling, kernel, plain + before, count, out, watch};
    dtp_team_for(dtp_watch_team(watch), tiling.ic, 1, transform_inputs, &f);
}
