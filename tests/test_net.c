/* Whole networks, from the file's bytes through arch/ and nn/, against plain loops in double; and what a net promises
 * from run to run. Logits are sums over some 20 layers: they may be off by TOLERANCE of their root mean square. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <malloc.h>
#include <math.h>

#include "../libdeeptepp/arch/arch.h"
#include "../libdeeptepp/nn/plan.h"
#include "reference_net.h"

static const double TOLERANCE = 2e-5;

enum { MAX_BATCH = 13 };

typedef struct subject {
    tiny_model model;
    dtp_safetensors file;
    dtp_network network;
    dtp_arch arch;
    dtp_worker *worker;
    dtp_weights *weights[2];
    dtp_plan *plan;
    dtp_net *net;
    int64_t batch;
    int member;
    float *input; /* of MAX_BATCH images; to be copied */
    float logits[MAX_BATCH * 16];
    bool cancelled;
} subject;

/* ---- from bytes to network ---- */

static void read_file(subject *s)
{
    deeptepp_error error;
    tiny_bytes bytes = tiny_model_write(&s->model);
    dtp_source source = {.bytes = bytes.data, .fd = -1, .size = bytes.size};
    dtp_digest_init(&source.digest);
    if (dtp_safetensors_read(&s->file, &source, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    free(bytes.data);
}

static void build(subject *s)
{
    deeptepp_error error;
    dtp_json_check check = {.error = &error};
    const json_t *input = json_object_get(s->model.description, "input");
    int64_t size[3];
    for (size_t i = 0; i < 3; i++)
        size[i] = json_integer_value(json_array_get(json_object_get(input, "size"), i));
    dtp_json json = dtp_json_root(json_object_get(s->model.description, "network"), "network", &check);
    dtp_network_parse(&s->network, &json);
    if (check.status != DEEPTEPP_OK ||
        dtp_arch_build(&s->arch, &s->network, &s->file,
                       (int64_t)json_array_size(json_object_get(input, "channels")), size, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
}

static deeptepp_status pack_member(subject *s, int member, deeptepp_error *error)
{
    const dtp_graph *graph = &s->arch.graph;
    deeptepp_status status = dtp_weights_new(&s->weights[member], s->plan, error);
    for (int i = 0; i < graph->n_layers && status == DEEPTEPP_OK; i++) {
        float *weights, *bias;
        if (graph->layers[i].op != DTP_CONVOLUTION)
            continue;
        status = dtp_arch_fold(&s->arch, &s->network, &s->file, member, i, &weights, &bias, error);
        if (status == DEEPTEPP_OK)
            status = dtp_weights_set(s->weights[member], i, weights, bias, error);
        free(weights);
        free(bias);
    }
    return status;
}

static deeptepp_status pack_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    deeptepp_status status = dtp_plan_new(&s->plan, &s->arch.graph, 2, NULL, &job->error);
    for (int m = 0; m < s->network.n_members && status == DEEPTEPP_OK; m++)
        status = pack_member(s, m, &job->error);
    dtp_plan_free(s->plan);
    s->plan = NULL;
    return status;
}

static void on_worker(subject *s, dtp_job_function function)
{
    deeptepp_error error;
    if (dtp_worker_run(s->worker, function, s, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
}

static size_t image_size(const subject *s)
{
    return dtp_shape_size(s->arch.graph.values[0]);
}

static void begin(subject *s, const tiny_options *options, int threads)
{
    uint64_t state = 99;
    memset(s, 0, sizeof *s);
    s->model = tiny_model_make(options);
    read_file(s);
    build(s);
    assert_int_equal(dtp_worker_start(&s->worker, threads, NULL), DEEPTEPP_OK);
    on_worker(s, pack_job);
    s->input = malloc(MAX_BATCH * image_size(s) * sizeof *s->input);
    for (size_t i = 0; i < MAX_BATCH * image_size(s); i++)
        s->input[i] = (float)reference_random(&state);
}

/* ---- a net and its runs ---- */

static deeptepp_status net_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    dtp_net_free(s->net);
    s->net = NULL;
    deeptepp_status status = dtp_plan_new(&s->plan, &s->arch.graph, s->batch, s->weights[0], &job->error);
    if (status != DEEPTEPP_OK)
        return status;
    atomic_store(&job->cancelled, s->cancelled);
    status = dtp_net_new(&s->net, s->plan, job, &job->error);
    if (status != DEEPTEPP_OK)
        dtp_plan_free(s->plan);
    return status;
}

static deeptepp_status run_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    memcpy(dtp_net_input(s->net), s->input, (size_t)s->batch * image_size(s) * sizeof *s->input);
    atomic_store(&job->cancelled, s->cancelled);
    return dtp_net_run(s->net, s->weights[s->member], s->logits, job, 0, 1000, &job->error);
}

static void make_net(subject *s, int64_t batch)
{
    s->batch = batch;
    on_worker(s, net_job);
}

static deeptepp_status end_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    (void)job;
    dtp_net_free(s->net);
    return DEEPTEPP_OK;
}

static void end(subject *s)
{
    on_worker(s, end_job);
    dtp_worker_stop(s->worker);
    dtp_weights_free(s->weights[0]);
    dtp_weights_free(s->weights[1]);
    dtp_safetensors_free(&s->file);
    tiny_model_free(&s->model);
    free(s->input);
}

static reference_map reference_logits(const subject *s, int64_t batch, int member)
{
    dtp_shape in = s->arch.graph.values[0];
    reference_map input = reference_of(s->input, batch, in.c, in.d, in.h, in.w);
    reference_map logits = reference_network(&s->model, member, &input);
    reference_free(&input);
    return logits;
}

static void assert_agrees(const subject *s, reference_map wanted, const char *what)
{
    wanted.n = s->batch;
    double error = reference_error(&wanted, s->logits);
    if (!(error <= TOLERANCE))
        fail_msg("%s, batch %lld: error %.3g, allowed %.3g", what, (long long)s->batch, error, TOLERANCE);
}

/* ---- promises ---- */

static void networks_agree_with_plain_loops(void **state)
{
    static const struct {
        const char *what;
        tiny_options options;
    } cases[] = {
        {"basic blocks, shortcut B", {.seed = 1}},
        {"shortcut A, pool", {.seed = 2, .shortcut_a = true, .pool = true, .depth = 18}},
        {"bottlenecks", {.seed = 3, .depth = 50, .width = 2, .size = {12, 10, 8}}},
        {"bottlenecks, shortcut A", {.seed = 4, .depth = 50, .width = 2, .shortcut_a = true, .pool = true}},
        {"MedicalNet", {.seed = 5, .strides = {1, 2, 1, 1}, .dilations = {1, 1, 2, 4}, .stem_stride = 2, .pool = true}},
        {"odd width, two channels, downsample bias", {.seed = 6, .width = 5, .channels = 2, .downsample_bias = true}},
        {"leaky, one class", {.seed = 7, .activation = "leaky_relu", .classes = 1, .size = {9, 17, 11}}},
        {"elu, wide stem", {.seed = 8, .activation = "elu", .kernel = {7, 5, 3}, .stem_stride = 2, .classes = 3}},
        {"strided first layer", {.seed = 9, .width = 17, .strides = {2, 3, 1, 2}, .depth = 34, .size = {20, 16, 8}}},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(cases); i++) {
        subject s;
        begin(&s, &cases[i].options, 1 + (int)i % 2);
        make_net(&s, 2);
        on_worker(&s, run_job);
        reference_map wanted = reference_logits(&s, 2, 0);
        assert_agrees(&s, wanted, cases[i].what);
        reference_free(&wanted);
        end(&s);
    }
}

static const tiny_options staged = {.seed = 10, .size = {32, 32, 32}, .width = 16, .pool = true};

/* Large maps go through in chunks, small ones together: every way to cut 1 to 10, 11 and 13 images. */
static void every_batch_agrees(void **state)
{
    int most_stages = 0;
    subject s;
    (void)state;
    begin(&s, &staged, 2);
    reference_map wanted = reference_logits(&s, MAX_BATCH, 0);
    for (int64_t batch = 1; batch <= MAX_BATCH; batch++) {
        if (batch == 12)
            continue;
        make_net(&s, batch);
        most_stages = s.plan->n_stages > most_stages ? s.plan->n_stages : most_stages;
        on_worker(&s, run_job);
        assert_agrees(&s, wanted, "staged");
    }
    assert_true(most_stages >= 3);
    reference_free(&wanted);
    end(&s);
}

static void members_take_turns_on_one_net(void **state)
{
    const tiny_options options = {.seed = 11, .members = 2};
    float first[2 * 2];
    subject s;
    (void)state;
    begin(&s, &options, 1);
    make_net(&s, 2);
    for (int turn = 0; turn < 4; turn++) {
        s.member = turn % 2;
        on_worker(&s, run_job);
        reference_map wanted = reference_logits(&s, 2, s.member);
        assert_agrees(&s, wanted, s.member ? "second member" : "first member");
        reference_free(&wanted);
        if (turn == 0)
            memcpy(first, s.logits, sizeof first);
        if (turn == 2)
            assert_memory_equal(s.logits, first, sizeof first);
    }
    end(&s);
}

static void a_run_leaves_its_input_alone(void **state)
{
    subject s;
    (void)state;
    begin(&s, &staged, 2);
    for (int64_t batch = 1; batch <= 10; batch += 3) {
        make_net(&s, batch);
        on_worker(&s, run_job);
        assert_memory_equal(dtp_net_input(s.net), s.input, (size_t)batch * image_size(&s) * sizeof *s.input);
    }
    end(&s);
}

/* Values that spread to every cell of the arena and stay there, if anything reads what it did not write. */
static void a_run_remembers_nothing_of_the_one_before(void **state)
{
    const float poisons[] = {NAN, 1e38f, -1e38f};
    const tiny_options options = {.seed = 12, .size = {32, 32, 32}, .width = 5, .activation = "leaky_relu"};
    float clean[6 * 2];
    subject s;
    (void)state;
    begin(&s, &options, 2);
    make_net(&s, 6);
    on_worker(&s, run_job);
    memcpy(clean, s.logits, sizeof clean);
    float *input = s.input, *poisoned = malloc(6 * image_size(&s) * sizeof *poisoned);
    for (size_t p = 0; p < DTP_COUNT(poisons); p++) {
        for (size_t i = 0; i < 6 * image_size(&s); i++)
            poisoned[i] = poisons[p];
        s.input = poisoned;
        on_worker(&s, run_job);
        assert_false(isfinite(s.logits[0]) && isfinite(s.logits[11]));
        s.input = input;
        on_worker(&s, run_job);
        assert_memory_equal(s.logits, clean, sizeof clean);
    }
    free(poisoned);
    end(&s);
}

/* Beyond what the plan says there are only small things: primitives, their code, memory handles. */
static void a_net_takes_the_memory_its_plan_states(void **state)
{
    subject s;
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("skipped: the address sanitizer does not count allocations\n");
    skip();
#endif
    begin(&s, &staged, 1);
    make_net(&s, 10); /* once before, so that the backend's caches are warm */
    on_worker(&s, end_job);
    s.net = NULL;
    struct mallinfo2 before = mallinfo2();
    make_net(&s, 10);
    struct mallinfo2 after = mallinfo2();
    size_t stated = dtp_plan_bytes(s.plan);
    size_t taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_in_range(taken, stated, stated + (1 << 20));
    assert_true(stated >= 10 * image_size(&s) * sizeof(float));
    assert_int_equal(dtp_plan_weight_bytes(s.plan), dtp_weights_bytes(s.weights[0]));
    end(&s);
}

static void a_cancelled_net_is_not_made_and_not_run(void **state)
{
    subject s;
    deeptepp_error error;
    (void)state;
    begin(&s, &staged, 1);
    s.cancelled = true;
    s.batch = 1;
    assert_int_equal(dtp_worker_run(s.worker, net_job, &s, NULL, &error), DEEPTEPP_ERR_CANCELLED);
    assert_null(s.net);
    s.cancelled = false;
    make_net(&s, 1);
    s.cancelled = true;
    assert_int_equal(dtp_worker_run(s.worker, run_job, &s, NULL, &error), DEEPTEPP_ERR_CANCELLED);
    s.cancelled = false;
    on_worker(&s, run_job);
    end(&s);
}

typedef struct profile {
    subject *s;
    dtp_step_info steps[2 * DTP_MAX_LAYERS];
    int count;
} profile;

static deeptepp_status profile_job(void *argument, dtp_job *job)
{
    profile *p = argument;
    return dtp_net_profile(p->s->net, p->s->weights[0], 1, p->steps, &p->count, &job->error);
}

static void a_profile_covers_every_layer(void **state)
{
    static profile p;
    subject s;
    double macs = 0, wanted = 0;
    (void)state;
    begin(&s, &staged, 1);
    make_net(&s, 3);
    p.s = &s;
    assert_int_equal(dtp_worker_run(s.worker, profile_job, &p, NULL, NULL), DEEPTEPP_OK);
    for (int i = 0; i < p.count; i++) {
        macs += p.steps[i].convolution ? p.steps[i].macs : 0;
        assert_true(p.steps[i].seconds >= 0 && p.steps[i].seconds < 1e8);
    }
    for (int i = 0; i < s.arch.graph.n_layers; i++)
        wanted += 3 * dtp_layer_macs(&s.arch.graph, i);
    assert_true(macs == wanted);
    assert_string_equal(p.steps[p.count - 1].layer, "fc");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_agree_with_plain_loops),
        cmocka_unit_test(every_batch_agrees),
        cmocka_unit_test(members_take_turns_on_one_net),
        cmocka_unit_test(a_run_leaves_its_input_alone),
        cmocka_unit_test(a_run_remembers_nothing_of_the_one_before),
        cmocka_unit_test(a_net_takes_the_memory_its_plan_states),
        cmocka_unit_test(a_cancelled_net_is_not_made_and_not_run),
        cmocka_unit_test(a_profile_covers_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
