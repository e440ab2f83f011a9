/* A form of convolution against plain loops in double; shared by the tests of forms. */
#ifndef FORM_SUBJECT_H
#define FORM_SUBJECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "../libdeeptepp/base/worker.h"
#include "../libdeeptepp/nn/forms/form.h"
#include "reference_ops.h"

typedef struct subject {
    const dtp_form_kind *kind;
    dtp_graph graph;
    int64_t images;
    uint64_t state;
    float *weights, *bias, *src, *dst; /* src and dst channels-last */
} subject;

static const dtp_activation ACTIVATIONS[] = {DTP_IDENTITY, DTP_RELU, DTP_LEAKY_RELU};

static inline float *random_floats(uint64_t *state, size_t count)
{
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)reference_random(state);
    return values;
}

/* A layer of that form on channels-last images. */
static inline void fill(subject *s, const dtp_layer *layer, dtp_shape in, int64_t oc, int64_t images)
{
    deeptepp_error error;
    int value;
    s->graph.values[0] = in;
    s->images = images;
    assert_int_equal(dtp_graph_add(&s->graph, layer, oc, &value, &error), DEEPTEPP_OK);
    s->weights = random_floats(&s->state, dtp_layer_weights(&s->graph, 0));
    s->bias = random_floats(&s->state, (size_t)oc);
    s->src = random_floats(&s->state, (size_t)images * dtp_shape_size(in));
    s->dst = random_floats(&s->state, (size_t)images * dtp_shape_size(s->graph.values[1]));
}

/* ---- the code under test, on a compute thread ---- */

static inline dtp_md plain_md(const subject *s)
{
    const dnnl_dims_t dims = {s->kind->points(&s->graph, 0), s->graph.values[0].c, s->graph.values[1].c};
    dtp_md md = NULL;
    assert_int_equal(dtp_md_new(&md, 3, dims, dnnl_f32, dnnl_abc), dnnl_success);
    return md;
}

/* The transformed weights in the form's own layout, which *memory is bound to. */
static inline float *pack(const subject *s, const dtp_form *form, dnnl_engine_t engine, dnnl_memory_t *memory)
{
    dtp_md plain = plain_md(s);
    dtp_const_md own = s->kind->weights_md(form);
    float *points = malloc(dnnl_memory_desc_get_size(plain));
    float *packed = dtp_alloc_aligned(dnnl_memory_desc_get_size(own));
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_memory_t from = NULL;
    s->kind->transform(&s->graph, 0, s->weights, 0, s->graph.values[1].c, points, NULL);
    assert_int_equal(dnnl_memory_create(&from, plain, engine, points), dnnl_success);
    assert_int_equal(dnnl_memory_create(memory, own, engine, packed), dnnl_success);
    assert_int_equal(dnnl_reorder_primitive_desc_create(&pd, plain, engine, own, engine, NULL), dnnl_success);
    assert_int_equal(dnnl_primitive_create(&primitive, pd), dnnl_success);
    assert_int_equal(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), dnnl_success);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, *memory}};
    assert_int_equal(dnnl_primitive_execute(primitive, stream, 2, args), dnnl_success);
    assert_int_equal(dnnl_stream_wait(stream), dnnl_success);
    dnnl_stream_destroy(stream);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(from);
    dtp_md_free(plain);
    free(points);
    return packed;
}

static inline dnnl_status_t execute(const subject *s, dtp_form *form, dnnl_engine_t engine, dtp_team *team)
{
    size_t stride = (s->kind->scratch_bytes(form) + 4095) / 4096 * 4096;
    void *scratch = dtp_alloc_aligned((size_t)dtp_team_lanes(team) * stride);
    void *work = dtp_alloc_aligned(s->kind->work_bytes ? s->kind->work_bytes(form) : 0);
    dtp_form_run run = {.team = team, .work = work, .bias = s->bias, .src = s->src, .dst = s->dst};
    float *packed = pack(s, form, engine, &run.weights);
    dnnl_status_t status = s->kind->prepare(form, dtp_team_lanes(team), scratch, stride);
    status = status ? status : dnnl_stream_create(&run.stream, engine, dnnl_stream_default_flags);
    status = status ? status : s->kind->run(form, &run);
    dnnl_stream_destroy(run.stream);
    dnnl_memory_destroy(run.weights);
    free(packed);
    free(scratch);
    free(work);
    return status;
}

static inline deeptepp_status run(void *argument, dtp_job *job)
{
    subject *s = argument;
    dnnl_engine_t engine;
    dtp_form *form = NULL;
    dtp_team *team = job->watch.team;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0))
        return DEEPTEPP_ERR_BACKEND;
    dtp_md plain = plain_md(s);
    dnnl_status_t made = s->kind->make(&form, engine, &s->graph, 0, s->images, plain);
    deeptepp_status status = made || execute(s, form, engine, team) ? DEEPTEPP_ERR_BACKEND : DEEPTEPP_OK;
    dtp_form_free(form);
    dtp_md_free(plain);
    dnnl_engine_destroy(engine);
    return status;
}

/* ---- the reference ---- */

static inline reference_map map_of(const float *values, int64_t images, dtp_shape shape)
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
static inline double compare(const reference_map *wanted, const reference_map *found)
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

static inline void on_worker(subject *s)
{
    dtp_worker *worker;
    deeptepp_error error = {0};
    assert_int_equal(dtp_worker_start(&worker, 2, &error), DEEPTEPP_OK);
    assert_int_equal(dtp_worker_run(worker, run, s, NULL, &error), DEEPTEPP_OK);
    dtp_worker_stop(worker);
}

static inline double check(subject *s)
{
    const dtp_layer *layer = &s->graph.layers[0];
    reference_window window = {.open_end = layer->open_end};
    memcpy(window.kernel, layer->kernel, sizeof window.kernel);
    memcpy(window.stride, layer->stride, sizeof window.stride);
    memcpy(window.pad, layer->pad, sizeof window.pad);
    memcpy(window.dilation, layer->dilation, sizeof window.dilation);
    reference_map in = map_of(s->src, s->images, s->graph.values[0]);
    reference_map before = map_of(s->dst, s->images, s->graph.values[1]);
    reference_map wanted = reference_convolution(&in, &window, s->graph.values[1].c, s->weights, s->bias);
    if (layer->add >= 0)
        reference_add(&wanted, &before);
    reference_activate(&wanted, layer->activation);
    on_worker(s);
    reference_map found = map_of(s->dst, s->images, s->graph.values[1]);
    double squared = compare(&wanted, &found);
    assert_true(squared == squared); /* NaN would be lost in a maximum */
    reference_free(&in);
    reference_free(&before);
    reference_free(&wanted);
    reference_free(&found);
    return squared;
}

static inline void finish(subject *s)
{
    free(s->weights);
    free(s->bias);
    free(s->src);
    free(s->dst);
}

/* Cancelled before it begins, the transform of weights touches nothing. */
static inline void assert_transform_stops(subject *s)
{
    const dtp_watch yes = {.cancelled = true};
    dtp_md plain = plain_md(s);
    size_t size = dnnl_memory_desc_get_size(plain);
    uint8_t *points = malloc(size);
    memset(points, 0xa5, size);
    s->kind->transform(&s->graph, 0, s->weights, 0, s->graph.values[1].c, (float *)(void *)points, &yes);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(points[i], 0xa5);
    dtp_md_free(plain);
    free(points);
}

/* Whether a form takes a layer. */
static inline bool suits(const dtp_form_kind *kind, dtp_layer layer, dtp_shape in, int64_t oc)
{
    static dtp_graph graph;
    deeptepp_error error;
    int value;
    graph = (dtp_graph){0};
    graph.values[0] = in;
    layer.add = -1;
    assert_int_equal(dtp_graph_add(&graph, &layer, oc, &value, &error), DEEPTEPP_OK);
    return kind->suits(&graph, 0);
}

#endif
