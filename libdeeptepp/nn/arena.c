/* Where the activations live: lifetimes, sharing, offsets. */
#include "plan.h"

static int new_buffer(dtp_plan *plan, size_t image_bytes, int first)
{
    plan->buffers[plan->n_buffers] = (dtp_buffer){.image_bytes = image_bytes, .first = first, .last = first};
    return plan->n_buffers++;
}

/* A tensor's result goes where the value it adds already lies: oneDNN's sum works in place. */
static void assign(dtp_plan *plan)
{
    plan->tensors[0].buffer = new_buffer(plan, plan->tensors[0].image_bytes, 0);
    for (int i = 0; i < plan->n_nodes; i++) {
        const dtp_node *node = &plan->nodes[i];
        int add = node->layer < 0 ? -1 : plan->graph->layers[node->layer].add;
        dtp_plan_tensor *dst = &plan->tensors[node->dst];
        dst->buffer = add >= 0 ? plan->tensors[add].buffer : new_buffer(plan, dst->image_bytes, i);
        plan->buffers[plan->tensors[node->src].buffer].last = i;
        plan->buffers[dst->buffer].last = i;
    }
}

/* A buffer that is written in one stage and read in another holds all images, through the whole of both. */
static void widen(dtp_plan *plan)
{
    for (int b = 0; b < plan->n_buffers; b++) {
        dtp_buffer *buffer = &plan->buffers[b];
        int from = plan->nodes[buffer->first].stage, to = plan->nodes[buffer->last].stage;
        buffer->whole = from != to || b == plan->tensors[0].buffer || b == plan->tensors[plan->output].buffer;
        if (buffer->whole) {
            buffer->first = plan->stages[from].first;
            buffer->last = plan->stages[to].last;
        }
    }
    /* The input is kept for the next ensemble member. */
    plan->buffers[plan->tensors[0].buffer].last = plan->n_nodes;
    plan->buffers[plan->tensors[plan->output].buffer].last = plan->n_nodes;
}

static size_t lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Every stage's lanes have their memory in one more buffer; by then the stage's own have their places in it. */
static bool overlap(const dtp_buffer *a, const dtp_buffer *b)
{
    return a->whole == b->whole && a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at which buffer b meets none of the buffers before it that live at the same time. */
static size_t lowest_offset(const dtp_plan *plan, int b)
{
    size_t offset = 0, bytes = plan->buffers[b].bytes;
    for (int i = 0; i < b; i++) {
        const dtp_buffer *other = &plan->buffers[i];
        bool meets = offset < other->offset + other->bytes && other->offset < offset + bytes;
        if (meets && overlap(&plan->buffers[b], other)) {
            offset = other->offset + other->bytes;
            i = -1; /* the new place may meet an earlier one */
        }
    }
    return offset;
}

/* Buffers of one chunk within a lane's memory. */
static void place_in_lanes(dtp_plan *plan)
{
    for (int b = 0; b < plan->n_buffers; b++) {
        dtp_buffer *buffer = &plan->buffers[b];
        dtp_stage *stage = &plan->stages[plan->nodes[buffer->first < plan->n_nodes ? buffer->first : 0].stage];
        buffer->bytes = lines(buffer->image_bytes * (size_t)(buffer->whole ? plan->batch : stage->chunk));
        if (buffer->whole)
            continue;
        buffer->offset = lowest_offset(plan, b);
        if (buffer->offset + buffer->bytes > stage->lane_bytes)
            stage->lane_bytes = buffer->offset + buffer->bytes;
    }
}

static void add_lanes(dtp_plan *plan)
{
    for (int s = 0; s < plan->n_stages; s++) {
        dtp_buffer *buffer = &plan->buffers[new_buffer(plan, 0, plan->stages[s].first)];
        buffer->last = plan->stages[s].last;
        int64_t lanes = dtp_min_i64(plan->lanes, plan->batch / plan->stages[s].chunk);
        buffer->bytes = (size_t)lanes * plan->stages[s].lane_bytes;
        buffer->whole = true;
    }
}

void dtp_plan_arena(dtp_plan *plan)
{
    assign(plan);
    widen(plan);
    place_in_lanes(plan);
    int first_lanes = plan->n_buffers;
    add_lanes(plan);
    for (int b = 0; b < plan->n_buffers; b++) {
        dtp_buffer *buffer = &plan->buffers[b];
        if (!buffer->whole)
            continue;
        buffer->offset = lowest_offset(plan, b);
        if (buffer->offset + buffer->bytes > plan->arena_bytes)
            plan->arena_bytes = buffer->offset + buffer->bytes;
        if (b >= first_lanes)
            plan->stages[b - first_lanes].offset = buffer->offset;
    }
}
