/* Other ways to compute a convolution than the backend's own: gather rows of the input, multiply matrices on oneDNN,
 * scatter the products. Values are channels-last, but for what a network begins with. Private to nn/. */
#ifndef DTP_FORM_H
#define DTP_FORM_H

#include "../../base/watch.h"
#include "matmul.h"

typedef struct dtp_form dtp_form;

/* What one layer's run reads and writes, and who computes; dst holds the value to add where the layer adds one. Once
 * the watch is cancelled what stands there is arbitrary. */
typedef struct dtp_form_run {
    dtp_team *team; /* a team, or a lane of it alone; NULL: lane 0 */
    int lane;       /* of the thread that hands out */
    const dtp_watch *watch;
    void *work;
    dnnl_stream_t stream;
    dnnl_memory_t weights;
    const float *bias;
    const void *src;
    void *dst;
} dtp_form_run;

/* A kind of form. Weights are matrices (points, ic, oc) of it. */
typedef struct dtp_form_kind {
    const char *name; /* what its implementations' names begin with */
    bool bf16;        /* it can do a rounded layer: src, and dst where the graph says it, are then bfloat16 */
    dnnl_format_tag_t src; /* the layout it reads; what it writes is channels-last */

    /* Whether a layer can be and is worth being computed so. Depends on its shapes alone. */
    bool (*suits)(const dtp_graph *graph, int layer);

    /* How many layers it computes at once, from this one on: what lies between them is never written. Depends on the
     * graph alone. NULL: one. */
    int (*layers)(const dtp_graph *graph, int layer);

    /* For `images` images at once. weights: NULL lets the backend choose their layout. Allocates nothing large.
     * dnnl_unimplemented: the backend has no products of these. */
    dnnl_status_t (*make)(dtp_form **out, dnnl_engine_t engine, const dtp_graph *graph, int layer, int64_t images,
                          dtp_const_md weights);
    void (*free)(dtp_form *form);
    size_t (*scratch_bytes)(const dtp_form *form); /* a lane */
    size_t (*work_bytes)(const dtp_form *form);    /* a run, however many lanes it has; NULL: none */
    dtp_const_md (*weights_md)(const dtp_form *form);

    /* Makes primitives, bound to the lanes' scratch memory: lane i's is `stride` bytes after lane i - 1's. Lanes may
     * then run the form at once, each alone, or one with all of them. */
    dnnl_status_t (*prepare)(dtp_form *form, int lanes, void *scratch, size_t stride);
    dnnl_status_t (*run)(const dtp_form *form, const dtp_form_run *run);

    /* How many matrices; output channels first to first + count - 1 of weights (oc, ic, kd, kh, kw) as (points, ic,
     * count). Once cancelled it stops early, and what stands there is arbitrary. */
    int64_t (*points)(const dtp_graph *graph, int layer);
    void (*transform)(const dtp_graph *graph, int layer, const float *plain, int64_t first, int64_t count, float *out,
                      const dtp_watch *watch);
} dtp_form_kind;

/* What every form begins with. */
struct dtp_form {
    const dtp_form_kind *kind;
    char implementation[64];
};

extern const dtp_form_kind dtp_stem_kind, dtp_winograd, dtp_taps;

/* The kind that suits a layer best, or NULL. */
const dtp_form_kind *dtp_form_choose(const dtp_graph *graph, int layer);

/* Layers that a form of that kind computes, from this one on. */
int dtp_form_layers(const dtp_form_kind *kind, const dtp_graph *graph, int layer);

/* Frees a form; NULL too. */
void dtp_form_free(dtp_form *form);

#endif
