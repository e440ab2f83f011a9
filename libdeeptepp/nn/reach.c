#include <math.h>

#include "pass.h"

/* No sum within a layer may come near float32's end, Winograd's not either, whose transforms carry up to 1e5
 * further; rounding to bfloat16 adds a hundredth at most. */
static const double REACH_MAX = 1e30;

typedef struct searching {
    const float *values;
    atomic_uint worst; /* as bits, which order magnitudes */
} searching;

static void search(void *argument, int lane, int64_t first, int64_t last)
{
    searching *s = argument;
    uint32_t worst = 0;
    (void)lane;
#pragma omp simd reduction(max : worst)
    for (int64_t i = first; i < last; i++) {
        uint32_t bits;
        memcpy(&bits, &s->values[i], sizeof bits);
        bits &= 0x7fffffffu;
        worst = bits > worst ? bits : worst;
    }
    unsigned before = atomic_load(&s->worst);
    while (worst > before && !atomic_compare_exchange_weak(&s->worst, &before, worst))
        ;
}

/* The largest magnitude; NaN counts as larger than all. */
double dtp_largest(const float *values, size_t count, dtp_team *team)
{
    enum { GRAIN = 1 << 16 };
    searching s = {values, 0};
    float value;
    dtp_team_for(team, (int64_t)count, GRAIN, search, &s);
    uint32_t worst = atomic_load(&s.worst);
    memcpy(&value, &worst, sizeof value);
    return (double)value;
}

static double largest_bf16(const void *values, size_t count)
{
    uint32_t worst = 0;
    float value;
    for (size_t i = 0; i < count; i++) {
        uint16_t upper;
        memcpy(&upper, (const uint8_t *)values + i * sizeof upper, sizeof upper);
        uint32_t bits = (uint32_t)(upper & 0x7fffu) << 16;
        worst = bits > worst ? bits : worst;
    }
    memcpy(&value, &worst, sizeof value);
    return (double)value;
}

static double largest_of(const dtp_pass *p, const dtp_visit *v, int tensor, const void *values)
{
    const dtp_plan_tensor *t = &p->net->plan->tensors[tensor];
    size_t bytes = t->image_bytes * (size_t)v->images;
    return t->type == dnnl_bf16 ? largest_bf16(values, bytes / 2) : dtp_largest(values, bytes / sizeof(float), NULL);
}

/* How large a layer's output can be, before it is computed: from bounds of what it reads or, where those say too much,
 * from the values themselves. */
static double reach_of(const dtp_pass *p, const dtp_visit *v)
{
    const dtp_plan *plan = p->net->plan;
    const dtp_node *node = &plan->nodes[v->node];
    const double *bounds = p->net->lanes[v->lane].bounds;
    const dtp_layer *layer = &plan->graph->layers[node->layer];
    double added = layer->add < 0 ? 0 : bounds[layer->add];
    double reach = dtp_weights_reach(p->weights, node->layer, bounds[node->src]) + added;
    if (reach <= REACH_MAX)
        return reach;
    added = layer->add < 0 ? 0 : largest_of(p, v, node->dst, v->dst);
    return dtp_weights_reach(p->weights, node->layer, largest_of(p, v, node->src, v->src)) + added;
}

deeptepp_status dtp_check_reach(const dtp_pass *p, const dtp_visit *v, deeptepp_error *error)
{
    const dtp_plan *plan = p->net->plan;
    const dtp_node *node = &plan->nodes[v->node];
    double *bounds = p->net->lanes[v->lane].bounds;
    double reach = dtp_node_weights_md(plan, node) ? reach_of(p, v) : bounds[node->src];
    if (!(reach <= REACH_MAX))
        return dtp_fail(
            error, DEEPTEPP_ERR_SCORE_NONFINITE,
            "layer %s: its sums could reach %.3g, wanted at most %.3g so that nothing overflows: the input is "
            "far from what the network was trained on",
            node->layer < 0 ? "input" : plan->graph->layers[node->layer].name, reach, REACH_MAX);
    bounds[node->dst] = fmax(bounds[node->dst], fmax(reach, 1)); /* ELU reaches -1 */
    return DEEPTEPP_OK;
}

/* What lanes found of a tensor, each of its images, is what all know. */
void dtp_merge_bounds(const dtp_net *net, int tensor)
{
    double most = 0;
    for (int i = 0; i < net->plan->lanes; i++)
        most = fmax(most, net->lanes[i].bounds[tensor]);
    for (int i = 0; i < net->plan->lanes; i++)
        net->lanes[i].bounds[tensor] = most;
}
