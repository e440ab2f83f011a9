/* A network as data: a list of fused layers over numbered values. No weights, no backend.
 * Everything is 5-D (n, c, d, h, w); a 2-D network has depth 1, a linear layer is a 1x1x1 convolution of a 1x1x1
 * map. */
#ifndef DTP_GRAPH_H
#define DTP_GRAPH_H

#include "../base/base.h"

typedef enum dtp_activation { DTP_IDENTITY, DTP_RELU, DTP_LEAKY_RELU, DTP_ELU } dtp_activation;

/* What a negative value is multiplied with by all but ELU, which is no line there. */
static inline float dtp_negative_slope(dtp_activation activation)
{
    return activation == DTP_RELU ? 0.0f : activation == DTP_LEAKY_RELU ? 0.01f : 1.0f;
}

/* Crop keeps the first cells of each axis, as many as a 1-strided window of its kernel would leave. */
typedef enum dtp_op { DTP_CONVOLUTION, DTP_MAX_POOL, DTP_AVERAGE_POOL, DTP_CROP } dtp_op;

typedef struct dtp_shape {
    int64_t c, d, h, w;
} dtp_shape;

/* dst = activation(op(src) + bias + add). Layer i makes value i + 1; value 0 is the input. */
typedef struct dtp_layer {
    dtp_op op;
    char name[64];
    int src;
    int add; /* the value added before the activation, consumed by it; -1: none */
    int64_t kernel[3], stride[3], pad[3], dilation[3]; /* depth, height, width; dilation 1 is dense */
    bool open_end; /* zeros are padded before the first cell only: what lies past the last was cropped off */
    dtp_activation activation;
    bool bf16; /* a convolution: what it reads and its weights are rounded to bfloat16; its sums are float32 */
} dtp_layer;

enum { DTP_MAX_LAYERS = 512 };

typedef struct dtp_graph {
    dtp_shape values[DTP_MAX_LAYERS + 1];
    bool bf16[DTP_MAX_LAYERS + 1]; /* a value that only bf16 layers read, which would round it: it is kept so */
    dtp_layer layers[DTP_MAX_LAYERS];
    int n_layers;
} dtp_graph;

/* Appends a layer that makes `oc` channels (pools: 0, as many as src has); *value is the number of its result.
 * Padding must be set. Errors: MODEL_VALUE when its output would be empty or too large. */
deeptepp_status dtp_graph_add(dtp_graph *graph, const dtp_layer *layer, int64_t oc, int *value, deeptepp_error *error);

/* Rounds what costs most: convolutions of many channels over maps. No value is rounded but where one of them reads
 * it. */
void dtp_graph_round(dtp_graph *graph);

/* Cells padded after the last one along an axis. */
int64_t dtp_layer_pad_end(const dtp_layer *layer, int axis);

/* A part of a layer's output along one axis (0 to 3: channels, depth, height, width) and what it is made from. */
typedef struct dtp_slab {
    int axis;
    int64_t first, count; /* of the output */
    int64_t from, needed; /* of the input */
    int64_t pad[2];       /* before the first and after the last needed; 0 of channels */
} dtp_slab;

dtp_slab dtp_slab_of(const dtp_graph *graph, int layer, int axis, int64_t first, int64_t count);

int64_t *dtp_shape_axis(dtp_shape *shape, int axis);

/* Floats of one image of a value; weights of a layer; multiply-adds of a layer for one image, padding counted. */
size_t dtp_shape_size(dtp_shape shape);
size_t dtp_layer_weights(const dtp_graph *graph, int layer);
double dtp_layer_macs(const dtp_graph *graph, int layer);

#endif
