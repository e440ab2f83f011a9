#include "weights.h"

#include <math.h>

#include "../base/fetch.h"
#include "plan.h"

typedef struct packed {
    dtp_md md; /* NULL: the layer has no weights */
    const dtp_form_kind *kind; /* of the form; NULL: the backend's own */
    dnnl_memory_t memory, bias;
    void *data;
    float *bias_data;
    size_t bytes;
    double gain, offset; /* the largest sum of an output channel's |weights|; the largest |bias| */
} packed;

struct dtp_weights {
    dnnl_engine_t engine;
    const dtp_graph *graph;
    packed layers[DTP_MAX_LAYERS];
    size_t bytes;
};

const dtp_form_kind *dtp_weights_form(const dtp_weights *weights, int layer)
{
    return weights->layers[layer].kind;
}

dtp_const_md dtp_weights_md(const dtp_weights *weights, int layer)
{
    return weights->layers[layer].md;
}

dnnl_memory_t dtp_weights_memory(const dtp_weights *weights, int layer)
{
    return weights->layers[layer].memory;
}

dnnl_memory_t dtp_weights_bias(const dtp_weights *weights, int layer)
{
    return weights->layers[layer].bias;
}

const float *dtp_weights_bias_data(const dtp_weights *weights, int layer)
{
    return weights->layers[layer].bias_data;
}

size_t dtp_weights_bytes(const dtp_weights *weights)
{
    return weights->bytes;
}

double dtp_weights_reach(const dtp_weights *weights, int layer, double input)
{
    return weights->layers[layer].gain * input + weights->layers[layer].offset;
}

static deeptepp_status make_room(dtp_weights *weights, int layer, dtp_const_md md, deeptepp_error *error)
{
    packed *p = &weights->layers[layer];
    const dnnl_dims_t bias_dims = {weights->graph->values[layer + 1].c};
    p->bytes = dnnl_memory_desc_get_size(md);
    p->data = dtp_alloc_aligned(p->bytes);
    p->bias_data = dtp_alloc_aligned((size_t)bias_dims[0] * sizeof(float));
    if (!p->data || !p->bias_data)
        return dtp_fail_memory(error, weights->graph->layers[layer].name, p->bytes);
    dtp_md bias_md = NULL;
    dnnl_status_t s = dtp_md_clone(&p->md, md);
    s = s ? s : dtp_md_new(&bias_md, 1, bias_dims, dnnl_f32, dnnl_a);
    s = s ? s : dnnl_memory_create(&p->memory, md, weights->engine, p->data);
    s = s ? s : dnnl_memory_create(&p->bias, bias_md, weights->engine, p->bias_data);
    dtp_md_free(bias_md);
    weights->bytes += p->bytes;
    return s ? dtp_backend_fail(error, s, "weights") : DEEPTEPP_OK;
}

deeptepp_status dtp_weights_new(dtp_weights **out, const dtp_plan *plan, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    *out = NULL;
    dtp_weights *weights = calloc(1, sizeof *weights);
    if (!weights)
        return dtp_fail_memory(error, "weights", sizeof *weights);
    weights->graph = plan->graph;
    dnnl_status_t s = dtp_engine_new(&weights->engine);
    if (s)
        status = dtp_backend_fail(error, s, "CPU engine");
    for (int i = 0; i < plan->n_nodes && status == DEEPTEPP_OK; i++) {
        const dtp_node *node = &plan->nodes[i];
        dtp_const_md md = dtp_node_weights_md(plan, node);
        if (md) {
            weights->layers[node->layer].kind = node->form ? node->form->kind : NULL;
            status = make_room(weights, node->layer, md, error);
        }
    }
    if (status != DEEPTEPP_OK)
        dtp_weights_free(weights);
    else
        *out = weights;
    return status;
}

void dtp_weights_free(dtp_weights *weights)
{
    if (!weights)
        return;
    for (int i = 0; i < DTP_MAX_LAYERS; i++) {
        packed *p = &weights->layers[i];
        if (p->memory)
            dnnl_memory_destroy(p->memory);
        if (p->bias)
            dnnl_memory_destroy(p->bias);
        dtp_md_free(p->md);
        free(p->data);
        free(p->bias_data);
    }
    if (weights->engine)
        dnnl_engine_destroy(weights->engine);
    free(weights);
}

/* dnnl's own reorder, on memory it reads and does not keep. */
static dnnl_status_t reorder(dnnl_engine_t engine, dnnl_memory_t from, dnnl_memory_t to, const_dnnl_primitive_desc_t pd)
{
    dnnl_primitive_t primitive = NULL;
    dnnl_stream_t stream = NULL;
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    dnnl_status_t s = dtp_primitive_new(&primitive, pd);
    s = s ? s : dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    s = s ? s : dnnl_primitive_execute(primitive, stream, 2, args);
    s = s ? s : dnnl_stream_wait(stream);
    if (stream)
        dnnl_stream_destroy(stream);
    if (primitive)
        dnnl_primitive_destroy(primitive);
    return s;
}

static dnnl_status_t plain_md(dtp_md *out, const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    const dnnl_dims_t dims = {graph->values[layer + 1].c, graph->values[l->src].c, l->kernel[0], l->kernel[1],
                              l->kernel[2]};
    return dtp_md_new(out, 5, dims, dnnl_f32, dnnl_abcde);
}

/* From plain memory to a layout that shares `to`'s block. */
static dnnl_status_t pack(const dtp_weights *weights, dtp_const_md to_md, void *to, dtp_const_md md, const float *plain)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_t from = NULL, into = NULL;
    /* The default scratchpad serves here: the primitive lives for this call, on this thread. */
    dnnl_status_t s = dtp_backend_room();
    s = s ? s : dnnl_reorder_primitive_desc_create(&pd, md, weights->engine, to_md, weights->engine, NULL);
    s = s ? s : dnnl_memory_create(&from, md, weights->engine, (void *)(uintptr_t)plain);
    s = s ? s : dnnl_memory_create(&into, to_md, weights->engine, to);
    s = s ? s : reorder(weights->engine, from, into, pd);
    if (from)
        dnnl_memory_destroy(from);
    if (into)
        dnnl_memory_destroy(into);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return s;
}

/* Some output channels of a form's weights. */
static dnnl_status_t pack_part(const dtp_weights *weights, int layer, int64_t points, int64_t first, int64_t count,
                               const float *part)
{
    const packed *p = &weights->layers[layer];
    const dnnl_dims_t dims = {points, weights->graph->values[weights->graph->layers[layer].src].c, count};
    const dnnl_dims_t offsets = {0, 0, first};
    dtp_md from = NULL, to = NULL;
    dnnl_status_t s = dtp_md_new(&from, 3, dims, dnnl_f32, dnnl_abc);
    s = s ? s : dtp_md_part(&to, p->md, dims, offsets);
    s = s ? s : pack(weights, to, p->data, from, part);
    dtp_md_free(from);
    dtp_md_free(to);
    return s;
}

/* Output channels packed at once: a multiple of every block of channels the backend is known to have, or all of
 * them. */
static dnnl_status_t part_channels(int64_t *out, const packed *p, int64_t points, int64_t ic, int64_t oc)
{
    enum { PART = 192 };
    const dnnl_dims_t dims = {points, ic, dtp_min_i64(PART, oc)};
    dtp_md md = NULL;
    dnnl_status_t s = dtp_md_corner(&md, p->md, dims);
    *out = s ? oc : dims[2];
    dtp_md_free(md);
    return s == dnnl_unimplemented ? dnnl_success : s;
}

/* Part by part where the layout allows it, so that the transformed weights do not stand there twice. */
static deeptepp_status pack_form(const dtp_weights *weights, int layer, const float *plain,
                                 dtp_watch *watch, deeptepp_error *error)
{
    const dtp_graph *graph = weights->graph;
    const dtp_form_kind *kind = weights->layers[layer].kind;
    int64_t oc = graph->values[layer + 1].c, ic = graph->values[graph->layers[layer].src].c;
    int64_t points = kind->points(graph, layer), most;
    dnnl_status_t s = part_channels(&most, &weights->layers[layer], points, ic, oc);
    size_t bytes = (size_t)(points * ic * most) * sizeof(float);
    float *part = dtp_alloc_aligned(bytes);
    if (!part)
        return dtp_fail_memory(error, graph->layers[layer].name, bytes);
    for (int64_t first = 0; first < oc && !s && !dtp_watch_cancelled(watch); first += most) {
        int64_t count = dtp_min_i64(most, oc - first);
        kind->transform(graph, layer, plain, first, count, part, watch);
        s = pack_part(weights, layer, points, first, count, part);
    }
    free(part);
    return s ? dtp_backend_fail(error, s, graph->layers[layer].name) : DEEPTEPP_OK;
}

static deeptepp_status pack_plain(const dtp_weights *weights, int layer, const float *plain, deeptepp_error *error)
{
    dtp_md md = NULL;
    dnnl_status_t s = plain_md(&md, weights->graph, layer);
    s = s ? s : pack(weights, weights->layers[layer].md, weights->layers[layer].data, md, plain);
    dtp_md_free(md);
    return s ? dtp_backend_fail(error, s, weights->graph->layers[layer].name) : DEEPTEPP_OK;
}

typedef struct measuring {
    const float *plain;
    size_t each; /* weights of an output channel */
    double *sums; /* one a channel */
} measuring;

static double sum_of(const float *values, size_t count)
{
    enum { STEP = DTP_FETCH / sizeof(float) };
    double sum = 0;
    for (size_t at = 0; at < count; at += STEP) {
        const size_t end = count - at < STEP ? count : at + STEP;
        dtp_fetch_next(values + at);
#pragma omp simd reduction(+ : sum)
        for (size_t i = at; i < end; i++)
            sum += (double)fabsf(values[i]);
    }
    return sum;
}

static void measure_channels(void *argument, int lane, int64_t first, int64_t last)
{
    const measuring *m = argument;
    (void)lane;
    for (int64_t c = first; c < last; c++)
        m->sums[c] = sum_of(m->plain + (size_t)c * m->each, m->each);
}

/* What is not finite makes the sums so. */
static deeptepp_status measure(packed *p, const float *plain, const float *bias, int64_t channels, size_t each,
                               dtp_team *team, deeptepp_error *error)
{
    measuring m = {plain, each, calloc((size_t)channels, sizeof(double))};
    if (!m.sums)
        return dtp_fail_memory(error, "a layer's sums", (size_t)channels * sizeof(double));
    dtp_team_for(team, channels, 1, measure_channels, &m);
    p->gain = p->offset = 0;
    for (int64_t c = 0; c < channels; c++) {
        double shift = fabs((double)bias[c]);
        p->gain = m.sums[c] <= p->gain ? p->gain : isfinite(m.sums[c]) ? m.sums[c] : (double)INFINITY;
        p->offset = shift <= p->offset ? p->offset : isfinite(shift) ? shift : (double)INFINITY;
    }
    free(m.sums);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_weights_set(dtp_weights *weights, int layer, const float *plain, const float *bias,
                                dtp_watch *watch, deeptepp_error *error)
{
    const dtp_graph *graph = weights->graph;
    packed *p = &weights->layers[layer];
    int64_t channels = graph->values[layer + 1].c;
    deeptepp_status status = measure(p, plain, bias, channels, dtp_layer_weights(graph, layer) / (size_t)channels,
                                     dtp_watch_team(watch), error);
    if (status != DEEPTEPP_OK)
        return status;
    if (!isfinite(p->gain) || !isfinite(p->offset))
        return dtp_fail(
            error, DEEPTEPP_ERR_MODEL_NONFINITE,
            "layer %s: its %s infinite or NaN once the BatchNorm beside it is folded in, wanted finite ones",
            graph->layers[layer].name, isfinite(p->gain) ? "biases are" : "weights are");
    memcpy(p->bias_data, bias, (size_t)channels * sizeof *bias);
    return p->kind ? pack_form(weights, layer, plain, watch, error) : pack_plain(weights, layer, plain, error);
}
