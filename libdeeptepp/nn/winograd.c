#include "winograd.h"

#include <stdio.h>

#include "winograd_tiles.h"

/* What V and M of one block may take: a second-level cache's worth, or, where the weights are larger than that, half of
 * them, so that they are not read again too often. */
static const size_t BLOCK_BYTES = (size_t)2 << 20;

/* Weights grow by the transform: from here on the memory is not worth the time. */
static const size_t MAX_WEIGHT_BYTES = (size_t)96 << 20;

struct dtp_winograd {
    dtp_tiling tiling;
    const dtp_layer *layer;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_memory_t v_memory, m_memory, scratchpad;
    float *v, *m;
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

bool dtp_winograd_suits(const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    if (l->op != DTP_CONVOLUTION || l->activation == DTP_ELU || !window_fits(l))
        return false;
    dtp_tiling tiling;
    dtp_tiling_make(&tiling, graph, layer, 1);
    size_t weights = (size_t)(tiling.points * tiling.ic * tiling.oc) * sizeof(float);
    bool aligned = tiling.ic % DTP_TILE_CHANNELS == 0 && tiling.oc % DTP_TILE_CHANNELS == 0;
    /* With few tiles the products are bound by reading the weights, which the direct form has fewer of. */
    return aligned && tiling.tiles >= 27 && weights <= MAX_WEIGHT_BYTES;
}

static void choose_block(dtp_tiling *tiling)
{
    size_t tile_bytes = (size_t)(tiling->points * (tiling->ic + tiling->oc)) * sizeof(float);
    size_t weights = (size_t)(tiling->points * tiling->ic * tiling->oc) * sizeof(float);
    size_t room = weights / 2 > BLOCK_BYTES ? weights / 2 : BLOCK_BYTES;
    int64_t most = dtp_max_i64(1, dtp_min_i64(tiling->tiles, (int64_t)(room / tile_bytes)));
    int64_t blocks = (tiling->tiles + most - 1) / most;
    tiling->block = (tiling->tiles + blocks - 1) / blocks;
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

static dnnl_status_t product_pd(dtp_winograd *w, dtp_const_md weights)
{
    const dtp_tiling *t = &w->tiling;
    dnnl_primitive_attr_t attr = NULL;
    dtp_md v = matrix_md(t->points, t->block, t->ic, dnnl_abc), m = matrix_md(t->points, t->block, t->oc, dnnl_abc);
    dtp_md any = matrix_md(t->points, t->ic, t->oc, dnnl_format_tag_any);
    dnnl_status_t s = v && m && any ? dtp_attr_new(&attr, false, DTP_IDENTITY) : dnnl_out_of_memory;
    s = s ? s : dtp_pd_matmul(&w->pd, w->engine, v, weights ? weights : any, m, attr);
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
    choose_block(&w->tiling);
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
    const dnnl_memory_t memories[] = {w->v_memory, w->m_memory, w->scratchpad};
    for (size_t i = 0; i < DTP_COUNT(memories); i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    if (w->primitive)
        dnnl_primitive_destroy(w->primitive);
    if (w->pd)
        dnnl_primitive_desc_destroy(w->pd);
    free(w);
}

static size_t v_count(const dtp_tiling *t)
{
    return (size_t)(t->points * t->block * t->ic);
}

static size_t m_count(const dtp_tiling *t)
{
    return (size_t)(t->points * t->block * t->oc);
}

size_t dtp_winograd_scratch_bytes(const dtp_winograd *w)
{
    return (v_count(&w->tiling) + m_count(&w->tiling)) * sizeof(float) + dtp_pd_scratchpad(w->pd);
}

dtp_const_md dtp_winograd_weights_md(const dtp_winograd *w)
{
    return dtp_pd_md(w->pd, dnnl_query_weights_md);
}

const char *dtp_winograd_implementation(const dtp_winograd *w)
{
    return w->implementation;
}

dnnl_status_t dtp_winograd_prepare(dtp_winograd *w, void *scratch)
{
    w->v = scratch;
    w->m = w->v + v_count(&w->tiling);
    float *rest = w->m + m_count(&w->tiling);
    dnnl_status_t s = dnnl_primitive_create(&w->primitive, w->pd);
    s = s ? s : dnnl_memory_create(&w->v_memory, dtp_pd_md(w->pd, dnnl_query_src_md), w->engine, w->v);
    s = s ? s : dnnl_memory_create(&w->m_memory, dtp_pd_md(w->pd, dnnl_query_dst_md), w->engine, w->m);
    return s ? s : dnnl_memory_create(&w->scratchpad, dtp_pd_md(w->pd, dnnl_query_scratchpad_md), w->engine, rest);
}

dnnl_status_t dtp_winograd_run(dtp_winograd *w, dnnl_stream_t stream, dnnl_memory_t weights, const float *bias,
                               const float *src, float *dst)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, w->v_memory},
                                    {DNNL_ARG_WEIGHTS, weights},
                                    {DNNL_ARG_DST, w->m_memory},
                                    {DNNL_ARG_SCRATCHPAD, w->scratchpad}};
    for (int64_t first = 0; first < w->tiling.tiles; first += w->tiling.block) {
        int64_t last = dtp_min_i64(first + w->tiling.block, w->tiling.tiles);
        dtp_tiles_gather(&w->tiling, src, first, last, w->v);
        dnnl_status_t s = dnnl_primitive_execute(w->primitive, stream, 4, args);
        s = s ? s : dnnl_stream_wait(stream);
        if (s)
            return s;
        dtp_tiles_scatter(&w->tiling, w->m, first, last, bias, w->layer->add >= 0, w->layer->activation, dst);
    }
    return dnnl_success;
}
