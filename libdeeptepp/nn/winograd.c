#include "winograd.h"

#include <omp.h>
#include <stdio.h>

#include "winograd_tiles.h"

/* V and M of a block: a second-level cache's worth. */
static const size_t BLOCK_BYTES = (size_t)3 << 18;

/* Weights that a core's caches hold well enough to be read again for each block. Where they are larger, a block takes half
 * of their size and all threads work on it together. */
static const size_t SHARED_WEIGHT_BYTES = (size_t)8 << 20;

/* Weights grow by the transform: from here on the memory is not worth the time. */
static const size_t MAX_WEIGHT_BYTES = (size_t)96 << 20;

/* Where one block is worked on. */
typedef struct bench {
    dnnl_memory_t v_memory, m_memory, scratchpad;
    float *v, *m;
} bench;

struct dtp_winograd {
    dtp_tiling tiling;
    const dtp_layer *layer;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    int n_benches; /* more than one: each thread takes blocks of its own, and need not wait for the others */
    bench *benches;
    char implementation[64];
};

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

bool dtp_winograd_suits(const dtp_graph *graph, int layer)
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
static void choose_block(dtp_winograd *w)
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

static dtp_md matrix_md(int64_t points, int64_t rows, int64_t columns, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {points, rows, columns};
    return dtp_md_new(3, dims, tag);
}

dtp_md dtp_winograd_plain_md(const dtp_graph *graph, int layer)
{
    dtp_tiling tiling;
    dtp_tiling_make(&tiling, graph, layer, 1);
    return matrix_md(tiling.points, tiling.ic, tiling.oc, dnnl_abc);
}

/* Threads that each work on a block of their own run a product that was made for one thread. */
static int enter_bench(const dtp_winograd *w)
{
    int threads = omp_get_max_threads();
    if (w->n_benches > 1)
        omp_set_num_threads(1);
    return threads;
}

static dnnl_status_t product_pd(dtp_winograd *w, dtp_const_md weights)
{
    const dtp_tiling *t = &w->tiling;
    dnnl_primitive_attr_t attr = NULL;
    int threads = enter_bench(w);
    dtp_md v = matrix_md(t->points, t->block, t->ic, dnnl_abc), m = matrix_md(t->points, t->block, t->oc, dnnl_abc);
    dtp_md any = matrix_md(t->points, t->ic, t->oc, dnnl_format_tag_any);
    dnnl_status_t s = v && m && any ? dtp_attr_new(&attr, false, DTP_IDENTITY) : dnnl_out_of_memory;
    s = s ? s : dtp_pd_matmul(&w->pd, w->engine, v, weights ? weights : any, m, attr);
    omp_set_num_threads(threads);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    dtp_md_free(v);
    dtp_md_free(m);
    dtp_md_free(any);
    return s;
}

deeptepp_status dtp_winograd_new(dtp_winograd **out, dnnl_engine_t engine, const dtp_graph *graph, int layer,
                                 int64_t images, dtp_const_md weights, deeptepp_error *error)
{
    *out = NULL;
    dtp_winograd *w = calloc(1, sizeof *w);
    if (!w)
        return dtp_fail_memory(error, "a layer", sizeof *w);
    dtp_tiling_make(&w->tiling, graph, layer, images);
    choose_block(w);
    w->layer = &graph->layers[layer];
    w->engine = engine;
    dnnl_status_t s = product_pd(w, weights);
    if (s) {
        dtp_winograd_free(w);
        return dtp_backend_fail(error, s, graph->layers[layer].name);
    }
    snprintf(w->implementation, sizeof w->implementation, "winograd, %.40s", dtp_pd_implementation(w->pd));
    *out = w;
    return DEEPTEPP_OK;
}

void dtp_winograd_free(dtp_winograd *w)
{
    if (!w)
        return;
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

static size_t v_bytes(const dtp_tiling *t)
{
    return (size_t)(t->points * t->block * t->ic) * sizeof(float);
}

static size_t m_bytes(const dtp_tiling *t)
{
    return (size_t)(t->points * t->block * t->oc) * sizeof(float);
}

/* A page apart, so that threads do not meet. */
static size_t bench_bytes(const dtp_winograd *w)
{
    enum { PAGE = 4096 };
    size_t bytes = v_bytes(&w->tiling) + m_bytes(&w->tiling) + dtp_pd_scratchpad(w->pd);
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

size_t dtp_winograd_scratch_bytes(const dtp_winograd *w)
{
    return (size_t)w->n_benches * bench_bytes(w);
}

dtp_const_md dtp_winograd_weights_md(const dtp_winograd *w)
{
    return dtp_pd_md(w->pd, dnnl_query_weights_md);
}

const char *dtp_winograd_implementation(const dtp_winograd *w)
{
    return w->implementation;
}

static dnnl_status_t prepare_bench(const dtp_winograd *w, bench *b, uint8_t *scratch)
{
    size_t v = v_bytes(&w->tiling), m = m_bytes(&w->tiling);
    b->v = (float *)(void *)scratch;
    b->m = (float *)(void *)(scratch + v);
    dnnl_status_t s = dnnl_memory_create(&b->v_memory, dtp_pd_md(w->pd, dnnl_query_src_md), w->engine, b->v);
    s = s ? s : dnnl_memory_create(&b->m_memory, dtp_pd_md(w->pd, dnnl_query_dst_md), w->engine, b->m);
    return s ? s
             : dnnl_memory_create(&b->scratchpad, dtp_pd_md(w->pd, dnnl_query_scratchpad_md), w->engine, scratch + v + m);
}

dnnl_status_t dtp_winograd_prepare(dtp_winograd *w, void *scratch)
{
    int threads = enter_bench(w);
    dnnl_status_t s = dnnl_primitive_create(&w->primitive, w->pd);
    omp_set_num_threads(threads);
    w->benches = calloc((size_t)w->n_benches, sizeof *w->benches);
    if (!w->benches)
        return dnnl_out_of_memory;
    for (int b = 0; b < w->n_benches && !s; b++)
        s = prepare_bench(w, &w->benches[b], (uint8_t *)scratch + (size_t)b * bench_bytes(w));
    return s;
}

/* What one run reads and writes. */
typedef struct run {
    dnnl_stream_t stream;
    dnnl_memory_t weights;
    const float *bias, *src;
    float *dst;
} run;

static dnnl_status_t run_block(const dtp_winograd *w, const run *r, const bench *b, int64_t index)
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

dnnl_status_t dtp_winograd_run(dtp_winograd *w, dnnl_stream_t stream, dnnl_memory_t weights, const float *bias,
                               const float *src, float *dst)
{
    const run r = {stream, weights, bias, src, dst};
    int64_t blocks = (w->tiling.tiles + w->tiling.block - 1) / w->tiling.block;
    int worst = dnnl_success;
    if (w->n_benches == 1) {
        for (int64_t i = 0; i < blocks && !worst; i++)
            worst = run_block(w, &r, &w->benches[0], i);
        return (dnnl_status_t)worst;
    }
#pragma omp parallel for num_threads(w->n_benches) schedule(dynamic) reduction(max : worst)
    for (int64_t i = 0; i < blocks; i++) {
        int s = run_block(w, &r, &w->benches[omp_get_thread_num()], i);
        worst = s > worst ? s : worst;
    }
    return (dnnl_status_t)worst;
}
