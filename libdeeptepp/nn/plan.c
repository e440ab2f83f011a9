#include "plan.h"

#include "choice.h"

/* Activations of a chunk that stay in a core's second-level cache from one layer to the next; measured in
 * tests/bench, see docs/performance.md. */
static const size_t CHUNK_BYTES = (size_t)2 << 20;

/* The largest divisor of the batch that is at most `wanted`. */
static int64_t divisor(int64_t batch, int64_t wanted)
{
    int64_t chunk = dtp_max_i64(1, dtp_min_i64(batch, wanted));
    while (batch % chunk)
        chunk--;
    return chunk;
}

/* Large maps go image by image through the cache; small ones together, so that their weights are read once. */
static int64_t choose_chunk(const dtp_graph *graph, int layer, int64_t batch)
{
    size_t bytes = sizeof(float) * (dtp_shape_size(graph->values[graph->layers[layer].src]) +
                                    dtp_shape_size(graph->values[layer + 1]));
    return divisor(batch, (int64_t)(CHUNK_BYTES / bytes));
}

/* Opens a new stage where the chunk grows; it never shrinks again, since maps do not grow. */
static void enter_stage(dtp_plan *plan, int layer)
{
    int64_t chunk = choose_chunk(plan->graph, layer, plan->batch);
    if (plan->n_stages && chunk <= plan->stages[plan->n_stages - 1].chunk)
        return;
    plan->stages[plan->n_stages++] = (dtp_stage){.first = plan->n_nodes, .last = plan->n_nodes, .chunk = chunk};
}

static void add_node(dtp_plan *plan, dtp_node node)
{
    node.stage = plan->n_stages - 1;
    plan->stages[node.stage].last = plan->n_nodes;
    size_t bytes = node.form ? node.form->kind->scratch_bytes(node.form) : dtp_pd_scratchpad(node.pd);
    size_t *most = node.form ? &plan->form_scratch : &plan->primitive_scratch;
    *most = bytes > *most ? bytes : *most;
    plan->nodes[plan->n_nodes++] = node;
}

dtp_const_md dtp_node_weights_md(const dtp_plan *plan, const dtp_node *node)
{
    if (node->form)
        return node->form->kind->weights_md(node->form);
    bool weighted = node->layer >= 0 && plan->graph->layers[node->layer].op == DTP_CONVOLUTION;
    return weighted ? dtp_pd_md(node->pd, dnnl_query_weights_md) : NULL;
}

const char *dtp_node_implementation(const dtp_node *node)
{
    return node->form ? node->form->implementation : dtp_pd_implementation(node->pd);
}

static deeptepp_status set_tensor(dtp_plan *plan, int tensor, int value, dnnl_format_tag_t tag, deeptepp_error *error)
{
    dtp_md md = NULL;
    dnnl_status_t s = dtp_value_md(&md, plan->graph->values[value], 1, tag);
    if (s)
        return dtp_backend_fail(error, s, "the layout of a value");
    plan->tensors[tensor] = (dtp_plan_tensor){.value = value, .tag = tag, .image_bytes = dnnl_memory_desc_get_size(md)};
    dtp_md_free(md);
    return DEEPTEPP_OK;
}

/* An existing copy of the value in that layout, made in the stage now being planned; -1 without one. */
static int find_copy(const dtp_plan *plan, int value, dnnl_format_tag_t tag)
{
    for (int i = plan->stages[plan->n_stages - 1].first; i < plan->n_nodes; i++) {
        const dtp_plan_tensor *copy = &plan->tensors[plan->nodes[i].dst];
        if (plan->nodes[i].layer < 0 && copy->value == value && copy->tag == tag)
            return plan->nodes[i].dst;
    }
    return -1;
}

/* A change of layout for the stage now being planned. */
static dnnl_status_t copy_pd(dnnl_primitive_desc_t *out, const dtp_plan *plan, int value, dnnl_format_tag_t tag)
{
    int64_t grain = dtp_plan_grain(plan, &plan->stages[plan->n_stages - 1]);
    dtp_shape shape = plan->graph->values[value];
    dtp_md from = NULL, to = NULL;
    dnnl_status_t s = dtp_value_md(&from, shape, grain, plan->tensors[value].tag);
    s = s ? s : dtp_value_md(&to, shape, grain, tag);
    s = s ? s : dtp_backend_room();
    s = s ? s : dtp_reorder_pd(out, plan->engine, from, to);
    dtp_md_free(from);
    dtp_md_free(to);
    return s;
}

/* The tensor that holds `value` in the wanted layout; inserts a change of layout where needed. */
static deeptepp_status in_layout(dtp_plan *plan, int value, dnnl_format_tag_t tag, int *tensor, deeptepp_error *error)
{
    dnnl_primitive_desc_t pd = NULL;
    *tensor = value;
    if (dtp_tags_alike(plan->tensors[value].tag, tag, plan->graph->values[value]))
        return DEEPTEPP_OK;
    *tensor = find_copy(plan, value, tag);
    if (*tensor >= 0)
        return DEEPTEPP_OK;
    *tensor = plan->n_tensors;
    deeptepp_status status = set_tensor(plan, *tensor, value, tag, error);
    if (status != DEEPTEPP_OK)
        return status;
    dnnl_status_t s = copy_pd(&pd, plan, value, tag);
    if (s)
        return dtp_backend_fail(error, s, "a change of layout");
    plan->n_tensors++;
    add_node(plan, (dtp_node){.pd = pd, .layer = -1, .src = value, .dst = *tensor});
    return DEEPTEPP_OK;
}

static deeptepp_status plan_layer(dtp_plan *plan, int layer, const dtp_weights *weights, deeptepp_error *error)
{
    dtp_choice choice = {0};
    deeptepp_status status;
    int src;
    enter_stage(plan, layer);
    DTP_TRY(dtp_choose(&choice, plan, layer, weights, error));
    DTP_TRY(in_layout(plan, plan->graph->layers[layer].src, choice.src, &src, error));
    DTP_TRY(set_tensor(plan, layer + 1, layer + 1, choice.dst, error));
    add_node(plan, (dtp_node){.pd = choice.pd, .form = choice.form, .layer = layer, .src = src, .dst = layer + 1});
    return DEEPTEPP_OK;
fail:
    dtp_choice_free(&choice);
    return status;
}

static deeptepp_status plan_layers(dtp_plan *plan, const dtp_weights *weights, dtp_watch *watch,
                                   deeptepp_error *error)
{
    deeptepp_status status = set_tensor(plan, 0, 0, dnnl_abcde, error);
    for (int i = 0; i < plan->graph->n_layers && status == DEEPTEPP_OK; i++) {
        status = dtp_watch_ask(watch, error);
        if (status == DEEPTEPP_OK)
            status = plan_layer(plan, i, weights, error);
    }
    return status == DEEPTEPP_OK ? in_layout(plan, plan->graph->n_layers, dnnl_abcde, &plan->output, error) : status;
}

/* Lanes a page apart, so that they do not meet. */
static void place_scratch(dtp_plan *plan)
{
    enum { PAGE = 4096 };
    size_t lane = plan->form_scratch, lanes = (size_t)plan->team_lanes;
    if (!plan->shares_layers && plan->primitive_scratch > lane)
        lane = plan->primitive_scratch;
    plan->scratch_stride = (lane + PAGE - 1) / PAGE * PAGE;
    plan->scratchpad_bytes = lanes * plan->scratch_stride;
    if (plan->primitive_scratch > plan->scratchpad_bytes)
        plan->scratchpad_bytes = plan->primitive_scratch;
}

/* With an image or more a thread, threads work on images of their own and never wait for each other within a layer. */
static deeptepp_status choose_lanes(dtp_plan *plan, dtp_team *team, deeptepp_error *error)
{
    plan->team = team;
    plan->team_lanes = plan->lanes = dtp_team_lanes(team);
    plan->shares_layers = plan->batch < plan->lanes || dtp_team_shares_layers(team);
    if (!plan->shares_layers)
        return DEEPTEPP_OK;
    plan->lanes = 1;
    return dtp_team_share_layers(team, error);
}

deeptepp_status dtp_plan_new(dtp_plan **out, const dtp_graph *graph, int64_t batch, const dtp_weights *weights,
                             dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    *out = NULL;
    dtp_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return dtp_fail_memory(error, "the network's plan", sizeof *plan);
    plan->graph = graph;
    plan->batch = batch;
    plan->n_tensors = graph->n_layers + 1;
    dnnl_status_t s = dtp_engine_new(&plan->engine);
    if (s)
        status = dtp_backend_fail(error, s, "CPU engine");
    if (status == DEEPTEPP_OK)
        status = choose_lanes(plan, dtp_watch_team(watch), error);
    if (status == DEEPTEPP_OK)
        status = plan_layers(plan, weights, watch, error);
    if (status != DEEPTEPP_OK) {
        dtp_plan_free(plan);
        return status;
    }
    dtp_plan_arena(plan);
    place_scratch(plan);
    *out = plan;
    return DEEPTEPP_OK;
}

void dtp_plan_free(dtp_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_nodes; i++) {
        dtp_form_free(plan->nodes[i].form);
        if (plan->nodes[i].pd)
            dnnl_primitive_desc_destroy(plan->nodes[i].pd);
    }
    if (plan->engine)
        dnnl_engine_destroy(plan->engine);
    free(plan);
}

size_t dtp_plan_bytes(const dtp_plan *plan)
{
    return plan->arena_bytes + plan->scratchpad_bytes;
}
