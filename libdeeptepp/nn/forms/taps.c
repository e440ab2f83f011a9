/* Convolutions of tiny maps, such as 512 channels on 2 x 2 x 2, tap by tap: there most of a kernel's cells see nothing
 * but padding for most outputs, and the backend's loops multiply it all the same. Each tap multiplies only the input
 * cells it meets; taps that meet equally many are one batch of products. */

#include "form.h"

/* An output cell at most this large a map has; of all products at most this share may be needed. Measured: with more,
 * the backend's own is as fast. */
enum { MAX_CELLS = 27, MAX_TAPS = 125, MAX_GROUPS = 8 };
static const double MAX_SHARE = 0.6;

/* Cells of the input and the output, of one image, that a tap joins. */
typedef struct cell_pair {
    int32_t in, out;
} cell_pair;

/* Taps that join equally many pairs. */
typedef struct group {
    int first, n_taps;
    int64_t first_pair, n_pairs; /* n_pairs: of each tap */
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_memory_t v_memory, m_memory, weights, scratchpad;
} group;

/* All pairs of a layer, tap after tap; order[i] is the kernel's cell that is the i-th tap. */
typedef struct table {
    int n_taps, n_groups;
    int order[MAX_TAPS];
    int64_t n_pairs;
    cell_pair pairs[MAX_TAPS * MAX_CELLS];
    group groups[MAX_GROUPS];
} table;

typedef struct tap_form {
    dtp_form form;
    const dtp_layer *layer;
    dtp_shape in, out;
    int64_t images;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t whole; /* of all taps at once: only its weights' layout counts */
    dtp_const_md layout; /* of the weights */
    size_t tap_bytes; /* from one tap's weights to the next's */
    float *v, *m;
    table table;
} tap_form;

/* ---- Which cells a tap joins ---- */

static int64_t cells_of(dtp_shape shape)
{
    return shape.d * shape.h * shape.w;
}

/* The input cell along one axis that a tap sees from an output cell; -1: padding. */
static int64_t seen(const dtp_layer *l, int axis, int64_t tap, int64_t out, int64_t size)
{
    int64_t at = out * l->stride[axis] - l->pad[axis] + tap * l->dilation[axis];
    return at >= 0 && at < size ? at : -1;
}

static int64_t find_pairs(const dtp_layer *l, dtp_shape in, dtp_shape out, int tap, cell_pair *to)
{
    int64_t count = 0, kw = l->kernel[2], kh = l->kernel[1];
    for (int64_t o = 0; o < cells_of(out); o++) {
        int64_t d = seen(l, 0, tap / kw / kh, o / out.w / out.h, in.d);
        int64_t h = seen(l, 1, tap / kw % kh, o / out.w % out.h, in.h);
        int64_t w = seen(l, 2, tap % kw, o % out.w, in.w);
        if (d >= 0 && h >= 0 && w >= 0)
            to[count++] = (cell_pair){(int32_t)((d * in.h + h) * in.w + w), (int32_t)o};
    }
    return count;
}

static bool add_group(table *t, int64_t pairs)
{
    if (t->n_groups == MAX_GROUPS)
        return false;
    t->groups[t->n_groups++] = (group){.first = t->n_taps, .first_pair = t->n_pairs, .n_pairs = pairs};
    return true;
}

/* Taps by falling number of pairs, those with none left out. False for too many kinds of them. */
static bool make_table(table *t, const dtp_layer *l, dtp_shape in, dtp_shape out)
{
    int n_taps = (int)(l->kernel[0] * l->kernel[1] * l->kernel[2]);
    *t = (table){.n_taps = 0};
    for (int64_t wanted = cells_of(out); wanted > 0; wanted--) {
        for (int tap = 0; tap < n_taps; tap++) {
            cell_pair found[MAX_CELLS];
            if (find_pairs(l, in, out, tap, found) != wanted)
                continue;
            bool same = t->n_groups && t->groups[t->n_groups - 1].n_pairs == wanted;
            if (!same && !add_group(t, wanted))
                return false;
            memcpy(t->pairs + t->n_pairs, found, (size_t)wanted * sizeof *found);
            t->n_pairs += wanted;
            t->order[t->n_taps++] = tap;
            t->groups[t->n_groups - 1].n_taps++;
        }
    }
    return true;
}

static bool suits(const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    dtp_shape in = graph->values[l->src], out = graph->values[layer + 1];
    int64_t n_taps = l->kernel[0] * l->kernel[1] * l->kernel[2], cells = cells_of(out);
    table t;
    if (l->op != DTP_CONVOLUTION || l->activation == DTP_ELU || n_taps == 1 || n_taps > MAX_TAPS || cells > MAX_CELLS)
        return false;
    if (in.c % 16 || out.c % 16 || in.c < 64 || out.c < 64 || !make_table(&t, l, in, out))
        return false;
    return (double)t.n_pairs <= MAX_SHARE * (double)(n_taps * cells);
}

/* ---- Weights: a tap's matrix (ic, oc) after the other, in the table's order ---- */

static int64_t points(const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    table t;
    make_table(&t, l, graph->values[l->src], graph->values[layer + 1]);
    return t.n_taps;
}

static void transform(const dtp_graph *graph, int layer, const float *plain, int64_t first, int64_t count, float *out,
                      const dtp_watch *watch)
{
    const dtp_layer *l = &graph->layers[layer];
    int64_t ic = graph->values[l->src].c, cells = l->kernel[0] * l->kernel[1] * l->kernel[2];
    table t;
    make_table(&t, l, graph->values[l->src], graph->values[layer + 1]);
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < ic; c++) {
        if (dtp_watch_cancelled(watch))
            continue;
        for (int64_t o = 0; o < count; o++)
            for (int i = 0; i < t.n_taps; i++)
                out[(i * ic + c) * count + o] = plain[((first + o) * ic + c) * cells + t.order[i]];
    }
}

/* ---- Making ---- */

static void destroy(dtp_form *form)
{
    tap_form *f = (tap_form *)form;
    if (f->whole)
        dnnl_primitive_desc_destroy(f->whole);
    for (int g = 0; g < f->table.n_groups; g++) {
        const group *own = &f->table.groups[g];
        const dnnl_memory_t memories[] = {own->v_memory, own->m_memory, own->weights, own->scratchpad};
        for (size_t i = 0; i < DTP_COUNT(memories); i++)
            if (memories[i])
                dnnl_memory_destroy(memories[i]);
        if (own->primitive)
            dnnl_primitive_destroy(own->primitive);
        if (own->pd)
            dnnl_primitive_desc_destroy(own->pd);
    }
    free(f);
}

/* Unimplemented when the taps do not lie one after the other, or with padding: that the backend may write to whenever a
 * handle is set, while other sessions read the same weights. */
static dnnl_status_t find_tap_bytes(tap_form *f)
{
    const dnnl_dims_t one = {1, f->in.c, f->out.c};
    dtp_md md = NULL;
    dnnl_status_t s = dtp_md_corner(&md, f->layout, one);
    if (s)
        return s;
    f->tap_bytes = dnnl_memory_desc_get_size(md);
    dtp_md_free(md);
    bool padded = f->tap_bytes != (size_t)(f->in.c * f->out.c) * sizeof(float);
    bool side_by_side = f->tap_bytes * (size_t)f->table.n_taps == dnnl_memory_desc_get_size(f->layout);
    return !padded && side_by_side ? dnnl_success : dnnl_unimplemented;
}

static dnnl_status_t make_groups(tap_form *f)
{
    dnnl_status_t s = find_tap_bytes(f);
    for (int g = 0; g < f->table.n_groups && !s; g++) {
        group *own = &f->table.groups[g];
        const dnnl_dims_t dims = {own->n_taps, f->in.c, f->out.c};
        dtp_md weights = NULL;
        s = dtp_md_corner(&weights, f->layout, dims);
        int64_t rows = own->n_pairs * f->images;
        s = s ? s : dtp_form_product(&own->pd, f->engine, own->n_taps, rows, f->in.c, f->out.c, weights);
        dtp_md_free(weights);
    }
    return s;
}

/* A group's that was left to plain loops, if there is one. */
static const char *worst_implementation(const tap_form *f)
{
    for (int g = 1; g < f->table.n_groups; g++)
        if (dtp_is_reference(dtp_pd_implementation(f->table.groups[g].pd)))
            return dtp_pd_implementation(f->table.groups[g].pd);
    return dtp_pd_implementation(f->table.groups[0].pd);
}

/* The centre's group has the most rows: the layout that is best for it and the others' is much the same. */
static dnnl_status_t make(dtp_form **out, dnnl_engine_t engine, const dtp_graph *graph, int layer, int64_t images,
                          dtp_const_md weights)
{
    const dtp_layer *l = &graph->layers[layer];
    tap_form *f = calloc(1, sizeof *f);
    if (!f)
        return dnnl_out_of_memory;
    *f = (tap_form){.form.kind = &dtp_taps, .layer = l, .in = graph->values[l->src], .out = graph->values[layer + 1],
                .images = images, .engine = engine, .layout = weights};
    make_table(&f->table, l, f->in, f->out);
    dnnl_status_t s = dnnl_success;
    if (!weights)
        s = dtp_form_product(&f->whole, engine, f->table.n_taps, f->table.groups[0].n_pairs * images, f->in.c, f->out.c,
                             NULL);
    if (!s && !weights)
        f->layout = dtp_pd_md(f->whole, dnnl_query_weights_md);
    s = s ? s : make_groups(f);
    if (s) {
        destroy(&f->form);
        return s;
    }
    dtp_format(f->form.implementation, sizeof f->form.implementation, "%s, %.40s", dtp_taps.name,
               worst_implementation(f));
    *out = &f->form;
    return dnnl_success;
}

static size_t rows(const tap_form *f)
{
    return (size_t)(f->table.n_pairs * f->images);
}

static size_t products_scratch(const tap_form *f)
{
    size_t most = 0;
    for (int g = 0; g < f->table.n_groups; g++) {
        size_t bytes = dtp_pd_scratchpad(f->table.groups[g].pd);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static size_t scratch_bytes(const dtp_form *form)
{
    const tap_form *f = (const tap_form *)form;
    return rows(f) * (size_t)(f->in.c + f->out.c) * sizeof(float) + products_scratch(f);
}

static dtp_const_md weights_md(const dtp_form *form)
{
    return ((const tap_form *)form)->layout;
}

static dnnl_status_t prepare_group(const tap_form *f, group *g, void *scratchpad)
{
    float *v = f->v + g->first_pair * f->images * f->in.c, *m = f->m + g->first_pair * f->images * f->out.c;
    dnnl_status_t s = dtp_primitive_new(&g->primitive, g->pd);
    s = s ? s : dnnl_memory_create(&g->v_memory, dtp_pd_md(g->pd, dnnl_query_src_md), f->engine, v);
    s = s ? s : dnnl_memory_create(&g->m_memory, dtp_pd_md(g->pd, dnnl_query_dst_md), f->engine, m);
    s = s ? s : dnnl_memory_create(&g->weights, dtp_pd_md(g->pd, dnnl_query_weights_md), f->engine, DNNL_MEMORY_NONE);
    return s ? s
             : dnnl_memory_create(&g->scratchpad, dtp_pd_md(g->pd, dnnl_query_scratchpad_md), f->engine, scratchpad);
}

static dnnl_status_t prepare(dtp_form *form, void *scratch)
{
    tap_form *f = (tap_form *)form;
    dnnl_status_t s = dnnl_success;
    f->v = scratch;
    f->m = f->v + rows(f) * (size_t)f->in.c;
    for (int g = 0; g < f->table.n_groups && !s; g++)
        s = prepare_group(f, &f->table.groups[g], f->m + rows(f) * (size_t)f->out.c);
    return s;
}

/* ---- Running ---- */

/* Row (pair, image) is the input cell that the pair names. */
static void gather(const tap_form *f, const float *src)
{
    const int64_t ic = f->in.c, cells = cells_of(f->in), all = f->table.n_pairs * f->images;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < all; row++) {
        const float *from = src + (row % f->images * cells + f->table.pairs[row / f->images].in) * ic;
        memcpy(f->v + row * ic, from, (size_t)ic * sizeof *from);
    }
}

/* NaN is not below 0 and stays. */
static void activate(float *values, int64_t n, dtp_activation activation)
{
    const float slope = dtp_negative_slope(activation);
    for (int64_t c = 0; c < n; c++)
        values[c] = values[c] < 0 ? slope * values[c] : values[c];
}

static void finish_cell(const tap_form *f, int64_t image, int64_t cell, const float *bias, float *restrict dst)
{
    const int64_t oc = f->out.c;
    for (int64_t c = 0; c < oc; c++)
        dst[c] = f->layer->add >= 0 ? dst[c] + bias[c] : bias[c];
    for (int64_t p = 0; p < f->table.n_pairs; p++) {
        const float *restrict m = f->m + (p * f->images + image) * oc;
        if (f->table.pairs[p].out != cell)
            continue;
        for (int64_t c = 0; c < oc; c++)
            dst[c] += m[c];
    }
    activate(dst, oc, f->layer->activation);
}

static void scatter(const tap_form *f, const float *bias, float *dst)
{
    const int64_t cells = cells_of(f->out), all = f->images * cells;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < all; row++)
        finish_cell(f, row / cells, row % cells, bias, dst + row * f->out.c);
}

static dnnl_status_t multiply(const tap_form *f, const group *g, const dtp_form_run *r, uint8_t *weights)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, g->v_memory},
                                    {DNNL_ARG_WEIGHTS, g->weights},
                                    {DNNL_ARG_DST, g->m_memory},
                                    {DNNL_ARG_SCRATCHPAD, g->scratchpad}};
    dnnl_status_t s = dnnl_memory_set_data_handle(g->weights, weights + (size_t)g->first * f->tap_bytes);
    s = s ? s : dnnl_primitive_execute(g->primitive, r->stream, 4, args);
    return s ? s : dnnl_stream_wait(r->stream);
}

static dnnl_status_t run(dtp_form *form, const dtp_form_run *r)
{
    const tap_form *f = (const tap_form *)form;
    void *weights = NULL;
    dnnl_status_t s = dnnl_memory_get_data_handle(r->weights, &weights);
    gather(f, r->src);
    for (int g = 0; g < f->table.n_groups && !s; g++)
        s = multiply(f, &f->table.groups[g], r, weights);
    if (!s)
        scatter(f, r->bias, r->dst);
    return s;
}

const dtp_form_kind dtp_taps = {
    .name = "taps", .suits = suits, .make = make, .free = destroy, .scratch_bytes = scratch_bytes,
    .weights_md = weights_md, .prepare = prepare, .run = run, .points = points, .transform = transform,
};
