/* 3x3 and 3x3x3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray 2016): tiles of the input are
 * transformed, multiplied by transformed weights - one matrix product for each of the transform's points - and
 * transformed back. F(4, 3) along each axis of a 2-D layer needs a quarter of the direct multiplications, F(2, 3) along
 * each of a 3-D layer three in ten. */
#include "form.h"
#include "winograd_tiles.h"

/* V and M of a block: a second-level cache's worth or, where that is more, half of the weights' size, so that reading
 * the weights again for each block costs no more than reading and writing V and M. But enough blocks for the threads
 * that may share them, whatever their number is: sums must not depend on it. */
static const size_t BLOCK_BYTES = (size_t)3 << 18;
enum { ENOUGH_BLOCKS = 8 };

/* Weights that a core's caches hold well enough to be read again for each block. Where they are larger the whole team
 * works on a block, point by point, so that they are read once for all. */
static const size_t SHARED_WEIGHT_BYTES = (size_t)8 << 20;

/* Weights grow by the transform: from here on the memory is not worth the time. */
static const size_t MAX_WEIGHT_BYTES = (size_t)96 << 20;

typedef struct winograd {
    dtp_form form;
    dtp_tiling tiling;
    const dtp_layer *layer;
    dtp_matmul product; /* of a block */
    dtp_matmul whole;   /* of all points where the product is made point by point: only its layout counts */
    dtp_const_md weights;
    bool shared;         /* the team works on one block, else each lane on its own */
    uint8_t *scratch;    /* where lanes work on their own, a lane's V and M; `stride` bytes further the next one's */
    size_t stride;
} winograd;

static bool window_fits(const dtp_layer *l)
{
    int threes = 0;
    for (int i = 0; i < 3; i++) {
        bool three = l->kernel[i] == 3 && l->pad[i] == 1, one = l->kernel[i] == 1 && l->pad[i] == 0;
        if (l->stride[i] != 1 || l->dilation[i] != 1 || !(three || one))
            return false;
        threes += three;
    }
    return threes >= 2;
}

static size_t weight_bytes(const dtp_tiling *t)
{
    return (size_t)(t->points * t->ic * t->oc) * sizeof(float);
}

static bool suits(const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    if (l->op != DTP_CONVOLUTION || l->activation == DTP_ELU || !window_fits(l))
        return false;
    dtp_tiling tiling;
    dtp_tiling_make(&tiling, graph, layer, 1);
    bool aligned = tiling.ic % DTP_TILE_CHANNELS == 0 && tiling.oc % DTP_TILE_CHANNELS == 0;
    /* With few tiles the products are bound by reading the weights, which the direct form has fewer of. */
    return aligned && tiling.tiles >= 27 && weight_bytes(&tiling) <= MAX_WEIGHT_BYTES;
}

static int64_t pieces(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit;
}

/* Whose V and M fit. */
static int64_t tiles_in(const dtp_tiling *t, size_t bytes)
{
    size_t tile = (size_t)(t->points * (t->ic + t->oc)) * sizeof(float);
    return dtp_max_i64(1, (int64_t)(bytes / tile));
}

/* Blocks alike, of an odd number of tiles: the points' rows then do not all fall into the same sets of the cache. */
static void choose_block(winograd *w)
{
    dtp_tiling *t = &w->tiling;
    size_t weights = weight_bytes(t);
    int64_t few = pieces(t->tiles, tiles_in(t, weights / 2)), many = pieces(t->tiles, tiles_in(t, BLOCK_BYTES));
    w->shared = weights > SHARED_WEIGHT_BYTES;
    int64_t blocks = dtp_min_i64(many, w->shared ? few : dtp_max_i64(few, ENOUGH_BLOCKS));
    t->block = dtp_min_i64(t->tiles, pieces(t->tiles, blocks) | 1);
}

static void destroy(dtp_form *form)
{
    winograd *w = (winograd *)form;
    dtp_matmul_free(&w->product);
    dtp_matmul_free(&w->whole);
    free(w);
}

static dnnl_status_t make_product(winograd *w, dnnl_engine_t engine, dtp_const_md weights)
{
    const dtp_tiling *t = &w->tiling;
    dtp_matmul *all = w->shared ? &w->whole : &w->product;
    dnnl_status_t s = dnnl_success;
    if (!w->shared || !weights)
        s = dtp_matmul_make(all, engine, dnnl_f32, t->points, t->block, t->ic, t->oc, weights);
    if (s)
        return s;
    w->weights = all->pd ? dtp_matmul_weights(all) : weights;
    return w->shared ? dtp_matmul_make_part(&w->product, engine, dnnl_f32, t->points, t->block, t->ic, t->oc,
                                            w->weights)
                     : dnnl_success;
}

static dnnl_status_t make(dtp_form **out, dnnl_engine_t engine, const dtp_graph *graph, int layer, int64_t images,
                          dtp_const_md weights)
{
    winograd *w = calloc(1, sizeof *w);
    if (!w)
        return dnnl_out_of_memory;
    dtp_tiling_make(&w->tiling, graph, layer, images);
    choose_block(w);
    w->form.kind = &dtp_winograd;
    w->layer = &graph->layers[layer];
    dnnl_status_t s = make_product(w, engine, weights);
    if (s) {
        destroy(&w->form);
        return s;
    }
    dtp_format(w->form.implementation, sizeof w->form.implementation, "%s, %.40s", dtp_winograd.name,
               dtp_pd_implementation(w->product.pd));
    *out = &w->form;
    return dnnl_success;
}

static size_t v_count(const dtp_tiling *t)
{
    return (size_t)(t->points * t->block * t->ic);
}

static size_t matrix_bytes(const dtp_tiling *t)
{
    return (v_count(t) + (size_t)(t->points * t->block * t->oc)) * sizeof(float);
}

static size_t scratch_bytes(const dtp_form *form)
{
    const winograd *w = (const winograd *)form;
    return (w->shared ? 0 : matrix_bytes(&w->tiling)) + dtp_matmul_scratch(&w->product);
}

static size_t work_bytes(const dtp_form *form)
{
    const winograd *w = (const winograd *)form;
    return w->shared ? matrix_bytes(&w->tiling) : 0;
}

static dtp_const_md weights_md(const dtp_form *form)
{
    const winograd *w = (const winograd *)form;
    return w->weights;
}

static dnnl_status_t prepare(dtp_form *form, int lanes, void *scratch, size_t stride)
{
    winograd *w = (winograd *)form;
    w->scratch = scratch;
    w->stride = stride;
    return dtp_matmul_prepare(&w->product, lanes, w->scratch + (w->shared ? 0 : matrix_bytes(&w->tiling)), stride);
}

/* ---- Running ---- */

/* A block in hand, or all of them. */
typedef struct block_run {
    const winograd *form;
    const dtp_form_run *run;
    int64_t first; /* tile */
    float *v, *m;
    atomic_int *worst;
} block_run;

static block_run in_lane(const winograd *w, const dtp_form_run *r, int lane, atomic_int *worst)
{
    float *v = (float *)(w->shared ? r->work : (void *)(w->scratch + (size_t)lane * w->stride));
    return (block_run){w, r, 0, v, v + v_count(&w->tiling), worst};
}

static void gather(void *argument, int lane, int64_t first, int64_t last)
{
    const block_run *b = argument;
    (void)lane;
    dtp_tiles_gather(&b->form->tiling, b->run->src, b->first, first, last, b->v);
}

static void scatter(void *argument, int lane, int64_t first, int64_t last)
{
    const block_run *b = argument;
    const dtp_layer *layer = b->form->layer;
    (void)lane;
    dtp_tiles_scatter(&b->form->tiling, b->m, b->first, first, last, b->run->bias, layer->add >= 0, layer->activation,
                      b->run->dst);
}

/* Points first to last - 1 of a block, or all at once. */
static void multiply(void *argument, int lane, int64_t first, int64_t last)
{
    const block_run *b = argument;
    const dtp_tiling *t = &b->form->tiling;
    for (int64_t point = first; point < last; point++) {
        int64_t row = point * t->block;
        int s = (int)dtp_matmul_run(&b->form->product, b->run->stream, lane, b->run->weights, point,
                                     b->v + row * t->ic, b->m + row * t->oc);
        if (s)
            atomic_store(b->worst, s);
    }
}

static void run_block(block_run *b, dtp_team *team, int lane)
{
    enum { TILES = 4 };
    const winograd *w = b->form;
    int64_t tiles = dtp_min_i64(w->tiling.block, w->tiling.tiles - b->first);
    dtp_team_for(team, tiles, TILES, gather, b);
    if (w->shared)
        dtp_team_for(team, w->tiling.points, 1, multiply, b);
    else
        multiply(b, lane, 0, 1);
    dtp_team_for(team, tiles, TILES, scatter, b);
}

/* Each block by the lane that took it. */
static void run_blocks(void *argument, int lane, int64_t first, int64_t last)
{
    const block_run *all = argument;
    block_run own = in_lane(all->form, all->run, lane, all->worst);
    for (int64_t i = first; i < last && !dtp_watch_cancelled(all->run->watch); i++) {
        own.first = i * all->form->tiling.block;
        run_block(&own, NULL, lane);
    }
}

static dnnl_status_t run(const dtp_form *form, const dtp_form_run *r)
{
    const winograd *w = (const winograd *)form;
    const dtp_tiling *t = &w->tiling;
    atomic_int worst = dnnl_success;
    block_run all = in_lane(w, r, r->lane, &worst);
    if (!w->shared)
        dtp_team_for(r->team, pieces(t->tiles, t->block), 1, run_blocks, &all);
    for (; w->shared && all.first < t->tiles && !dtp_watch_cancelled(r->watch); all.first += t->block)
        run_block(&all, r->team, r->lane);
    return (dnnl_status_t)atomic_load(&worst);
}

static int64_t points(const dtp_graph *graph, int layer)
{
    dtp_tiling tiling;
    dtp_tiling_make(&tiling, graph, layer, 1);
    return tiling.points;
}

const dtp_form_kind dtp_winograd = {
    .name = "winograd", .src = dnnl_acdeb, .suits = suits, .make = make, .free = destroy,
    .scratch_bytes = scratch_bytes, .work_bytes = work_bytes,
    .weights_md = weights_md, .prepare = prepare, .run = run, .points = points,
    .transform = dtp_tiles_weights,
};
