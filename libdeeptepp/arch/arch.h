/* A network definition: the graph, and which tensors of the model file each of its layers is made from. */
#ifndef DTP_ARCH_H
#define DTP_ARCH_H

#include "../base/json.h"
#include "../base/team.h"
#include "../file/safetensors.h"
#include "../nn/graph.h"

enum { DTP_MAX_MEMBERS = 64 };

/* What shapes do not tell: section "network" of the description, or what the architecture fixes. Texts belong to the
 * JSON. */
typedef struct dtp_network {
    int architecture; /* index of the architecture's name */
    int64_t stem_stride[3];
    bool stem_pool;
    int64_t layer_strides[4], layer_dilations[4];
    bool shortcut_a;
    dtp_activation stem_activation, activation; /* after the stem's convolution; in the blocks */
    const char *members[DTP_MAX_MEMBERS]; /* prefixes */
    int n_members;
} dtp_network;

void dtp_network_parse(dtp_network *out, dtp_json *json);

typedef enum dtp_source_kind {
    DTP_FROM_NOTHING, /* no weights: a pool, a crop */
    DTP_FROM_COPY,    /* no tensor: each channel is the input's, further ones are 0 */
    DTP_FROM_TENSOR,  /* one tensor, all of it */
    DTP_FROM_SUM,     /* all its input channels are equal: their weights are added into one */
    DTP_FROM_COLUMNS, /* some of its input channels: one of several layers whose sum is the whole */
    DTP_FROM_ROWS,    /* its channels are some of the layer's, whose others are 0 */
} dtp_source_kind;

/* The tensors a layer is folded from; names without the member's prefix, "" where there is none. */
typedef struct dtp_layer_source {
    dtp_source_kind kind;
    char weight[64];
    char bias[64];
    char norm[64]; /* the prefix of the BatchNorm after it, e.g. "layer1.0.bn1" */
    int rank;      /* of the weight tensor: 2, 4 or 5 */
    union {
        struct {
            int64_t ic; /* the tensor's */
        } sum;
        struct {
            char norm[64];    /* of a BatchNorm before it, over the tensor's inputs */
            int64_t ic;       /* the tensor's */
            int64_t first_ic; /* the tensor's input channel that the layer's first one is */
            bool last;        /* bias and shift are with the last layer of the sum */
        } columns;
        struct {
            int64_t oc;       /* the tensor's */
            int64_t first_oc; /* the layer's channel at which the tensor's first lies */
        } rows;
    };
} dtp_layer_source;

typedef struct dtp_arch {
    dtp_graph graph;
    dtp_layer_source sources[DTP_MAX_LAYERS];
    int heads;       /* the network's outputs are heads x classes; the score sums over heads */
    int64_t classes;
    const char *ignored; /* prefix of tensors that may be there and are not used; NULL: none */
} dtp_arch;

/* Floats a network gives for one view. */
static inline int64_t dtp_arch_outputs(const dtp_arch *arch)
{
    return arch->heads * arch->classes;
}

/* Channels of the tensor that a layer is made from. */
static inline void dtp_source_channels(const dtp_arch *arch, int layer, int64_t *oc, int64_t *ic)
{
    const dtp_layer_source *source = &arch->sources[layer];
    *oc = source->kind == DTP_FROM_ROWS ? source->rows.oc : arch->graph.values[layer + 1].c;
    *ic = source->kind == DTP_FROM_SUM       ? source->sum.ic
          : source->kind == DTP_FROM_COLUMNS ? source->columns.ic
                                             : arch->graph.values[arch->graph.layers[layer].src].c;
}

/* Reads depth, widths, kernels and classes from the first member's shapes, builds the graph for an input of
 * `channels` x size, and checks that the file's tensors are exactly those of every member. Callbacks' log
 * (NULL: none) gets a line for every tensor that is wrong. Errors: MODEL_TENSORS, MODEL_DTYPE, MODEL_VALUE. */
deeptepp_status dtp_arch_build(dtp_arch *out, const dtp_network *network, dtp_safetensors *file, int64_t channels,
                               const int64_t size[3], const deeptepp_callbacks *callbacks, deeptepp_error *error);

/* The weights (oc, ic, kd, kh, kw) and bias (oc) of a convolution with its BatchNorm folded in, in new blocks, the
 * caller's also after an error; a weight tensor that only this layer is made from is given back. Errors:
 * MODEL_NONFINITE, MODEL_VARIANCE, MEMORY. */
deeptepp_status dtp_arch_fold(const dtp_arch *arch, const dtp_network *network, dtp_safetensors *file, int member,
                              int layer, float **weights, float **bias, dtp_team *team, deeptepp_error *error);

#endif
