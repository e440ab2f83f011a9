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

/* ---- Candidates ---- */

/* Values that lie as the form has them, or the changes of layout would eat what it saves. */
static const dtp_form_kind *kind_of(const dtp_plan *plan, int layer, const dtp_weights *weights)
{
    const dtp_layer *l = &plan->graph->layers[layer];
    if (weights)
        return dtp_weights_form(weights, layer);
    const dtp_form_kind *kind = dtp_form_choose(plan->graph, layer);
    bool add = l->add < 0 || plan->tensors[l->add].tag == dnnl_acdeb;
    return kind && add && plan->tensors[l->src].tag == kind->src ? kind : NULL;
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
        out[count++] = (candidate){kind, kind->src, dnnl_acdeb, false};
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
    dtp_shape src = graph->values[graph->layers[layer].src], dst = graph->values[layer + 1];
    dnnl_data_type_t read = dtp_read_type(graph, layer), made = dtp_value_type(graph, layer + 1);
    dnnl_status_t s = dtp_value_tag(&c->src, dtp_pd_md(c->parts[0].pd, dnnl_query_src_md), src, read);
    s = s ? s : dtp_value_tag(&c->dst, dtp_pd_md(c->parts[0].pd, dnnl_query_dst_md), dst, made);
    bool known = c->src != dnnl_format_tag_undef && c->dst != dnnl_format_tag_undef;
    return s ? s : known ? dnnl_success : dnnl_unimplemented;
}

static dnnl_status_t try_candidate(dtp_choice *out, const dtp_plan *plan, int layer, const candidate *c,
                                   dtp_const_md weights)
{
    *out = (dtp_choice){.src = c->src, .dst = c->dst};
    if (c->kind)
        return c->kind->make(&out->form, plan->engine, plan->graph, layer, chunk_of(plan), weights);
    out->parts = calloc(1, sizeof *out->parts);
    if (!out->parts)
        return dnnl_out_of_memory;
    out->n_parts = 1;
    dnnl_status_t s =
        dtp_layer_pd(&out->parts[0].pd, plan->engine, plan->graph, layer, NULL, c->src, c->dst, weights);
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
            dtp_layer_pd(&pd, plan->engine, plan->graph, i, NULL, dnnl_format_tag_any, tag, NULL);
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
    *slow = dtp_is_reference(c->form ? c->form->implementation : dtp_pd_implementation(c->parts[0].pd));
    if (*slow || c->form || plan->graph->layers[layer].add >= 0)
        return dnnl_success;
    return adds_slowly(slow, plan, layer + 1, c->dst);
}

/* ---- Slabs ---- */

/* Channels that slabs are cut between: a multiple of every block the backend is known to have. */
enum { BLOCK = 16 };

/* The axis along which an image's cells lie one slab after the other: the outermost. In channels-last maps that is the
 * first with more than one cell, or the last; else it is the channels. -1: none. */
static int slab_axis(const dtp_choice *c, dtp_shape in, dtp_shape out)
{
    int axis = 1;
    if (!dtp_tags_alike(c->src, dnnl_acdeb, in) || c->dst != dnnl_acdeb)
        return c->src == dnnl_acdeb || c->dst == dnnl_acdeb ? -1 : 0;
    while (axis < 3 && *dtp_shape_axis(&in, axis) == 1 && *dtp_shape_axis(&out, axis) == 1)
        axis++;
    return axis;
}

/* One a lane, or two where rows are many, so that a lane that is put off leaves the others some of its work. Channels
 * in whole blocks. */
static int64_t count_slabs(const dtp_plan *plan, dtp_shape out, int axis)
{
    enum { ROWS = 4 };
    int64_t lanes = plan->lanes, cells = axis < 0 ? 1 : *dtp_shape_axis(&out, axis);
    if (axis == 0)
        return cells % BLOCK ? 1 : dtp_min_i64(cells / BLOCK, lanes);
    return dtp_min_i64(cells, cells >= 2 * lanes * ROWS ? 2 * lanes : lanes);
}

/* Weights of some output channels: none or all of what lies between the first and the last of them. Unimplemented where
 * it has padding, which the backend may write to whenever a handle is set, while other sessions read the same. */
static dnnl_status_t narrow(dtp_part *out, dtp_md *md, const dtp_slab *slab, const dtp_graph *graph, int layer,
                            dtp_const_md whole)
{
    const dtp_layer *l = &graph->layers[layer];
    int64_t ic = graph->values[l->src].c, cells = l->kernel[0] * l->kernel[1] * l->kernel[2];
    const dnnl_dims_t dims = {slab->count, ic, l->kernel[0], l->kernel[1], l->kernel[2]};
    dnnl_status_t s = dtp_md_corner(md, whole, dims);
    if (s)
        return s;
    size_t channel = (size_t)(ic * cells) * dtp_number_bytes(dtp_read_type(graph, layer)), first = (size_t)slab->first;
    *out = (dtp_part){.narrow = true, .weights = first * channel, .bias = first * sizeof(float)};
    return dnnl_memory_desc_get_size(*md) == (size_t)slab->count * channel ? dnnl_success : dnnl_unimplemented;
}

static size_t offset_of(dtp_shape shape, int axis, int64_t first)
{
    return dtp_shape_size(shape) / (size_t)*dtp_shape_axis(&shape, axis) * (size_t)first;
}

static dnnl_status_t make_slab(dtp_part *out, const dtp_plan *plan, int layer, const dtp_slab *slab,
                               const dtp_choice *c)
{
    const dtp_graph *graph = plan->graph;
    bool weighted = graph->layers[layer].op == DTP_CONVOLUTION;
    dtp_const_md weights = weighted ? dtp_pd_md(c->parts[0].pd, dnnl_query_weights_md) : NULL;
    dtp_md part = NULL;
    dnnl_status_t s = slab->needed == 0 ? dnnl_unimplemented : dnnl_success;
    if (!s && weighted && slab->axis == 0)
        s = narrow(out, &part, slab, graph, layer, weights);
    out->src = offset_of(graph->values[graph->layers[layer].src], slab->axis, slab->from) *
               dtp_number_bytes(dtp_read_type(graph, layer));
    out->dst = offset_of(graph->values[layer + 1], slab->axis, slab->first) *
               dtp_number_bytes(dtp_value_type(graph, layer + 1));
    s = s ? s : dtp_layer_pd(&out->pd, plan->engine, graph, layer, slab, c->src, c->dst, part ? part : weights);
    dtp_md_free(part);
    return s ? s : dtp_is_reference(dtp_pd_implementation(out->pd)) ? dnnl_unimplemented : dnnl_success;
}

static dnnl_status_t make_slabs(dtp_part *out, const dtp_plan *plan, int layer, int axis, int64_t count,
                                const dtp_choice *c)
{
    dtp_shape made = plan->graph->values[layer + 1];
    int64_t unit = axis ? 1 : BLOCK, units = *dtp_shape_axis(&made, axis) / unit;
    dnnl_status_t s = dnnl_success;
    for (int64_t i = 0; i < count && !s; i++) {
        int64_t first = units * i / count * unit, last = units * (i + 1) / count * unit;
        const dtp_slab slab = dtp_slab_of(plan->graph, layer, axis, first, last - first);
        s = make_slab(&out[i], plan, layer, &slab, c);
    }
    return s;
}

/* What the backend does not have for slabs stays whole. */
static dnnl_status_t divide(dtp_choice *c, const dtp_plan *plan, int layer)
{
    const dtp_layer *l = &plan->graph->layers[layer];
    dtp_shape out = plan->graph->values[layer + 1];
    if (!plan->divides || c->form || l->op == DTP_CROP)
        return dnnl_success;
    int axis = slab_axis(c, plan->graph->values[l->src], out);
    int64_t count = count_slabs(plan, out, axis);
    if (count < 2)
        return dnnl_success;
    dtp_part *parts = calloc((size_t)count, sizeof *parts);
    if (!parts)
        return dnnl_out_of_memory;
    dnnl_status_t s = make_slabs(parts, plan, layer, axis, count, c);
    if (!s && parts[0].narrow)
        s = dtp_md_clone(&c->weights, dtp_pd_md(c->parts[0].pd, dnnl_query_weights_md));
    dtp_parts_free(s ? parts : c->parts, s ? (int)count : c->n_parts);
    if (s)
        return s == dnnl_unimplemented ? dnnl_success : s;
    c->parts = parts;
    c->n_parts = (int)count;
    return dnnl_success;
}

/* ---- The choice ---- */

void dtp_choice_free(dtp_choice *c)
{
    dtp_form_free(c->form);
    dtp_parts_free(c->parts, c->n_parts);
    dtp_md_free(c->weights);
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
    s = s ? s : divide(out, plan, layer);
    if (s)
        dtp_choice_free(out);
    return s ? dtp_backend_fail(error, s, l->name) : DEEPTEPP_OK;
}
