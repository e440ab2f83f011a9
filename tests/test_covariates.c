/* The covariates' term of a score, and what results say about treatment. */
#include "risk_subject.h"

#include <math.h>

#include "../libdeeptepp/guidance.h"

#define AGE "{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 100], \"coefficient\": 0.25, \"centre\": 50}"
#define KI67 "{\"name\": \"ki67\", \"unit\": \"%\", \"range\": [0, 100], \"coefficient\": -2, \"missing\": 20}"
#define GRADE                                                                                                          \
    "{\"name\": \"grade\", \"unit\": \"1\", \"levels\": [{\"value\": 1, \"name\": \"low\", \"coefficient\": -0.5}, "   \
    "{\"value\": 2, \"name\": \"mid\", \"coefficient\": 0}, {\"value\": 3, \"name\": \"high\", \"coefficient\": "      \
    "1.5}]}"
#define ALL "\"covariates\": [" AGE ", " KI67 ", " GRADE "]"

typedef struct given {
    const char *name;
    double value;
} given;

static deeptepp_status term_of(risk_subject *s, const given *values, size_t count, double *term)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(deeptepp_case_set_covariate(s->patient, values[i].name, values[i].value, NULL), DEEPTEPP_OK);
    dtp_covariate_use uses[DTP_MAX_COVARIATES];
    deeptepp_status status = dtp_risk_covariates(&s->risk, s->patient, uses, &s->warnings, &s->error);
    *term = 0;
    for (int i = 0; status == DEEPTEPP_OK && i < s->risk.n_covariates; i++)
        *term += uses[i].term;
    return status;
}

static void assert_term(const given *values, size_t count, double wanted, int warnings)
{
    risk_subject s;
    double term = NAN;
    risk_accept(&s, ALL);
    if (term_of(&s, values, count, &term) != DEEPTEPP_OK)
        fail_msg("%s", s.error.message);
    assert_true(fabs(term - wanted) <= 1e-13);
    assert_int_equal(s.warnings.count, warnings);
    risk_free(&s);
}

static void assert_refused(const given *values, size_t count, deeptepp_status wanted, const char *part)
{
    risk_subject s;
    double term;
    risk_accept(&s, ALL);
    assert_string_equal(deeptepp_status_name(term_of(&s, values, count, &term)), deeptepp_status_name(wanted));
    assert_int_equal(s.error.status, wanted);
    if (!strstr(s.error.message, part))
        fail_msg("\"%s\" does not say \"%s\"", s.error.message, part);
    risk_free(&s);
}

static void terms_add_up(void **state)
{
    const given values[] = {{"grade", 3}, {"age", 62}, {"ki67", 10}}; /* in any order */
    (void)state;
    assert_term(values, 3, 0.25 * (62 - 50) - 2 * 10 + 1.5, 0);
}

static void range_ends_are_inside(void **state)
{
    const given low[] = {{"grade", 1}, {"age", 18}, {"ki67", 0}}, high[] = {{"grade", 2}, {"age", 100}, {"ki67", 100}};
    (void)state;
    assert_term(low, 3, 0.25 * (18 - 50) - 0.5, 0);
    assert_term(high, 3, 0.25 * (100 - 50) - 200, 0);
}

static void a_model_without_covariates_adds_nothing(void **state)
{
    risk_subject s;
    double term = NAN;
    (void)state;
    risk_accept(&s, NULL);
    assert_int_equal(term_of(&s, NULL, 0, &term), DEEPTEPP_OK);
    assert_true(term == 0);
    risk_free(&s);
}

static void a_missing_covariate_is_refused_or_filled_with_a_warning(void **state)
{
    const given no_ki67[] = {{"grade", 2}, {"age", 50}}, no_age[] = {{"grade", 2}, {"ki67", 1}};
    risk_subject s;
    double term;
    (void)state;
    assert_term(no_ki67, 2, -40, 1);
    assert_refused(no_age, 2, DEEPTEPP_ERR_COVARIATE_MISSING, "\"age\" (years)");
    risk_accept(&s, ALL);
    assert_int_equal(term_of(&s, no_ki67, 2, &term), DEEPTEPP_OK);
    assert_int_equal(s.warnings.items[0].code, DEEPTEPP_WARN_COVARIATE_FILLED);
    assert_non_null(strstr(s.warnings.items[0].message, "\"ki67\""));
    assert_non_null(strstr(s.warnings.items[0].message, "20"));
    risk_free(&s);
}

static void a_value_out_of_range_or_no_level_is_refused(void **state)
{
    const given young[] = {{"grade", 2}, {"age", 17.999}, {"ki67", 1}}, old[] = {{"grade", 2}, {"age", 101}},
                half[] = {{"grade", 2.5}, {"age", 40}}, none[] = {{"grade", 4}, {"age", 40}};
    (void)state;
    assert_refused(young, 3, DEEPTEPP_ERR_COVARIATE_RANGE, "\"age\" is 17.999 years, the model takes 18 to 100");
    assert_refused(old, 2, DEEPTEPP_ERR_COVARIATE_RANGE, "101");
    assert_refused(half, 2, DEEPTEPP_ERR_COVARIATE_RANGE, "\"grade\" is 2.5, not one of the model's 3 levels");
    assert_refused(none, 2, DEEPTEPP_ERR_COVARIATE_RANGE, "\"grade\" is 4");
}

static void an_unknown_covariate_is_refused(void **state)
{
    const given values[] = {{"grade", 2}, {"age", 40}, {"Age", 40}};
    risk_subject s;
    double term;
    (void)state;
    assert_refused(values, 3, DEEPTEPP_ERR_COVARIATE_UNKNOWN, "\"Age\"");
    risk_accept(&s, NULL);
    assert_int_equal(term_of(&s, values, 1, &term), DEEPTEPP_ERR_COVARIATE_UNKNOWN);
    risk_free(&s);
}

static void a_missing_value_is_no_value(void **state)
{
    const double values[] = {NAN, INFINITY, -INFINITY, (double)INT32_MIN};
    deeptepp_case *patient;
    (void)state;
    assert_int_equal(deeptepp_case_new(&patient, NULL), DEEPTEPP_OK);
    for (size_t i = 0; i < DTP_COUNT(values); i++)
        assert_int_equal(deeptepp_case_set_covariate(patient, "age", values[i], NULL), DEEPTEPP_ERR_COVARIATE_VALUE);
    assert_int_equal(deeptepp_case_set_covariate(patient, "age", 1, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_covariate(patient, "age", 1, NULL), DEEPTEPP_ERR_COVARIATE_DUPLICATE);
    deeptepp_case_free(patient);
}

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *sections;
        deeptepp_status status;
        const char *part;
    } wrong[] = {
        {"\"covariates\": [" AGE ", " AGE "]", DEEPTEPP_ERR_MODEL_VALUE, "\"age\" stands twice"},
        {"\"covariates\": {}", DEEPTEPP_ERR_MODEL_VALUE, "covariates"},
        {"\"covariates\": [7]", DEEPTEPP_ERR_MODEL_VALUE, "wanted an object"},
        {"\"covariates\": [{\"name\": \"a\", \"unit\": \"u\", \"range\": [2, 1], \"coefficient\": 1}]",
         DEEPTEPP_ERR_MODEL_VALUE, "range"},
        {"\"covariates\": [{\"name\": \"a\", \"unit\": \"u\", \"range\": [0, 1]}]", DEEPTEPP_ERR_MODEL_METADATA,
         "coefficient"},
        {"\"covariates\": [{\"name\": \"a\", \"range\": [0, 1], \"coefficient\": 1}]", DEEPTEPP_ERR_MODEL_METADATA,
         "unit"},
        {"\"covariates\": [{\"name\": \"a\", \"unit\": \"u\", \"range\": [0, 1], \"coefficient\": 1, \"missing\": 2}]",
         DEEPTEPP_ERR_MODEL_VALUE, "missing"},
        {"\"covariates\": [{\"name\": \"a\", \"unit\": \"u\", \"levels\": []}]", DEEPTEPP_ERR_MODEL_VALUE, "levels"},
        {"\"covariates\": [{\"name\": \"a\", \"unit\": \"u\", \"levels\": [{\"value\": 1, \"name\": \"x\", "
         "\"coefficient\": 1}], \"range\": [0, 1]}]",
         DEEPTEPP_ERR_MODEL_METADATA, "range"},
        {"\"covariates\": [{\"name\": \"a\", \"unit\": \"u\", \"levels\": [{\"value\": 1, \"name\": \"x\", "
         "\"coefficient\": 1}, {\"value\": 1, \"name\": \"y\", \"coefficient\": 2}]}]",
         DEEPTEPP_ERR_MODEL_VALUE, "1 stands twice"},
        {"\"covariates\": [{\"name\": \"a\", \"unit\": \"u\", \"levels\": [{\"value\": 1, \"coefficient\": 1}]}]",
         DEEPTEPP_ERR_MODEL_METADATA, "name"},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++)
        risk_refuse(wrong[i].sections, wrong[i].status, wrong[i].part);
}

/* ---- guidance ---- */

/* Holm's step-down over the four p-values of the paper's abstract, in order of size. */
static double holm(double p)
{
    static const double sorted[] = {0.045, 0.048, 0.125, 0.144};
    double adjusted = 0;
    for (int i = 0; i < 4; i++) {
        adjusted = fmax(adjusted, sorted[i] * (4 - i));
        if (sorted[i] == p)
            return adjusted;
    }
    fail_msg("%g is none of the paper's p-values", p);
    return 0;
}

static void guidance_never_comes_without_its_evidence(void **state)
{
    static const char *const evidence[3][2] = {{"p = 0.144", "p = 0.144"}, {"p = 0.048", "p = 0.125"},
                                               {"p = 0.045", "p = 0.045"}};
    static const char *const always[] = {"726", "none, single", "recurrence-free", "research use only", "Holm",
                                         "not prospectively validated", "Retrospective"};
    (void)state;
    for (int tier = 0; tier < 3; tier++) {
        const char *text = dtp_guidance_text(tier);
        for (size_t i = 0; i < DTP_COUNT(always); i++)
            if (!strstr(text, always[i]))
                fail_msg("tier %d: \"%s\" does not say \"%s\"", tier, text, always[i]);
        assert_non_null(strstr(text, evidence[tier][0]));
        assert_non_null(strstr(text, evidence[tier][1]));
        assert_null(strchr(text, '\n'));
    }
}

static json_t *guidance_of(int tier)
{
    dtp_json_writer writer = {0};
    dtp_write_object(&writer, NULL);
    dtp_guidance_write(&writer, tier);
    dtp_write_object_end(&writer);
    char *text = dtp_write_finish(&writer);
    json_t *whole = json_loads(text, 0, NULL), *guidance = json_incref(json_object_get(whole, "guidance"));
    assert_non_null(guidance);
    json_decref(whole);
    free(text);
    return guidance;
}

static void guidances_parts_say_the_same(void **state)
{
    static const char *const keys[] = {"paper_tier", "paper_proposal", "cohort", "statement", "text"};
    static const size_t counts[] = {1, 2, 1};
    (void)state;
    for (int tier = 0; tier < 3; tier++) {
        json_t *json = guidance_of(tier);
        const json_t *list = json_object_get(json, "evidence");
        assert_string_equal(json_string_value(json_object_get(json, "text")), dtp_guidance_text(tier));
        for (size_t i = 0; i < DTP_COUNT(keys); i++)
            assert_non_null(json_string_value(json_object_get(json, keys[i])));
        assert_int_equal(json_array_size(list), counts[tier]);
        for (size_t i = 0; i < counts[tier]; i++) {
            const json_t *e = json_array_get(list, i);
            double p = json_real_value(json_object_get(e, "p"));
            char text[32];
            snprintf(text, sizeof text, "p = %.3f", p);
            assert_non_null(strstr(dtp_guidance_text(tier), text));
            assert_true(fabs(json_real_value(json_object_get(e, "p_holm_of_4")) - holm(p)) < 0.0051);
            assert_non_null(strstr(json_string_value(json_object_get(e, "endpoint")), "recurrence-free survival"));
        }
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_add_up),
        cmocka_unit_test(range_ends_are_inside),
        cmocka_unit_test(a_model_without_covariates_adds_nothing),
        cmocka_unit_test(a_missing_covariate_is_refused_or_filled_with_a_warning),
        cmocka_unit_test(a_value_out_of_range_or_no_level_is_refused),
        cmocka_unit_test(an_unknown_covariate_is_refused),
        cmocka_unit_test(a_missing_value_is_no_value),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(guidance_never_comes_without_its_evidence),
        cmocka_unit_test(guidances_parts_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
