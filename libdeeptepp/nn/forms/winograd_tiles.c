#include "winograd_tiles.h"

#include "../../base/widest.h"

enum { LANES = DTP_TILE_CHANNELS, MAX_POINTS = 64 };

/* Channels side by side: the compiler splits them into the registers the machine has. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lane_mask __attribute__((vector_size(LANES * sizeof(int32_t))));

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

/* B^T along one axis, in place: `s` places from one cell to the next. */
DTP_INLINE void input_axis(lanes *x, int64_t s, int64_t m)
{
    if (m == 2) {
        lanes a = x[0], b = x[s], c = x[2 * s], d = x[3 * s];
        x[0] = a - c;
        x[s] = b + c;
        x[2 * s] = c - b;
        x[3 * s] = b - d;
    } else if (m == 4) {
        lanes a = x[0], b = x[s], c = x[2 * s], d = x[3 * s], e = x[4 * s], f = x[5 * s];
        x[0] = 4 * a - 5 * c + e;
        x[s] = (d + e) - 4 * (b + c);
        x[2 * s] = (e - d) + 4 * (b - c);
        x[3 * s] = (e - c) + 2 * (d - b);
        x[4 * s] = (e - c) - 2 * (d - b);
        x[5 * s] = 4 * b - 5 * d + f;
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
        lanes sum = x[s] + x[2 * s], difference = x[s] - x[2 * s];
        lanes sum2 = x[3 * s] + x[4 * s], difference2 = x[3 * s] - x[4 * s];
        lanes first = x[0], last = x[5 * s];
        x[0] = first + sum + sum2;
        x[s] = difference + 2 * difference2;
        x[2 * s] = sum + 4 * sum2;
        x[3 * s] = difference + 8 * difference2 + last;
    }
}

/* The same transform along all three axes of a tile. */
#define FOR_EACH_AXIS(transform, x, t)                                                                                 \
    do {                                                                                                               \
        const int64_t ad = (t)->axis[0].alpha, ah = (t)->axis[1].alpha, aw = (t)->axis[2].alpha;                       \
        for (int64_t i = 0; i < ad * ah; i++)                                                                          \
            transform((x) + i * aw, 1, (t)->axis[2].m);                                                                \
        for (int64_t i = 0; i < ad; i++)                                                                               \
            for (int64_t j = 0; j < aw; j++)                                                                           \
                transform((x) + i * ah * aw + j, aw, (t)->axis[1].m);                                                  \
        for (int64_t i = 0; i < ah * aw; i++)                                                                          \
            transform((x) + i, ah * aw, (t)->axis[0].m);                                                               \
    } while (0)

DTP_INLINE bool inside(int64_t at, int64_t size)
{
    return at >= 0 && at < size;
}

/* A tile's input cells of one channel block; zeros outside the map. */
DTP_INLINE void load_tile(const dtp_tiling *t, const float *image, const place *p, int64_t channel, lanes *x)
{
    const dtp_tile_axis *a = t->axis;
    for (int64_t d = 0; d < a[0].alpha; d++) {
        for (int64_t h = 0; h < a[1].alpha; h++) {
            int64_t id = p->at[0] + d - a[0].pad, ih = p->at[1] + h - a[1].pad;
            bool row = inside(id, a[0].in) && inside(ih, a[1].in);
            for (int64_t w = 0; w < a[2].alpha; w++, x++) {
                int64_t iw = p->at[2] + w - a[2].pad;
                if (row && inside(iw, a[2].in))
                    memcpy(x, image + ((id * a[1].in + ih) * a[2].in + iw) * t->ic + channel, sizeof *x);
                else
                    memset(x, 0, sizeof *x);
            }
        }
    }
}

DTP_WIDEST static void gather_tile(const dtp_tiling *t, const float *src, int64_t tile, int64_t row, float *v)
{
    lanes x[MAX_POINTS];
    place p = place_of(t, tile);
    const float *image = src + p.image * t->axis[0].in * t->axis[1].in * t->axis[2].in * t->ic;
    for (int64_t channel = 0; channel < t->ic; channel += LANES) {
        load_tile(t, image, &p, channel, x);
        FOR_EACH_AXIS(input_axis, x, t);
        for (int64_t point = 0; point < t->points; point++)
            memcpy(v + (point * t->block + row) * t->ic + channel, &x[point], sizeof *x);
    }
}

void dtp_tiles_gather(const dtp_tiling *tiling, const float *src, int64_t tile, int64_t first, int64_t last, float *v)
{
    for (int64_t row = first; row < last; row++)
        gather_tile(tiling, src, tile + row, row, v);
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
    /* NaN is not below 0 and stays: as in the backend's own ReLU, and no wrong number looks like a right one. */
    lane_mask negative = y < 0, low = slope == 0 ? negative & 0 : negative & (lane_mask)(slope * y);
    y = (lanes)((~negative & (lane_mask)y) | low);
    memcpy(dst, &y, sizeof y);
}

/* A tile's output cells of one channel block, those inside the map. */
DTP_INLINE void store_tile(const dtp_tiling *t, float *image, const place *p, int64_t channel, const lanes *x,
                       const float *bias, bool add, float slope)
{
    const dtp_tile_axis *a = t->axis;
    for (int64_t d = 0; d < a[0].m && p->at[0] + d < a[0].out; d++)
        for (int64_t h = 0; h < a[1].m && p->at[1] + h < a[1].out; h++)
            for (int64_t w = 0; w < a[2].m && p->at[2] + w < a[2].out; w++) {
                int64_t cell = ((p->at[0] + d) * a[1].out + p->at[1] + h) * a[2].out + p->at[2] + w;
                finish_cell(image + cell * t->oc + channel, x + (d * a[1].alpha + h) * a[2].alpha + w, bias + channel,
                            add, slope);
            }
}

DTP_WIDEST static void scatter_tile(const dtp_tiling *t, const float *m, int64_t tile, int64_t row, const float *bias,
                                bool add, dtp_activation activation, float *dst)
{
    const float slope = dtp_negative_slope(activation);
    lanes x[MAX_POINTS];
    place p = place_of(t, tile);
    float *image = dst + p.image * t->axis[0].out * t->axis[1].out * t->axis[2].out * t->oc;
    for (int64_t channel = 0; channel < t->oc; channel += LANES) {
        for (int64_t point = 0; point < t->points; point++)
            memcpy(&x[point], m + (point * t->block + row) * t->oc + channel, sizeof *x);
        FOR_EACH_AXIS(output_axis, x, t);
        store_tile(t, image, &p, channel, x, bias, add, slope);
    }
}

void dtp_tiles_scatter(const dtp_tiling *tiling, const float *m, int64_t tile, int64_t first, int64_t last,
                       const float *bias, bool add, dtp_activation activation, float *dst)
{
    for (int64_t row = first; row < last; row++)
        scatter_tile(tiling, m, tile + row, row, bias, add, activation, dst);
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
        out[0] = g[0] / 4;
        out[1] = -(g[0] + g[1] + g[2]) / 6;
        out[2] = -(g[0] - g[1] + g[2]) / 6;
        out[3] = g[0] / 24 + g[1] / 12 + g[2] / 6;
        out[4] = g[0] / 24 - g[1] / 12 + g[2] / 6;
        out[5] = g[2];
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
