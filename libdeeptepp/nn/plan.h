/* The plan of a net: nodes (primitive descriptors in order), tensors and the buffers they live in. Private to nn/. */
#ifndef DTP_PLAN_H
#define DTP_PLAN_H

#include "net.h"
#include "forms/form.h"
#include "ops.h"

/* One primitive or form. Consecutive nodes of one stage run chunk by chunk, so that a chunk's activations stay in cache
 * from layer to layer: a form on the chunk's images at once, a primitive on `grain` of them. */
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

/* A place in the arena, live from node `first` to node `last`. whole: holds all images; else one chunk's in the memory that
 * a lane has for the stage, where `offset` counts from. */
typedef struct dtp_buffer {
    size_t image_bytes, bytes, offset;
    int first, last;
    bool whole;
} dtp_buffer;

typedef struct dtp_stage {
    int first, last; /* nodes */
    int64_t chunk;
    size_t offset, lane_bytes; /* in the arena: the first lane's memory, and from one lane's to the next's */
} dtp_stage;

/* Every layer after a change of layout, and one more for the output. */
enum { DTP_MAX_NODES = 2 * DTP_MAX_LAYERS + 1 };

struct dtp_plan {
    const dtp_graph *graph;
    dnnl_engine_t engine;
    int64_t batch;
    const dtp_team *team; /* while planning */
    bool shares_layers;   /* the backend shares a layer among the team's threads, since images are fewer than they */
    int team_lanes;       /* that forms are made for */
    int lanes;            /* that run chunks side by side, each through all layers of a stage */
    dtp_node nodes[DTP_MAX_NODES];
    dtp_plan_tensor tensors[DTP_MAX_NODES + 1];
    dtp_buffer buffers[DTP_MAX_NODES + 1 + DTP_MAX_LAYERS];
    dtp_stage stages[DTP_MAX_LAYERS];
    int n_nodes, n_tensors, n_buffers, n_stages;
    int output; /* the tensor with the logits, plain */
    size_t form_scratch, primitive_scratch; /* the most that one needs for a lane */
    size_t arena_bytes, scratch_stride, scratchpad_bytes;
};

/* Images that a primitive handles at once. */
static inline int64_t dtp_plan_grain(const dtp_plan *plan, const dtp_stage *stage)
{
    return plan->shares_layers ? stage->chunk : 1;
}

/* The layout a node's weights are packed in; NULL: it has none. Its implementation's name. */
dtp_const_md dtp_node_weights_md(const dtp_plan *plan, const dtp_node *node);
const char *dtp_node_implementation(const dtp_node *node);

/* Assigns buffers and their offsets once all nodes stand. */
void dtp_plan_arena(dtp_plan *plan);

#endif
