/* Convolutions of tiny maps, such as 512 channels on 2 x 2 x 2, tap by tap: there most of a kernel's cells see nothing
 * but padding for most outputs, and the backend's loops multiply it all the same. Each tap multiplies only the input
 * cells it meets; taps that meet equally many are one batch of products. */

#include "form.h"

/* An output cell at most this large a map has; of all products at most this share may be needed. Measured: with more,
 * the backend's own is as fast. */
enum { MAX_CELLS = 27, MAX_TAPS = 125, MAX_GROUPS = 8 };
static const double MAX_SHARE = 0.6;

enum { BLOCK = 16 }; /* channels are a multiple of it, and parts of them */

/* Cells of the input and the output, of one image, that a tap joins. */
typedef struct cell_pair {
    int32_t in, out;
} cell_pair;

/* Taps that join equally many pairs. */
typedef struct group {
    int first, n_taps;
    int64_t first_pair, n_pairs; /* n_pairs: of each tap */
    dtp_matmul product;
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
    dnnl_data_type_t read, made; /* of src, weights and V; of dst */
    dtp_matmul whole; /* of all taps at once: only its weights' layout counts */
    dtp_const_md layout; /* of the weights */
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
    if (in.c % BLOCK || out.c % BLOCK || in.c < 64 || out.c < 64 || !make_table(&t, l, in, out))
        return false;
    return t.n_pairs > 0 && (double)t.n_pairs <= MAX_SHARE * (double)(n_taps * cells);
}

/* ---- Weights: a tap's matrix (ic, oc) after the other, in the table's order ---- */

static int64_t points(const dtp_graph *graph, int layer)
{
    const dtp_layer *l = &graph->layers[layer];
    table t;
    make_table(&t, l, graph->values[l->src], graph->values[layer + 1]);
    return t.n_taps;
}

typedef struct transforming {
    const table *table;
    const float *plain; /* from the first output channel on */
    float *out;
    int64_t ic, count, cells; /* count: output channels */
    const dtp_watch *watch;
} transforming;

/* By way of a block in the first-level cache: taps lie a multiple of a page apart in `out`, where single values would
 * drive each other out. */
static void transform_block(const transforming *t, int64_t c, int64_t o)
{
    float block[MAX_TAPS][BLOCK];
    const int64_t step = t->ic * t->cells;
    const float *from = t->plain + o * step + c * t->cells;
    for (int i = 0; i < t->table->n_taps; i++)
        for (int64_t n = 0; n < BLOCK; n++)
            block[i][n] = from[n * step + t->table->order[i]];
    for (int i = 0; i < t->table->n_taps; i++)
        memcpy(t->out + (i * t->ic + c) * t->count + o, block[i], sizeof block[i]);
}

/* Blocks of input channels: those side by side share what is read. */
static void transform_inputs(void *argument, int lane, int64_t first, int64_t last)
{
    const transforming *t = argument;
    (void)lane;
    for (int64_t from = first * BLOCK; from < last * BLOCK && !dtp_watch_cancelled(t->watch); from += BLOCK)
        for (int64_t o = 0; o < t->count; o += BLOCK)
            for (int64_t c = from; c < from + BLOCK; c++)
                transform_block(t, c, o);
}

static void transform(const dtp_graph *graph, int layer, const float *plain, int64_t first, int64_t count, float *out,
                      const dtp_watch *watch)
{
    const dtp_layer *l = &graph->layers[layer];
    int64_t ic = graph->values[l->src].c, cells = l->kernel[0] * l->kernel[1] * l->kernel[2];
    table t;
    make_table(&t, l, graph->values[l->src], graph->values[layer + 1]);
    dtp_team_for(dtp_watch_team(watch), ic / BLOCK, 1, transform_inputs,
                 &(transforming){&t, plain + first * ic * cells, out, ic, count, cells, watch});
}

/* ---- Making ---- */

static void destroy(dtp_form *form)
{
    tap_form *f = (tap_form *)form;
    dtp_matmul_free(&f->whole);
    for (int g = 0; g < f->table.n_groups; g++)
        dtp_matmul_free(&f->table.groups[g].product);
    free(f);
}

static dnnl_status_t make_groups(tap_form *f, dnnl_engine_t engine)
{
    dnnl_status_t s = dnnl_success;
    for (int g = 0; g < f->table.n_groups && !s; g++) {
        group *own = &f->table.groups[g];
        s = dtp_matmul_make_part(&own->product, engine, f->read, f->table.n_taps, own->n_pairs * f->images, f->in.c,
                                 f->out.c, f->layout);
    }
    return s;
}

/* A group's that was left to plain loops, if there is one. */
static const char *worst_implementation(const tap_form *f)
{
    for (int g = 1; g < f->table.n_groups; g++)
        if (dtp_is_reference(dtp_pd_implementation(f->table.groups[g].product.pd)))
            return dtp_pd_implementation(f->table.groups[g].product.pd);
    return dtp_pd_implementation(f->table.groups[0].product.pd);
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
                .images = images, .read = dtp_read_type(graph, layer), .made = dtp_value_type(graph, layer + 1),
                .layout = weights};
    make_table(&f->table, l, f->in, f->out);
    dnnl_status_t s = dnnl_success;
    if (!weights)
        s = dtp_matmul_make(&f->whole, engine, f->read, f->table.n_taps, f->table.groups[0].n_pairs * images, f->in.c,
                            f->out.c, NULL);
    if (!s && !weights)
        f->layout = dtp_matmul_weights(&f->whole);
    s = s ? s : make_groups(f, engine);
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

static size_t v_bytes(const tap_form *f)
{
    return rows(f) * (size_t)f->in.c * dtp_number_bytes(f->read);
}

static size_t m_bytes(const tap_form *f)
{
    return rows(f) * (size_t)f->out.c * sizeof(float);
}

/* Outputs before they are rounded; none where they are not. */
static size_t sums_bytes(const tap_form *f)
{
    return f->made == dnnl_f32 ? 0 : (size_t)(f->images * cells_of(f->out) * f->out.c) * sizeof(float);
}

/* V and M. */
static size_t matrix_bytes(const dtp_form *form)
{
    const tap_form *f = (const tap_form *)form;
    return v_bytes(f) + m_bytes(f) + sums_bytes(f);
}

static size_t scratch_bytes(const dtp_form *form)
{
    const tap_form *f = (const tap_form *)form;
    size_t most = 0;
    for (int g = 0; g < f->table.n_groups; g++) {
        size_t bytes = dtp_matmul_scratch(&f->table.groups[g].product);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static dtp_const_md weights_md(const dtp_form *form)
{
    return ((const tap_form *)form)->layout;
}

static dnnl_status_t prepare(dtp_form *form, int lanes, void *scratch, size_t stride)
{
    tap_form *f = (tap_form *)form;
    dnnl_status_t s = dnnl_success;
    for (int g = 0; g < f->table.n_groups && !s; g++)
        s = dtp_matmul_prepare(&f->table.groups[g].product, lanes, scratch, stride);
    return s;
}

/* ---- Running ---- */

/* One run, in the V and M of the lane that hands out. */
typedef struct tap_run {
    const tap_form *form;
    const dtp_form_run *run;
    uint8_t *v;
    float *m, *sums; /* sums: those of dst, before they are rounded, or dst itself */
    atomic_int worst;
} tap_run;

/* Row (pair, image) is the input cell that the pair names. */
static void gather(void *argument, int lane, int64_t first, int64_t last)
{
    const tap_run *t = argument;
    const tap_form *f = t->form;
    const size_t bytes = (size_t)f->in.c * dtp_number_bytes(f->read);
    const int64_t cells = cells_of(f->in);
    (void)lane;
    for (int64_t row = first; row < last; row++) {
        int64_t cell = row % f->images * cells + f->table.pairs[row / f->images].in;
        memcpy(t->v + (size_t)row * bytes, (const uint8_t *)t->run->src + (size_t)cell * bytes, bytes);
    }
}

static void multiply_tap(tap_run *t, int lane, const group *g, int64_t tap)
{
    const tap_form *f = t->form;
    int64_t row = (g->first_pair + (tap - g->first) * g->n_pairs) * f->images;
    const uint8_t *v = t->v + (size_t)(row * f->in.c) * dtp_number_bytes(f->read);
    int s = (int)dtp_matmul_run(&g->product, t->run->stream, lane, t->run->weights, tap, v, t->m + row * f->out.c);
    if (s)
        atomic_store(&t->worst, s);
}

static void multiply(void *argument, int lane, int64_t first, int64_t last)
{
    tap_run *t = argument;
    for (int64_t tap = first; tap < last && !dtp_watch_cancelled(t->run->watch); tap++) {
        const group *g = t->form->table.groups;
        while (tap >= g->first + g->n_taps)
            g++;
        multiply_tap(t, lane, g, tap);
    }
}

/* NaN is not below 0 and stays. */
static void activate(float *values, int64_t n, dtp_activation activation)
{
    const float slope = dtp_negative_slope(activation);
    for (int64_t c = 0; c < n; c++)
        values[c] = values[c] < 0 ? slope * values[c] : values[c];
}

static void finish_cell(const tap_run *t, int64_t image, int64_t cell, float *restrict dst)
{
    const tap_form *f = t->form;
    const float *bias = t->run->bias;
    const int64_t oc = f->out.c;
    for (int64_t c = 0; c < oc; c++)
        dst[c] = f->layer->add >= 0 ? dst[c] + bias[c] : bias[c];
    for (int64_t p = 0; p < f->table.n_pairs; p++) {
        const float *restrict m = t->m + (p * f->images + image) * oc;
        if (f->table.pairs[p].out != cell)
            continue;
        for (int64_t c = 0; c < oc; c++)
            dst[c] += m[c];
    }
    activate(dst, oc, f->layer->activation);
}

static void scatter(void *argument, int lane, int64_t first, int64_t last)
{
    const tap_run *t = argument;
    const int64_t cells = cells_of(t->form->out), oc = t->form->out.c;
    (void)lane;
    for (int64_t row = first; row < last; row++) {
        finish_cell(t, row / cells, row % cells, t->sums + row * oc);
        if (t->form->made == dnnl_bf16)
            dtp_round_bf16((uint16_t *)t->run->dst + row * oc, t->sums + row * oc, oc);
    }
}

static dnnl_status_t run(const dtp_form *form, const dtp_form_run *r)
{
    enum { ROWS = 16 };
    const tap_form *f = (const tap_form *)form;
    uint8_t *v = r->work;
    float *m = (float *)(void *)(v + v_bytes(f)), *sums = (float *)(void *)(v + v_bytes(f) + m_bytes(f));
    tap_run t = {f, r, v, m, f->made == dnnl_f32 ? r->dst : sums, dnnl_success};
    dtp_team_for(r->team, (int64_t)rows(f), ROWS, gather, &t);
    dtp_team_for(r->team, f->table.n_taps, 1, multiply, &t);
    dtp_team_for(r->team, f->images * cells_of(f->out), 1, scatter, &t);
    return (dnnl_status_t)atomic_load(&t.worst);
}

const dtp_form_kind dtp_taps = {
    .name = "taps", .bf16 = true, .src = dnnl_acdeb, .suits = suits, .make = make, .free = destroy,
    .scratch_bytes = scratch_bytes, .work_bytes = matrix_bytes,
    .weights_md = weights_md, .prepare = prepare, .run = run, .points = points,
    .transform = transform,
};
