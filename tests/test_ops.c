/* Every operation of nn/ against plain loops in double, over seeded random shapes.
 *
 * A sum of K terms in float32 is wrong by about 6e-8 sqrt(K) of its own size; what is allowed is TOLERANCE * sqrt(K) of
 * the result's root mean square. A wrong index is wrong by order 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "net_runner.h"
#include "reference_ops.h"

static const double TOLERANCE = 1e-6;
static const double MOST_PRODUCTS = 4e6; /* of a trial, so that the plain loops stay quick */

enum { CONVOLUTIONS = 160, SUMS = 40, POOLS = 60, LINEARS = 24 };

typedef struct trial {
    uint64_t state;
    dtp_graph graph;
    net_runner runner;
    int64_t terms; /* most that are summed for one value */
    float *input;
    reference_map values[4]; /* the reference's, one a value of the graph */
} trial;

typedef struct workers {
    dtp_worker *of[2]; /* 1 and 2 threads */
    double worst;      /* error, of what is allowed */
} workers;

static int start_workers(void **state)
{
    static workers w;
    *state = &w;
    for (int i = 0; i < 2; i++)
        if (dtp_worker_start(&w.of[i], i + 1, NULL) != DEEPTEPP_OK)
            return -1;
    return 0;
}

static int stop_workers(void **state)
{
    workers *w = *state;
    dtp_worker_stop(w->of[0]);
    dtp_worker_stop(w->of[1]);
    print_message("largest error: %.3f of what is allowed\n", w->worst);
    return 0;
}

/* ---- drawing a trial ---- */

static float *random_floats(uint64_t *state, size_t count, double scale)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(scale * reference_random(state));
    return values;
}

static void begin(trial *t, uint64_t seed, int64_t most_channels)
{
    *t = (trial){.state = seed * 7919 + 17};
    t->graph.values[0] = (dtp_shape){reference_draw(&t->state, 1, most_channels), reference_draw(&t->state, 1, 20),
                                     reference_draw(&t->state, 1, 20), reference_draw(&t->state, 1, 20)};
    t->runner.batch = reference_draw(&t->state, 1, 10);
    t->terms = 1;
}

/* Kernel 1, 3, 5 or 7 along each axis on its own. */
static dtp_layer draw_convolution(trial *t)
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
static void shrink(trial *t, const dtp_layer *layer, int64_t oc)
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
static void draw_padding(trial *t, dtp_layer *layer)
{
    const dtp_shape in = t->graph.values[0];
    const int64_t size[3] = {in.d, in.h, in.w};
    for (int i = 0; i < 3; i++) {
        int64_t same = layer->pad[i], least = dtp_max_i64(0, same - (size[i] - 1) / 2);
        layer->pad[i] = reference_draw(&t->state, 0, 1) ? same : reference_draw(&t->state, least, same);
    }
}

/* A window that meets the map wherever it stands. */
static dtp_layer draw_pool(trial *t, dtp_op op)
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

static dtp_layer point_convolution(const int64_t stride[3])
{
    return (dtp_layer){.op = DTP_CONVOLUTION, .name = "point", .add = -1, .kernel = {1, 1, 1},
                       .stride = {stride[0], stride[1], stride[2]}, .dilation = {1, 1, 1}};
}

static reference_window window_of(const dtp_layer *layer)
{
    reference_window window;
    memcpy(window.kernel, layer->kernel, sizeof window.kernel);
    memcpy(window.stride, layer->stride, sizeof window.stride);
    memcpy(window.pad, layer->pad, sizeof window.pad);
    memcpy(window.dilation, layer->dilation, sizeof window.dilation);
    return window;
}

/* Appends a layer, with weights where it has some, scaled so that values stay of order 1. */
static int append(trial *t, const dtp_layer *layer, int64_t oc)
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

static void reference_layer(trial *t, int index)
{
    const dtp_layer *layer = &t->graph.layers[index];
    const reference_window window = window_of(layer);
    const reference_map *in = &t->values[layer->src];
    reference_map *out = &t->values[index + 1];
    if (layer->op == DTP_MAX_POOL)
        *out = reference_max_pool(in, &window);
    else if (layer->op == DTP_AVERAGE_POOL)
        *out = reference_average_pool(in, &window);
    else
        *out = reference_convolution(in, &window, t->graph.values[index + 1].c, t->runner.weights[index],
                                     t->runner.bias[index]);
    if (layer->add >= 0)
        reference_add(out, &t->values[layer->add]);
    reference_activate(out, layer->activation);
}

static void describe(const trial *t, char *out, size_t size)
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

static void compare(workers *w, const trial *t, const float *found)
{
    char text[400];
    const reference_map *wanted = &t->values[t->graph.n_layers];
    double allowed = TOLERANCE * sqrt((double)t->terms);
    double error = reference_error(wanted, found);
    w->worst = fmax(w->worst, error / allowed);
    describe(t, text, sizeof text);
    if (!(error <= allowed))
        fail_msg("%s: error %.3g, allowed %.3g", text, error, allowed);
}

static void run(workers *w, trial *t, int threads)
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
    for (int i = 0; i <= t->graph.n_layers; i++)
        reference_free(&t->values[i]);
    free(t->input);
    free(t->runner.output);
    net_runner_clear(&t->runner);
}

/* ---- promises ---- */

static void convolutions_agree(void **state)
{
    for (int n = 0; n < CONVOLUTIONS; n++) {
        trial t;
        begin(&t, (uint64_t)n, 70);
        int64_t oc = reference_draw(&t.state, 1, 70);
        dtp_layer layer = draw_convolution(&t);
        shrink(&t, &layer, oc);
        draw_padding(&t, &layer);
        append(&t, &layer, oc);
        run(*state, &t, 1 + n % 2);
    }
}

/* The shortcut of a residual block that changes the shape: a strided 1x1x1 convolution, added in place. */
static void projected_sums_agree(void **state)
{
    for (int n = 0; n < SUMS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 1000, 70);
        int64_t oc = reference_draw(&t.state, 1, 70);
        dtp_layer layer = draw_convolution(&t), shortcut = point_convolution(layer.stride);
        shrink(&t, &layer, oc);
        layer.add = append(&t, &shortcut, oc);
        append(&t, &layer, oc);
        run(*state, &t, 1 + n % 2);
    }
}

/* The shortcut of a block that keeps the shape: the value that was read first is added last. */
static void identity_sums_agree(void **state)
{
    for (int n = 0; n < SUMS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 2000, 40);
        int64_t oc = reference_draw(&t.state, 1, 40);
        dtp_layer layer = draw_convolution(&t);
        shrink(&t, &layer, oc + t.graph.values[0].c);
        memcpy(layer.stride, (const int64_t[3]){1, 1, 1}, sizeof layer.stride);
        int block = append(&t, &layer, oc);
        dtp_layer inner = point_convolution(layer.stride), last = inner;
        inner.src = block;
        inner.activation = layer.activation;
        last.src = append(&t, &inner, reference_draw(&t.state, 1, 40));
        last.add = block;
        append(&t, &last, oc);
        run(*state, &t, 1 + n % 2);
    }
}

/* On the plain input, and on a map in the layout of the convolution before it. */
static void pools_agree(void **state)
{
    const int64_t one[3] = {1, 1, 1};
    for (int n = 0; n < POOLS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 3000, 40);
        dtp_layer pool = draw_pool(&t, n % 3 ? DTP_MAX_POOL : DTP_AVERAGE_POOL), point = point_convolution(one);
        shrink(&t, &point, 40);
        pool = draw_pool(&t, pool.op);
        if (n % 2)
            pool.src = append(&t, &point, reference_draw(&t.state, 1, 40));
        append(&t, &pool, 0);
        run(*state, &t, 1 + n / 2 % 2);
    }
}

/* A pool over the whole map and a linear layer, as at the end of every network here. */
static void linear_layers_agree(void **state)
{
    const int64_t one[3] = {1, 1, 1};
    for (int n = 0; n < LINEARS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 4000, 2048);
        dtp_shape *in = &t.graph.values[0];
        in->d = in->h = 1 + n % 3;
        in->w = 1 + n % 5;
        dtp_layer pool = {.op = DTP_AVERAGE_POOL, .name = "pool", .add = -1, .kernel = {in->d, in->h, in->w},
                          .stride = {in->d, in->h, in->w}, .dilation = {1, 1, 1}};
        dtp_layer linear = point_convolution(one);
        linear.src = n % 2 ? append(&t, &pool, 0) : 0;
        if (!linear.src)
            in->d = in->h = in->w = 1;
        append(&t, &linear, reference_draw(&t.state, 1, 10));
        run(*state, &t, 1 + n / 2 % 2);
    }
}

static void a_linear_layer_is_the_convolution_it_is_run_as(void **state)
{
    const float weights[6] = {1, 2, 3, -1, 0.5f, 4}, bias[2] = {10, 20}, values[3] = {1, -2, 3};
    reference_map in = reference_of(values, 1, 3, 1, 1, 1), out = reference_linear(&in, 2, weights, bias);
    (void)state;
    assert_true(out.values[0] == 10 + 1 - 4 + 9);
    assert_true(out.values[1] == 20 - 1 - 1 + 12);
    reference_free(&in);
    reference_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(projected_sums_agree),
        cmocka_unit_test(identity_sums_agree),
        cmocka_unit_test(pools_agree),
        cmocka_unit_test(linear_layers_agree),
        cmocka_unit_test(a_linear_layer_is_the_convolution_it_is_run_as),
    };
    return cmocka_run_group_tests(tests, start_workers, stop_workers);
}
