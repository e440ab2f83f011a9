/* 3x3 and 3x3x3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray 2016): tiles of the input are
 * transformed, multiplied by transformed weights - one matrix product for each of the transform's points, on oneDNN - and
 * transformed back. F(4, 3) along each axis of a 2-D layer needs a quarter of the direct multiplications, F(2, 3) along
 * each of a 3-D layer three in ten. Values are channels-last. Private to nn/. */
#ifndef DTP_WINOGRAD_H
#define DTP_WINOGRAD_H

#include <stdatomic.h>

#include "ops.h"

typedef struct dtp_winograd dtp_winograd;

/* Whether a layer can be and is worth being computed so. Depends on its shapes alone. */
bool dtp_winograd_suits(const dtp_graph *graph, int layer);

/* For `images` images at once. weights: NULL lets the backend choose their layout. Allocates nothing large. */
deeptepp_status dtp_winograd_new(dtp_winograd **out, dnnl_engine_t engine, const dtp_graph *graph, int layer,
                                 int64_t images, dtp_const_md weights, deeptepp_error *error);
void dtp_winograd_free(dtp_winograd *winograd);

size_t dtp_winograd_scratch_bytes(const dtp_winograd *winograd);
dtp_const_md dtp_winograd_weights_md(const dtp_winograd *winograd);
const char *dtp_winograd_implementation(const dtp_winograd *winograd);

/* (oc, ic, kd, kh, kw) to (points, ic, oc), plain, in a new block, with anything in it once *cancelled (NULL: never); NULL
 * without memory. */
float *dtp_winograd_weights(const dtp_graph *graph, int layer, const float *plain, const atomic_bool *cancelled);
dtp_md dtp_winograd_plain_md(const dtp_graph *graph, int layer);

/* Makes the primitive, bound to scratch memory. */
dnnl_status_t dtp_winograd_prepare(dtp_winograd *winograd, void *scratch);

/* src, dst: channels-last images. dst holds the value to add where the layer adds one. */
dnnl_status_t dtp_winograd_run(dtp_winograd *winograd, dnnl_stream_t stream, dnnl_memory_t weights, const float *bias,
                               const float *src, float *dst);

#endif
