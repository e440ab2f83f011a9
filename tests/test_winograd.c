/* The Winograd form against plain loops in double: shapes that fill tiles and shapes that do not, 2-D and 3-D, sums,
 * activations, several images and blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "../libdeeptepp/base/worker.h"
#include "../libdeeptepp/nn/winograd.h"
#include "reference_ops.h"

typedef struct subject {
    dtp_graph graph;
    int64_t images;
    uint64_t state;
    float *weights, *bias, *src, *dst; /* src and dst channels-last */
} subject;

static const dtp_activation ACTIVATIONS[] = {DTP_IDENTITY, DTP_RELU, DTP_LEAKY_RELU};

static float *random_floats(uint64_t *state, size_t count)
{
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)reference_random(state);
    return values;
}

static void make(subject *s, dtp_shape in, int64_t oc, int64_t images, int variant)
{
    deeptepp_error error;
    int value;
    dtp_layer layer = {.op = DTP_CONVOLUTION, .add = variant % 2 ? 0 : -1, .activation = ACTIVATIONS[variant % 3],
                       .open_end = variant % 5 == 4, .name = "layer"};
    for (int i = 0; i < 3; i++) {
        layer.kernel[i] = in.d == 1 && i == 0 ? 1 : 3;
        layer.stride[i] = layer.dilation[i] = 1;
        layer.pad[i] = layer.kernel[i] / 2;
    }
    if (layer.open_end || in.c != oc)
        layer.add = -1;
    s->graph.values[0] = in;
    s->images = images;
    assert_int_equal(dtp_graph_add(&s->graph, &layer, oc, &value, &error), DEEPTEPP_OK);
    s->weights = random_floats(&s->state, dtp_layer_weights(&s->graph, 0));
    s->bias = random_floats(&s->state, (size_t)oc);
    s->src = random_floats(&s->state, (size_t)images * dtp_shape_size(in));
    s->dst = random_floats(&s->state, (size_t)images * dtp_shape_size(s->graph.values[1]));
}

/* ---- the code under test, on a compute thread ---- */

static dnnl_status_t execute(const subject *s, dtp_winograd *w, dnnl_engine_t engine)
{
    float *points = dtp_winograd_weights(&s->graph, 0, s->weights, NULL);
    dtp_md plain = dtp_winograd_plain_md(&s->graph, 0);
    void *scratch = dtp_alloc_aligned(dtp_winograd_scratch_bytes(w));
    dnnl_memory_t weights = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dtp_winograd_prepare(w, scratch);
    status = status ? status : dnnl_memory_create(&weights, plain, engine, points);
    status = status ? status : dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    status = status ? status : dtp_winograd_run(w, stream, weights, s->bias, s->src, s->dst);
    dnnl_stream_destroy(stream);
    dnnl_memory_destroy(weights);
    dtp_md_free(plain);
    free(points);
    free(scratch);
    return status;
}

static deeptepp_status run(void *argument, dtp_job *job)
{
    subject *s = argument;
    dnnl_engine_t engine;
    dtp_winograd *w;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0))
        return DEEPTEPP_ERR_BACKEND;
    dtp_md plain = dtp_winograd_plain_md(&s->graph, 0);
    deeptepp_status status = dtp_winograd_new(&w, engine, &s->graph, 0, s->images, plain, &job->error);
    if (status == DEEPTEPP_OK && execute(s, w, engine))
        status = DEEPTEPP_ERR_BACKEND;
    dtp_winograd_free(w);
    dtp_md_free(plain);
    dnnl_engine_destroy(engine);
    return status;
}

/* ---- the reference ---- */

static reference_map map_of(const float *values, int64_t images, dtp_shape shape)
{
    reference_map map = reference_new(images, shape.c, shape.d, shape.h, shape.w);
    for (int64_t n = 0; n < images; n++)
        for (int64_t d = 0; d < shape.d; d++)
            for (int64_t h = 0; h < shape.h; h++)
                for (int64_t w = 0; w < shape.w; w++)
                    for (int64_t c = 0; c < shape.c; c++)
                        *reference_at(&map, n, c, d, h, w) = *values++;
    return map;
}

/* The largest difference in units of the root mean square, over the cells the layer makes. */
static double compare(const reference_map *wanted, const reference_map *found)
{
    double worst = 0, squares = 0;
    for (int64_t n = 0; n < found->n; n++)
        for (int64_t c = 0; c < found->c; c++)
            for (int64_t d = 0; d < found->d; d++)
                for (int64_t h = 0; h < found->h; h++)
                    for (int64_t w = 0; w < found->w; w++) {
                        double a = *reference_at(wanted, n, c, d, h, w), b = *reference_at(found, n, c, d, h, w);
                        double gap = a > b ? a - b : b - a;
                        worst = gap > worst || gap != gap ? gap : worst;
                        squares += a * a;
                    }
    return worst * worst / (squares / (double)reference_count(found));
}

static double check(subject *s)
{
    const dtp_layer *layer = &s->graph.layers[0];
    reference_window window = {.kernel = {layer->kernel[0], 3, 3}, .stride = {1, 1, 1},
                               .pad = {layer->pad[0], 1, 1}, .dilation = {1, 1, 1}};
    reference_map in = map_of(s->src, s->images, s->graph.values[0]);
    reference_map before = map_of(s->dst, s->images, s->graph.values[1]);
    reference_map wanted = reference_convolution(&in, &window, s->graph.values[1].c, s->weights, s->bias);
    if (layer->add >= 0)
        reference_add(&wanted, &before);
    reference_activate(&wanted, layer->activation);
    dtp_worker *worker;
    deeptepp_error error = {0};
    assert_int_equal(dtp_worker_start(&worker, 2, &error), DEEPTEPP_OK);
    assert_int_equal(dtp_worker_run(worker, run, s, NULL, &error), DEEPTEPP_OK);
    dtp_worker_stop(worker);
    reference_map found = map_of(s->dst, s->images, s->graph.values[1]);
    double squared = compare(&wanted, &found);
    reference_free(&in);
    reference_free(&before);
    reference_free(&wanted);
    reference_free(&found);
    return squared;
}

static void finish(subject *s)
{
    free(s->weights);
    free(s->bias);
    free(s->src);
    free(s->dst);
}

/* F(4, 3) loses about three bits more than F(2, 3). */
static void check_shapes(bool flat, double allowed)
{
    uint64_t state = flat ? 21 : 22;
    double worst = 0;
    for (int i = 0; i < 30; i++) {
        subject s = {.state = state + (uint64_t)i};
        dtp_shape in = {16 * reference_draw(&state, 1, 4), flat ? 1 : reference_draw(&state, 2, 9),
                        reference_draw(&state, 2, flat ? 23 : 9), reference_draw(&state, 2, flat ? 23 : 9)};
        int64_t oc = i % 2 ? in.c : 16 * reference_draw(&state, 1, 4);
        make(&s, in, oc, reference_draw(&state, 1, 3), i);
        double squared = check(&s);
        worst = squared > worst ? squared : worst;
        finish(&s);
    }
    printf("largest error: %.3g of the root mean square, allowed %.3g\n", __builtin_sqrt(worst), allowed);
    assert_true(worst <= allowed * allowed);
}

static void cubes_equal_the_plain_loops(void **state)
{
    (void)state;
    check_shapes(false, 5e-6);
}

static void planes_equal_the_plain_loops(void **state)
{
    (void)state;
    check_shapes(true, 5e-5);
}

static void many_blocks_equal_the_plain_loops(void **state)
{
    (void)state;
    subject s = {.state = 7};
    make(&s, (dtp_shape){64, 16, 18, 15}, 64, 2, 1);
    assert_true(check(&s) < 5e-6 * 5e-6);
    finish(&s);
}

static bool suits(dtp_layer layer, dtp_shape in, int64_t oc)
{
    static dtp_graph graph;
    deeptepp_error error;
    int value;
    graph = (dtp_graph){0};
    graph.values[0] = in;
    layer.add = -1;
    assert_int_equal(dtp_graph_add(&graph, &layer, oc, &value, &error), DEEPTEPP_OK);
    return dtp_winograd_suits(&graph, 0);
}

static void only_what_it_can_do_is_asked_of_it(void **state)
{
    (void)state;
    const dtp_layer good = {.op = DTP_CONVOLUTION, .kernel = {3, 3, 3}, .stride = {1, 1, 1}, .pad = {1, 1, 1},
                            .dilation = {1, 1, 1}};
    const dtp_shape map = {32, 12, 12, 12};
    dtp_layer layer = good;
    assert_true(suits(layer, map, 32));
    assert_false(suits(layer, (dtp_shape){33, 12, 12, 12}, 32));
    assert_false(suits(layer, (dtp_shape){32, 4, 4, 4}, 32));
    layer.stride[1] = 2;
    assert_false(suits(layer, map, 32));
    layer = good;
    layer.dilation[2] = layer.pad[2] = 2;
    assert_false(suits(layer, map, 32));
    layer = good;
    layer.pad[0] = 0;
    assert_false(suits(layer, map, 32));
    layer = good;
    layer.activation = DTP_ELU;
    assert_false(suits(layer, map, 32));
    layer = good;
    layer.kernel[0] = layer.kernel[1] = 1;
    layer.pad[0] = layer.pad[1] = 0;
    assert_false(suits(layer, map, 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cubes_equal_the_plain_loops),
        cmocka_unit_test(planes_equal_the_plain_loops),
        cmocka_unit_test(many_blocks_equal_the_plain_loops),
        cmocka_unit_test(only_what_it_can_do_is_asked_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
