/* Cases: what may be said of a patient, and once only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <math.h>

#include "../libdeeptepp/views/case.h"
#include "mask_options.h"

static const uint8_t voxel = 1;

static deeptepp_volume *make_volume(void)
{
    deeptepp_volume *volume = NULL;
    deeptepp_array array = {.struct_size = sizeof array,
                            .data = &voxel,
                            .type = DEEPTEPP_UINT8,
                            .dims = {1, 1, 1},
                            .affine = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
    assert_int_equal(deeptepp_volume_from_array(&volume, &array, NULL), DEEPTEPP_OK);
    return volume;
}

static deeptepp_case *make_case(void)
{
    deeptepp_case *patient = NULL;
    assert_int_equal(deeptepp_case_new(&patient, NULL), DEEPTEPP_OK);
    assert_non_null(patient);
    return patient;
}

static void a_new_case_is_empty(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    assert_int_equal(patient->n_channels + patient->n_covariates, 0);
    assert_null(patient->mask);
    deeptepp_case_free(patient);
    deeptepp_case_free(NULL);
    assert_int_equal(deeptepp_case_new(NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
}

static void a_case_keeps_its_own_hold_on_volumes(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    deeptepp_volume *image = make_volume(), *mask = make_volume();
    assert_int_equal(deeptepp_case_set_image(patient, "pre", image, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_image(patient, "post", image, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_mask(patient, mask, WITH_LABEL(3), NULL), DEEPTEPP_OK);
    deeptepp_volume_free(image);
    deeptepp_volume_free(mask);
    assert_int_equal(patient->n_channels, 2);
    assert_string_equal(patient->channels[0].name, "pre");
    assert_string_equal(patient->channels[1].name, "post");
    assert_true(dtp_volume_stored(patient->channels[1].image, 0, 0, 0) == 1);
    assert_true(dtp_volume_stored(patient->mask, 0, 0, 0) == 1);
    assert_int_equal(patient->mask_options.label, 3);
    deeptepp_case_free(patient);
}

static void a_channel_is_given_once(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    deeptepp_volume *image = make_volume();
    deeptepp_error error = {0};
    assert_int_equal(deeptepp_case_set_image(patient, "pre", image, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_image(patient, "pre", image, &error), DEEPTEPP_ERR_CHANNEL_DUPLICATE);
    assert_non_null(strstr(error.message, "\"pre\""));
    assert_int_equal(deeptepp_case_set_image(patient, NULL, image, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_image(patient, NULL, image, NULL), DEEPTEPP_ERR_CHANNEL_DUPLICATE);
    assert_int_equal(patient->n_channels, 2);
    assert_string_equal(patient->channels[1].name, "");
    assert_int_equal(atomic_load(&image->references), 3);
    deeptepp_case_free(patient);
    assert_int_equal(atomic_load(&image->references), 1);
    deeptepp_volume_free(image);
}

static void an_image_needs_case_volume_and_name(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    deeptepp_volume *image = make_volume();
    assert_int_equal(deeptepp_case_set_image(NULL, "pre", image, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_case_set_image(patient, "pre", NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_case_set_image(patient, "", image, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(patient->n_channels, 0);
    deeptepp_case_free(patient);
    deeptepp_volume_free(image);
}

static void a_later_mask_replaces_the_earlier(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    deeptepp_volume *first = make_volume(), *second = make_volume();
    assert_int_equal(deeptepp_case_set_mask(patient, first, WITH_LABEL(1), NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_mask(patient, first, WITH_LABEL(2), NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_mask(patient, second, NULL, NULL), DEEPTEPP_OK);
    assert_int_equal(atomic_load(&first->references), 1);
    assert_ptr_equal(patient->mask, second);
    assert_int_equal(patient->mask_options.label, 0);
    deeptepp_case_free(patient);
    deeptepp_volume_free(first);
    deeptepp_volume_free(second);
}

/* 2^53 + 1 as a double is 2^53, another label. */
static void labels_and_grids_are_checked(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    deeptepp_volume *mask = make_volume();
    const int64_t last = INT64_C(1) << 53;
    const struct {
        const deeptepp_mask_options *options;
        deeptepp_status status;
    } rows[] = {
        {WITH_LABEL(last), DEEPTEPP_OK},
        {WITH_LABEL(last + 1), DEEPTEPP_ERR_ARGUMENT},
        {WITH_LABEL(INT64_MAX), DEEPTEPP_ERR_ARGUMENT},
        {WITH_LABEL(-1), DEEPTEPP_ERR_ARGUMENT},
        {MASK_OPTIONS(.grid = DEEPTEPP_MASK_GRID_NEAREST), DEEPTEPP_OK},
        {MASK_OPTIONS(.grid = DEEPTEPP_MASK_GRID_NEAREST + 1), DEEPTEPP_ERR_ARGUMENT},
        {MASK_OPTIONS(.grid = -1), DEEPTEPP_ERR_ARGUMENT},
        {&(deeptepp_mask_options){.label = 1}, DEEPTEPP_ERR_STRUCT_SIZE},
    };
    for (size_t i = 0; i < DTP_COUNT(rows); i++)
        assert_int_equal(deeptepp_case_set_mask(patient, mask, rows[i].options, NULL), rows[i].status);
    deeptepp_case_free(patient);
    deeptepp_volume_free(mask);
}

static void a_refused_mask_changes_nothing(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    deeptepp_volume *mask = make_volume();
    assert_int_equal(deeptepp_case_set_mask(patient, mask, WITH_LABEL(2), NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_mask(patient, mask, WITH_LABEL(-1), NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_case_set_mask(patient, NULL, WITH_LABEL(1), NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_case_set_mask(NULL, mask, WITH_LABEL(1), NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_ptr_equal(patient->mask, mask);
    assert_int_equal(patient->mask_options.label, 2);
    assert_int_equal(atomic_load(&mask->references), 2);
    deeptepp_case_free(patient);
    deeptepp_volume_free(mask);
}

static void covariates_are_kept_by_name(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    assert_int_equal(deeptepp_case_set_covariate(patient, "age", 52.5, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_covariate(patient, "grade", -0.0, NULL), DEEPTEPP_OK);
    assert_int_equal(patient->n_covariates, 2);
    assert_string_equal(patient->covariates[0].name, "age");
    assert_true(patient->covariates[0].value == 52.5);
    deeptepp_case_free(patient);
}

static void a_covariate_is_given_once(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    deeptepp_error error = {0};
    assert_int_equal(deeptepp_case_set_covariate(patient, "age", 52, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_covariate(patient, "age", 53, &error), DEEPTEPP_ERR_COVARIATE_DUPLICATE);
    assert_non_null(strstr(error.message, "\"age\""));
    assert_true(patient->covariates[0].value == 52);
    deeptepp_case_free(patient);
}

static void missing_covariate_values_are_refused(void **state)
{
    (void)state;
    static const double missing[] = {NAN, INFINITY, -INFINITY, (double)INT_MIN};
    deeptepp_case *patient = make_case();
    for (size_t n = 0; n < DTP_COUNT(missing); n++) {
        deeptepp_error error = {0};
        assert_int_equal(deeptepp_case_set_covariate(patient, "age", missing[n], &error), DEEPTEPP_ERR_COVARIATE_VALUE);
        assert_non_null(strstr(error.message, "\"age\""));
    }
    assert_int_equal(patient->n_covariates, 0);
    assert_int_equal(deeptepp_case_set_covariate(patient, "age", (double)INT_MIN + 1, NULL), DEEPTEPP_OK);
    deeptepp_case_free(patient);
}

static void a_covariate_needs_case_and_name(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    assert_int_equal(deeptepp_case_set_covariate(NULL, "age", 1, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_case_set_covariate(patient, NULL, 1, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_case_set_covariate(patient, "", 1, NULL), DEEPTEPP_ERR_ARGUMENT);
    deeptepp_case_free(patient);
}

static void names_are_copied(void **state)
{
    (void)state;
    deeptepp_case *patient = make_case();
    char name[] = "age";
    assert_int_equal(deeptepp_case_set_covariate(patient, name, 1, NULL), DEEPTEPP_OK);
    name[0] = 'X';
    assert_string_equal(patient->covariates[0].name, "age");
    deeptepp_case_free(patient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_case_is_empty),
        cmocka_unit_test(a_case_keeps_its_own_hold_on_volumes),
        cmocka_unit_test(a_channel_is_given_once),
        cmocka_unit_test(an_image_needs_case_volume_and_name),
        cmocka_unit_test(a_later_mask_replaces_the_earlier),
        cmocka_unit_test(labels_and_grids_are_checked),
        cmocka_unit_test(a_refused_mask_changes_nothing),
        cmocka_unit_test(covariates_are_kept_by_name),
        cmocka_unit_test(a_covariate_is_given_once),
        cmocka_unit_test(missing_covariate_values_are_refused),
        cmocka_unit_test(a_covariate_needs_case_and_name),
        cmocka_unit_test(names_are_copied),
    };
    return cmocka_run_group_tests_name("case", tests, NULL, NULL);
}
