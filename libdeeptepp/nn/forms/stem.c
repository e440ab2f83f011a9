/* The first convolution of a network, of few channels, and the max-pool after it by Winograd's minimal filtering: a
 * seventh of the direct form's multiplications for 7x7x7, and where a pool follows, the map between, by far the
 * largest there is, is never written. A unit of work is a few tiles' depth and a band of their height; units that share
 * cells of the pool run one after the other, by colour. */
#include <math.h>

#include "form.h"
#include "stem_tiles.h"

typedef struct stem_form {
    dtp_form form;
    dtp_stem stem;
    dtp_md weights;
    uint8_t *scratch;
    size_t stride;
} stem_form;

/* Narrower maps leave most of sixteen tiles idle. */
enum { MIN_WIDTH = 16 };

/* ---- Which layers ---- */

static bool is_read_once(const dtp_graph *graph, int value)
{
    int readers = 0;
    for (int i = 0; i < graph->n_layers; i++)
        readers += (graph->layers[i].src == value) + (graph->layers[i].add == value);
    return readers == 1;
}

/* Units of one colour are at least three cells apart. */
static bool takes_pool(const dtp_graph *graph, int layer)
{
    if (layer + 1 >= graph->n_layers)
        return false;
    const dtp_layer *pool = &graph->layers[layer + 1];
    if (pool->op != DTP_MAX_POOL || pool->src != layer + 1 || pool->add >= 0 ||
        pool->activation != DTP_IDENTITY)
        return false;
    for (int i = 0; i < 3; i++)
        if (pool->kernel[i] > 3 || pool->pad[i] >= pool->kernel[i] || pool->dilation[i] != 1)
            return false;
    return is_read_once(graph, layer + 1);
}

static int layers(const dtp_graph *graph, int layer)
{
    return takes_pool(graph, layer) ? 2 : 1;
}

static bool suits(const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    dtp_stem stem;
    return l->add < 0 && l->activation != DTP_ELU && graph->values[layer + 1].w >= MIN_WIDTH &&
           dtp_stem_make(&stem, graph, layer, false, 1);
}

/* ---- Making ---- */

static void destroy(dtp_form *form)
{
    stem_form *f = (stem_form *)form;
    dtp_md_free(f->weights);
    free(f);
}

/* (pair, ic, oc) in the order that dtp_stem_matrices describes. */
static dnnl_status_t weights_layout(dtp_md *out, const dtp_stem *stem)
{
    static const int order[] = {2, 0, 1};
    const dnnl_dims_t dims = {stem->oc, dtp_stem_matrices(stem), stem->ic};
    dtp_md blocked = NULL;
    dnnl_status_t s = dtp_md_new(&blocked, 3, dims, dnnl_f32, dnnl_Abc16a);
    s = s ? s : dtp_md_permuted(out, blocked, order);
    dtp_md_free(blocked);
    return s;
}

static dnnl_status_t make(dtp_form **out, dnnl_engine_t engine, const dtp_graph *graph, int layer, int64_t images,
                          dtp_const_md weights)
{
    (void)engine;
    (void)weights; /* they have but one layout */
    stem_form *f = calloc(1, sizeof *f);
    if (!f)
        return dnnl_out_of_memory;
    f->form.kind = &dtp_stem_kind;
    bool fits = dtp_stem_make(&f->stem, graph, layer, takes_pool(graph, layer), images);
    dnnl_status_t s = fits ? weights_layout(&f->weights, &f->stem) : dnnl_unimplemented;
    if (s) {
        destroy(&f->form);
        return s;
    }
    dtp_format(f->form.implementation, sizeof f->form.implementation, "%s, winograd%s", dtp_stem_kind.name,
               f->stem.pool ? ", pool" : "");
    *out = &f->form;
    return dnnl_success;
}

static size_t scratch_bytes(const dtp_form *form)
{
    return dtp_stem_bench_lay(&((const stem_form *)form)->stem, NULL, NULL);
}

static dtp_const_md weights_md(const dtp_form *form)
{
    return ((const stem_form *)form)->weights;
}

static dnnl_status_t prepare(dtp_form *form, int lanes, void *scratch, size_t stride)
{
    stem_form *f = (stem_form *)form;
    (void)lanes;
    f->scratch = scratch;
    f->stride = stride;
    return dnnl_success;
}

/* ---- Running ---- */

/* Units of one colour: every second group of depth tiles and every second band of height tiles. */
typedef struct stem_run {
    const stem_form *form;
    const dtp_form_run *run;
    const float *weights;
    int64_t group, band; /* tiles of a unit */
    int64_t apart;       /* 2: by colours */
    int64_t depth, height; /* the colour: its first group and band */
    int64_t depths, heights; /* of it */
} stem_run;

static void run_tiles(const stem_run *r, const dtp_stem_bench *bench, const dtp_stem_place *place)
{
    const dtp_stem *stem = &r->form->stem;
    const int64_t each = dtp_stem_matrices(stem) * stem->ic; /* weights of a channel */
    dtp_stem_gather(stem, bench, place);
    for (int64_t channel = 0; channel < stem->oc; channel += LANES) {
        dtp_stem_multiply(stem, bench, place->tiles, r->weights + channel * each, r->run->bias + channel);
        dtp_stem_write(stem, bench, place, r->run->dst, channel);
    }
}

/* A row of tiles after the other: each needs but the input's rows that the one before has not seen. */
static void run_band(const stem_run *r, const dtp_stem_bench *bench, dtp_stem_place place, int64_t first, int64_t last)
{
    const dtp_stem *stem = &r->form->stem;
    const dtp_stem_axis *h = &stem->axis[1];
    int64_t row = first * h->step;
    for (int64_t tile = first; tile < last && !dtp_watch_cancelled(r->run->watch); tile++) {
        place.tile[1] = tile;
        dtp_stem_read(stem, bench, r->run->src, &place, row, tile * h->step + h->window);
        row = tile * h->step + h->window;
        run_tiles(r, bench, &place);
    }
}

static void run_unit(const stem_run *r, const dtp_stem_bench *bench, int64_t unit)
{
    const dtp_stem_axis *a = r->form->stem.axis;
    int64_t group = unit / r->heights % r->depths * r->apart + r->depth;
    int64_t band = unit % r->heights * r->apart + r->height;
    dtp_stem_place place = {.image = unit / r->heights / r->depths};
    int64_t first = group * r->group, last = dtp_min_i64(first + r->group, a[0].tiles);
    for (place.tile[0] = first; place.tile[0] < last; place.tile[0]++)
        for (place.tile[2] = 0; place.tile[2] < a[2].tiles; place.tile[2] += DTP_STEM_TILES) {
            place.tiles = dtp_min_i64(DTP_STEM_TILES, a[2].tiles - place.tile[2]);
            run_band(r, bench, place, band * r->band, dtp_min_i64((band + 1) * r->band, a[1].tiles));
        }
}

static void run_units(void *argument, int lane, int64_t first, int64_t last)
{
    const stem_run *r = argument;
    dtp_stem_bench bench;
    dtp_stem_bench_lay(&r->form->stem, &bench, r->form->scratch + (size_t)lane * r->form->stride);
    for (int64_t unit = first; unit < last; unit++)
        run_unit(r, &bench, unit);
}

static void run_colours(stem_run *r)
{
    const dtp_stem *stem = &r->form->stem;
    int64_t groups = (stem->axis[0].tiles + r->group - 1) / r->group;
    int64_t bands = (stem->axis[1].tiles + r->band - 1) / r->band;
    for (r->depth = 0; r->depth < r->apart; r->depth++)
        for (r->height = 0; r->height < r->apart; r->height++) {
            r->depths = (groups - r->depth + r->apart - 1) / r->apart;
            r->heights = (bands - r->height + r->apart - 1) / r->apart;
            dtp_team_for(r->run->team, stem->images * r->depths * r->heights, 1, run_units, r);
        }
}

/* The pool's maxima before anything is seen. */
static void clear(void *argument, int lane, int64_t first, int64_t last)
{
    float *dst = argument;
    (void)lane;
    for (int64_t i = first; i < last; i++)
        dst[i] = -INFINITY;
}

static dnnl_status_t run(const dtp_form *form, const dtp_form_run *run)
{
    enum { GRAIN = 1 << 16, GROUP = 3, BANDS = 4 };
    const stem_form *f = (const stem_form *)form;
    const dtp_stem *stem = &f->stem;
    void *weights = NULL;
    dnnl_status_t s = dnnl_memory_get_data_handle(run->weights, &weights);
    if (s)
        return s;
    stem_run r = {.form = f, .run = run, .weights = weights, .apart = stem->pool ? 2 : 1};
    r.group = stem->axis[0].m == 1 ? GROUP : 1;
    r.band = (stem->axis[1].tiles + BANDS - 1) / BANDS;
    if (!run->team || dtp_team_lanes(run->team) == 1)
        r.band = stem->axis[1].tiles;
    if (stem->pool)
        dtp_team_for(run->team, stem->images * (int64_t)dtp_shape_size(stem->pooled), GRAIN, clear, run->dst);
    run_colours(&r);
    return dnnl_success;
}

/* ---- Weights ---- */

static int64_t points(const dtp_graph *graph, int layer)
{
    dtp_stem stem;
    dtp_stem_make(&stem, graph, layer, false, 1);
    return dtp_stem_matrices(&stem);
}

static void transform(const dtp_graph *graph, int layer, const float *plain, int64_t first, int64_t count, float *out,
                      const dtp_watch *watch)
{
    dtp_stem stem;
    dtp_stem_make(&stem, graph, layer, false, 1);
    dtp_stem_weights(&stem, plain, first, count, out, watch);
}

const dtp_form_kind dtp_stem_kind = {
    .name = "stem", .src = dnnl_abcde, .suits = suits, .layers = layers, .make = make, .free = destroy,
    .scratch_bytes = scratch_bytes, .weights_md = weights_md, .prepare = prepare, .run = run, .points = points,
    .transform = transform,
};
