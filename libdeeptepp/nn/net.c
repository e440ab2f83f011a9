#include "net.h"

#include <math.h>
#include <time.h>

#include "plan.h"
#include "weights.h"

/* A primitive on one chunk of images, with its memory bound. */
typedef struct step {
    dnnl_primitive_t primitive; /* its node's; not owned; NULL: the node's form on src and dst */
    dnnl_exec_arg_t args[5];
    int n_args;
    int node;
    int layer; /* whose weights go into args[2] and args[3]; -1: none */
    bool first_chunk; /* of its stage */
    float *src, *dst;
} step;

struct dtp_net {
    dtp_plan *plan;
    dnnl_stream_t stream;
    dnnl_primitive_t *primitives; /* one a node */
    dnnl_memory_t *scratchpads;   /* one a node */
    dnnl_memory_t *memories;      /* two a step: source and destination */
    size_t n_memories;
    step *steps;
    int n_steps;
    uint8_t *arena, *scratchpad;
    double macs; /* of a run */
    double *bounds; /* one a tensor: no value of it is larger in magnitude */
};

static double step_macs(const dtp_net *net, const step *s)
{
    const dtp_node *node = &net->plan->nodes[s->node];
    /* A change of layout has no multiplications; a little more than nothing keeps progress moving. */
    double image = node->layer < 0 ? 1.0 : dtp_layer_macs(net->plan->graph, node->layer) + 1.0;
    return image * (double)net->plan->stages[node->stage].chunk;
}

/* The memory of a tensor from image `first` on. */
static float *address(const dtp_net *net, int tensor, int64_t first)
{
    const dtp_plan_tensor *t = &net->plan->tensors[tensor];
    const dtp_buffer *buffer = &net->plan->buffers[t->buffer];
    size_t skip = buffer->whole ? (size_t)first * t->image_bytes : 0;
    return (float *)(void *)(net->arena + buffer->offset + skip);
}

/* The same as the primitive describes it. */
static dnnl_status_t bind(dtp_net *net, float *data, dtp_const_md md, dnnl_memory_t *out)
{
    dnnl_status_t s = dnnl_memory_create(out, md, net->plan->engine, data);
    if (!s)
        net->memories[net->n_memories++] = *out;
    return s;
}

static dnnl_status_t bind_primitive(dtp_net *net, step *s, const dtp_node *node)
{
    dnnl_memory_t src = NULL, dst = NULL;
    dnnl_status_t status = bind(net, s->src, dtp_pd_md(node->pd, dnnl_query_src_md), &src);
    status = status ? status : bind(net, s->dst, dtp_pd_md(node->pd, dnnl_query_dst_md), &dst);
    s->primitive = net->primitives[s->node];
    s->args[s->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, src};
    s->args[s->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_DST, dst};
    if (s->layer >= 0) {
        s->args[s->n_args++].arg = DNNL_ARG_WEIGHTS;
        s->args[s->n_args++].arg = DNNL_ARG_BIAS;
    }
    s->args[s->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, net->scratchpads[s->node]};
    return status;
}

static dnnl_status_t add_step(dtp_net *net, int index, int64_t first)
{
    const dtp_node *node = &net->plan->nodes[index];
    step *s = &net->steps[net->n_steps++];
    *s = (step){
        .node = index,
        .layer = dtp_node_weights_md(net->plan, node) ? node->layer : -1,
        .src = address(net, node->src, first),
        .dst = address(net, node->dst, first),
        .first_chunk = first == 0,
    };
    net->macs += step_macs(net, s);
    return node->form ? dnnl_success : bind_primitive(net, s, node);
}

/* Unrolls stages into steps: all layers of a stage for one chunk, then for the next. */
static dnnl_status_t add_steps(dtp_net *net)
{
    dnnl_status_t s = dnnl_success;
    for (int i = 0; i < net->plan->n_stages && !s; i++) {
        const dtp_stage *stage = &net->plan->stages[i];
        for (int64_t first = 0; first < net->plan->batch && !s; first += stage->chunk)
            for (int node = stage->first; node <= stage->last && !s; node++)
                s = add_step(net, node, first);
    }
    return s;
}

static size_t count_steps(const dtp_plan *plan)
{
    size_t count = 0;
    for (int i = 0; i < plan->n_stages; i++)
        count += (size_t)(plan->stages[i].last - plan->stages[i].first + 1) *
                 (size_t)(plan->batch / plan->stages[i].chunk);
    return count;
}

static deeptepp_status allocate(dtp_net *net, deeptepp_error *error)
{
    size_t nodes = (size_t)net->plan->n_nodes, steps = count_steps(net->plan);
    net->primitives = calloc(nodes, sizeof *net->primitives);
    net->scratchpads = calloc(nodes, sizeof *net->scratchpads);
    net->memories = calloc(2 * steps, sizeof *net->memories);
    net->steps = calloc(steps, sizeof *net->steps);
    net->bounds = calloc((size_t)net->plan->n_tensors, sizeof *net->bounds);
    net->arena = dtp_alloc_aligned(net->plan->arena_bytes);
    net->scratchpad = dtp_alloc_aligned(net->plan->scratchpad_bytes);
    if (net->primitives && net->scratchpads && net->memories && net->steps && net->bounds && net->arena &&
        net->scratchpad)
        return DEEPTEPP_OK;
    return dtp_fail_memory(error, "the network's activations", dtp_plan_bytes(net->plan));
}

static dnnl_status_t make_primitive(dtp_net *net, int i)
{
    const dtp_node *node = &net->plan->nodes[i];
    if (node->form)
        return node->form->kind->prepare(node->form, net->scratchpad);
    dtp_const_md scratchpad = dtp_pd_md(node->pd, dnnl_query_scratchpad_md);
    dnnl_status_t s = dtp_primitive_new(&net->primitives[i], node->pd);
    return s ? s : dnnl_memory_create(&net->scratchpads[i], scratchpad, net->plan->engine, net->scratchpad);
}

static void destroy_memories(dnnl_memory_t *memories, size_t count)
{
    for (size_t i = 0; memories && i < count; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    free(memories);
}

/* All but the plan. */
static void release(dtp_net *net)
{
    if (!net)
        return;
    size_t nodes = (size_t)net->plan->n_nodes;
    for (size_t i = 0; net->primitives && i < nodes; i++)
        if (net->primitives[i])
            dnnl_primitive_destroy(net->primitives[i]);
    destroy_memories(net->memories, net->n_memories);
    destroy_memories(net->scratchpads, nodes);
    if (net->stream)
        dnnl_stream_destroy(net->stream);
    free(net->primitives);
    free(net->steps);
    free(net->bounds);
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
        *s = make_primitive(net, i);
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
    deeptepp_status status = allocate(net, error);
    dnnl_status_t s = dnnl_success;
    if (status == DEEPTEPP_OK)
        status = make_primitives(net, &s, watch, error);
    if (status == DEEPTEPP_OK && !s)
        s = dnnl_stream_create(&net->stream, plan->engine, dnnl_stream_default_flags);
    if (status == DEEPTEPP_OK && !s)
        s = add_steps(net);
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
    return address(net, 0, 0);
}

static dnnl_status_t execute(dtp_net *net, const dtp_weights *weights, int index)
{
    step *s = &net->steps[index];
    dtp_form *form = net->plan->nodes[s->node].form;
    if (form) {
        const dtp_form_run run = {net->stream, dtp_weights_memory(weights, s->layer),
                                  dtp_weights_bias_data(weights, s->layer), s->src, s->dst};
        return form->kind->run(form, &run);
    }
    if (s->layer >= 0) {
        s->args[2].memory = dtp_weights_memory(weights, s->layer);
        s->args[3].memory = dtp_weights_bias(weights, s->layer);
    }
    return dnnl_primitive_execute(s->primitive, net->stream, s->n_args, s->args);
}

/* ---- Overflow: ReLU and max-pool would hide it ---- */

/* No sum within a layer may come near float32's end, Winograd's not either, whose transforms carry up to 1e5
 * further. */
static const double REACH_MAX = 1e30;

/* The largest magnitude; NaN counts as larger than all. */
static double largest(const float *values, size_t count)
{
    uint32_t worst = 0;
    float value;
#pragma omp parallel for simd reduction(max : worst) schedule(static) if (count > 65536)
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits &= 0x7fffffffu;
        worst = bits > worst ? bits : worst;
    }
    memcpy(&value, &worst, sizeof value);
    return (double)value;
}

static double largest_of(const dtp_net *net, const step *s, int tensor, const float *values)
{
    const dtp_plan *plan = net->plan;
    size_t image = plan->tensors[tensor].image_bytes / sizeof(float);
    return largest(values, image * (size_t)plan->stages[plan->nodes[s->node].stage].chunk);
}

/* How large a layer's output can be, before it is computed: from bounds of what it reads or, where those say too much,
 * from the values themselves. */
static double reach_of(const dtp_net *net, const dtp_weights *weights, const step *s)
{
    const dtp_node *node = &net->plan->nodes[s->node];
    const dtp_layer *layer = &net->plan->graph->layers[node->layer];
    double added = layer->add < 0 ? 0 : net->bounds[layer->add];
    double reach = dtp_weights_reach(weights, node->layer, net->bounds[node->src]) + added;
    if (reach <= REACH_MAX)
        return reach;
    added = layer->add < 0 ? 0 : largest_of(net, s, node->dst, s->dst);
    return dtp_weights_reach(weights, node->layer, largest_of(net, s, node->src, s->src)) + added;
}

static deeptepp_status check_reach(dtp_net *net, const dtp_weights *weights, const step *s, deeptepp_error *error)
{
    const dtp_node *node = &net->plan->nodes[s->node];
    double reach = s->layer < 0 ? net->bounds[node->src] : reach_of(net, weights, s), *bound = &net->bounds[node->dst];
    if (!(reach <= REACH_MAX))
        return dtp_fail(
            error, DEEPTEPP_ERR_SCORE_NONFINITE,
            "layer %s: its sums could reach %.3g, wanted at most %.3g so that nothing overflows: the input is "
            "far from what the network was trained on",
            node->layer < 0 ? "input" : net->plan->graph->layers[node->layer].name, reach, REACH_MAX);
    reach = fmax(reach, 1); /* ELU reaches -1 */
    *bound = s->first_chunk ? reach : fmax(*bound, reach);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_net_run(dtp_net *net, const dtp_weights *weights, float *out, dtp_watch *watch,
                            deeptepp_error *error)
{
    const dtp_plan *plan = net->plan;
    double done = 0;
    dnnl_status_t s = dtp_backend_room();
    if (s)
        return dtp_backend_fail(error, s, "running the network");
    net->bounds[0] = largest(dtp_net_input(net), (size_t)plan->batch * dtp_shape_size(plan->graph->values[0]));
    for (int i = 0; i < net->n_steps; i++) {
        deeptepp_status status = dtp_watch_step(watch, (int)(1000 * done / net->macs), error);
        if (status == DEEPTEPP_OK)
            status = check_reach(net, weights, &net->steps[i], error);
        if (status != DEEPTEPP_OK)
            return status;
        s = execute(net, weights, i);
        if (s)
            return dtp_backend_fail(error, s, "running a layer");
        done += step_macs(net, &net->steps[i]);
    }
    s = dnnl_stream_wait(net->stream);
    if (s)
        return dtp_backend_fail(error, s, "waiting for the network");
    size_t classes = dtp_shape_size(plan->graph->values[plan->graph->n_layers]);
    memcpy(out, address(net, plan->output, 0), (size_t)plan->batch * classes * sizeof *out);
    return DEEPTEPP_OK;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static deeptepp_status profile_node(dtp_net *net, const dtp_weights *weights, int node, double *seconds,
                                    deeptepp_error *error)
{
    double start = now();
    for (int i = 0; i < net->n_steps; i++) {
        if (net->steps[i].node != node)
            continue;
        dnnl_status_t s = execute(net, weights, i);
        if (s)
            return dtp_backend_fail(error, s, "timing a layer");
    }
    *seconds = now() - start;
    return DEEPTEPP_OK;
}

deeptepp_status dtp_net_profile(dtp_net *net, const dtp_weights *weights, int repeats, dtp_step_info *out, int *count,
                                deeptepp_error *error)
{
    const dtp_plan *plan = net->plan;
    *count = plan->n_nodes;
    for (int n = 0; n < plan->n_nodes; n++) {
        const dtp_node *node = &plan->nodes[n];
        out[n] = (dtp_step_info){
            .layer = node->layer < 0 ? "reorder" : plan->graph->layers[node->layer].name,
            .seconds = 1e9,
            .macs = node->layer < 0 ? 0 : dtp_layer_macs(plan->graph, node->layer) * (double)plan->batch,
            .chunk = plan->stages[node->stage].chunk,
            .convolution = node->layer >= 0 && plan->graph->layers[node->layer].op == DTP_CONVOLUTION,
        };
        dtp_format(out[n].implementation, sizeof out[n].implementation, "%s", dtp_node_implementation(node));
        for (int r = 0; r < repeats; r++) {
            double seconds = 0;
            deeptepp_status status = profile_node(net, weights, n, &seconds, error);
            if (status != DEEPTEPP_OK)
                return status;
            out[n].seconds = seconds < out[n].seconds ? seconds : out[n].seconds;
        }
    }
    return DEEPTEPP_OK;
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
