#include "pass.h"

double dtp_node_macs(const dtp_net *net, const dtp_node *node)
{
    /* A change of layout has no multiplications; a little more than nothing keeps progress moving. */
    return node->layer < 0 ? 1.0 : dtp_layer_macs(net->plan->graph, node->layer) + 1.0;
}

void *dtp_net_address(const dtp_net *net, int tensor, int64_t first, int lane)
{
    const dtp_plan *plan = net->plan;
    const dtp_plan_tensor *t = &plan->tensors[tensor];
    const dtp_buffer *buffer = &plan->buffers[t->buffer];
    const dtp_stage *stage = &plan->stages[plan->nodes[buffer->first < plan->n_nodes ? buffer->first : 0].stage];
    size_t at = buffer->offset + (size_t)(buffer->whole ? first : first % stage->chunk) * t->image_bytes;
    if (!buffer->whole)
        at += stage->offset + (size_t)lane * stage->lane_bytes;
    return net->arena + at;
}

/* Where they lie is said at each run. */
static dnnl_status_t bind(const dtp_net *net, const dtp_part *part, dnnl_query_t what, dnnl_memory_t *out)
{
    return dnnl_memory_create(out, dtp_pd_md(part->pd, what), net->plan->engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t bind_lane(const dtp_net *net, const dtp_part *part, dtp_bound_memory *out)
{
    dnnl_status_t s = bind(net, part, dnnl_query_src_md, &out->src);
    s = s ? s : bind(net, part, dnnl_query_dst_md, &out->dst);
    s = s ? s : bind(net, part, dnnl_query_scratchpad_md, &out->scratchpad);
    if (!s && part->narrow) {
        s = bind(net, part, dnnl_query_weights_md, &out->weights);
        s = s ? s : dnnl_memory_create(&out->bias, dtp_pd_bias_md(part->pd), net->plan->engine, DNNL_MEMORY_NONE);
    }
    return s;
}

static deeptepp_status allocate(dtp_net *net, deeptepp_error *error)
{
    const dtp_plan *plan = net->plan;
    bool lanes = true;
    net->primitives = calloc((size_t)plan->n_parts + 1, sizeof *net->primitives);
    net->lanes = calloc((size_t)plan->lanes, sizeof *net->lanes);
    for (int i = 0; net->lanes && i < plan->lanes; i++) {
        net->lanes[i].parts = calloc((size_t)plan->n_parts + 1, sizeof *net->lanes[i].parts);
        net->lanes[i].bounds = calloc((size_t)plan->n_tensors, sizeof *net->lanes[i].bounds);
        lanes &= net->lanes[i].parts && net->lanes[i].bounds;
    }
    net->arena = dtp_alloc_aligned(plan->arena_bytes);
    net->scratchpad = dtp_alloc_aligned(dtp_plan_scratch(plan));
    if (net->primitives && net->lanes && lanes && net->arena && net->scratchpad)
        return DEEPTEPP_OK;
    return dtp_fail_memory(error, "the network's activations", dtp_plan_bytes(plan));
}

static dnnl_status_t make_part(dtp_net *net, const dtp_part *part, int index)
{
    dnnl_status_t s = dtp_primitive_new(&net->primitives[index], part->pd);
    for (int lane = 0; lane < dtp_bound_lanes(net->plan) && !s; lane++)
        s = bind_lane(net, part, &net->lanes[lane].parts[index]);
    return s;
}

static dnnl_status_t make_node(dtp_net *net, const dtp_node *node)
{
    const dtp_plan *plan = net->plan;
    dnnl_status_t s = dnnl_success;
    if (node->form)
        return node->form->kind->prepare(node->form, plan->lanes, net->scratchpad + plan->work_bytes,
                                         plan->lane_bytes);
    for (int i = 0; i < node->n_parts && !s; i++)
        s = make_part(net, &node->parts[i], node->first_part + i);
    return s;
}

static void release_lane(const dtp_net *net, dtp_lane *lane)
{
    for (int i = 0; lane->parts && i < net->plan->n_parts; i++) {
        const dtp_bound_memory *m = &lane->parts[i];
        const dnnl_memory_t memories[] = {m->src, m->dst, m->scratchpad, m->weights, m->bias};
        for (size_t k = 0; k < DTP_COUNT(memories); k++)
            if (memories[k])
                dnnl_memory_destroy(memories[k]);
    }
    free(lane->parts);
    free(lane->bounds);
}

/* All but the plan. */
static void release(dtp_net *net)
{
    if (!net)
        return;
    for (int i = 0; net->primitives && i < net->plan->n_parts; i++)
        if (net->primitives[i])
            dnnl_primitive_destroy(net->primitives[i]);
    for (int i = 0; net->lanes && i < net->plan->lanes; i++)
        release_lane(net, &net->lanes[i]);
    if (net->stream)
        dnnl_stream_destroy(net->stream);
    free(net->primitives);
    free(net->lanes);
    free(net->arena);
    free(net->scratchpad);
    free(net);
}

/* All primitives; *s is the backend's word. */
static deeptepp_status make_primitives(dtp_net *net, dnnl_status_t *s, dtp_watch *watch, deeptepp_error *error)
{
    int nodes = net->plan->n_nodes;
    for (int i = 0; i < nodes && !*s; i++) {
        deeptepp_status status = dtp_watch_step(watch, 1000 * i / nodes, error);
        if (status != DEEPTEPP_OK)
            return status;
        *s = make_node(net, &net->plan->nodes[i]);
    }
    return DEEPTEPP_OK;
}

deeptepp_status dtp_net_new(dtp_net **out, dtp_plan *plan, dtp_watch *watch, deeptepp_error *error)
{
    *out = NULL;
    dtp_net *net = calloc(1, sizeof *net);
    if (!net)
        return dtp_fail_memory(error, "the network", sizeof *net);
    net->plan = plan;
    for (int i = 0; i < plan->n_nodes; i++)
        net->macs += dtp_node_macs(net, &plan->nodes[i]) * (double)plan->batch;
    deeptepp_status status = allocate(net, error);
    dnnl_status_t s = dnnl_success;
    if (status == DEEPTEPP_OK)
        status = make_primitives(net, &s, watch, error);
    if (status == DEEPTEPP_OK && !s)
        s = dnnl_stream_create(&net->stream, plan->engine, dnnl_stream_default_flags);
    if (s)
        status = dtp_backend_fail(error, s, "making the network's primitives");
    if (status != DEEPTEPP_OK) {
        release(net);
        return status;
    }
    *out = net;
    return DEEPTEPP_OK;
}

void dtp_net_free(dtp_net *net)
{
    dtp_plan *plan = net ? net->plan : NULL;
    release(net);
    dtp_plan_free(plan);
}

float *dtp_net_input(dtp_net *net)
{
    return dtp_net_address(net, 0, 0, 0);
}

/* A product of matrices serves a form and a linear layer well, a convolution badly. */
static bool is_slow(const dtp_plan *plan, const dtp_node *node)
{
    dtp_shape out = plan->graph->values[node->layer + 1];
    bool product = strstr(dtp_node_implementation(node), "gemm") != NULL;
    return dtp_is_reference(dtp_node_implementation(node)) || (product && !node->form && out.d * out.h * out.w > 1);
}

const char *dtp_net_slow_layer(const dtp_net *net, int index, const char **implementation)
{
    for (int n = 0; n < net->plan->n_nodes; n++) {
        const dtp_node *node = &net->plan->nodes[n];
        *implementation = dtp_node_implementation(node);
        if (node->layer >= 0 && is_slow(net->plan, node) && index-- == 0)
            return net->plan->graph->layers[node->layer].name;
    }
    return NULL;
}
