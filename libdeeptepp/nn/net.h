/* A graph made executable on oneDNN: plan (layouts and memory, nothing large), weights (packed once, shared), net (the
 * primitives and their memory, one a session). All functions here that touch the backend run on a compute thread. */
#ifndef DTP_NET_H
#define DTP_NET_H

#include "../base/watch.h"
#include "graph.h"

typedef struct dtp_plan dtp_plan;
typedef struct dtp_weights dtp_weights;
typedef struct dtp_net dtp_net;

/* Decides layouts, batch sizes and the arena for `batch` images on the watch's team. With at least as many images as
 * threads each thread takes images of its own, and results do not depend on how many there are; else all share each
 * layer of an image. weights: NULL lets the backend choose the weights'
 * layouts; otherwise theirs are kept. The graph is kept by reference. The watch is asked before each layer.
 * Errors: CANCELLED, BACKEND, MEMORY. */
deeptepp_status dtp_plan_new(dtp_plan **out, const dtp_graph *graph, int64_t batch, const dtp_weights *weights,
                             dtp_watch *watch, deeptepp_error *error);
void dtp_plan_free(dtp_plan *plan);

/* Bytes a net of this plan allocates: input, arena, scratchpad. */
size_t dtp_plan_bytes(const dtp_plan *plan);

/* Room for the weights of every layer, in the plan's layouts. They outlive the plan. */
deeptepp_status dtp_weights_new(dtp_weights **out, const dtp_plan *plan, deeptepp_error *error);
void dtp_weights_free(dtp_weights *weights);
size_t dtp_weights_bytes(const dtp_weights *weights);

/* Packs one convolution's weights (oc, ic, kd, kh, kw) and bias (oc). Once cancelled it stops early: OK, but the
 * weights are arbitrary. Errors: MODEL_NONFINITE when one is not finite, MEMORY, BACKEND. */
deeptepp_status dtp_weights_set(dtp_weights *weights, int layer, const float *plain, const float *bias,
                                dtp_watch *watch, deeptepp_error *error);

/* Takes over the plan on success. The watch is asked and told before each primitive. Errors: CANCELLED, BACKEND,
 * MEMORY. */
deeptepp_status dtp_net_new(dtp_net **out, dtp_plan *plan, dtp_watch *watch, deeptepp_error *error);
void dtp_net_free(dtp_net *net);

/* The input: (batch, c, d, h, w), plain, to be filled before each run, which leaves it as it is. */
float *dtp_net_input(dtp_net *net);

/* Runs all images with these weights; out gets (batch, classes), all finite. The watch has a team as large as the
 * plan's, and is asked and told before each layer of a chunk of images. Errors: CANCELLED, BACKEND, SCORE_NONFINITE. */
deeptepp_status dtp_net_run(dtp_net *net, const dtp_weights *weights, float *out, dtp_watch *watch,
                            deeptepp_error *error);

/* For benchmarks: the steps of a run, each timed on its own (best of `repeats`). */
typedef struct dtp_step_info {
    const char *layer; /* "reorder" for a change of layout */
    char implementation[64];
    double seconds; /* all chunks of the step together */
    double macs;
    int64_t chunk; /* images a primitive handles at once */
    bool convolution;
} dtp_step_info;
deeptepp_status dtp_net_profile(dtp_net *net, const dtp_weights *weights, int repeats, dtp_step_info *out, int *count,
                                dtp_watch *watch, deeptepp_error *error);

/* A layer that fell back to slow code, or NULL: its name and implementation, for the log. index from 0. */
const char *dtp_net_slow_layer(const dtp_net *net, int index, const char **implementation);

/* "oneDNN 2.6.3"; the instruction set in use, e.g. "AVX512_CORE". */
void dtp_backend_version(char *out, size_t size);
const char *dtp_backend_isa(void);

/* Whether this processor multiplies bfloat16 by itself, as far as the backend may use it. */
bool dtp_backend_has_bf16(void);

#endif
