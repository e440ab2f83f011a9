#include "choice.h"

#include "weights.h"

/* Layouts to ask for, dnnl_format_tag_any where the backend is to say, and with what. */
typedef struct candidate {
    const dtp_form_kind *kind; /* of a form; NULL: the backend's own */
    dnnl_format_tag_t src, dst;
    bool stopgap; /* no better than what may stand before it: tried where the backend lacks that */
} candidate;

enum { MAX_CANDIDATES = 4 };

static int64_t chunk_of(const dtp_plan *plan)
{
    return plan->stages[plan->n_stages - 1].chunk;
}

static int64_t grain_of(const dtp_plan *plan)
{
    return dtp_plan_grain(plan, &plan->stages[plan->n_stages - 1]);
}

/* ---- Candidates ---- */

/* Channels-last all around, or the changes of layout would eat what a form saves. */
static const dtp_form_kind *kind_of(const dtp_plan *plan, int layer, const dtp_weights *weights)
{
    const dtp_layer *l = &plan->graph->layers[layer];
    if (weights)
        return dtp_weights_form(weights, layer);
    bool src = plan->tensors[l->src].tag == dnnl_acdeb, add = l->add < 0 || plan->tensors[l->add].tag == dnnl_acdeb;
    return src && add ? dtp_form_choose(plan->graph, layer) : NULL;
}

/* In order of preference: the form, which weights packed for it leave no choice of; the backend's best layouts;
 * channels-last, should those be unknown here; one plain layout on both sides. What is added to lies there already. */
static int list_candidates(const dtp_plan *plan, int layer, const dtp_weights *weights, candidate *out)
{
    const dtp_layer *l = &plan->graph->layers[layer];
    const dtp_form_kind *kind = kind_of(plan, layer, weights);
    dnnl_format_tag_t there = l->add >= 0 ? plan->tensors[l->add].tag : dnnl_format_tag_undef;
    dnnl_format_tag_t src = l->op == DTP_CONVOLUTION ? dnnl_format_tag_any : plan->tensors[l->src].tag;
    bool fixed = there != dnnl_format_tag_undef;
    int count = 0;
    if (kind)
        out[count++] = (candidate){kind, dnnl_acdeb, dnnl_acdeb, false};
    if (kind && weights)
        return count;
    dnnl_format_tag_t dst = fixed ? there : l->op == DTP_CROP ? src : dnnl_format_tag_any;
    dnnl_format_tag_t plain = fixed ? there : dnnl_abcde, last = fixed ? there : dnnl_acdeb;
    out[count++] = (candidate){NULL, src, dst, false};
    out[count++] = (candidate){NULL, src == dnnl_format_tag_any ? dnnl_acdeb : src, last, true};
    out[count++] = (candidate){NULL, plain, plain, false};
    return count;
}

/* ---- Trying one ---- */

/* The layouts a primitive descriptor has. Unimplemented: one is none of those planned with. */
static dnnl_status_t read_layouts(dtp_choice *c, const dtp_plan *plan, int layer)
{
    const dtp_graph *graph = plan->graph;
    int64_t grain = grain_of(plan);
    dtp_shape src = graph->values[graph->layers[layer].src], dst = graph->values[layer + 1];
    dnnl_status_t s = dtp_value_tag(&c->src, dtp_pd_md(c->pd, dnnl_query_src_md), src, grain);
    s = s ? s : dtp_value_tag(&c->dst, dtp_pd_md(c->pd, dnnl_query_dst_md), dst, grain);
    bool known = c->src != dnnl_format_tag_undef && c->dst != dnnl_format_tag_undef;
    return s ? s : known ? dnnl_success : dnnl_unimplemented;
}

static dnnl_status_t try_candidate(dtp_choice *out, const dtp_plan *plan, int layer, const candidate *c,
                                   dtp_const_md weights)
{
    *out = (dtp_choice){.src = c->src, .dst = c->dst};
    if (c->kind)
        return c->kind->make(&out->form, plan->engine, plan->team, plan->graph, layer, chunk_of(plan), weights);
    dnnl_status_t s =
        dtp_layer_pd(&out->pd, plan->engine, plan->graph, layer, grain_of(plan), c->src, c->dst, weights);
    /* A crop reads a corner, whose strides are those of the whole. */
    return s || plan->graph->layers[layer].op == DTP_CROP ? s : read_layouts(out, plan, layer);
}

/* Whether a layer that adds to the value, in place, or one that adds to that one's, is left to plain loops by the
 * value's layout: without AVX2 the backend has no other code for sums in blocked layouts. */
static dnnl_status_t adds_slowly(bool *slow, const dtp_plan *plan, int value, dnnl_format_tag_t tag)
{
    for (int i = value; i < plan->graph->n_layers && !*slow; i++) {
        dnnl_primitive_desc_t pd = NULL;
        if (plan->graph->layers[i].add != value)
            continue;
        dnnl_status_t s =
            dtp_layer_pd(&pd, plan->engine, plan->graph, i, grain_of(plan), dnnl_format_tag_any, tag, NULL);
        if (s)
            return s == dnnl_unimplemented ? dnnl_success : s;
        *slow = dtp_is_reference(dtp_pd_implementation(pd));
        dnnl_primitive_desc_destroy(pd);
        value = i + 1;
    }
    return dnnl_success;
}

/* A value that is added to has its layout from the first of the sum, which looks ahead for all. */
static dnnl_status_t is_slow(bool *slow, const dtp_plan *plan, int layer, const dtp_choice *c)
{
    *slow = dtp_is_reference(c->form ? c->form->implementation : dtp_pd_implementation(c->pd));
    if (*slow || c->form || plan->graph->layers[layer].add >= 0)
        return dnnl_success;
    return adds_slowly(slow, plan, layer + 1, c->dst);
}

/* ---- The choice ---- */

void dtp_choice_free(dtp_choice *c)
{
    dtp_form_free(c->form);
    if (c->pd)
        dnnl_primitive_desc_destroy(c->pd);
    *c = (dtp_choice){0};
}

/* The first that is not slow or, where all are, the first of the backend's own: a slow form is no use. */
static dnnl_status_t choose(dtp_choice *best, const dtp_plan *plan, int layer, dtp_const_md weights,
                            const candidate *list, int count)
{
    bool slow = true, found = false;
    dnnl_status_t s = dnnl_success;
    for (int i = 0; i < count && slow; i++) {
        dtp_choice next;
        if (list[i].stopgap && found && !best->form)
            continue;
        s = try_candidate(&next, plan, layer, &list[i], weights);
        s = s ? s : is_slow(&slow, plan, layer, &next);
        bool better = !s && (!slow || !found || best->form);
        found |= better;
        if (better) {
            dtp_choice_free(best);
            *best = next;
        } else {
            dtp_choice_free(&next);
        }
        if (s && s != dnnl_unimplemented)
            return s;
    }
    return found ? dnnl_success : s;
}

deeptepp_status dtp_choose(dtp_choice *out, const dtp_plan *plan, int layer, const dtp_weights *weights,
                           deeptepp_error *error)
{
    const dtp_layer *l = &plan->graph->layers[layer];
    candidate list[MAX_CANDIDATES];
    int count = list_candidates(plan, layer, weights, list);
    *out = (dtp_choice){0};
    if (list[0].kind && l->add >= 0 && plan->tensors[l->add].tag != dnnl_acdeb)
        return dtp_fail(error, DEEPTEPP_ERR_INTERNAL, "layer %s: packed for another layout than this plan's", l->name);
    dnnl_status_t s = dtp_backend_room();
    s = s ? s : choose(out, plan, layer, weights ? dtp_weights_md(weights, layer) : NULL, list, count);
    if (s)
        dtp_choice_free(out);
    return s ? dtp_backend_fail(error, s, l->name) : DEEPTEPP_OK;
}
