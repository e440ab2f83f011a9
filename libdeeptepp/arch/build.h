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
    deeptepp_status status;
    deeptepp_error *error;
} dtp_build;

/* The first member's tensor of that name, or NULL. Formats like printf. */
__attribute__((format(printf, 2, 3))) const dtp_tensor *dtp_build_find(const dtp_build *build, const char *format, ...);

/* A dimension of that tensor; 0 when there is no such tensor or dimension. */
int64_t dtp_build_dim(const dtp_build *build, const char *name, int dim);

/* Channels a convolution makes, read from its own or its BatchNorm's tensor; 1 when neither is there. */
int64_t dtp_build_channels(const dtp_build *build, const char *name, const char *norm);

/* Appends a convolution made from tensor `name`.weight, whose kernel it reads (padding keeps the size at stride 1),
 * and BatchNorm `norm` (NULL: none). oc: the channels it must make; 0: as many as its tensor says. Returns the value,
 * 0 after an error. */
int dtp_build_convolution(dtp_build *build, const char *name, const char *norm, int src, int add, int64_t oc,
                          const int64_t stride[3], int64_t dilation, dtp_activation activation);

/* Appends a linear layer with bias, on a 1x1x1 map. */
int dtp_build_linear(dtp_build *build, const char *name, int src);

/* Appends a pool. */
int dtp_build_pool(dtp_build *build, dtp_op op, const char *name, int src, const int64_t kernel[3],
                   const int64_t stride[3], const int64_t pad[3]);

/* The residual backbone, stem to layer4, tensor names under `at` ("" or "features."). Returns its last value. */
int dtp_build_resnet(dtp_build *build, const char *at);

/* The two networks. */
void dtp_build_resnet3d(dtp_build *build);

#endif
