/* Whole networks, from the file's bytes through arch/ and nn/, against plain loops in double. Logits are sums over some
 * 20 layers: they may be off by TOLERANCE of their root mean square. */
#include "net_runner.h"
#include "net_subject.h"

static const double TOLERANCE = 2e-5;

static void assert_agrees(const subject *s, reference_map wanted, const char *what)
{
    wanted.n = s->batch;
    double error = reference_error(&wanted, s->logits);
    if (!(error <= TOLERANCE))
        fail_msg("%s, batch %lld: error %.3g, allowed %.3g", what, (long long)s->batch, error, TOLERANCE);
}

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
        {"leaky stem, blocks of ReLU",
         {.seed = 10, .stem_stride = 2, .patch = "{\"network\": {\"stem_activation\": \"leaky_relu\"}}"}},
        {"stem of ELU, leaky blocks",
         {.seed = 11, .activation = "leaky_relu", .patch = "{\"network\": {\"stem_activation\": \"elu\"}}"}},
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

/* ---- whose fault is told ---- */

/* Four layers that each multiply by 1e8: image 1 overflows in the third, image 0 in the fourth. */
static void fill_growing(net_runner *r, dtp_graph *graph)
{
    const dtp_layer layer = {.op = DTP_CONVOLUTION, .add = -1, .kernel = {1, 1, 1}, .stride = {1, 1, 1},
                             .dilation = {1, 1, 1}};
    graph->values[0] = (dtp_shape){1, 4, 4, 4};
    for (int i = 0, value; i < 4; i++) {
        dtp_layer next = layer;
        next.src = i;
        snprintf(next.name, sizeof next.name, "layer %d", i + 1);
        assert_int_equal(dtp_graph_add(graph, &next, 1, &value, NULL), DEEPTEPP_OK);
        r->weights[i] = malloc(sizeof(float));
        r->bias[i] = calloc(1, sizeof(float));
        *r->weights[i] = 1e8f;
    }
    r->graph = graph;
    r->batch = 2;
}

static void the_first_image_that_fails_is_told_for_any_number_of_threads(void **state)
{
    static dtp_graph graph;
    static net_runner r;
    float input[2 * 64], output[2 * 64];
    (void)state;
    fill_growing(&r, &graph);
    for (int i = 0; i < 128; i++)
        input[i] = i < 64 ? 1e5f : 1e13f;
    r.input = input;
    r.output = output;
    for (int threads = 1; threads <= 4; threads++) {
        deeptepp_error error;
        dtp_worker *worker;
        assert_int_equal(dtp_worker_start(&worker, threads, NULL), DEEPTEPP_OK);
        assert_int_equal(dtp_worker_run(worker, net_runner_job, &r, NULL, &error), DEEPTEPP_ERR_SCORE_NONFINITE);
        assert_non_null(strstr(error.message, "layer 4"));
        dtp_worker_stop(worker);
    }
    net_runner_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_image_that_fails_is_told_for_any_number_of_threads),
        cmocka_unit_test(networks_agree_with_plain_loops),
        cmocka_unit_test(every_batch_agrees),
        cmocka_unit_test(members_take_turns_on_one_net),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
