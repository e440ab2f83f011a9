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
    node.first_part = plan->n_parts;
    plan->n_parts += node.n_parts;
    plan->stages[node.stage].last = plan->n_nodes;
    plan->nodes[plan->n_nodes++] = node;
}

dtp_const_md dtp_node_weights_md(const dtp_plan *plan, const dtp_node *node)
{
    if (node->form)
        return node->form->kind->weights_md(node->form);
    if (node->weights)
        return node->weights;
    bool weighted = node->layer >= 0 && plan->graph->layers[node->layer].op == DTP_CONVOLUTION;
    return weighted ? dtp_pd_md(node->parts[0].pd, dnnl_query_weights_md) : NULL;
}

const char *dtp_node_implementation(const dtp_node *node)
{
    return node->form ? node->form->implementation : dtp_pd_implementation(node->parts[0].pd);
}

static deeptepp_status set_tensor(dtp_plan *plan, int tensor, int value, dnnl_data_type_t type,
                                  dnnl_format_tag_t tag, deeptepp_error *error)
{
    dtp_md md = NULL;
    dnnl_status_t s = dtp_value_md(&md, plan->graph->values[value], type, tag);
    if (s)
        return dtp_backend_fail(error, s, "the layout of a value");
    plan->tensors[tensor] =
        (dtp_plan_tensor){.value = value, .type = type, .tag = tag, .image_bytes = dnnl_memory_desc_get_size(md)};
    dtp_md_free(md);
    return DEEPTEPP_OK;
}

/* An existing copy of the value of that type and layout, made in the stage now being planned; -1 without one. */
static int find_copy(const dtp_plan *plan, int value, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    for (int i = plan->stages[plan->n_stages - 1].first; i < plan->n_nodes; i++) {
        const dtp_plan_tensor *copy = &plan->tensors[plan->nodes[i].dst];
        if (plan->nodes[i].layer < 0 && copy->value == value && copy->type == type && copy->tag == tag)
            return plan->nodes[i].dst;
    }
    return -1;
}

/* A change of layout for the stage now being planned. */
static dnnl_status_t copy_pd(dnnl_primitive_desc_t *out, const dtp_plan *plan, int value, dnnl_data_type_t type,
                             dnnl_format_tag_t tag)
{
    dtp_shape shape = plan->graph->values[value];
    dtp_md from = NULL, to = NULL;
    dnnl_status_t s = dtp_value_md(&from, shape, plan->tensors[value].type, plan->tensors[value].tag);
    s = s ? s : dtp_value_md(&to, shape, type, tag);
    s = s ? s : dtp_backend_room();
    s = s ? s : dtp_reorder_pd(out, plan->engine, from, to);
    dtp_md_free(from);
    dtp_md_free(to);
    return s;
}

/* The tensor that holds `value` in the wanted layout; inserts a change of layout where needed. */
static deeptepp_status in_layout(dtp_plan *plan, int value, dnnl_data_type_t type, dnnl_format_tag_t tag, int *tensor,
                                 deeptepp_error *error)
{
    dnnl_primitive_desc_t pd = NULL;
    *tensor = value;
    const dtp_plan_tensor *made = &plan->tensors[value];
    if (made->type == type && dtp_tags_alike(made->tag, tag, plan->graph->values[value]))
        return DEEPTEPP_OK;
    *tensor = find_copy(plan, value, type, tag);
    if (*tensor >= 0)
        return DEEPTEPP_OK;
    *tensor = plan->n_tensors;
    deeptepp_status status = set_tensor(plan, *tensor, value, type, tag, error);
    if (status != DEEPTEPP_OK)
        return status;
    dnnl_status_t s = copy_pd(&pd, plan, value, type, tag);
    if (s)
        return dtp_backend_fail(error, s, "a change of layout");
    dtp_part *part = malloc(sizeof *part);
    if (!part) {
        dnnl_primitive_desc_destroy(pd);
        return dtp_fail_memory(error, "a change of layout", sizeof *part);
    }
    *part = (dtp_part){.pd = pd};
    plan->n_tensors++;
    add_node(plan, (dtp_node){.parts = part, .n_parts = 1, .layer = -1, .src = value, .dst = *tensor});
    return DEEPTEPP_OK;
}

/* *next: the layer after it or, where a form computes several, after those. */
static deeptepp_status plan_layer(dtp_plan *plan, int layer, const dtp_weights *weights, int *next,
                                  deeptepp_error *error)
{
    const dtp_graph *graph = plan->graph;
    dtp_choice choice = {0};
    deeptepp_status status;
    int src;
    enter_stage(plan, layer);
    DTP_TRY(dtp_choose(&choice, plan, layer, weights, error));
    DTP_TRY(in_layout(plan, graph->layers[layer].src, dtp_read_type(graph, layer), choice.src, &src, error));
    *next = layer + (choice.form ? dtp_form_layers(choice.form->kind, graph, layer) : 1);
    DTP_TRY(set_tensor(plan, *next, *next, dtp_value_type(graph, *next), choice.dst, error));
    add_node(plan, (dtp_node){.parts = choice.parts, .n_parts = choice.n_parts, .weights = choice.weights,
                              .form = choice.form, .layer = layer, .src = src, .dst = *next});
    return DEEPTEPP_OK;
fail:
    dtp_choice_free(&choice);
    return status;
}

static deeptepp_status plan_layers(dtp_plan *plan, const dtp_weights *weights, dtp_watch *watch,
                                   deeptepp_error *error)
{
    deeptepp_status status = set_tensor(plan, 0, 0, dnnl_f32, dnnl_abcde, error);
    for (int i = 0; i < plan->graph->n_layers && status == DEEPTEPP_OK;) {
        status = dtp_watch_ask(watch, error);
        if (status == DEEPTEPP_OK)
            status = plan_layer(plan, i, weights, &i, error);
    }
    if (status == DEEPTEPP_OK)
        status = in_layout(plan, plan->graph->n_layers, dnnl_f32, dnnl_abcde, &plan->output, error);
    return status;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch_of(const dtp_node *node)
{
    size_t bytes = node->form ? node->form->kind->scratch_bytes(node->form) : 0;
    for (int i = 0; i < node->n_parts; i++)
        bytes = most(bytes, dtp_pd_scratchpad(node->parts[i].pd));
    return bytes;
}

static void place_scratch(dtp_plan *plan)
{
    enum { PAGE = 4096 };
    size_t scratch = 0;
    for (int i = 0; i < plan->n_nodes; i++) {
        const dtp_node *node = &plan->nodes[i];
        const dtp_stage *stage = &plan->stages[node->stage];
        size_t work = node->form && node->form->kind->work_bytes ? node->form->kind->work_bytes(node->form) : 0;
        int64_t side_by_side = dtp_plan_side_by_side(plan, stage);
        scratch = most(scratch, scratch_of(node));
        if (plan->lanes > 1 && side_by_side > 0)
            plan->work_bytes = most(plan->work_bytes, work);
        if (plan->lanes == 1 || side_by_side * stage->chunk < plan->batch)
            plan->shared_work_bytes = most(plan->shared_work_bytes, work);
    }
    plan->work_bytes = (plan->work_bytes + PAGE - 1) / PAGE * PAGE;
    plan->lane_bytes = plan->work_bytes + (scratch + PAGE - 1) / PAGE * PAGE;
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
    plan->lanes = dtp_team_lanes(dtp_watch_team(watch));
    plan->divides = batch < plan->lanes;
    plan->n_tensors = graph->n_layers + 1;
    dnnl_status_t s = dtp_engine_new(&plan->engine);
    if (s)
        status = dtp_backend_fail(error, s, "CPU engine");
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

void dtp_parts_free(dtp_part *parts, int count)
{
    for (int i = 0; i < count; i++)
        if (parts[i].pd)
            dnnl_primitive_desc_destroy(parts[i].pd);
    free(parts);
}

void dtp_plan_free(dtp_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_nodes; i++) {
        dtp_form_free(plan->nodes[i].form);
        dtp_parts_free(plan->nodes[i].parts, plan->nodes[i].n_parts);
        dtp_md_free(plan->nodes[i].weights);
    }
    if (plan->engine)
        dnnl_engine_destroy(plan->engine);
    free(plan);
}

size_t dtp_plan_bytes(const dtp_plan *plan)
{
    return plan->arena_bytes + dtp_plan_scratch(plan);
}

size_t dtp_plan_scratch(const dtp_plan *plan)
{
    return (size_t)plan->lanes * plan->lane_bytes + plan->shared_work_bytes;
}
