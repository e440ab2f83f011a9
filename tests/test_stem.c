/* The stem's form: kernels, strides, padding and sizes that fill tiles and that do not, with and without the pool after
 * it, several images, threads. */
#include "form_subject.h"

/* Channels come first in what a stem reads. */
static reference_map wanted_of(const subject *s)
{
    dtp_shape shape = s->graph.values[0];
    reference_map map = reference_of(s->src, s->images, shape.c, shape.d, shape.h, shape.w);
    for (int i = 0; i < s->graph.n_layers; i++) {
        const dtp_layer *layer = &s->graph.layers[i];
        reference_window window = {.open_end = layer->open_end};
        memcpy(window.kernel, layer->kernel, sizeof window.kernel);
        memcpy(window.stride, layer->stride, sizeof window.stride);
        memcpy(window.pad, layer->pad, sizeof window.pad);
        memcpy(window.dilation, layer->dilation, sizeof window.dilation);
        reference_map next = layer->op == DTP_MAX_POOL
                                 ? reference_max_pool(&map, &window)
                                 : reference_convolution(&map, &window, s->graph.values[1].c, s->weights, s->bias);
        reference_activate(&next, layer->activation);
        reference_free(&map);
        map = next;
    }
    return map;
}

static size_t outputs(const subject *s)
{
    return (size_t)s->images * dtp_shape_size(s->graph.values[s->graph.n_layers]);
}

static void run_on(subject *s, int threads)
{
    dtp_worker *worker;
    deeptepp_error error = {0};
    assert_int_equal(dtp_worker_start(&worker, threads, &error), DEEPTEPP_OK);
    assert_int_equal(dtp_worker_run(worker, run, s, NULL, &error), DEEPTEPP_OK);
    dtp_worker_stop(worker);
}

typedef struct errors {
    double largest, mean; /* in units of the root mean square; mean: theirs */
} errors;

static errors errors_of(const reference_map *wanted, const reference_map *found)
{
    double squares = 0, norm = 0;
    for (int64_t i = 0; i < reference_count(wanted); i++) {
        double gap = found->values[i] - wanted->values[i];
        squares += gap * gap;
        norm += wanted->values[i] * wanted->values[i];
    }
    assert_true(squares == squares); /* NaN would be lost in a maximum */
    return (errors){__builtin_sqrt(compare(wanted, found)), __builtin_sqrt(squares / norm)};
}

/* Any number of threads makes the same bits of it. */
static errors check_stem(subject *s)
{
    size_t bytes = outputs(s) * sizeof(float);
    float *alone = malloc(bytes);
    run_on(s, 1);
    memcpy(alone, s->dst, bytes);
    for (int threads = 2; threads <= 4; threads++) {
        memset(s->dst, 0xa5, bytes);
        run_on(s, threads);
        assert_memory_equal(alone, s->dst, bytes);
    }
    free(alone);
    reference_map wanted = wanted_of(s), found = map_of(s->dst, s->images, s->graph.values[s->graph.n_layers]);
    errors found_out = errors_of(&wanted, &found);
    reference_free(&wanted);
    reference_free(&found);
    return found_out;
}

static void add_pool(subject *s, uint64_t *state)
{
    deeptepp_error error;
    int value;
    dtp_layer pool = {.op = DTP_MAX_POOL, .src = 1, .add = -1, .dilation = {1, 1, 1}};
    const dtp_shape map = s->graph.values[1];
    const int64_t size[3] = {map.d, map.h, map.w};
    for (int i = 0; i < 3; i++) {
        pool.kernel[i] = dtp_min_i64(size[i], reference_draw(state, 1, 3));
        pool.stride[i] = reference_draw(state, 1, 3);
        pool.pad[i] = reference_draw(state, 0, pool.kernel[i] / 2);
    }
    assert_int_equal(dtp_graph_add(&s->graph, &pool, 0, &value, &error), DEEPTEPP_OK);
    free(s->dst);
    s->dst = random_floats(&s->state, outputs(s));
}

static void make(subject *s, uint64_t *state, int variant)
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .add = -1, .activation = ACTIVATIONS[variant % 3], .name = "stem",
                       .dilation = {1, 1, 1}, .open_end = variant % 7 == 6};
    const int64_t depths[] = {1, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 3; i++) {
        layer.kernel[i] = i ? reference_draw(state, 4, 8) : depths[reference_draw(state, 0, 6)];
        layer.stride[i] = layer.kernel[i] == 3 ? 1 : reference_draw(state, 1, 2);
        layer.pad[i] = reference_draw(state, 0, layer.kernel[i] / 2);
    }
    dtp_shape in = {reference_draw(state, 1, variant % 4 ? 2 : 8), reference_draw(state, 8, 17),
                    reference_draw(state, 8, 21), reference_draw(state, 8, variant % 5 ? 40 : 110)};
    s->kind = &dtp_stem_kind;
    fill(s, &layer, in, 16 * reference_draw(state, 1, 3), reference_draw(state, 1, 2));
    if (variant % 2)
        add_pool(s, state);
}

static void any_shape_equals_the_plain_loops(void **state)
{
    (void)state;
    errors worst = {0};
    for (int i = 0; i < 40; i++) {
        uint64_t draws = 300 + (uint64_t)i;
        subject s = {.state = draws + 1000};
        make(&s, &draws, i);
        errors e = check_stem(&s);
        worst.largest = e.largest > worst.largest ? e.largest : worst.largest;
        worst.mean = e.mean > worst.mean ? e.mean : worst.mean;
        finish(&s);
    }
    printf("errors up to %.3g of the root mean square, theirs %.3g\n", worst.largest, worst.mean);
    assert_true(worst.largest <= 5e-5 && worst.mean <= 3e-6);
}

static subject usual(int64_t stride, bool pooled)
{
    subject s = {.state = 5, .kind = &dtp_stem_kind, .images = 1};
    dtp_layer layer = {.op = DTP_CONVOLUTION, .add = -1, .activation = DTP_RELU, .kernel = {7, 7, 7},
                       .stride = {stride, stride, stride}, .pad = {3, 3, 3}, .dilation = {1, 1, 1}};
    const dtp_layer pool = {.op = DTP_MAX_POOL, .src = 1, .add = -1, .kernel = {3, 3, 3}, .stride = {2, 2, 2},
                            .pad = {1, 1, 1}, .dilation = {1, 1, 1}};
    deeptepp_error error;
    int value;
    fill(&s, &layer, (dtp_shape){1, 18, 20, 36}, 32, 1);
    if (pooled)
        assert_int_equal(dtp_graph_add(&s.graph, &pool, 0, &value, &error), DEEPTEPP_OK);
    return s;
}

/* The direct form in float32: 4e-7. */
static void the_usual_stem_loses_a_bit(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        subject s = usual(1 + i % 2, i / 2);
        errors e = check_stem(&s);
        printf("errors up to %.3g of the root mean square, theirs %.3g\n", e.largest, e.mean);
        assert_true(e.largest <= 2e-5 && e.mean <= 1.2e-6);
        if (i == 0)
            assert_transform_stops(&s);
        finish(&s);
    }
}

static deeptepp_status cancelled_run(void *argument, dtp_job *job)
{
    atomic_store(&job->watch.cancelled, true);
    subject *s = argument;
    dnnl_engine_t engine;
    dtp_form *form = NULL;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) ||
        s->kind->make(&form, engine, &s->graph, 0, s->images, NULL))
        return DEEPTEPP_ERR_BACKEND;
    void *scratch = dtp_alloc_aligned(s->kind->scratch_bytes(form));
    dtp_form_run run = {.watch = &job->watch, .bias = s->bias, .src = s->src, .dst = s->dst};
    float *zeros = calloc(dnnl_memory_desc_get_size(s->kind->weights_md(form)), 1);
    dnnl_status_t status = dnnl_memory_create(&run.weights, s->kind->weights_md(form), engine, zeros);
    status = status ? status : s->kind->prepare(form, 1, scratch, 0);
    status = status ? status : s->kind->run(form, &run);
    dnnl_memory_destroy(run.weights);
    dtp_form_free(form);
    dnnl_engine_destroy(engine);
    free(zeros);
    free(scratch);
    return status ? DEEPTEPP_ERR_BACKEND : DEEPTEPP_OK;
}

static void cancelled_it_writes_nothing(void **state)
{
    (void)state;
    subject s = usual(2, false);
    dtp_worker *worker;
    size_t bytes = outputs(&s) * sizeof(float);
    float *before = malloc(bytes);
    memcpy(before, s.dst, bytes);
    assert_int_equal(dtp_worker_start(&worker, 1, NULL), DEEPTEPP_OK);
    assert_int_equal(dtp_worker_run(worker, cancelled_run, &s, NULL, NULL), DEEPTEPP_ERR_CANCELLED);
    dtp_worker_stop(worker);
    assert_memory_equal(before, s.dst, bytes);
    free(before);
    finish(&s);
}

static void only_what_it_can_do_is_asked_of_it(void **state)
{
    (void)state;
    const dtp_layer good = {.op = DTP_CONVOLUTION, .kernel = {7, 7, 7}, .stride = {2, 2, 2}, .pad = {3, 3, 3},
                            .dilation = {1, 1, 1}};
    const dtp_shape map = {2, 40, 40, 40};
    dtp_layer layer = good;
    assert_true(suits(&dtp_stem_kind, layer, map, 32));
    assert_false(suits(&dtp_stem_kind, layer, map, 24));
    assert_false(suits(&dtp_stem_kind, layer, (dtp_shape){9, 40, 40, 40}, 32));
    assert_false(suits(&dtp_stem_kind, layer, (dtp_shape){2, 40, 40, 28}, 32));
    layer.stride[1] = 3;
    assert_false(suits(&dtp_stem_kind, layer, map, 32));
    layer = good;
    layer.dilation[2] = 2;
    assert_false(suits(&dtp_stem_kind, layer, map, 32));
    layer = good;
    layer.activation = DTP_ELU;
    assert_false(suits(&dtp_stem_kind, layer, map, 32));
    layer = good;
    layer.kernel[0] = 3;
    assert_false(suits(&dtp_stem_kind, layer, map, 32));
    layer.stride[0] = 1;
    assert_true(suits(&dtp_stem_kind, layer, map, 32));
    layer.kernel[1] = 3;
    assert_false(suits(&dtp_stem_kind, layer, map, 32));
    layer = good;
    layer.kernel[2] = 9;
    assert_false(suits(&dtp_stem_kind, layer, map, 32));
}

/* A pool that another layer shares the map with, or of windows too wide, is a layer of its own. */
static void only_a_pool_that_alone_reads_the_map_is_taken(void **state)
{
    (void)state;
    subject s = usual(2, true);
    deeptepp_error error;
    int value;
    assert_int_equal(dtp_form_layers(&dtp_stem_kind, &s.graph, 0), 2);
    s.graph.layers[1].kernel[0] = 4;
    assert_int_equal(dtp_form_layers(&dtp_stem_kind, &s.graph, 0), 1);
    s.graph.layers[1].kernel[0] = 3;
    s.graph.layers[1].op = DTP_AVERAGE_POOL;
    assert_int_equal(dtp_form_layers(&dtp_stem_kind, &s.graph, 0), 1);
    s.graph.layers[1].op = DTP_MAX_POOL;
    const dtp_layer more = s.graph.layers[1];
    assert_int_equal(dtp_graph_add(&s.graph, &more, 0, &value, &error), DEEPTEPP_OK);
    assert_int_equal(dtp_form_layers(&dtp_stem_kind, &s.graph, 0), 1);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_shape_equals_the_plain_loops),
        cmocka_unit_test(the_usual_stem_loses_a_bit),
        cmocka_unit_test(cancelled_it_writes_nothing),
        cmocka_unit_test(only_what_it_can_do_is_asked_of_it),
        cmocka_unit_test(only_a_pool_that_alone_reads_the_map_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
