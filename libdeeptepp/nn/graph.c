#include "graph.h"

/* 2^31 floats a value: far above any network here, far below any overflow in the arithmetic that follows. */
static const size_t MAX_VALUE = (size_t)1 << 31;

int64_t dtp_layer_pad_end(const dtp_layer *layer, int axis)
{
    return layer->open_end ? 0 : layer->pad[axis];
}

static int64_t output_size(int64_t size, const dtp_layer *layer, int axis)
{
    int64_t reach = layer->dilation[axis] * (layer->kernel[axis] - 1) + 1;
    int64_t room = size + layer->pad[axis] + dtp_layer_pad_end(layer, axis) - reach;
    return room < 0 ? 0 : room / layer->stride[axis] + 1;
}

deeptepp_status dtp_graph_add(dtp_graph *graph, const dtp_layer *layer, int64_t oc, int *value, deeptepp_error *error)
{
    if (graph->n_layers == DTP_MAX_LAYERS)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_VALUE, "network: more than %d layers", DTP_MAX_LAYERS);
    dtp_shape in = graph->values[layer->src];
    dtp_shape out = {oc ? oc : in.c, output_size(in.d, layer, 0), output_size(in.h, layer, 1),
                     output_size(in.w, layer, 2)};
    size_t size;
    const int64_t dims[4] = {out.c, out.d, out.h, out.w};
    if (!dtp_product(dims, 4, MAX_VALUE, &size) || size == 0)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_VALUE,
                        "network: layer %s turns a map of %lld x %lld x %lld into %lld x %lld x %lld, wanted at least "
                        "one cell and at most 2^31 values",
                        layer->name, (long long)in.d, (long long)in.h, (long long)in.w, (long long)out.d,
                        (long long)out.h, (long long)out.w);
    /* The sum is made in place: another shape would write past the buffer. */
    if (layer->add >= 0 && memcmp(&graph->values[layer->add], &out, sizeof out) != 0)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_VALUE, "network: layer %s adds a value of another shape than its own",
                        layer->name);
    graph->layers[graph->n_layers++] = *layer;
    graph->values[graph->n_layers] = out;
    *value = graph->n_layers;
    return DEEPTEPP_OK;
}

int64_t *dtp_shape_axis(dtp_shape *shape, int axis)
{
    return axis == 0 ? &shape->c : axis == 1 ? &shape->d : axis == 2 ? &shape->h : &shape->w;
}

dtp_slab dtp_slab_of(const dtp_graph *graph, int layer, int axis, int64_t first, int64_t count)
{
    const dtp_layer *l = &graph->layers[layer];
    dtp_shape in = graph->values[l->src];
    int64_t size = *dtp_shape_axis(&in, axis);
    if (axis == 0)
        return l->op == DTP_CONVOLUTION ? (dtp_slab){axis, first, count, 0, size, {0, 0}}
                                        : (dtp_slab){axis, first, count, first, count, {0, 0}};
    int64_t stride = l->stride[axis - 1], start = first * stride - l->pad[axis - 1];
    int64_t end = start + (count - 1) * stride + l->dilation[axis - 1] * (l->kernel[axis - 1] - 1) + 1;
    int64_t from = dtp_min_i64(dtp_max_i64(start, 0), size), to = dtp_max_i64(dtp_min_i64(end, size), from);
    return (dtp_slab){axis, first, count, from, to - from, {from - start, end - to}};
}

static bool worth_rounding(const dtp_graph *graph, int layer)
{
    enum { CHANNELS = 16 };
    dtp_shape in = graph->values[graph->layers[layer].src];
    return graph->layers[layer].op == DTP_CONVOLUTION && in.c >= CHANNELS && in.d * in.h * in.w > 1;
}

void dtp_graph_round(dtp_graph *graph)
{
    for (int i = 0; i < graph->n_layers; i++) {
        graph->layers[i].bf16 = worth_rounding(graph, i);
        graph->bf16[i + 1] = graph->layers[i].bf16 && graph->layers[i].add < 0 && i + 1 < graph->n_layers;
    }
    for (int i = 0; i < graph->n_layers; i++) {
        graph->bf16[graph->layers[i].src] &= graph->layers[i].bf16;
        if (graph->layers[i].add >= 0)
            graph->bf16[graph->layers[i].add] = false;
    }
}

size_t dtp_shape_size(dtp_shape shape)
{
    return (size_t)(shape.c * shape.d * shape.h * shape.w);
}

size_t dtp_layer_weights(const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    if (l->op != DTP_CONVOLUTION)
        return 0;
    return (size_t)(graph->values[layer + 1].c * graph->values[l->src].c * l->kernel[0] * l->kernel[1] * l->kernel[2]);
}

double dtp_layer_macs(const dtp_graph *graph, int layer)
{
    dtp_shape out = graph->values[layer + 1];
    return (double)dtp_layer_weights(graph, layer) * (double)(out.d * out.h * out.w);
}
