/* The plan of a net: nodes (primitive descriptors in order), tensors and the buffers they live in. Private to nn/. */
#ifndef DTP_PLAN_H
#define DTP_PLAN_H

#include "net.h"
#include "forms/form.h"
#include "ops.h"

/* A primitive for a slab of an image, or for all of it. */
typedef struct dtp_part {
    dnnl_primitive_desc_t pd;
    size_t src, dst; /* bytes from the image's first on */
    bool narrow;     /* it has some of the layer's output channels, and reads their weights alone */
    size_t weights, bias; /* bytes from the layer's first on */
} dtp_part;

/* Primitives or a form. Consecutive nodes of one stage run chunk by chunk, so that a chunk's activations stay in cache
 * from layer to layer: a form on the chunk's images at once, primitives on one after the other. */
typedef struct dtp_node {
    dtp_part *parts; /* NULL: form */
    int n_parts;
    int first_part; /* its number among the plan's */
    dtp_md weights; /* the layout of all, where parts are narrow */
    dtp_form *form;
    int layer; /* the first of a form's; -1: a change of layout */
    int src, dst; /* tensors */
    int stage;
} dtp_node;

/* A value in one layout. The first n_layers + 1 tensors are the graph's values, of which those within a form are
 * nothing; the others are copies in another layout. */
typedef struct dtp_plan_tensor {
    int value;
    dnnl_data_type_t type;
    dnnl_format_tag_t tag;
    size_t image_bytes;
    int buffer;
} dtp_plan_tensor;

/* A place in the arena, live from node `first` to node `last`. whole: holds all images; else one chunk's, in the memory
 * that a lane has for the stage, where `offset` counts from. */
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
    int lanes;    /* threads */
    bool divides; /* they share each layer, since images are fewer than they; else chunks are side by side */
    dtp_node nodes[DTP_MAX_NODES];
    dtp_plan_tensor tensors[DTP_MAX_NODES + 1];
    dtp_buffer buffers[DTP_MAX_NODES + 1 + DTP_MAX_LAYERS];
    dtp_stage stages[DTP_MAX_LAYERS];
    int n_nodes, n_parts, n_tensors, n_buffers, n_stages;
    int output; /* the tensor with the logits, plain */
    size_t arena_bytes;
    /* A lane's memory, work before scratch: whole pages, so that lanes do not meet. Behind the last lane's is the work
     * memory of all together. */
    size_t work_bytes, lane_bytes, shared_work_bytes;
};

/* How many of a stage's chunks lanes take for themselves: all but those that would leave some lanes idle. */
static inline int64_t dtp_plan_side_by_side(const dtp_plan *plan, const dtp_stage *stage)
{
    int64_t chunks = plan->batch / stage->chunk;
    return chunks - chunks % plan->lanes;
}

/* The layout a node's weights are packed in; NULL: it has none. Its implementation's name. */
dtp_const_md dtp_node_weights_md(const dtp_plan *plan, const dtp_node *node);
const char *dtp_node_implementation(const dtp_node *node);

void dtp_parts_free(dtp_part *parts, int count);

/* Of all lanes, and what is behind them. */
size_t dtp_plan_scratch(const dtp_plan *plan);

/* Assigns buffers and their offsets once all nodes stand. */
void dtp_plan_arena(dtp_plan *plan);

#endif
