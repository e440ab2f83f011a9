/* Every creation in the backend, and every allocation in nn/, answers "out of memory" once while a plan, weights, a
 * plan for those and a net are made: MEMORY each time, never another plan. The linker puts these wrappers before the
 * calls (meson.build). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "net_runner.h"
#include "reference_ops.h"

static int calls = -1, failing = -1; /* -1: not counted; none */

static bool fails(void)
{
    return calls >= 0 && calls++ == failing;
}

#define WRAP(name, parameters, arguments)                                                                              \
    dnnl_status_t __real_##name parameters;                                                                            \
    dnnl_status_t __wrap_##name parameters                                                                             \
    {                                                                                                                  \
        return fails() ? dnnl_out_of_memory : __real_##name arguments;                                                 \
    }

WRAP(dnnl_engine_create, (dnnl_engine_t *e, dnnl_engine_kind_t k, size_t i), (e, k, i))
WRAP(dnnl_stream_create, (dnnl_stream_t *s, dnnl_engine_t e, unsigned f), (s, e, f))
WRAP(dnnl_memory_create, (dnnl_memory_t *m, dtp_const_md md, dnnl_engine_t e, void *h), (m, md, e, h))
WRAP(dnnl_primitive_create, (dnnl_primitive_t *p, const_dnnl_primitive_desc_t pd), (p, pd))
WRAP(dnnl_primitive_attr_create, (dnnl_primitive_attr_t *a), (a))
WRAP(dnnl_primitive_attr_set_post_ops, (dnnl_primitive_attr_t a, const_dnnl_post_ops_t o), (a, o))
WRAP(dnnl_post_ops_create, (dnnl_post_ops_t *o), (o))
WRAP(dnnl_reorder_primitive_desc_create,
     (dnnl_primitive_desc_t *pd, dtp_const_md s, dnnl_engine_t se, dtp_const_md d, dnnl_engine_t de,
      const_dnnl_primitive_attr_t a),
     (pd, s, se, d, de, a))
#if DNNL_VERSION_MAJOR >= 3
WRAP(dnnl_memory_desc_create_with_tag,
     (dnnl_memory_desc_t *md, int n, const dnnl_dims_t d, dnnl_data_type_t t, dnnl_format_tag_t f), (md, n, d, t, f))
WRAP(dnnl_memory_desc_create_submemory,
     (dnnl_memory_desc_t *md, const_dnnl_memory_desc_t p, const dnnl_dims_t d, const dnnl_dims_t o), (md, p, d, o))
WRAP(dnnl_memory_desc_clone, (dnnl_memory_desc_t *md, const_dnnl_memory_desc_t from), (md, from))
WRAP(dnnl_convolution_forward_primitive_desc_create,
     (dnnl_primitive_desc_t *pd, dnnl_engine_t e, dnnl_prop_kind_t k, dnnl_alg_kind_t a, dtp_const_md s, dtp_const_md w,
      dtp_const_md b, dtp_const_md d, const dnnl_dims_t st, const dnnl_dims_t di, const dnnl_dims_t l,
      const dnnl_dims_t r, const_dnnl_primitive_attr_t at),
     (pd, e, k, a, s, w, b, d, st, di, l, r, at))
WRAP(dnnl_pooling_forward_primitive_desc_create,
     (dnnl_primitive_desc_t *pd, dnnl_engine_t e, dnnl_prop_kind_t k, dnnl_alg_kind_t a, dtp_const_md s, dtp_const_md d,
      const dnnl_dims_t st, const dnnl_dims_t ke, const dnnl_dims_t di, const dnnl_dims_t l, const dnnl_dims_t r,
      const_dnnl_primitive_attr_t at),
     (pd, e, k, a, s, d, st, ke, di, l, r, at))
WRAP(dnnl_matmul_primitive_desc_create,
     (dnnl_primitive_desc_t *pd, dnnl_engine_t e, dtp_const_md s, dtp_const_md w, dtp_const_md b, dtp_const_md d,
      const_dnnl_primitive_attr_t a),
     (pd, e, s, w, b, d, a))
WRAP(dnnl_post_ops_append_sum, (dnnl_post_ops_t o, float s, int32_t z, dnnl_data_type_t t), (o, s, z, t))
WRAP(dnnl_post_ops_append_eltwise, (dnnl_post_ops_t o, dnnl_alg_kind_t k, float a, float b), (o, k, a, b))
#else
WRAP(dnnl_memory_desc_init_by_tag,
     (dnnl_memory_desc_t *md, int n, const dnnl_dims_t d, dnnl_data_type_t t, dnnl_format_tag_t f), (md, n, d, t, f))
WRAP(dnnl_memory_desc_init_submemory,
     (dnnl_memory_desc_t *md, const dnnl_memory_desc_t *p, const dnnl_dims_t d, const dnnl_dims_t o), (md, p, d, o))
WRAP(dnnl_primitive_desc_create,
     (dnnl_primitive_desc_t *pd, const_dnnl_op_desc_t o, const_dnnl_primitive_attr_t a, dnnl_engine_t e,
      const_dnnl_primitive_desc_t h),
     (pd, o, a, e, h))
WRAP(dnnl_post_ops_append_sum, (dnnl_post_ops_t o, float s), (o, s))
WRAP(dnnl_post_ops_append_eltwise, (dnnl_post_ops_t o, float s, dnnl_alg_kind_t k, float a, float b), (o, s, k, a, b))
#endif

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

/* ---- the network ---- */

static int add(dtp_graph *graph, dtp_op op, int src, int sum, int64_t oc, int64_t kernel, int64_t stride,
               dtp_activation activation)
{
    dtp_layer layer = {.op = op, .name = "layer", .src = src, .add = sum, .activation = activation,
                       .kernel = {kernel, kernel, kernel}, .stride = {stride, stride, stride}, .dilation = {1, 1, 1}};
    int value;
    for (int i = 0; i < 3 && op != DTP_CROP && kernel % 2; i++)
        layer.pad[i] = kernel / 2;
    assert_int_equal(dtp_graph_add(graph, &layer, oc, &value, NULL), DEEPTEPP_OK);
    return value;
}

/* Forms (where the machine's layouts let them in), a sum, every activation, pools, a crop, a change of layout. */
static void make_graph(dtp_graph *graph)
{
    graph->values[0] = (dtp_shape){1, 16, 16, 16};
    int stem = add(graph, DTP_CONVOLUTION, 0, -1, 64, 3, 2, DTP_RELU);
    int tiled = add(graph, DTP_CONVOLUTION, stem, -1, 64, 3, 1, DTP_LEAKY_RELU);
    int pool = add(graph, DTP_MAX_POOL, tiled, -1, 0, 2, 2, DTP_IDENTITY);
    int crop = add(graph, DTP_CROP, pool, -1, 0, 2, 1, DTP_IDENTITY);
    int taps = add(graph, DTP_CONVOLUTION, crop, -1, 64, 3, 2, DTP_RELU);
    int side = add(graph, DTP_CONVOLUTION, crop, -1, 64, 1, 2, DTP_IDENTITY);
    int sum = add(graph, DTP_CONVOLUTION, taps, side, 64, 1, 1, DTP_ELU);
    int mean = add(graph, DTP_AVERAGE_POOL, sum, -1, 0, 2, 2, DTP_IDENTITY);
    add(graph, DTP_CONVOLUTION, mean, -1, 3, 1, 1, DTP_IDENTITY);
}

static float *draw(size_t count)
{
    uint64_t state = 5;
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)reference_random(&state);
    return values;
}

static void fill(net_runner *r, const dtp_graph *graph)
{
    *r = (net_runner){.graph = graph, .batch = 2};
    for (int i = 0; i < graph->n_layers; i++) {
        if (graph->layers[i].op != DTP_CONVOLUTION)
            continue;
        r->weights[i] = draw(dtp_layer_weights(graph, i));
        r->bias[i] = draw((size_t)graph->values[i + 1].c);
    }
    r->input = draw(net_runner_inputs(r));
}

/* ---- the trial ---- */

typedef struct trial {
    net_runner runner;
    dtp_plan *first, *second;
    dtp_weights *weights;
    dtp_net *net;
} trial;

/* As a model and a session do it. */
static deeptepp_status make_all(trial *t, dtp_job *job, deeptepp_error *error)
{
    const net_runner *r = &t->runner;
    deeptepp_status status = dtp_plan_new(&t->first, r->graph, r->batch, NULL, &job->watch, error);
    status = status ? status : dtp_weights_new(&t->weights, t->first, error);
    status = status ? status : net_runner_pack(r, t->weights, error);
    status = status ? status : dtp_plan_new(&t->second, r->graph, r->batch, t->weights, &job->watch, error);
    status = status ? status : dtp_net_new(&t->net, t->second, &job->watch, error);
    if (status == DEEPTEPP_OK)
        t->second = NULL;
    return status;
}

static void release(trial *t)
{
    dtp_net_free(t->net);
    dtp_plan_free(t->second);
    dtp_weights_free(t->weights);
    dtp_plan_free(t->first);
    t->first = t->second = NULL;
    t->weights = NULL;
    t->net = NULL;
}

static deeptepp_status fail_each(trial *t, int count, dtp_job *job, deeptepp_error *error)
{
    for (failing = 0; failing < count; failing++) {
        deeptepp_error found = {0};
        calls = 0;
        deeptepp_status status = make_all(t, job, &found);
        calls = -1;
        release(t);
        if (status != DEEPTEPP_ERR_MEMORY)
            return dtp_fail(error, DEEPTEPP_ERR_INTERNAL, "call %d of %d: %s: %s", failing, count,
                            deeptepp_status_name(status), found.message);
    }
    return DEEPTEPP_OK;
}

static deeptepp_status run(void *argument, dtp_job *job)
{
    trial *t = argument;
    calls = 0;
    deeptepp_status status = make_all(t, job, &job->error);
    int count = calls;
    calls = -1;
    release(t);
    if (status == DEEPTEPP_OK && count < 200)
        status = dtp_fail(&job->error, DEEPTEPP_ERR_INTERNAL, "%d calls: are they wrapped?", count);
    return status ? status : fail_each(t, count, job, &job->error);
}

static void every_refusal_is_memory(void **state)
{
    static dtp_graph graph;
    static trial t;
    dtp_worker *worker;
    deeptepp_error error = {0};
    (void)state;
    make_graph(&graph);
    fill(&t.runner, &graph);
    assert_int_equal(dtp_worker_start(&worker, 1, &error), DEEPTEPP_OK);
    if (dtp_worker_run(worker, run, &t, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    dtp_worker_stop(worker);
    free((void *)(uintptr_t)t.runner.input);
    net_runner_clear(&t.runner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_is_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
