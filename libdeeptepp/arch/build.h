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

/* A convolution: activation(norm(convolution(src)) + add). */
typedef struct dtp_convolution {
    const char *name; /* its tensors are `name`.weight and, where there is no norm or the file has it, `name`.bias */
    const char *norm; /* its BatchNorm's prefix, or NULL */
    int src, add;     /* add -1: none */
    int64_t oc;       /* channels it must make; 0: as many as its tensor says */
    int64_t stride[3], dilation;
    bool open_end;
    dtp_activation activation;
} dtp_convolution;

/* Appends it; the kernel comes from its tensor, padding keeps the size at stride 1. Returns the value, 0 after an
 * error. */
int dtp_build_convolution(dtp_build *build, const dtp_convolution *convolution);

/* A linear layer on a 1x1x1 map, made from the tensors that `source` names. Returns the value, 0 after an error. */
int dtp_build_linear(dtp_build *build, const dtp_layer_source *source, int src, int add, int64_t oc,
                     dtp_activation activation);

/* Appends a layer that keeps the first `size` cells along height and width. */
int dtp_build_crop(dtp_build *build, const char *name, int src, int64_t size);

/* Appends a pool. */
int dtp_build_pool(dtp_build *build, dtp_op op, const char *name, int src, const int64_t kernel[3],
                   const int64_t stride[3], const int64_t pad[3]);

/* The residual backbone, stem to layer4, tensor names under `at` ("" or "features."). layers gets the values of layer1 to
 * layer4. */
void dtp_build_resnet(dtp_build *build, const char *at, int layers[4]);

/* The two networks. */
void dtp_build_resnet3d(dtp_build *build);
void dtp_build_pmg2d(dtp_build *build);

#endif
