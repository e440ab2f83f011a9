/* A network definition: the graph, and which tensors of the model file each of its layers is made from. */
#ifndef DTP_ARCH_H
#define DTP_ARCH_H

#include "../base/json.h"
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

/* The tensors a convolution is folded from; names without the member's prefix, "" where there is none. */
typedef struct dtp_layer_source {
    char weight[64];
    char bias[64];
    char norm[64];     /* the prefix of the BatchNorm after it, e.g. "layer1.0.bn1" */
    char pre_norm[64]; /* of one before it, over the tensor's inputs */
    int rank;          /* of the weight tensor: 2, 4 or 5 */
    bool zero_extended; /* shortcut A: no tensor; strided copy, further channels 0 */
    int64_t oc, ic;     /* the tensor's own channels where the layer is a part of it or more than it; 0: the layer's */
    int64_t first_oc;   /* the layer's channel at which the tensor's first lies; the others are 0 */
    int64_t first_ic;   /* the tensor's input channel that the layer's first one is */
    bool sum_inputs;    /* all input channels are equal: their weights are added into one */
    bool part;          /* one of several layers whose sum is the whole: bias and shift are with the last */
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

/* Reads depth, widths, kernels and classes from the first member's shapes, builds the graph for an input of
 * `channels` x size, and checks that the file's tensors are exactly those of every member. Callbacks' log
 * (NULL: none) gets a line for every tensor that is wrong. Errors: MODEL_TENSORS, MODEL_DTYPE, MODEL_VALUE. */
deeptepp_status dtp_arch_build(dtp_arch *out, const dtp_network *network, dtp_safetensors *file, int64_t channels,
                               const int64_t size[3], const deeptepp_callbacks *callbacks, deeptepp_error *error);

/* The weights (oc, ic, kd, kh, kw) and bias (oc) of a convolution with its BatchNorm folded in, in new blocks, the
 * caller's also after an error; a weight tensor that only this layer is made from is given back. Errors:
 * MODEL_NONFINITE, MODEL_VARIANCE, MEMORY. */
deeptepp_status dtp_arch_fold(const dtp_arch *arch, const dtp_network *network, dtp_safetensors *file, int member,
                              int layer, float **weights, float **bias, deeptepp_error *error);

#endif
