/* What a model says of itself without JSON: channels, covariates, tiers, times, properties. */
#include "session_subject.h"

static const char PATCH[] =
    "{\"covariates\": [{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 99.5], \"coefficient\": 0.01, "
    "\"missing\": 50}, {\"name\": \"status\", \"unit\": \"class\", \"levels\": [{\"value\": 0, \"name\": \"neither\", "
    "\"coefficient\": 0}, {\"value\": 2.5, \"name\": \"both\", \"coefficient\": 0.4}]}], \"tiers\": {\"names\": "
    "[\"Low\", \"Middle\", \"High\"], \"cutpoints\": [0.27, 0.85], \"source\": \"none\"}, \"calibration\": {"
    "\"endpoint\": \"relapse\", \"unit\": \"years\", \"source\": \"none\", \"times\": [3, 5], \"baseline_survival\": "
    "[0.9, 0.8], \"slope\": 1, \"centre\": 0}, \"provenance\": {\"epochs\": "
    "\"40, of 60\", \"software\": \"deeptepp.train 0.1.0\", \"loss.last\": \"0.31\"}, \"input\": {\"usual\": "
    "{\"mask_ml\": [0.5, 60], \"intensity\": [[100, 250.5], [-3, 5]]}}}";

static deeptepp_model *full, *bare;

static int begin(void **state)
{
    const tiny_options with = {.seed = 5, .channels = 2, .patch = PATCH}, without = {.seed = 5};
    (void)state;
    full = model_of(&with);
    bare = model_of(&without);
    return 0;
}

static int end(void **state)
{
    (void)state;
    deeptepp_model_free(full);
    deeptepp_model_free(bare);
    return 0;
}

static const int64_t far_out[] = {-1, INT64_MIN, INT64_MAX, 64};

static void members_are_named(void **state)
{
    (void)state;
    assert_int_equal(deeptepp_model_member_count(full), 1);
    assert_string_equal(deeptepp_model_member_name(full, 0), "");
    assert_null(deeptepp_model_member_name(full, 1));
}

static void channels_are_named(void **state)
{
    (void)state;
    assert_int_equal(deeptepp_model_channel_count(full), 2);
    assert_string_equal(deeptepp_model_channel_name(full, 0), "c0");
    assert_string_equal(deeptepp_model_channel_name(full, 1), "c1");
    assert_null(deeptepp_model_channel_name(full, 2));
    assert_int_equal(deeptepp_model_channel_count(bare), 1);
}

static void a_covariate_has_name_unit_and_range(void **state)
{
    double range[2] = {7, 7};
    (void)state;
    assert_int_equal(deeptepp_model_covariate_count(full), 2);
    assert_string_equal(deeptepp_model_covariate_name(full, 0), "age");
    assert_string_equal(deeptepp_model_covariate_unit(full, 0), "years");
    deeptepp_model_covariate_range(full, 2, range);
    assert_true(range[0] == 7 && range[1] == 7);
    deeptepp_model_covariate_range(full, 0, range);
    assert_true(range[0] == 18 && range[1] == 99.5);
    assert_true(deeptepp_model_covariate_substitute(full, 0) == 50);
    assert_int_equal(deeptepp_model_covariate_level_count(full, 0), 0);
    assert_true(isnan(deeptepp_model_covariate_level(full, 0, 0)));
    assert_null(deeptepp_model_covariate_level_name(full, 0, 0));
    assert_int_equal(deeptepp_model_covariate_count(bare), 0);
}

static void a_covariate_of_levels_has_those(void **state)
{
    double range[2] = {7, 7};
    (void)state;
    assert_string_equal(deeptepp_model_covariate_name(full, 1), "status");
    deeptepp_model_covariate_range(full, 1, range);
    assert_true(isnan(range[0]) && isnan(range[1]));
    assert_true(isnan(deeptepp_model_covariate_substitute(full, 1)));
    assert_int_equal(deeptepp_model_covariate_level_count(full, 1), 2);
    assert_true(deeptepp_model_covariate_level(full, 1, 1) == 2.5);
    assert_string_equal(deeptepp_model_covariate_level_name(full, 1, 0), "neither");
    assert_string_equal(deeptepp_model_covariate_level_name(full, 1, 1), "both");
    assert_true(isnan(deeptepp_model_covariate_level(full, 1, 2)));
    assert_null(deeptepp_model_covariate_level_name(full, 1, 2));
}

static void tiers_and_times_are_told(void **state)
{
    (void)state;
    assert_int_equal(deeptepp_model_tier_count(full), 3);
    assert_string_equal(deeptepp_model_tier_name(full, 0), "Low");
    assert_string_equal(deeptepp_model_tier_name(full, 2), "High");
    assert_true(deeptepp_model_cutpoint(full, 0) == 0.27 && deeptepp_model_cutpoint(full, 1) == 0.85);
    assert_true(isnan(deeptepp_model_cutpoint(full, 2)));
    assert_int_equal(deeptepp_model_survival_count(full), 2);
    assert_true(deeptepp_model_survival_time(full, 0) == 3 && deeptepp_model_survival_time(full, 1) == 5);
    assert_int_equal(deeptepp_model_tier_count(bare), 0);
    assert_true(isnan(deeptepp_model_cutpoint(bare, 0)));
    assert_int_equal(deeptepp_model_survival_count(bare), 0);
}

static void properties_are_found_by_their_keys(void **state)
{
    (void)state;
    assert_string_equal(deeptepp_model_property(full, "input.channels"), "c0, c1");
    assert_string_equal(deeptepp_model_property(full, "input.region.spacing_mm"), "1, 1, 1");
    assert_string_equal(deeptepp_model_property(full, "covariates.0.range"), "18, 99.5");
    assert_string_equal(deeptepp_model_property(full, "covariates.1.levels.1.name"), "both");
    assert_string_equal(deeptepp_model_property(full, "tiers.cutpoints"), "0.27, 0.85");
    assert_string_equal(deeptepp_model_property(full, "network.stem_pool"), "false");
    assert_string_equal(deeptepp_model_property(full, "sha256"), deeptepp_model_sha256(full));
    assert_string_equal(deeptepp_model_property(full, "provenance.epochs"), "40, of 60");
    assert_string_equal(deeptepp_model_property(full, "provenance.loss.last"), "0.31");
    assert_string_equal(deeptepp_model_property(full, "input.usual.mask_ml"), "0.5, 60");
    assert_string_equal(deeptepp_model_property(full, "input.usual.intensity.1"), "-3, 5");
    assert_null(deeptepp_model_property(bare, "provenance.epochs"));
    assert_null(deeptepp_model_property(full, "covariates"));
    assert_null(deeptepp_model_property(full, "covariates.2.name"));
    assert_null(deeptepp_model_property(full, ""));
    assert_null(deeptepp_model_property(full, NULL));
    for (int64_t i = 0; i < deeptepp_model_property_count(full); i++)
        assert_ptr_equal(deeptepp_model_property(full, deeptepp_model_property_key(full, i)),
                         deeptepp_model_property_value(full, i));
}

/* Out of range in any way, of any model and of none. */
static void what_is_not_there_is_nothing(void **state)
{
    const deeptepp_model *const models[] = {full, bare, NULL};
    (void)state;
    for (int n = 0; n < 12; n++) {
        const deeptepp_model *m = models[n % 3];
        int64_t i = far_out[n / 3];
        double range[2] = {7, 7};
        assert_null(deeptepp_model_member_name(m, i));
        assert_null(deeptepp_model_channel_name(m, i));
        assert_null(deeptepp_model_covariate_name(m, i));
        assert_null(deeptepp_model_covariate_unit(m, i));
        deeptepp_model_covariate_range(m, i, range);
        deeptepp_model_covariate_range(m, 0, NULL);
        assert_true(range[0] == 7 && range[1] == 7);
        assert_true(isnan(deeptepp_model_covariate_substitute(m, i)));
        assert_int_equal(deeptepp_model_covariate_level_count(m, i), 0);
        assert_true(isnan(deeptepp_model_covariate_level(m, i, 0)) && isnan(deeptepp_model_covariate_level(m, 1, i)));
        assert_null(deeptepp_model_covariate_level_name(m, i, 0));
        assert_null(deeptepp_model_covariate_level_name(m, 1, i));
        assert_null(deeptepp_model_tier_name(m, i));
        assert_true(isnan(deeptepp_model_cutpoint(m, i)) && isnan(deeptepp_model_survival_time(m, i)));
        assert_null(deeptepp_model_property_key(m, i == 64 ? INT32_MAX : i));
        assert_null(deeptepp_model_property_value(m, i == 64 ? INT32_MAX : i));
    }
}

static void no_model_has_none(void **state)
{
    (void)state;
    assert_int_equal(deeptepp_model_member_count(NULL), 0);
    assert_int_equal(deeptepp_model_channel_count(NULL), 0);
    assert_int_equal(deeptepp_model_covariate_count(NULL), 0);
    assert_int_equal(deeptepp_model_tier_count(NULL), 0);
    assert_int_equal(deeptepp_model_survival_count(NULL), 0);
    assert_int_equal(deeptepp_model_property_count(NULL), 0);
    assert_null(deeptepp_model_property(NULL, "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(members_are_named),
        silent_test(channels_are_named),
        silent_test(a_covariate_has_name_unit_and_range),
        silent_test(a_covariate_of_levels_has_those),
        silent_test(tiers_and_times_are_told),
        silent_test(properties_are_found_by_their_keys),
        silent_test(what_is_not_there_is_nothing),
        silent_test(no_model_has_none),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
