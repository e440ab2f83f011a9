#include "stem_shape.h"

#include "six_points.h"

/* ---- Axes ---- */

/* A kernel's taps dealt to splits: every second one each, or the first half and the rest. */
static void make_splits(dtp_stem_axis *a)
{
    int64_t most = a->splits == 2 ? (a->kernel + 1) / 2 : a->kernel;
    a->m = most <= 3 ? 4 : 3;
    for (int s = 0; s < a->splits; s++) {
        int64_t taps = s ? a->kernel - most : most;
        bool shorter = s && taps < DTP_STEM_POINTS + 1 - a->m;
        a->split[s].taps = taps;
        a->split[s].first = a->stride == 2 ? s : s * most;
        a->split[s].points = shorter ? DTP_STEM_POINTS - 1 : DTP_STEM_POINTS;
        a->pairs += a->split[s].points;
        a->window = dtp_max_i64(a->window, a->split[s].first + (a->split[s].points - 1) * a->stride + 1);
    }
}

static void axis_make(dtp_stem_axis *a, const dtp_layer *l, int index, int64_t in, int64_t out)
{
    *a = (dtp_stem_axis){.in = in, .out = out, .pad = l->pad[index], .kernel = l->kernel[index],
                         .stride = l->stride[index], .m = 1, .window = 1, .splits = 1, .pairs = 1};
    if (a->kernel == 1) {
        a->split[0].taps = a->split[0].points = 1;
    } else {
        a->pairs = 0;
        a->splits = a->stride == 2 || a->kernel > 4 ? 2 : 1;
        make_splits(a);
    }
    a->tiles = (out + a->m - 1) / a->m;
    a->step = a->m * a->stride;
}

static bool axis_fits(const dtp_layer *l, int i)
{
    bool strided = l->stride[i] == 1 || l->stride[i] == 2;
    bool depth = i == 0 && (l->kernel[i] == 1 || (l->kernel[i] == 3 && l->stride[i] == 1));
    return strided && l->dilation[i] == 1 && l->kernel[i] <= DTP_STEM_KERNEL && (l->kernel[i] > 3 || depth);
}

/* The pairs of one point along an axis. */
static int pairs_of(const dtp_stem_axis *a, int point, int pair[2])
{
    int count = 0;
    for (int s = 0; s < a->splits; s++)
        if (point < a->split[s].points)
            pair[count++] = s * DTP_STEM_POINTS + point;
    return count;
}

static void make_sum(dtp_stem *stem, int depth, int height)
{
    dtp_stem_sum *sum = &stem->sums[depth][height];
    int d[2], h[2], n_d = pairs_of(&stem->axis[0], depth, d), n_h = pairs_of(&stem->axis[1], height, h);
    const int width = stem->axis[2].pairs, ic = (int)stem->ic;
    for (int i = 0; i < n_d; i++)
        for (int j = 0; j < n_h; j++)
            for (int c = 0; c < ic; c++, sum->count++) {
                int at = (d[i] * stem->axis[1].pairs + h[j]) * width * ic;
                sum->at[sum->count] = at + c * width;
                sum->weights[sum->count] = at + c;
            }
}

bool dtp_stem_make(dtp_stem *out, const dtp_graph *graph, int layer, bool pool, int64_t images)
{
    const dtp_layer *l = &graph->layers[layer];
    dtp_shape from = graph->values[l->src], to = graph->values[layer + 1];
    if (l->op != DTP_CONVOLUTION || !axis_fits(l, 0) || !axis_fits(l, 1) || !axis_fits(l, 2))
        return false;
    *out = (dtp_stem){.ic = from.c, .oc = to.c, .images = images, .activation = l->activation};
    axis_make(&out->axis[0], l, 0, from.d, to.d);
    axis_make(&out->axis[1], l, 1, from.h, to.h);
    axis_make(&out->axis[2], l, 2, from.w, to.w);
    out->pool = pool ? l + 1 : NULL;
    out->pooled = pool ? graph->values[layer + 2] : (dtp_shape){0};
    if (from.c > DTP_STEM_CHANNELS || to.c % 16)
        return false;
    for (int d = 0; d < DTP_STEM_POINTS; d++)
        for (int h = 0; h < DTP_STEM_POINTS; h++)
            make_sum(out, d, h);
    return true;
}

int64_t dtp_stem_matrices(const dtp_stem *stem)
{
    return (int64_t)stem->axis[0].pairs * stem->axis[1].pairs * stem->axis[2].pairs;
}

/* ---- Weights ---- */

/* From the kernel's cells along an axis to its pairs. */
static void shares_of(const dtp_stem_axis *a, double out[DTP_STEM_PAIRS][DTP_STEM_KERNEL])
{
    memset(out, 0, sizeof(double[DTP_STEM_PAIRS][DTP_STEM_KERNEL]));
    int pair = 0;
    if (a->kernel == 1)
        out[pair++][0] = 1;
    for (int s = 0; s < a->splits && a->kernel > 1; s++)
        for (int point = 0; point < a->split[s].points; point++, pair++)
            for (int64_t tap = 0; tap < a->split[s].taps; tap++) {
                int64_t cell = a->stride == 2 ? 2 * tap + s : a->split[s].first + tap;
                out[pair][cell] = dtp_six_share(point, tap, DTP_STEM_POINTS + 1 - a->m);
            }
}

/* One axis of an array (before, size, after) to (before, pairs, after). */
static void weight_axis(const dtp_stem_axis *a, double share[DTP_STEM_PAIRS][DTP_STEM_KERNEL], int64_t before,
                        int64_t after, const double *from, double *to)
{
    for (int64_t b = 0; b < before; b++)
        for (int pair = 0; pair < a->pairs; pair++)
            for (int64_t i = 0; i < after; i++) {
                double sum = 0;
                for (int64_t cell = 0; cell < a->kernel; cell++)
                    sum += share[pair][cell] * from[(b * a->kernel + cell) * after + i];
                to[(b * a->pairs + pair) * after + i] = sum;
            }
}

enum { CUBE = DTP_STEM_PAIRS * DTP_STEM_PAIRS * DTP_STEM_PAIRS };

static void transform_filter(const dtp_stem *stem, double share[3][DTP_STEM_PAIRS][DTP_STEM_KERNEL],
                             const float *filter, double x[2][CUBE])
{
    const dtp_stem_axis *d = &stem->axis[0], *h = &stem->axis[1], *w = &stem->axis[2];
    for (int64_t i = 0; i < d->kernel * h->kernel * w->kernel; i++)
        x[0][i] = (double)filter[i];
    weight_axis(w, share[2], d->kernel * h->kernel, 1, x[0], x[1]);
    weight_axis(h, share[1], d->kernel, w->pairs, x[1], x[0]);
    weight_axis(d, share[0], 1, (int64_t)h->pairs * w->pairs, x[0], x[1]);
}

void dtp_stem_weights(const dtp_stem *stem, const float *plain, int64_t first, int64_t count, float *out,
                      const dtp_watch *watch)
{
    const int64_t cells = stem->axis[0].kernel * stem->axis[1].kernel * stem->axis[2].kernel;
    double share[3][DTP_STEM_PAIRS][DTP_STEM_KERNEL], x[2][CUBE];
    for (int i = 0; i < 3; i++)
        shares_of(&stem->axis[i], share[i]);
    for (int64_t oc = 0; oc < count && !dtp_watch_cancelled(watch); oc++)
        for (int64_t ic = 0; ic < stem->ic; ic++) {
            transform_filter(stem, share, plain + ((first + oc) * stem->ic + ic) * cells, x);
            for (int64_t i = 0; i < dtp_stem_matrices(stem); i++)
                out[(i * stem->ic + ic) * count + oc] = (float)x[1][i];
        }
}
