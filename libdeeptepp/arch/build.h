/* What architectures are built with: a graph under construction whose first error sticks. Private to arch/. */
#ifndef DTP_BUILD_H
#define DTP_BUILD_H

#include "arch.h"

typedef struct dtp_build {
    dtp_arch *arch;
    const dtp_network *network;
    const dtp_safetensors *file;
    const char *prefix; /* the first member's */
    int rank;           /* of convolution weights: 5 in 3-D, 4 in 2-D */
    int blocks[4];      /* residual blocks of each layer so far */
    bool bottleneck;    /* they are bottlenecks */
    deeptepp_status status;
    deeptepp_error *error;
} dtp_build;

/* The first member's tensor of that name, or NULL. Formats like printf. */
__attribute__((format(printf, 2, 3))) const dtp_tensor *dtp_build_find(const dtp_build *build, const char *format, ...);

/* A dimension of that tensor; 0 when there is no such tensor or dimension. */
int64_t dtp_build_dim(const dtp_build *build, const char *name, int dim);

/* Channels a convolution makes, read from its own or its BatchNorm's tensor; 1 when neither is there. */
int64_t dtp_build_channels(const dtp_build *build, const char *name, const char *norm);

/* Appends a layer, as dtp_graph_add; source: what it is made from, NULL for one without tensors. Returns the value, 0
 * after an error. */
int dtp_build_append(dtp_build *build, const dtp_layer *layer, int64_t oc, const dtp_layer_source *source);

/* A convolution: activation(norm(convolution(src)) + add). */
typedef struct dtp_convolution {
    const char *name;  /* its tensor is `name`.weight */
    const char *norm;  /* its BatchNorm's prefix */
    bool may_have_bias; /* `name`.bias, where the file has it */
    int src, add;      /* add -1: none */
    int64_t oc;        /* channels it must make; 0: as many as its tensor says */
    int64_t kernel;    /* along all axes but a 2-D network's depth; 0: what its tensor says */
    int64_t stride[3], dilation;
    bool open_end;
    dtp_activation activation;
} dtp_convolution;

/* Appends it; padding keeps the size at stride 1. Returns the value, 0 after an error. */
int dtp_build_convolution(dtp_build *build, const dtp_convolution *convolution);

/* A linear layer on a 1x1x1 map, made from the tensors that `source` names. Returns the value, 0 after an error. */
int dtp_build_linear(dtp_build *build, const dtp_layer_source *source, int src, int add, int64_t oc,
                     dtp_activation activation);

/* Appends a layer that keeps the first `size` cells along height and width. */
int dtp_build_crop(dtp_build *build, const char *name, int src, int64_t size);

/* Appends a pool. */
int dtp_build_pool(dtp_build *build, dtp_op op, const char *name, int src, const int64_t kernel[3],
                   const int64_t stride[3], const int64_t pad[3]);

/* The residual backbone, tensor names under `at` ("" or "features."): its stem with a kernel as in dtp_convolution, and
 * layer 1, 2, 3 or 4. Return the value. */
int dtp_build_stem(dtp_build *build, const char *at, int64_t kernel);
int dtp_build_layer(dtp_build *build, const char *at, int layer, int src);

/* Whether the layers that were built are those of a ResNet of a known depth. Errors: MODEL_TENSORS. */
deeptepp_status dtp_build_check_depth(const dtp_build *build);

/* The two networks. */
void dtp_build_resnet3d(dtp_build *build);
void dtp_build_pmg2d(dtp_build *build);

#endif
