#include "plan.h"

#include "weights.h"

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
    size_t scratchpad = node.form ? node.form->kind->scratch_bytes(node.form) : dtp_pd_scratchpad(node.pd);
    if (scratchpad > plan->scratchpad_bytes)
        plan->scratchpad_bytes = scratchpad;
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
    dtp_md md = dtp_value_md(plan->graph->values[value], 1, tag);
    if (!md)
        return dtp_fail(error, DEEPTEPP_ERR_BACKEND, "oneDNN refuses the layout of value %d", value);
    plan->tensors[tensor] = (dtp_plan_tensor){.value = value, .tag = tag, .image_bytes = dnnl_memory_desc_get_size(md)};
    dtp_md_free(md);
    return DEEPTEPP_OK;
}

dtp_md dtp_plan_md(const dtp_plan *plan, int tensor, int64_t images)
{
    const dtp_plan_tensor *t = &plan->tensors[tensor];
    return dtp_value_md(plan->graph->values[t->value], images, t->tag);
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
    deeptepp_status status = set_tensor(plan, plan->n_tensors, value, tag, error);
    if (status != DEEPTEPP_OK)
        return status;
    int64_t chunk = plan->stages[plan->n_stages - 1].chunk;
    dtp_md from = dtp_plan_md(plan, value, chunk), to = dtp_plan_md(plan, *tensor, chunk);
    status = from && to ? dtp_reorder_pd(&pd, plan->engine, from, to, error)
                        : dtp_fail_memory(error, "a descriptor", sizeof from);
    dtp_md_free(from);
    dtp_md_free(to);
    if (status == DEEPTEPP_OK) {
        plan->n_tensors++;
        add_node(plan, (dtp_node){.pd = pd, .layer = -1, .src = value, .dst = *tensor});
    }
    return status;
}

/* The layouts a primitive descriptor chose; false when one is none of those planned with. */
static bool chosen_tags(const dtp_plan *plan, int layer, const_dnnl_primitive_desc_t pd, int64_t chunk,
                        dnnl_format_tag_t *src, dnnl_format_tag_t *dst)
{
    const dtp_graph *graph = plan->graph;
    *src = dtp_value_tag(dtp_pd_md(pd, dnnl_query_src_md), graph->values[graph->layers[layer].src], chunk);
    *dst = dtp_value_tag(dtp_pd_md(pd, dnnl_query_dst_md), graph->values[layer + 1], chunk);
    return *src != dnnl_format_tag_undef && *dst != dnnl_format_tag_undef;
}

/* Asks the backend for its best layouts; falls back to channels-last when it answers with one unknown here. */
static deeptepp_status backend_pd(const dtp_plan *plan, int layer, dtp_const_md weights, dnnl_primitive_desc_t *pd,
                                  dnnl_format_tag_t *src, dnnl_format_tag_t *dst, deeptepp_error *error)
{
    const dtp_layer *l = &plan->graph->layers[layer];
    int64_t chunk = plan->stages[plan->n_stages - 1].chunk;
    bool convolution = l->op == DTP_CONVOLUTION;
    dnnl_format_tag_t src_wish = convolution ? dnnl_format_tag_any : plan->tensors[l->src].tag;
    dnnl_format_tag_t dst_wish = l->add >= 0          ? plan->tensors[l->add].tag
                                 : l->op == DTP_CROP ? src_wish
                                                     : dnnl_format_tag_any;
    deeptepp_status status =
        dtp_layer_pd(pd, plan->engine, plan->graph, layer, chunk, src_wish, dst_wish, weights, error);
    *src = src_wish;
    *dst = dst_wish;
    if (status != DEEPTEPP_OK || l->op == DTP_CROP || chosen_tags(plan, layer, *pd, chunk, src, dst))
        return status;
    dnnl_primitive_desc_destroy(*pd);
    *src = convolution ? dnnl_acdeb : src_wish;
    *dst = l->add >= 0 ? dst_wish : dnnl_acdeb;
    return dtp_layer_pd(pd, plan->engine, plan->graph, layer, chunk, *src, *dst, weights, error);
}

/* Whether a layer that adds to the value, in place, or one that adds to that one's, is left to plain loops by the
 * value's layout: without AVX2 the backend has no other code for sums in blocked layouts. */
static bool adds_slowly(const dtp_plan *plan, int value, dnnl_format_tag_t tag)
{
    int64_t chunk = plan->stages[plan->n_stages - 1].chunk;
    bool slow = false;
    for (int i = value; i < plan->graph->n_layers && !slow; i++) {
        dnnl_primitive_desc_t pd = NULL;
        deeptepp_error ignored;
        if (plan->graph->layers[i].add != value)
            continue;
        if (dtp_layer_pd(&pd, plan->engine, plan->graph, i, chunk, dnnl_format_tag_any, tag, NULL, &ignored) !=
            DEEPTEPP_OK)
            return false;
        slow = dtp_is_reference(dtp_pd_implementation(pd));
        dnnl_primitive_desc_destroy(pd);
        value = i + 1;
    }
    return slow;
}

/* A value that is added to has its layout from the first of the sum, which looks ahead for all. */
static bool is_slow(const dtp_plan *plan, int layer, const_dnnl_primitive_desc_t pd, dnnl_format_tag_t dst)
{
    return dtp_is_reference(dtp_pd_implementation(pd)) ||
           (plan->graph->layers[layer].add < 0 && adds_slowly(plan, layer + 1, dst));
}

/* The backend's choice or, where that is slow, one layout on both sides. */
static deeptepp_status choose_pd(const dtp_plan *plan, int layer, dtp_const_md weights, dnnl_primitive_desc_t *pd,
                                 dnnl_format_tag_t *src, dnnl_format_tag_t *dst, deeptepp_error *error)
{
    int add = plan->graph->layers[layer].add;
    int64_t chunk = plan->stages[plan->n_stages - 1].chunk;
    dnnl_format_tag_t tag = add >= 0 ? plan->tensors[add].tag : dnnl_abcde;
    dnnl_primitive_desc_t other = NULL;
    deeptepp_error ignored;
    deeptepp_status status = backend_pd(plan, layer, weights, pd, src, dst, error);
    if (status != DEEPTEPP_OK || !is_slow(plan, layer, *pd, *dst) ||
        dtp_layer_pd(&other, plan->engine, plan->graph, layer, chunk, tag, tag, weights, &ignored) != DEEPTEPP_OK)
        return status;
    bool better = !is_slow(plan, layer, other, tag);
    dnnl_primitive_desc_destroy(better ? *pd : other);
    if (better) {
        *pd = other;
        *src = *dst = tag;
    }
    return status;
}

/* Channels-last all around, or the changes of layout would eat what a form saves. */
static const dtp_form_kind *wanted_form(const dtp_plan *plan, int layer, const dtp_weights *weights)
{
    const dtp_layer *l = &plan->graph->layers[layer];
    if (weights)
        return dtp_weights_form(weights, layer);
    bool src = plan->tensors[l->src].tag == dnnl_acdeb, add = l->add < 0 || plan->tensors[l->add].tag == dnnl_acdeb;
    return src && add ? dtp_form_choose(plan->graph, layer) : NULL;
}

static deeptepp_status choose_node(dtp_plan *plan, int layer, const dtp_weights *weights, dtp_node *node,
                                   dnnl_format_tag_t *src, dnnl_format_tag_t *dst, deeptepp_error *error)
{
    dtp_const_md fixed = weights ? dtp_weights_md(weights, layer) : NULL;
    const dtp_form_kind *kind = wanted_form(plan, layer, weights);
    int add = plan->graph->layers[layer].add;
    *node = (dtp_node){.layer = layer, .dst = layer + 1};
    if (!kind)
        return choose_pd(plan, layer, fixed, &node->pd, src, dst, error);
    if (add >= 0 && plan->tensors[add].tag != dnnl_acdeb)
        return dtp_fail(error, DEEPTEPP_ERR_INTERNAL, "layer %s: packed for another layout than this plan's",
                        plan->graph->layers[layer].name);
    *src = *dst = dnnl_acdeb;
    int64_t chunk = plan->stages[plan->n_stages - 1].chunk;
    deeptepp_status status = kind->make(&node->form, plan->engine, plan->graph, layer, chunk, fixed, error);
    if (weights || (status == DEEPTEPP_OK && !dtp_is_reference(node->form->implementation)))
        return status;
    /* A form is never needed: what another version or processor refuses or does slowly is computed the backend's
     * way. */
    dtp_form_free(node->form);
    node->form = NULL;
    return choose_pd(plan, layer, fixed, &node->pd, src, dst, error);
}

static void free_node(dtp_node *node)
{
    dtp_form_free(node->form);
    if (node->pd)
        dnnl_primitive_desc_destroy(node->pd);
}

static deeptepp_status plan_layer(dtp_plan *plan, int layer, const dtp_weights *weights, deeptepp_error *error)
{
    dtp_node node;
    dnnl_format_tag_t src_tag = dnnl_format_tag_undef, dst_tag = dnnl_format_tag_undef;
    enter_stage(plan, layer);
    deeptepp_status status = choose_node(plan, layer, weights, &node, &src_tag, &dst_tag, error);
    if (status != DEEPTEPP_OK)
        return status;
    status = in_layout(plan, plan->graph->layers[layer].src, src_tag, &node.src, error);
    if (status == DEEPTEPP_OK)
        status = set_tensor(plan, layer + 1, layer + 1, dst_tag, error);
    if (status == DEEPTEPP_OK)
        add_node(plan, node);
    else
        free_node(&node);
    return status;
}

static deeptepp_status plan_layers(dtp_plan *plan, const dtp_weights *weights, const atomic_bool *cancelled,
                                   deeptepp_error *error)
{
    deeptepp_status status = set_tensor(plan, 0, 0, dnnl_abcde, error);
    for (int i = 0; i < plan->graph->n_layers && status == DEEPTEPP_OK; i++) {
        if (cancelled && atomic_load(cancelled))
            return dtp_fail(error, DEEPTEPP_ERR_CANCELLED, "cancelled while the network was planned");
        status = plan_layer(plan, i, weights, error);
    }
    return status == DEEPTEPP_OK ? in_layout(plan, plan->graph->n_layers, dnnl_abcde, &plan->output, error) : status;
}

deeptepp_status dtp_plan_new(dtp_plan **out, const dtp_graph *graph, int64_t batch, const dtp_weights *weights,
                             const atomic_bool *cancelled, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    *out = NULL;
    dtp_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return dtp_fail_memory(error, "the network's plan", sizeof *plan);
    plan->graph = graph;
    plan->batch = batch;
    plan->n_tensors = graph->n_layers + 1;
    dnnl_status_t s = dnnl_engine_create(&plan->engine, dnnl_cpu, 0);
    if (s)
        status = dtp_backend_fail(error, s, "CPU engine");
    if (status == DEEPTEPP_OK)
        status = plan_layers(plan, weights, cancelled, error);
    if (status != DEEPTEPP_OK) {
        dtp_plan_free(plan);
        return status;
    }
    dtp_plan_arena(plan);
    *out = plan;
    return DEEPTEPP_OK;
}

void dtp_plan_free(dtp_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_nodes; i++)
        free_node(&plan->nodes[i]);
    if (plan->engine)
        dnnl_engine_destroy(plan->engine);
    free(plan);
}

size_t dtp_plan_bytes(const dtp_plan *plan)
{
    return plan->arena_bytes + plan->scratchpad_bytes;
}
