/* A session's score: what it is, and what it does not depend on. The library must be silent in all of this. */
#include "session_subject.h"

#include <fenv.h>

#define GOLDEN_PATCH                                                                                                   \
    "{\"input\": {\"angles_deg\": [0, 36, 90], \"intensity\": {\"rule\": \"zscore\", \"over\": \"view\"}}, "           \
    "\"covariates\": [{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 100], \"coefficient\": 0.07, "          \
    "\"centre\": 50.3}], "                                                                                             \
    "\"tiers\": {\"names\": [\"Low\", \"Moderate\", \"High\"], \"cutpoints\": [-2.5, 0.3], \"source\": \"none\", "     \
    "\"guidance\": \"deeptepp\"}, "                                                                                    \
    "\"calibration\": {\"endpoint\": \"RFS\", \"unit\": \"years\", \"source\": \"none\", \"times\": [3, 5], "          \
    "\"baseline_survival\": [0.9, 0.8], \"slope\": 0.5, \"centre\": 0.1}}"

static const tiny_options golden = {.seed = 21, .width = 6, .channels = 2, .members = 2, .patch = GOLDEN_PATCH};

static patient *golden_patient(void)
{
    patient *p = patient_new(2);
    assert_int_equal(deeptepp_case_set_covariate(p->known, "age", 61, NULL), DEEPTEPP_OK);
    return p;
}

/* The mean of the reference's logits of class 1 over members and views, on the input the library made. */
static double reference_score(deeptepp_session *session, deeptepp_model *model, const patient *p)
{
    tiny_model tiny = tiny_model_make(&golden);
    int64_t shape[5];
    deeptepp_model_input_shape(model, shape);
    size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3] * shape[4]);
    float *input = calloc(count, sizeof *input);
    assert_int_equal(deeptepp_session_preprocess(session, p->known, input, count, NULL), DEEPTEPP_OK);
    reference_map map = reference_of(input, shape[0], shape[1], shape[2], shape[3], shape[4]);
    double sum = 0;
    for (int m = 0; m < 2; m++) {
        reference_map logits = reference_network(&tiny, m, &map);
        for (int64_t v = 0; v < shape[0]; v++)
            sum += *reference_at(&logits, v, 1, 0, 0, 0) / (2.0 * (double)shape[0]);
        reference_free(&logits);
    }
    reference_free(&map);
    tiny_model_free(&tiny);
    free(input);
    return sum + 0.07 * (61 - 50.3);
}

static void a_score_is_the_reference_networks(void **state)
{
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = golden_patient();
    (void)state;
    double wanted = reference_score(session, model, p), found = score_of(session, p->known);
    if (!(fabs(found - wanted) <= 2e-5))
        fail_msg("found %.9g, wanted %.9g", found, wanted);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void a_scores_parts_agree(void **state)
{
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = golden_patient();
    deeptepp_result *r = result_of(session, p->known);
    double score = deeptepp_result_score(r), views = 0, members = 0, squares = 0;
    (void)state;
    assert_int_equal(deeptepp_result_view_count(r), 3);
    assert_int_equal(deeptepp_result_member_count(r), 2);
    for (int v = 0; v < 3; v++) {
        views += deeptepp_result_view_score(r, v) / 3;
        squares += pow(deeptepp_result_view_score(r, v) - score, 2);
    }
    for (int m = 0; m < 2; m++)
        members += deeptepp_result_member_score(r, m) / 2;
    assert_true(fabs(views - score) < 1e-12 && fabs(members - score) < 1e-12);
    assert_true(fabs(deeptepp_result_score_sd(r) - sqrt(squares / 2)) < 1e-12);
    int tier = (score > -2.5) + (score > 0.3);
    static const char *const names[] = {"Low", "Moderate", "High"};
    assert_int_equal(deeptepp_result_tier(r), tier);
    assert_string_equal(deeptepp_result_tier_name(r), names[tier]);
    assert_true(fabs(deeptepp_result_survival(r, 1) - pow(0.8, exp(0.5 * (score - 0.1)))) < 1e-12);
    assert_says(deeptepp_result_guidance(r), "research use only");
    deeptepp_result_free(r);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void assert_no_covariate(const deeptepp_result *r, int64_t index)
{
    assert_null(deeptepp_result_covariate_name(r, index));
    assert_null(deeptepp_result_covariate_unit(r, index));
    assert_true(isnan(deeptepp_result_covariate_value(r, index)) && isnan(deeptepp_result_covariate_term(r, index)));
    assert_int_equal(deeptepp_result_covariate_filled(r, index), 0);
}

static void assert_age(const deeptepp_result *r, double age, int filled)
{
    assert_int_equal(deeptepp_result_covariate_count(r), 1);
    assert_string_equal(deeptepp_result_covariate_name(r, 0), "age");
    assert_string_equal(deeptepp_result_covariate_unit(r, 0), "years");
    assert_true(deeptepp_result_covariate_value(r, 0) == age);
    assert_int_equal(deeptepp_result_covariate_filled(r, 0), filled);
    assert_no_covariate(r, -1);
    assert_no_covariate(r, 1);
    assert_no_covariate(r, INT64_MAX);
}

static void the_covariates_that_were_used_are_told(void **state)
{
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = golden_patient();
    deeptepp_result *r = result_of(session, p->known);
    (void)state;
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    assert_age(r, 61, 0);
    assert_true(fabs(deeptepp_result_covariate_term(r, 0) - 0.07 * (61 - 50.3)) < 1e-12);
    assert_int_equal(deeptepp_result_covariate_count(NULL), 0);
    assert_no_covariate(NULL, 0);
    deeptepp_result_free(r);
    patient_free(p);
}

static void a_covariate_that_was_filled_in_says_so(void **state)
{
    static const tiny_options filling = {
        .seed = 21, .patch = "{\"covariates\": [{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 100], "
                             "\"coefficient\": 0.25, \"missing\": 40}]}"};
    deeptepp_model *model = model_of(&filling);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = patient_new(1);
    deeptepp_result *r = result_of(session, p->known);
    (void)state;
    assert_age(r, 40, 1);
    assert_true(deeptepp_result_covariate_term(r, 0) == 10);
    deeptepp_result_free(r);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void two_calls_give_the_same_bits(void **state)
{
    patient *p = golden_patient();
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        deeptepp_model *model = model_with(&golden, threads);
        deeptepp_session *session = session_with(model, NULL), *other = session_with(model, NULL);
        double first = score_of(session, p->known);
        for (int i = 0; i < 5; i++)
            assert_same(score_of(session, p->known), first);
        assert_same(score_of(other, p->known), first);
        deeptepp_session_free(other);
        deeptepp_session_free(session);
        deeptepp_model_free(model);
    }
    patient_free(p);
}

static void the_number_of_threads_hardly_matters(void **state)
{
    patient *p = golden_patient();
    double one = 0;
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        deeptepp_model *model = model_with(&golden, threads);
        deeptepp_session *session = session_with(model, NULL);
        double score = score_of(session, p->known);
        one = threads == 1 ? score : one;
        assert_true(fabs(score - one) <= 1e-6 * fmax(1, fabs(one)));
        deeptepp_session_free(session);
        deeptepp_model_free(model);
    }
    patient_free(p);
}

/* What a host gets, all in one rounding mode; JSON writes 17 digits of every number. File and voxels are made
 * before. */
typedef struct host {
    tiny_bytes bytes;
    patient *p;
    char *model, *result; /* their JSON */
    int mode_after;
} host;

/* Nothing here may leave by a failed assertion: the mode would stay. */
static deeptepp_status score_under(host *h, int mode)
{
    deeptepp_model *model = NULL;
    deeptepp_session *session = NULL;
    deeptepp_volume *volumes[3] = {NULL, NULL, NULL};
    deeptepp_case *known = NULL;
    deeptepp_result *r = NULL;
    deeptepp_error error;
    fesetround(mode);
    deeptepp_status status = deeptepp_model_from_bytes(&model, h->bytes.data, h->bytes.size, NULL, &error);
    status = status ? status : deeptepp_session_new(&session, model, NULL, &error);
    status = status ? status : deeptepp_case_new(&known, &error);
    for (int v = 0; v < 3 && !status; v++)
        status = deeptepp_volume_from_array(&volumes[v], &h->p->arrays[v], &error);
    for (int v = 0; v < 2 && !status; v++)
        status = deeptepp_case_set_image(known, v ? "c1" : "c0", volumes[v], &error);
    status = status ? status : deeptepp_case_set_mask(known, volumes[2], NULL, &error);
    status = status ? status : deeptepp_case_set_covariate(known, "age", 61.3, &error);
    status = status ? status : deeptepp_session_score(session, known, &r, &error);
    h->model = status ? NULL : strdup(deeptepp_model_json(model));
    h->result = status ? NULL : strdup(deeptepp_result_json(r));
    h->mode_after = fegetround();
    fesetround(FE_TONEAREST);
    deeptepp_result_free(r);
    deeptepp_case_free(known);
    for (int v = 0; v < 3; v++)
        deeptepp_volume_free(volumes[v]);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    return status;
}

static void the_hosts_rounding_mode_does_not_matter(void **state)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    host hosts[4];
    patient *p = golden_patient();
    tiny_bytes bytes = tiny_model_bytes(&golden);
    (void)state;
    for (int i = 0; i < 4; i++) {
        hosts[i] = (host){.bytes = bytes, .p = p};
        assert_int_equal(score_under(&hosts[i], modes[i]), DEEPTEPP_OK);
        assert_int_equal(hosts[i].mode_after, modes[i]);
        assert_string_equal(hosts[i].model, hosts[0].model);
        assert_string_equal(hosts[i].result, hosts[0].result);
    }
    for (int i = 0; i < 4; i++) {
        free(hosts[i].model);
        free(hosts[i].result);
    }
    free(bytes.data);
    patient_free(p);
}

static void a_result_outlives_everything(void **state)
{
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = golden_patient();
    char sha256[65];
    (void)state;
    double score = score_of(session, p->known);
    deeptepp_result *r = result_of(session, p->known);
    snprintf(sha256, sizeof sha256, "%s", deeptepp_model_sha256(model));
    deeptepp_model_free(model);
    assert_same(score_of(session, p->known), score); /* the session's own hold */
    deeptepp_session_free(session);
    memset(p->image, 0xff, sizeof p->image);
    patient_free(p);
    assert_same(deeptepp_result_score(r), score);
    assert_non_null(deeptepp_result_tier_name(r));
    assert_true(deeptepp_result_survival_time(r, 1) == 5);
    assert_says(deeptepp_result_guidance(r), "p = 0.");
    assert_says(deeptepp_result_json(r), sha256);
    assert_says(deeptepp_result_json(r), "research use only");
    for (int64_t i = 0; i < deeptepp_result_warning_count(r); i++)
        assert_non_null(deeptepp_result_warning_message(r, i));
    deeptepp_result_free(r);
}

static void random_weights_propose_no_treatment(void **state)
{
    const tiny_options options = {.seed = 21, .width = 6, .channels = 2, .members = 2,
                                  .patch = "{\"weights\": \"seeded\", \"tiers\": {\"names\": [\"Low\", \"Moderate\", "
                                           "\"High\"], \"cutpoints\": [-2.5, 0.3], \"source\": \"none\", "
                                           "\"guidance\": \"deeptepp\"}}"};
    deeptepp_model *model = model_of(&options);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = patient_new(2);
    (void)state;
    deeptepp_result *r = result_of(session, p->known);
    assert_null(deeptepp_result_guidance(r));
    assert_null(strstr(deeptepp_result_json(r), "trastuzumab"));
    assert_non_null(deeptepp_result_tier_name(r));
    deeptepp_result_free(r);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void guidance_can_be_switched_off(void **state)
{
    const deeptepp_session_options options = {.struct_size = sizeof options, .no_guidance = 1};
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = NULL;
    patient *p = golden_patient();
    (void)state;
    assert_int_equal(deeptepp_session_new(&session, model, &options, NULL), DEEPTEPP_OK);
    deeptepp_result *r = result_of(session, p->known);
    assert_null(deeptepp_result_guidance(r));
    assert_null(strstr(deeptepp_result_json(r), "trastuzumab"));
    assert_non_null(deeptepp_result_tier_name(r));
    deeptepp_result_free(r);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

/* ---- the self-test ---- */

static void check_self_test(double shift, const char *patch, deeptepp_status wanted)
{
    char text[200];
    tiny_options options = {.seed = 22, .members = 3, .width = 5, .size = {8, 12, 10}};
    tiny_model tiny = tiny_model_make(&options);
    double score = reference_self_test_score(&tiny, 77), expected = -1, found = -1;
    deeptepp_error error;
    tiny_model_free(&tiny);
    snprintf(text, sizeof text,
             "{\"input\": {\"angles_deg\": [0, 90]}, \"self_test\": {\"seed\": 77, \"score\": %.17g%s}}", score + shift,
             patch);
    options.patch = text;
    deeptepp_model *model = model_of(&options);
    deeptepp_session *session = session_with(model, NULL);
    assert_int_equal(deeptepp_session_self_test(session, &expected, &found, &error), wanted);
    assert_same(expected, score + shift);
    assert_true(fabs(found - score) < 2e-5);
    if (wanted)
        assert_int_equal(error.status, wanted);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void a_self_test_that_fits_passes(void **state)
{
    (void)state;
    check_self_test(0, "", DEEPTEPP_OK);
    check_self_test(0.7e-4, "", DEEPTEPP_OK);
    check_self_test(0.9, ", \"tolerance\": 1", DEEPTEPP_OK);
}

static void a_self_test_that_does_not_fit_fails(void **state)
{
    (void)state;
    check_self_test(2e-4, "", DEEPTEPP_ERR_MODEL_SELF_TEST);
    check_self_test(-1, "", DEEPTEPP_ERR_MODEL_SELF_TEST);
    check_self_test(1e-3, ", \"tolerance\": 0.0005", DEEPTEPP_ERR_MODEL_SELF_TEST);
}

static void a_file_without_self_test_says_so(void **state)
{
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = session_with(model, NULL);
    double expected = 5, found = 6;
    (void)state;
    assert_int_equal(deeptepp_session_self_test(session, &expected, &found, NULL), DEEPTEPP_ERR_MODEL_NO_SELF_TEST);
    assert_true(expected == 5 && found == 6);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void score_and_expect_overflow(const tiny_model *tiny, const patient *p, const char *layer)
{
    tiny_bytes bytes = tiny_model_write(tiny);
    deeptepp_error error;
    deeptepp_model *model = NULL;
    deeptepp_result *result = (deeptepp_result *)&bytes;
    assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, NULL, NULL), DEEPTEPP_OK);
    deeptepp_session *session = session_with(model, NULL);
    assert_int_equal(deeptepp_session_score(session, p->known, &result, &error), DEEPTEPP_ERR_SCORE_NONFINITE);
    assert_null(result);
    assert_says(error.message, layer);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    free(bytes.data);
}

/* Wherever it happens: ReLU turns NaN into 0, and a class the rule only divides by makes the score a finite 0. */
static void an_overflowing_network_gives_no_score(void **state)
{
    static const char *const weights[] = {"conv1.weight", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight",
                                          "layer4.0.conv2.weight", "fc.weight"};
    patient *p = patient_new(1);
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(weights); i++) {
        char layer[64];
        const tiny_options options = {.seed = 23, .patch = "{\"score\": {\"rule\": \"softmax\", \"class\": 1}}"};
        tiny_model tiny = tiny_model_make(&options);
        tiny_tensor *tensor = tiny_model_find(&tiny, weights[i]);
        for (size_t v = 0; v < tiny_tensor_count(tensor); v++)
            tensor->values[v] = v % 2 ? 2e36f : -2e36f;
        snprintf(layer, sizeof layer, "layer %.*s:", (int)(strlen(weights[i]) - strlen(".weight")), weights[i]);
        score_and_expect_overflow(&tiny, p, layer);
        tiny_model_free(&tiny);
    }
    patient_free(p);
}

/* Bounds over many layers say far more than values ever reach: those are looked at, and the score is given. */
static void a_deep_network_overflows_no_more_than_a_shallow_one(void **state)
{
    const tiny_options options = {.seed = 24, .depth = 50, .width = 4};
    deeptepp_model *model = model_of(&options);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = patient_new(1);
    (void)state;
    score_of(session, p->known);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(a_score_is_the_reference_networks),
        silent_test(a_scores_parts_agree),
        silent_test(the_covariates_that_were_used_are_told),
        silent_test(a_covariate_that_was_filled_in_says_so),
        silent_test(two_calls_give_the_same_bits),
        silent_test(the_number_of_threads_hardly_matters),
        silent_test(the_hosts_rounding_mode_does_not_matter),
        silent_test(a_result_outlives_everything),
        silent_test(guidance_can_be_switched_off),
        silent_test(random_weights_propose_no_treatment),
        silent_test(a_self_test_that_fits_passes),
        silent_test(a_self_test_that_does_not_fit_fails),
        silent_test(a_file_without_self_test_says_so),
        silent_test(an_overflowing_network_gives_no_score),
        silent_test(a_deep_network_overflows_no_more_than_a_shallow_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
