/* From logits to score, tier and survival. */
#include "risk_subject.h"

#include <math.h>

static void assert_close(double found, double wanted)
{
    if (!(fabs(found - wanted) <= 1e-14 * fmax(1, fabs(wanted))))
        fail_msg("found %.17g, wanted %.17g", found, wanted);
}

/* ---- the rule ---- */

static void the_logit_is_that_of_the_class(void **state)
{
    const float logits[] = {1.5f, -2.25f, 7};
    const dtp_risk risk = {.class_index = 2};
    (void)state;
    assert_true(dtp_risk_rule(&risk, logits, 1, 3) == 7);
}

/* Class 1 of four heads of two: their sum. */
static void heads_are_summed(void **state)
{
    const float logits[] = {1, 10, 2, 20, 3, 30, 4, 40};
    const dtp_risk logit = {.class_index = 1}, softmax = {.class_index = 1, .softmax = true};
    (void)state;
    assert_true(dtp_risk_rule(&logit, logits, 4, 2) == 100);
    assert_close(dtp_risk_rule(&softmax, logits, 4, 2), 1 / (1 + exp(10.0 - 100)));
}

static void softmax_is_the_probability(void **state)
{
    const float logits[] = {0.5f, -1, 2};
    const dtp_risk risk = {.class_index = 0, .softmax = true};
    (void)state;
    assert_close(dtp_risk_rule(&risk, logits, 1, 3), exp(0.5) / (exp(0.5) + exp(-1) + exp(2)));
}

static void softmax_survives_large_logits(void **state)
{
    const float logits[] = {10000, 10001}, far[] = {3e38f, -3e38f};
    dtp_risk risk = {.class_index = 1, .softmax = true};
    (void)state;
    assert_close(dtp_risk_rule(&risk, logits, 1, 2), 1 / (1 + exp(-1)));
    assert_true(dtp_risk_rule(&risk, far, 1, 2) == 0);
    risk.class_index = 0;
    assert_true(dtp_risk_rule(&risk, far, 1, 2) == 1);
}

/* ---- tiers ---- */

#define TIERS "\"tiers\": {\"names\": [\"a\", \"b\", \"c\"], \"cutpoints\": [0.3, 20], \"source\": \"x\""

static int tier_of(const risk_subject *s, double score, int *warned)
{
    double distance;
    dtp_warnings warnings = {.count = 0};
    int tier = dtp_risk_tier(&s->risk, score, &distance, &warnings);
    if (warnings.count)
        assert_int_equal(warnings.items[0].code, DEEPTEPP_WARN_NEAR_CUTPOINT);
    *warned = warnings.count;
    return tier;
}

static void a_score_equal_to_a_cutpoint_belongs_below(void **state)
{
    risk_subject s;
    int warned;
    (void)state;
    risk_accept(&s, TIERS "}");
    assert_int_equal(tier_of(&s, -1e300, &warned), 0);
    assert_int_equal(tier_of(&s, nextafter(0.3, 0), &warned), 0);
    assert_int_equal(tier_of(&s, 0.3, &warned), 0);
    assert_int_equal(tier_of(&s, nextafter(0.3, 1), &warned), 1);
    assert_int_equal(tier_of(&s, 20, &warned), 1);
    assert_int_equal(tier_of(&s, nextafter(20, 30), &warned), 2);
    assert_int_equal(tier_of(&s, 1e300, &warned), 2);
    risk_free(&s);
}

static void the_distance_is_to_the_nearest_cutpoint(void **state)
{
    static const double scores[][2] = {{-1, -1.3}, {0.3, 0}, {5.3, 5}, {10.1, 9.8}, {10.2, -9.8}, {19, -1}, {25, 5}};
    risk_subject s;
    double distance;
    (void)state;
    risk_accept(&s, TIERS "}");
    for (size_t i = 0; i < DTP_COUNT(scores); i++) {
        dtp_risk_tier(&s.risk, scores[i][0], &distance, &s.warnings);
        assert_close(distance, scores[i][1]);
    }
    risk_free(&s);
}

static void without_cutpoints_there_is_no_tier(void **state)
{
    risk_subject s;
    double distance = 0;
    (void)state;
    risk_accept(&s, NULL);
    assert_int_equal(dtp_risk_tier(&s.risk, 1, &distance, &s.warnings), -1);
    assert_true(isnan(distance));
    assert_int_equal(s.warnings.count, 0);
    risk_free(&s);
}

/* Unless stated, 1e-4 of the larger of 1 and the cut-point. */
static void a_score_near_a_cutpoint_is_warned_of(void **state)
{
    static const struct {
        const char *sections;
        double score;
        int warned;
    } cases[] = {
        {TIERS "}", 0.3 + 0.9e-4, 1},  {TIERS "}", 0.3 - 0.9e-4, 1},  {TIERS "}", 0.3 + 1.1e-4, 0},
        {TIERS "}", 20 + 1.9e-3, 1},   {TIERS "}", 20 - 2.1e-3, 0},   {TIERS "}", 0.3, 1},
        {TIERS ", \"tolerance\": 5}", 5.2, 1},  {TIERS ", \"tolerance\": 5}", 5.4, 0},
        {TIERS ", \"tolerance\": 0}", 0.3 + 1e-9, 0},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(cases); i++) {
        risk_subject s;
        int warned;
        risk_accept(&s, cases[i].sections);
        tier_of(&s, cases[i].score, &warned);
        if (warned != cases[i].warned)
            fail_msg("%s, score %.17g: %d warnings", cases[i].sections, cases[i].score, warned);
        risk_free(&s);
    }
}

static void the_near_warning_names_score_and_cutpoint(void **state)
{
    risk_subject s;
    double distance;
    (void)state;
    risk_accept(&s, TIERS "}");
    dtp_risk_tier(&s.risk, 19.9995, &distance, &s.warnings);
    assert_int_equal(s.warnings.count, 1);
    assert_non_null(strstr(s.warnings.items[0].message, "19.9995"));
    assert_non_null(strstr(s.warnings.items[0].message, "cut-point 20"));
    risk_free(&s);
}

/* ---- calibration ---- */

static void survival_is_the_stated_power(void **state)
{
    static const double baseline[] = {0.99, 0.95, 0.8}, scores[] = {-3, 0.5, 2, 10};
    risk_subject s;
    (void)state;
    risk_accept(&s, "\"calibration\": {\"endpoint\": \"RFS\", \"unit\": \"years\", \"source\": \"x\", \"times\": [1, "
                    "3.5, 5], \"baseline_survival\": [0.99, 0.95, 0.8], \"slope\": 0.7, \"centre\": 0.5}");
    assert_int_equal(s.risk.n_times, 3);
    assert_true(s.risk.times[1] == 3.5);
    for (size_t i = 0; i < DTP_COUNT(scores); i++)
        for (int t = 0; t < 3; t++)
            assert_close(dtp_risk_survival(&s.risk, scores[i], t), pow(baseline[t], exp(0.7 * (scores[i] - 0.5))));
    for (int t = 0; t < 3; t++)
        assert_true(dtp_risk_survival(&s.risk, 0.5, t) == baseline[t]);
    risk_free(&s);
}

/* ---- the self-test's section ---- */

static void a_self_test_is_read(void **state)
{
    risk_subject s;
    (void)state;
    risk_accept(&s, "\"self_test\": {\"seed\": 9007199254740992, \"score\": -1.5}");
    assert_true(s.risk.has_self_test);
    assert_true(s.risk.self_test_seed == INT64_C(1) << 53);
    assert_true(s.risk.self_test_score == -1.5);
    assert_true(s.risk.self_test_tolerance == 1e-4);
    risk_free(&s);
    risk_accept(&s, "\"self_test\": {\"seed\": 0, \"score\": 1, \"tolerance\": 0.5}");
    assert_true(s.risk.self_test_tolerance == 0.5);
    risk_free(&s);
    risk_accept(&s, NULL);
    assert_false(s.risk.has_self_test);
    risk_free(&s);
}

/* ---- sections that make no sense ---- */

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *sections;
        deeptepp_status status;
        const char *part;
    } wrong[] = {
        {"\"tiers\": {\"names\": [\"a\"], \"cutpoints\": [1], \"source\": \"x\"}", DEEPTEPP_ERR_MODEL_VALUE, "names"},
        {"\"tiers\": {\"names\": [\"a\", \"b\"], \"cutpoints\": [1, 2], \"source\": \"x\"}", DEEPTEPP_ERR_MODEL_VALUE,
         "2 numbers for 2 names, wanted 1"},
        {"\"tiers\": {\"names\": [\"a\", \"\"], \"cutpoints\": [1], \"source\": \"x\"}", DEEPTEPP_ERR_MODEL_VALUE,
         "element 1"},
        {"\"tiers\": {\"names\": [\"a\", 2], \"cutpoints\": [1], \"source\": \"x\"}", DEEPTEPP_ERR_MODEL_VALUE,
         "element 1"},
        {"\"tiers\": {\"names\": [\"a\", \"b\", \"c\"], \"cutpoints\": [1, 1], \"source\": \"x\"}",
         DEEPTEPP_ERR_MODEL_VALUE, "does not rise"},
        {"\"tiers\": {\"names\": [\"a\", \"b\"], \"cutpoints\": [1]}", DEEPTEPP_ERR_MODEL_METADATA, "tiers.source"},
        {TIERS ", \"guidance\": \"other\"}", DEEPTEPP_ERR_MODEL_VALUE, "wanted one of: deeptepp"},
        {"\"tiers\": {\"names\": [\"a\", \"b\"], \"cutpoints\": [1], \"source\": \"x\", \"guidance\": \"deeptepp\"}",
         DEEPTEPP_ERR_MODEL_VALUE, "3 tiers"},
        {TIERS ", \"tolerance\": -1}", DEEPTEPP_ERR_MODEL_VALUE, "tolerance"},
        {TIERS ", \"tolerence\": 1}", DEEPTEPP_ERR_MODEL_METADATA, "tiers.tolerence"},
        {"\"calibration\": {\"endpoint\": \"e\", \"unit\": \"u\", \"source\": \"s\", \"times\": [1, 2], "
         "\"baseline_survival\": [0.9], \"slope\": 1, \"centre\": 0}",
         DEEPTEPP_ERR_MODEL_VALUE, "1 numbers for 2 times"},
        {"\"calibration\": {\"endpoint\": \"e\", \"unit\": \"u\", \"source\": \"s\", \"times\": [2, 1], "
         "\"baseline_survival\": [0.9, 0.8], \"slope\": 1, \"centre\": 0}",
         DEEPTEPP_ERR_MODEL_VALUE, "times must rise"},
        {"\"calibration\": {\"endpoint\": \"e\", \"unit\": \"u\", \"source\": \"s\", \"times\": [1, 2], "
         "\"baseline_survival\": [0.8, 0.9], \"slope\": 1, \"centre\": 0}",
         DEEPTEPP_ERR_MODEL_VALUE, "survival must not"},
        {"\"calibration\": {\"endpoint\": \"e\", \"unit\": \"u\", \"source\": \"s\", \"times\": [1], "
         "\"baseline_survival\": [1.1], \"slope\": 1, \"centre\": 0}",
         DEEPTEPP_ERR_MODEL_VALUE, "baseline_survival"},
        {"\"calibration\": {\"endpoint\": \"e\", \"unit\": \"u\", \"source\": \"s\", \"times\": [0], "
         "\"baseline_survival\": [1], \"slope\": 1, \"centre\": 0}",
         DEEPTEPP_ERR_MODEL_VALUE, "times"},
        {"\"self_test\": {\"seed\": -1, \"score\": 1}", DEEPTEPP_ERR_MODEL_VALUE, "seed"},
        {"\"self_test\": {\"seed\": 1.5, \"score\": 1}", DEEPTEPP_ERR_MODEL_VALUE, "seed"},
        {"\"self_test\": {\"seed\": 1}", DEEPTEPP_ERR_MODEL_METADATA, "self_test.score"},
        {"\"selftest\": {}", DEEPTEPP_ERR_MODEL_METADATA, "selftest"},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++)
        risk_refuse(wrong[i].sections, wrong[i].status, wrong[i].part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_logit_is_that_of_the_class),
        cmocka_unit_test(heads_are_summed),
        cmocka_unit_test(softmax_is_the_probability),
        cmocka_unit_test(softmax_survives_large_logits),
        cmocka_unit_test(a_score_equal_to_a_cutpoint_belongs_below),
        cmocka_unit_test(the_distance_is_to_the_nearest_cutpoint),
        cmocka_unit_test(without_cutpoints_there_is_no_tier),
        cmocka_unit_test(a_score_near_a_cutpoint_is_warned_of),
        cmocka_unit_test(the_near_warning_names_score_and_cutpoint),
        cmocka_unit_test(survival_is_the_stated_power),
        cmocka_unit_test(a_self_test_is_read),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
