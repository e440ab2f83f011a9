/* The plan of a net: nodes (primitive descriptors in order), tensors and the buffers they live in. Private to nn/. */
#ifndef DTP_PLAN_H
#define DTP_PLAN_H

#include "net.h"
#include "forms/form.h"
#include "ops.h"

/* One primitive or form, run batch / chunk times. Consecutive nodes of one stage run chunk by chunk, so that a chunk's
 * activations stay in cache from layer to layer. */
typedef struct dtp_node {
    dnnl_primitive_desc_t pd; /* NULL: form */
    dtp_form *form;
    int layer; /* -1: a change of layout */
    int src, dst; /* tensors */
    int stage;
} dtp_node;

/* A value in one layout. The first n_layers + 1 tensors are the graph's values, the others copies in another layout. */
typedef struct dtp_plan_tensor {
    int value;
    dnnl_format_tag_t tag;
    size_t image_bytes;
    int buffer;
} dtp_plan_tensor;

/* A place in the arena, live from node `first` to node `last`. whole: holds all images, not one chunk's. */
typedef struct dtp_buffer {
    size_t image_bytes, offset;
    int first, last;
    bool whole;
} dtp_buffer;

typedef struct dtp_stage {
    int first, last; /* nodes */
    int64_t chunk;
} dtp_stage;

/* Every layer after a change of layout, and one more for the output. */
enum { DTP_MAX_NODES = 2 * DTP_MAX_LAYERS + 1 };

struct dtp_plan {
    const dtp_graph *graph;
    dnnl_engine_t engine;
    int64_t batch;
    dtp_node nodes[DTP_MAX_NODES];
    dtp_plan_tensor tensors[DTP_MAX_NODES + 1];
    dtp_buffer buffers[DTP_MAX_NODES + 1];
    dtp_stage stages[DTP_MAX_LAYERS];
    int n_nodes, n_tensors, n_buffers, n_stages;
    int output; /* the tensor with the logits, plain */
    size_t arena_bytes, scratchpad_bytes;
};

/* The layout a node's weights are packed in; NULL: it has none. Its implementation's name. */
dtp_const_md dtp_node_weights_md(const dtp_plan *plan, const dtp_node *node);
const char *dtp_node_implementation(const dtp_node *node);

/* Assigns buffers and their offsets once all nodes stand. */
void dtp_plan_arena(dtp_plan *plan);

#endif
