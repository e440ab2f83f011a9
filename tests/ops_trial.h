/* One trial of an operation: seeded random shapes and values, run by nn/ and by plain loops; shared by the tests of
 * ops.
 *
 * A sum of K terms in float32 is wrong by about 6e-8 sqrt(K) of its own size; what is allowed is 1e-6 sqrt(K) of the
 * result's root mean square, and four times that where the transforms of Winograd's F(4, 3) add their own. A wrong
 * index is wrong by order 1. */
#ifndef OPS_TRIAL_H
#define OPS_TRIAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "net_runner.h"
#include "reference_ops.h"

static const double USUAL = 1e-6, FLAT_TILES = 4e-6;
static const double MOST_PRODUCTS = 4e6; /* of a trial, so that the plain loops stay quick */

typedef struct trial {
    uint64_t state;
    dtp_graph graph;
    net_runner runner;
    int64_t terms; /* most that are summed for one value */
    double tolerance;
    float *input;
    reference_map values[8]; /* the reference's, one a value of the graph */
    const dtp_form_kind *form; /* what the last layer was computed with; NULL: the backend's own */
} trial;

typedef struct workers {
    dtp_worker *of[2]; /* 1 and 2 threads */
    double worst;      /* error, of what is allowed */
} workers;

static inline int start_workers(void **state)
{
    static workers w;
    *state = &w;
    for (int i = 0; i < 2; i++)
        if (dtp_worker_start(&w.of[i], i + 1, NULL) != DEEPTEPP_OK)
            return -1;
    return 0;
}

static inline int stop_workers(void **state)
{
    workers *w = *state;
    dtp_worker_stop(w->of[0]);
    dtp_worker_stop(w->of[1]);
    print_message("largest error: %.3f of what is allowed\n", w->worst);
    return 0;
}

/* ---- drawing a trial ---- */

static inline float *random_floats(uint64_t *state, size_t count, double scale)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(scale * reference_random(state));
    return values;
}

static inline void begin(trial *t, uint64_t seed, int64_t most_channels)
{
    *t = (trial){.state = seed * 7919 + 17};
    t->graph.values[0] = (dtp_shape){reference_draw(&t->state, 1, most_channels), reference_draw(&t->state, 1, 20),
                                     reference_draw(&t->state, 1, 20), reference_draw(&t->state, 1, 20)};
    t->runner.batch = reference_draw(&t->state, 1, 10);
    t->terms = 1;
    t->tolerance = USUAL;
}

/* Kernel 1, 3, 5 or 7 along each axis on its own. */
static inline dtp_layer draw_convolution(trial *t)
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .name = "conv", .add = -1};
    for (int i = 0; i < 3; i++) {
        layer.kernel[i] = 1 + 2 * reference_draw(&t->state, 0, 3);
        layer.stride[i] = reference_draw(&t->state, 1, 3);
        layer.dilation[i] = reference_draw(&t->state, 1, 4);
        layer.pad[i] = layer.dilation[i] * (layer.kernel[i] - 1) / 2;
    }
    layer.activation = (dtp_activation)reference_draw(&t->state, DTP_IDENTITY, DTP_ELU);
    return layer;
}

/* Fewer images, then a smaller map, until the plain loops are quick. */
static inline void shrink(trial *t, const dtp_layer *layer, int64_t oc)
{
    dtp_shape *in = &t->graph.values[0];
    double taps = (double)(layer->kernel[0] * layer->kernel[1] * layer->kernel[2] * in->c * oc);
    int64_t *sizes[3] = {&in->d, &in->h, &in->w};
    while (taps * (double)(t->runner.batch * in->d * in->h * in->w) > MOST_PRODUCTS && t->runner.batch > 1)
        t->runner.batch--;
    for (int i = 0; taps * (double)(in->d * in->h * in->w) > MOST_PRODUCTS && i < 60; i++)
        *sizes[i % 3] = dtp_max_i64(1, *sizes[i % 3] - 1);
}

/* Any padding up to the one that keeps the size, with which the output has at least one cell. */
static inline void draw_padding(trial *t, dtp_layer *layer)
{
    const dtp_shape in = t->graph.values[0];
    const int64_t size[3] = {in.d, in.h, in.w};
    for (int i = 0; i < 3; i++) {
        int64_t same = layer->pad[i], least = dtp_max_i64(0, same - (size[i] - 1) / 2);
        layer->pad[i] = reference_draw(&t->state, 0, 1) ? same : reference_draw(&t->state, least, same);
    }
}

/* A window that meets the map wherever it stands. */
static inline dtp_layer draw_pool(trial *t, dtp_op op)
{
    const dtp_shape in = t->graph.values[0];
    const int64_t size[3] = {in.d, in.h, in.w};
    dtp_layer layer = {.op = op, .name = "pool", .add = -1, .dilation = {1, 1, 1}};
    for (int i = 0; i < 3; i++) {
        layer.kernel[i] = reference_draw(&t->state, 1, dtp_min_i64(5, size[i]));
        layer.stride[i] = reference_draw(&t->state, 1, 3);
        layer.pad[i] = reference_draw(&t->state, 0, layer.kernel[i] / 2);
    }
    return layer;
}

static inline dtp_layer point_convolution(const int64_t stride[3])
{
    return (dtp_layer){.op = DTP_CONVOLUTION, .name = "point", .add = -1, .kernel = {1, 1, 1},
                       .stride = {stride[0], stride[1], stride[2]}, .dilation = {1, 1, 1}};
}

static inline reference_window window_of(const dtp_layer *layer)
{
    reference_window window;
    memcpy(window.kernel, layer->kernel, sizeof window.kernel);
    memcpy(window.stride, layer->stride, sizeof window.stride);
    memcpy(window.pad, layer->pad, sizeof window.pad);
    memcpy(window.dilation, layer->dilation, sizeof window.dilation);
    window.open_end = layer->open_end;
    return window;
}

/* Appends a layer, with weights where it has some, scaled so that values stay of order 1. */
static inline int append(trial *t, const dtp_layer *layer, int64_t oc)
{
    deeptepp_error error;
    int value = 0, index = t->graph.n_layers;
    if (dtp_graph_add(&t->graph, layer, oc, &value, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    int64_t taps = layer->kernel[0] * layer->kernel[1] * layer->kernel[2];
    int64_t terms = layer->op == DTP_CONVOLUTION ? taps * t->graph.values[layer->src].c : taps;
    t->terms = dtp_max_i64(t->terms, terms);
    if (layer->op != DTP_CONVOLUTION)
        return value;
    t->runner.weights[index] = random_floats(&t->state, (size_t)(oc * terms), 3 / sqrt((double)terms));
    t->runner.bias[index] = random_floats(&t->state, (size_t)oc, 1);
    return value;
}

/* ---- both ways ---- */

static inline void reference_layer(trial *t, int index)
{
    const dtp_layer *layer = &t->graph.layers[index];
    const reference_window window = window_of(layer);
    const reference_map *in = &t->values[layer->src];
    reference_map *out = &t->values[index + 1];
    if (layer->op == DTP_MAX_POOL)
        *out = reference_max_pool(in, &window);
    else if (layer->op == DTP_AVERAGE_POOL)
        *out = reference_average_pool(in, &window);
    else if (layer->op == DTP_CROP)
        *out = reference_crop(in, &window);
    else
        *out = reference_convolution(in, &window, t->graph.values[index + 1].c, t->runner.weights[index],
                                     t->runner.bias[index]);
    if (layer->add >= 0)
        reference_add(out, &t->values[layer->add]);
    reference_activate(out, layer->activation);
}

static inline void describe(const trial *t, char *out, size_t size)
{
    const dtp_layer *l = &t->graph.layers[t->graph.n_layers - 1];
    const dtp_shape in = t->graph.values[0], to = t->graph.values[t->graph.n_layers];
    snprintf(out, size,
             "op %d of %d layers, batch %lld, %lld x (%lld %lld %lld) to %lld, kernel %lld %lld %lld, stride %lld %lld "
             "%lld, pad %lld %lld %lld, dilation %lld %lld %lld, add %d, activation %d",
             l->op, t->graph.n_layers, (long long)t->runner.batch, (long long)in.c, (long long)in.d, (long long)in.h,
             (long long)in.w, (long long)to.c, (long long)l->kernel[0], (long long)l->kernel[1],
             (long long)l->kernel[2], (long long)l->stride[0], (long long)l->stride[1], (long long)l->stride[2],
             (long long)l->pad[0], (long long)l->pad[1], (long long)l->pad[2], (long long)l->dilation[0],
             (long long)l->dilation[1], (long long)l->dilation[2], l->add, l->activation);
}

static inline void compare(workers *w, const trial *t, const float *found)
{
    char text[400];
    const reference_map *wanted = &t->values[t->graph.n_layers];
    double allowed = t->tolerance * sqrt((double)t->terms);
    double error = reference_error(wanted, found);
    w->worst = fmax(w->worst, error / allowed);
    describe(t, text, sizeof text);
    if (!(error <= allowed))
        fail_msg("%s: error %.3g, allowed %.3g", text, error, allowed);
}

static inline void run(workers *w, trial *t, int threads)
{
    deeptepp_error error;
    char text[400];
    const dtp_shape in = t->graph.values[0], to = t->graph.values[t->graph.n_layers];
    t->runner.graph = &t->graph;
    t->input = random_floats(&t->state, net_runner_inputs(&t->runner), 1);
    t->runner.input = t->input;
    t->values[0] = reference_of(t->input, t->runner.batch, in.c, in.d, in.h, in.w);
    for (int i = 0; i < t->graph.n_layers; i++)
        reference_layer(t, i);
    assert_int_equal(reference_count(&t->values[t->graph.n_layers]), t->runner.batch * (int64_t)dtp_shape_size(to));
    t->runner.output = calloc((size_t)t->runner.batch * dtp_shape_size(to), sizeof(float));
    describe(t, text, sizeof text);
    if (dtp_worker_run(w->of[threads - 1], net_runner_job, &t->runner, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s: %s", text, error.message);
    compare(w, t, t->runner.output);
    t->form = t->runner.form;
    for (int i = 0; i <= t->graph.n_layers; i++)
        reference_free(&t->values[i]);
    free(t->input);
    free(t->runner.output);
    net_runner_clear(&t->runner);
}

/* A value to add that nothing else reads. */
static inline int append_shortcut(trial *t, int src, int64_t oc)
{
    const int64_t one[3] = {1, 1, 1};
    dtp_layer layer = point_convolution(one);
    layer.src = src;
    return append(t, &layer, oc);
}

#endif
