/* 3x3 and 3x3x3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray 2016): tiles of the input are
 * transformed, multiplied by transformed weights - one matrix product for each of the transform's points - and
 * transformed back. F(4, 3) along each axis of a 2-D layer needs a quarter of the direct multiplications, F(2, 3) along
 * each of a 3-D layer three in ten. */
#include "../../base/openmp.h"
#include "form.h"
#include "winograd_tiles.h"

/* V and M of a block: a second-level cache's worth. */
static const size_t BLOCK_BYTES = (size_t)3 << 18;

/* Weights that a core's caches hold well enough to be read again for each block. Where they are larger, a block takes
 * half of their size and all threads work on it together. */
static const size_t SHARED_WEIGHT_BYTES = (size_t)8 << 20;

/* Weights grow by the transform: from here on the memory is not worth the time. */
static const size_t MAX_WEIGHT_BYTES = (size_t)96 << 20;

/* Where one block is worked on. */
typedef struct bench {
    dnnl_memory_t v_memory, m_memory, scratchpad;
    float *v, *m;
} bench;

typedef struct winograd {
    dtp_form form;
    dtp_tiling tiling;
    const dtp_layer *layer;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    int n_benches; /* more than one: each thread takes blocks of its own, and need not wait for the others */
    bench *benches;
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

/* Blocks of an odd number of tiles: the points' rows then do not all fall into the same sets of the cache. */
static void choose_block(winograd *w)
{
    dtp_tiling *t = &w->tiling;
    size_t tile_bytes = (size_t)(t->points * (t->ic + t->oc)) * sizeof(float), weights = weight_bytes(t);
    size_t room = weights > SHARED_WEIGHT_BYTES ? weights / 2 : BLOCK_BYTES;
    int64_t most = dtp_max_i64(1, (int64_t)(room / tile_bytes));
    t->block = dtp_min_i64(t->tiles, most % 2 ? most : most - 1);
    int threads = omp_get_max_threads();
    int64_t blocks = (t->tiles + t->block - 1) / t->block;
    w->n_benches = weights > SHARED_WEIGHT_BYTES ? 1 : (int)dtp_min_i64(threads, blocks);
}

/* Threads that each work on a block of their own run a product that was made for one thread. */
static int enter_bench(const winograd *w)
{
    int threads = omp_get_max_threads();
    if (w->n_benches > 1)
        omp_set_num_threads(1);
    return threads;
}

static void destroy(dtp_form *form)
{
    winograd *w = (winograd *)form;
    for (int b = 0; w->benches && b < w->n_benches; b++) {
        const dnnl_memory_t memories[] = {w->benches[b].v_memory, w->benches[b].m_memory, w->benches[b].scratchpad};
        for (size_t i = 0; i < DTP_COUNT(memories); i++)
            if (memories[i])
                dnnl_memory_destroy(memories[i]);
    }
    free(w->benches);
    if (w->primitive)
        dnnl_primitive_destroy(w->primitive);
    if (w->pd)
        dnnl_primitive_desc_destroy(w->pd);
    free(w);
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
    w->engine = engine;
    int threads = enter_bench(w);
    dnnl_status_t s =
        dtp_form_product(&w->pd, engine, w->tiling.points, w->tiling.block, w->tiling.ic, w->tiling.oc, weights);
    omp_set_num_threads(threads);
    if (s) {
        destroy(&w->form);
        return s;
    }
    dtp_format(w->form.implementation, sizeof w->form.implementation, "%s, %.40s", dtp_winograd.name,
               dtp_pd_implementation(w->pd));
    *out = &w->form;
    return dnnl_success;
}

static size_t v_bytes(const dtp_tiling *t)
{
    return (size_t)(t->points * t->block * t->ic) * sizeof(float);
}

static size_t m_bytes(const dtp_tiling *t)
{
    return (size_t)(t->points * t->block * t->oc) * sizeof(float);
}

/* A page apart, so that threads do not meet. */
static size_t bench_bytes(const winograd *w)
{
    enum { PAGE = 4096 };
    size_t bytes = v_bytes(&w->tiling) + m_bytes(&w->tiling) + dtp_pd_scratchpad(w->pd);
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

static size_t scratch_bytes(const dtp_form *form)
{
    const winograd *w = (const winograd *)form;
    return (size_t)w->n_benches * bench_bytes(w);
}

static dtp_const_md weights_md(const dtp_form *form)
{
    return dtp_pd_md(((const winograd *)form)->pd, dnnl_query_weights_md);
}

static dnnl_status_t prepare_bench(const winograd *w, bench *b, uint8_t *scratch)
{
    size_t v = v_bytes(&w->tiling), m = m_bytes(&w->tiling);
    b->v = (float *)(void *)scratch;
    b->m = (float *)(void *)(scratch + v);
    dnnl_status_t s = dnnl_memory_create(&b->v_memory, dtp_pd_md(w->pd, dnnl_query_src_md), w->engine, b->v);
    s = s ? s : dnnl_memory_create(&b->m_memory, dtp_pd_md(w->pd, dnnl_query_dst_md), w->engine, b->m);
    return s ? s
             : dnnl_memory_create(&b->scratchpad, dtp_pd_md(w->pd, dnnl_query_scratchpad_md), w->engine,
                                  scratch + v + m);
}

static dnnl_status_t prepare(dtp_form *form, void *scratch)
{
    winograd *w = (winograd *)form;
    int threads = enter_bench(w);
    dnnl_status_t s = dtp_primitive_new(&w->primitive, w->pd);
    omp_set_num_threads(threads);
    w->benches = calloc((size_t)w->n_benches, sizeof *w->benches);
    if (!w->benches)
        return dnnl_out_of_memory;
    for (int b = 0; b < w->n_benches && !s; b++)
        s = prepare_bench(w, &w->benches[b], (uint8_t *)scratch + (size_t)b * bench_bytes(w));
    return s;
}

static dnnl_status_t run_block(const winograd *w, const dtp_form_run *r, const bench *b, int64_t index)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, b->v_memory},
                                    {DNNL_ARG_WEIGHTS, r->weights},
                                    {DNNL_ARG_DST, b->m_memory},
                                    {DNNL_ARG_SCRATCHPAD, b->scratchpad}};
    int64_t first = index * w->tiling.block, last = dtp_min_i64(first + w->tiling.block, w->tiling.tiles);
    dtp_tiles_gather(&w->tiling, r->src, first, last, b->v);
    dnnl_status_t s = dnnl_primitive_execute(w->primitive, r->stream, 4, args);
    s = s ? s : dnnl_stream_wait(r->stream);
    if (!s)
        dtp_tiles_scatter(&w->tiling, b->m, first, last, r->bias, w->layer->add >= 0, w->layer->activation, r->dst);
    return s;
}

static dnnl_status_t run(dtp_form *form, const dtp_form_run *r)
{
    const winograd *w = (const winograd *)form;
    int64_t blocks = (w->tiling.tiles + w->tiling.block - 1) / w->tiling.block;
    int worst = dnnl_success;
    if (w->n_benches == 1) {
        for (int64_t i = 0; i < blocks && !worst; i++)
            worst = (int)run_block(w, r, &w->benches[0], i);
        return (dnnl_status_t)worst;
    }
    /* All threads, though some may have nothing to do: libgomp ends helpers that a team leaves out. */
#pragma omp parallel for schedule(dynamic) reduction(max : worst)
    for (int64_t i = 0; i < blocks; i++) {
        int64_t own = blocks == w->n_benches ? i : omp_get_thread_num();
        int s = (int)run_block(w, r, &w->benches[own], i);
        worst = s > worst ? s : worst;
    }
    return (dnnl_status_t)worst;
}

static int64_t points(const dtp_graph *graph, int layer)
{
    dtp_tiling tiling;
    dtp_tiling_make(&tiling, graph, layer, 1);
    return tiling.points;
}

const dtp_form_kind dtp_winograd = {
    .name = "winograd", .suits = suits, .make = make, .free = destroy, .scratch_bytes = scratch_bytes,
    .weights_md = weights_md, .prepare = prepare, .run = run, .points = points, .transform = dtp_tiles_weights,
};
