/* bfloat16 beside float32: what is rounded and what is not, against plain loops; which scores are computed again; what
 * is said of it. On a processor without it: that it is refused. */
#include "session_subject.h"

#include "../libdeeptepp/risk.h"
#include "net_runner.h"

static bool available(void)
{
    return deeptepp_precision_available(DEEPTEPP_PRECISION_BF16) != 0;
}

/* ---- the network ---- */

/* 1 channel to `width`, to as many, to as many with the first added, averaged: the second and third layer are
 * rounded. */
static void fill_graph(dtp_graph *graph, int64_t width, int64_t edge)
{
    const dtp_layer layers[] = {
        {.op = DTP_CONVOLUTION, .src = 0, .add = -1, .kernel = {3, 3, 3}, .pad = {1, 1, 1}},
        {.op = DTP_CONVOLUTION, .src = 1, .add = -1, .kernel = {3, 3, 3}, .pad = {1, 1, 1}, .activation = DTP_RELU},
        {.op = DTP_CONVOLUTION, .src = 2, .add = 1, .kernel = {3, 3, 3}, .pad = {1, 1, 1}, .activation = DTP_RELU},
        {.op = DTP_AVERAGE_POOL, .src = 3, .add = -1, .kernel = {edge, edge, edge}},
        {.op = DTP_CONVOLUTION, .src = 4, .add = -1, .kernel = {1, 1, 1}},
    };
    graph->values[0] = (dtp_shape){1, edge, edge, edge};
    for (size_t i = 0; i < DTP_COUNT(layers); i++) {
        dtp_layer layer = layers[i];
        int value;
        for (int a = 0; a < 3; a++)
            layer.stride[a] = layer.dilation[a] = 1;
        int64_t oc = layer.op != DTP_CONVOLUTION ? 0 : i == 4 ? 3 : width;
        assert_int_equal(dtp_graph_add(graph, &layer, oc, &value, NULL), DEEPTEPP_OK);
    }
}

static void convolutions_of_many_channels_over_maps_are_rounded(void **state)
{
    static dtp_graph graph;
    const bool layers[] = {false, true, true, false, false}, values[] = {false, false, true, false, false, false};
    (void)state;
    fill_graph(&graph, 16, 6);
    for (int i = 0; i < graph.n_layers; i++)
        assert_false(graph.layers[i].bf16 || graph.bf16[i]);
    dtp_graph_round(&graph);
    for (int i = 0; i < graph.n_layers; i++)
        assert_int_equal(graph.layers[i].bf16, layers[i]);
    for (int i = 0; i <= graph.n_layers; i++)
        assert_int_equal(graph.bf16[i], values[i]); /* value 1 is added to, 3 is averaged */
}

/* To the nearest float whose lower 16 bits are 0, of two equally near the even one. */
static double rounded(double value)
{
    float x = (float)value;
    uint32_t bits, tie;
    memcpy(&bits, &x, sizeof bits);
    tie = bits & 0xffffu;
    bits &= 0xffff0000u;
    if (tie > 0x8000u || (tie == 0x8000u && bits & 0x10000u))
        bits += 0x10000u;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static reference_map convolve(const dtp_graph *graph, int layer, const reference_map *in, const net_runner *r,
                              bool round)
{
    const dtp_layer *l = &graph->layers[layer];
    const int64_t oc = graph->values[layer + 1].c;
    const size_t count = dtp_layer_weights(graph, layer);
    reference_window window;
    reference_map copy = reference_new(in->n, in->c, in->d, in->h, in->w);
    float *weights = calloc(count, sizeof *weights);
    for (int a = 0; a < 3; a++) {
        window.kernel[a] = l->kernel[a];
        window.pad[a] = l->pad[a];
        window.stride[a] = window.dilation[a] = 1;
    }
    window.open_end = false;
    for (int64_t i = 0; i < reference_count(in); i++)
        copy.values[i] = round ? rounded(in->values[i]) : in->values[i];
    for (size_t i = 0; i < count; i++)
        weights[i] = round ? (float)rounded((double)r->weights[layer][i]) : r->weights[layer][i];
    reference_map out = reference_convolution(&copy, &window, oc, weights, r->bias[layer]);
    reference_free(&copy);
    free(weights);
    return out;
}

static reference_map reference(const dtp_graph *graph, const net_runner *r, bool round)
{
    const int64_t edge = graph->values[0].d;
    const reference_window all = {{edge, edge, edge}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, false};
    reference_map input = reference_of(r->input, r->batch, 1, edge, edge, edge);
    reference_map first = convolve(graph, 0, &input, r, false), second = convolve(graph, 1, &first, r, round);
    reference_activate(&second, DTP_RELU);
    reference_map third = convolve(graph, 2, &second, r, round);
    reference_add(&third, &first);
    reference_activate(&third, DTP_RELU);
    reference_map mean = reference_average_pool(&third, &all), out = convolve(graph, 4, &mean, r, false);
    reference_map *made[] = {&input, &first, &second, &third, &mean};
    for (size_t i = 0; i < DTP_COUNT(made); i++)
        reference_free(made[i]);
    return out;
}

static void fill_weights(net_runner *r)
{
    uint64_t random = 3;
    for (int layer = 0; layer < r->graph->n_layers; layer++) {
        const size_t count = dtp_layer_weights(r->graph, layer), oc = (size_t)r->graph->values[layer + 1].c;
        if (!count)
            continue;
        r->weights[layer] = calloc(count, sizeof(float));
        r->bias[layer] = calloc(oc, sizeof(float));
        for (size_t i = 0; i < count; i++)
            r->weights[layer][i] = (float)(reference_random(&random) / sqrt((double)count / (double)oc / 3));
        for (size_t i = 0; i < oc; i++)
            r->bias[layer][i] = (float)reference_random(&random);
    }
}

/* In units of what rounding moves: the rounded reference is met, the exact one is not. What is rounded after a layer
 * may fall to either side where the sums' order differs. */
static void assert_rounded(int64_t width, int64_t edge, const dtp_form_kind *form, int threads)
{
    static dtp_graph graph;
    float input[3 * 216], output[9];
    graph = (dtp_graph){.n_layers = 0};
    net_runner r = {.graph = &graph, .batch = 3, .input = input, .output = output};
    deeptepp_error error;
    dtp_worker *worker;
    uint64_t random = 7;
    fill_graph(&graph, width, edge);
    dtp_graph_round(&graph);
    assert_ptr_equal(dtp_form_choose(&graph, 1), form);
    fill_weights(&r);
    for (size_t i = 0; i < DTP_COUNT(input); i++)
        input[i] = (float)reference_random(&random);
    assert_int_equal(dtp_worker_start(&worker, threads, &error), DEEPTEPP_OK);
    if (dtp_worker_run(worker, net_runner_job, &r, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    reference_map exact = reference(&graph, &r, false), wanted = reference(&graph, &r, true);
    double moved = 0, apart = 0;
    for (int i = 0; i < 9; i++) {
        moved = fmax(moved, fabs(wanted.values[i] - exact.values[i]));
        apart = fmax(apart, fabs((double)output[i] - wanted.values[i]));
    }
    assert_true(moved > 1e-5);
    if (!(apart < 0.1 * moved))
        fail_msg("%g from the rounded reference, which is %g from the exact one", apart, moved);
    reference_free(&exact);
    reference_free(&wanted);
    net_runner_clear(&r);
    dtp_worker_stop(worker);
}

/* By the backend's own convolutions, and tap by tap; an image a thread, and one shared among threads. */
static void the_rest_is_float32(void **state)
{
    (void)state;
    if (!available())
        skip();
    for (int threads = 1; threads <= 5; threads += 2) {
        assert_rounded(16, 6, NULL, threads);
        assert_rounded(64, 6, NULL, threads);
        assert_rounded(64, 2, &dtp_taps, threads);
    }
}

/* ---- the model ---- */

#define ZSCORE "\"input\": {\"intensity\": {\"rule\": \"zscore\", \"over\": \"view\"}}"

static const char PLAIN[] = "{" ZSCORE "}";

static deeptepp_status open_in(deeptepp_model **out, const char *patch, int32_t precision, deeptepp_error *error)
{
    const tiny_options options = {.seed = 9, .width = 16, .members = 2, .patch = patch};
    tiny_bytes bytes = tiny_model_bytes(&options);
    const deeptepp_model_options o = {.struct_size = sizeof o, .threads = 2, .precision = precision};
    deeptepp_status status = deeptepp_model_from_bytes(out, bytes.data, bytes.size, &o, error);
    free(bytes.data);
    return status;
}

static deeptepp_model *must_open(const char *patch, int32_t precision)
{
    deeptepp_error error;
    deeptepp_model *model = NULL;
    if (open_in(&model, patch, precision, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    return model;
}

static void what_is_no_precision_is_refused(void **state)
{
    const int32_t wrong[] = {-1, 2, INT32_MAX, INT32_MIN};
    deeptepp_error error;
    deeptepp_model *model;
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        assert_int_equal(open_in(&model, PLAIN, wrong[i], &error), DEEPTEPP_ERR_ARGUMENT);
        assert_null(model);
        assert_says(error.message, "precision");
        assert_int_equal(deeptepp_precision_available((deeptepp_precision)wrong[i]), 0);
    }
    assert_int_equal(deeptepp_precision_available(DEEPTEPP_PRECISION_F32), 1);
}

/* tests/test_cli_precision.py asks this of a processor that is told to have none. */
static void without_it_the_model_is_refused(void **state)
{
    deeptepp_error error;
    deeptepp_model *model;
    (void)state;
    if (available())
        skip();
    assert_int_equal(open_in(&model, PLAIN, DEEPTEPP_PRECISION_BF16, &error), DEEPTEPP_ERR_PRECISION);
    assert_null(model);
    assert_says(error.message, "open the model in f32");
}

static void a_model_says_what_it_is_in(void **state)
{
    deeptepp_model *plain = must_open(PLAIN, DEEPTEPP_PRECISION_F32);
    (void)state;
    assert_int_equal(deeptepp_model_precision(plain), DEEPTEPP_PRECISION_F32);
    assert_same(deeptepp_model_precision_shift(plain), 0);
    assert_same(deeptepp_model_precision_margin(plain), 0);
    assert_int_equal(deeptepp_model_precision(NULL), DEEPTEPP_PRECISION_F32);
    assert_true(isnan(deeptepp_model_precision_shift(NULL)) && isnan(deeptepp_model_precision_margin(NULL)));
    assert_int_equal(deeptepp_result_precision(NULL), DEEPTEPP_PRECISION_F32);
    if (available()) {
        deeptepp_model *model = must_open(PLAIN, DEEPTEPP_PRECISION_BF16);
        assert_int_equal(deeptepp_model_precision(model), DEEPTEPP_PRECISION_BF16);
        assert_true(deeptepp_model_precision_shift(model) > 0);
        assert_same(deeptepp_model_precision_margin(model), 4 * deeptepp_model_precision_shift(model));
        const double more = (double)deeptepp_model_memory(model) - (double)deeptepp_model_memory(plain);
        assert_true(more > 2 * 2 * atof(deeptepp_model_property(model, "parameters"))); /* bytes, of each member's */
        deeptepp_model_free(model);
    }
    deeptepp_model_free(plain);
}

/* ---- scores ---- */

static deeptepp_result *score_in(const char *patch, int32_t precision, double *margin)
{
    patient *p = patient_new(1);
    deeptepp_model *model = must_open(patch, precision);
    deeptepp_session *session = session_with(model, NULL);
    deeptepp_result *result = result_of(session, p->known), *again = result_of(session, p->known);
    assert_same(deeptepp_result_score(again), deeptepp_result_score(result));
    *margin = deeptepp_model_precision_margin(model);
    deeptepp_result_free(again);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    patient_free(p);
    return result;
}

/* With a cut-point there, or none for NaN. */
static const char *cut_at(double cutpoint)
{
    static char patch[300];
    snprintf(patch, sizeof patch,
             "{" ZSCORE ", \"tiers\": {\"names\": [\"a\", \"b\"], \"cutpoints\": [%.17g], \"source\": \"s\","
             " \"tolerance\": 0}}",
             cutpoint);
    return isnan(cutpoint) ? PLAIN : patch;
}

static void assert_precision(double cutpoint, deeptepp_precision wanted, double score)
{
    double margin;
    deeptepp_result *result = score_in(cut_at(cutpoint), DEEPTEPP_PRECISION_BF16, &margin);
    assert_int_equal(deeptepp_result_precision(result), wanted);
    assert_same(deeptepp_result_score(result), score);
    assert_says(deeptepp_result_json(result), wanted == DEEPTEPP_PRECISION_F32 ? "\"precision\": \"f32\""
                                                                               : "\"precision\": \"bf16\"");
    assert_says(deeptepp_result_json(result), "\"precision_asked\": \"bf16\"");
    assert_says(deeptepp_result_json(result), "\"precision_margin\":");
    deeptepp_result_free(result);
}

/* Far from any cut-point it is bfloat16's own, near one float32's to the last bit. */
static void near_a_cutpoint_it_is_the_score_of_float32(void **state)
{
    double margin, none;
    (void)state;
    if (!available())
        skip();
    deeptepp_result *f32 = score_in(PLAIN, DEEPTEPP_PRECISION_F32, &none);
    deeptepp_result *bf16 = score_in(PLAIN, DEEPTEPP_PRECISION_BF16, &margin);
    const double exact = deeptepp_result_score(f32), moved = deeptepp_result_score(bf16);
    assert_true(exact != moved && fabs(exact - moved) < margin);
    assert_null(strstr(deeptepp_result_json(f32), "precision_asked"));
    assert_says(deeptepp_result_json(f32), "\"precision\": \"f32\"");
    assert_precision(NAN, DEEPTEPP_PRECISION_BF16, moved);
    for (int side = -1; side <= 1; side += 2) {
        assert_precision(moved + side * 0.99 * margin, DEEPTEPP_PRECISION_F32, exact);
        assert_precision(moved + side * 1.01 * margin, DEEPTEPP_PRECISION_BF16, moved);
    }
    assert_precision(exact, DEEPTEPP_PRECISION_F32, exact);
    deeptepp_result_free(f32);
    deeptepp_result_free(bf16);
}

/* Covariates and the cut-points' tolerance count too. */
static void nearness_is_of_the_whole_score(void **state)
{
    const dtp_risk two = {.n_tiers = 3, .cutpoints = {1, 1000}, .tolerance = NAN};
    const dtp_risk own = {.n_tiers = 2, .cutpoints = {1}, .tolerance = 0.5};
    (void)state;
    assert_true(dtp_risk_near(&two, 1.0200, 0.02) && !dtp_risk_near(&two, 1.0202, 0.02));
    assert_true(dtp_risk_near(&two, 999.89, 0.02) && !dtp_risk_near(&two, 999.87, 0.02));
    assert_true(dtp_risk_near(&own, 1.51, 0.02) && !dtp_risk_near(&own, 1.53, 0.02));
    assert_false(dtp_risk_near(&(dtp_risk){.n_tiers = 0}, 1, 1e9));
}

/* The file's score is float32's, and so is the self-test. */
static void the_self_test_is_float32(void **state)
{
    const tiny_options options = {.seed = 9, .width = 16, .members = 2};
    char patch[200];
    double expected, found[2];
    (void)state;
    if (!available())
        skip();
    tiny_model file = tiny_model_make(&options);
    snprintf(patch, sizeof patch, "{" ZSCORE ", \"self_test\": {\"seed\": 4, \"score\": %.17g}}",
             reference_self_test_score(&file, 4));
    tiny_model_free(&file);
    for (int precision = 0; precision < 2; precision++) {
        deeptepp_model *model = must_open(patch, precision);
        deeptepp_session *session = session_with(model, NULL);
        assert_int_equal(deeptepp_session_self_test(session, &expected, &found[precision], NULL), DEEPTEPP_OK);
        deeptepp_session_free(session);
        deeptepp_model_free(model);
    }
    assert_same(found[1], found[0]);
}

static void hear(void *user, deeptepp_log_level level, const char *line)
{
    char *heard = user;
    (void)level;
    snprintf(heard + strlen(heard), 1000 - strlen(heard), "%s\n", line);
}

static void the_log_says_it(void **state)
{
    char heard[1000] = "";
    const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .log = hear, .user = heard};
    (void)state;
    if (!available())
        skip();
    deeptepp_model *model = must_open(PLAIN, DEEPTEPP_PRECISION_BF16);
    deeptepp_session_free(session_with(model, &callbacks));
    deeptepp_model_free(model);
    assert_says(heard, ", bf16, ");
    assert_says(heard, "bf16 moves scores by up to ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_of_many_channels_over_maps_are_rounded),
        cmocka_unit_test(the_rest_is_float32),
        cmocka_unit_test(what_is_no_precision_is_refused),
        cmocka_unit_test(without_it_the_model_is_refused),
        cmocka_unit_test(a_model_says_what_it_is_in),
        cmocka_unit_test(near_a_cutpoint_it_is_the_score_of_float32),
        cmocka_unit_test(nearness_is_of_the_whole_score),
        cmocka_unit_test(the_self_test_is_float32),
        cmocka_unit_test(the_log_says_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
