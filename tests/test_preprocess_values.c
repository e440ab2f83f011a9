/* Laws of the whole way from voxels to the tensor: values, channels, stopping. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preprocess_bench.h"

static const char *const INTENSITIES[] = {
    "{'rule': 'zscore', 'over': 'view'}", "{'rule': 'zscore', 'over': 'images_together'}",
    "{'rule': 'minmax', 'over': 'image', 'range': [-1, 1]}",
    "{'rule': 'percentile', 'over': 'view_together', 'range': [0, 1], 'percentiles': [1, 99]}",
    "{'rule': 'percentile', 'over': 'images_together', 'range': [0, 1], 'percentiles': [1, 99]}",
};

/* ---- Values ---- */

static void slope_and_intercept_are_part_of_the_voxels(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE));
    run_well(b);
    float *first = keep(b);
    /* The same values behind a scaling, as a file holds them. */
    b->slope = 0.25;
    b->inter = -1000;
    for (size_t n = 0; n < picture_count(&b->images[0]); n++)
        b->images[0].values[n] = (b->images[0].values[n] - b->inter) / b->slope;
    run_well(b);
    assert_true(difference(b, first) < 1e-3);
    b->slope = 0.5;
    run_well(b);
    assert_true(difference(b, first) > 100);
    free(first);
    free_bench(b);
}

static void zscores_do_not_see_a_scanner_s_gain(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
    run_well(b);
    float *first = keep(b);
    b->slope = 3.7;
    b->inter = 250;
    run_well(b);
    assert_true(difference(b, first) < 1e-5);
    free(first);
    free_bench(b);
}

static void moments(const float *values, size_t count, double *mean, double *sd)
{
    double sum = 0, squares = 0;
    for (size_t n = 0; n < count; n++)
        sum += (double)values[n];
    *mean = sum / (double)count;
    for (size_t n = 0; n < count; n++)
        squares += ((double)values[n] - *mean) * ((double)values[n] - *mean);
    *sd = sqrt(squares / (double)count);
}

/* Over a view: each channel has mean 0 and sd 1; over the view together: both channels in one; over an image: neither,
 * unless the view is the image. */
static void over_says_of_which_values(void **state)
{
    (void)state;
    static const char *const overs[] = {"'view'", "'view_together'", "'image'", "'images_together'"};
    for (int o = 0; o < 4; o++) {
        bench *b = make_bench(RECIPE_WITH(LARGE, "channels", "['pre', 'post']", VIEW_ZSCORE, "intensity.over",
                                          overs[o]));
        run_well(b);
        size_t each = b->count / 20;
        for (int view = 0; view < 10; view++) {
            double mean, sd;
            moments(b->tensor + (size_t)(2 * view) * each, each, &mean, &sd);
            assert_int_equal(fabs(mean) < 1e-5 && fabs(sd - 1) < 1e-5, o == 0);
            moments(b->tensor + (size_t)(2 * view) * each, 2 * each, &mean, &sd);
            assert_int_equal(fabs(mean) < 1e-5 && fabs(sd - 1) < 1e-5, o < 2);
        }
        free_bench(b);
    }
}

/* The whole image's moments, applied to a raw tensor, give the tensor over the image. */
static void over_the_image_is_by_its_voxels(void **state)
{
    (void)state;
    bench *raw = make_bench(RECIPE_WITH(LARGE, "channels", "['pre', 'post']"));
    run_well(raw);
    for (int together = 0; together < 2; together++) {
        bench *b = make_bench(RECIPE_WITH(LARGE, "channels", "['pre', 'post']", "intensity",
                                          together ? INTENSITIES[1] : "{'rule': 'zscore', 'over': 'image'}"));
        run_well(b);
        size_t each = b->count / 20, voxels = picture_count(&b->images[0]);
        float *values = malloc(2 * voxels * sizeof *values);
        assert_non_null(values);
        for (size_t n = 0; n < 2 * voxels; n++)
            values[n] = (float)b->images[n / voxels].values[n % voxels];
        for (int c = 0; c < 2; c++) {
            double mean, sd;
            moments(together ? values : values + (size_t)c * voxels, together ? 2 * voxels : voxels, &mean, &sd);
            for (size_t n = 0; n < each; n += 97)
                assert_true(fabs((double)b->tensor[(size_t)c * each + n] -
                                 ((double)raw->tensor[(size_t)c * each + n] - mean) / sd) < 1e-5);
        }
        free(values);
        free_bench(b);
    }
    free_bench(raw);
}

static void channels_keep_the_recipe_s_order(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE, "channels", "['pre', 'post']", VIEW_ZSCORE));
    run_well(b);
    bench *swapped = make_bench(RECIPE_WITH(LARGE, "channels", "['post', 'pre']", VIEW_ZSCORE));
    picture first = swapped->images[0];
    swapped->images[0] = swapped->images[1];
    swapped->images[1] = first;
    run_well(swapped);
    size_t each = b->count / 20;
    for (size_t n = 0; n < 20; n++)
        assert_memory_equal(b->tensor + n * each, swapped->tensor + (n ^ 1) * each, each * sizeof(float));
    free_bench(swapped);
    free_bench(b);
}

static void a_range_is_filled_and_not_left(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE, "intensity", "{'rule': 'minmax', 'over': 'view', 'range': [-2, 5]}"));
    run_well(b);
    size_t each = b->count / 10;
    for (int view = 0; view < 10; view++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t n = 0; n < each; n++) {
            low = fmin(low, (double)b->tensor[(size_t)view * each + n]);
            high = fmax(high, (double)b->tensor[(size_t)view * each + n]);
        }
        assert_true(fabs(low + 2) < 1e-6 && fabs(high - 5) < 1e-6);
    }
    free_bench(b);
}

static void a_constant_crop_is_refused_by_name(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH("size", "[8, 8, 8]", VIEW_ZSCORE));
    for (int64_t n = 0; n < (int64_t)picture_count(&b->images[0]); n++)
        b->images[0].values[n] = n == 0 ? 5 : 3;
    assert_int_equal(run(b), DEEPTEPP_ERR_IMAGE_CONSTANT);
    assert_non_null(strstr(b->error.message, "crop of channel \"t1c\", view 1"));
    assert_non_null(strstr(b->error.message, "is 3"));
    free_bench(b);
}

/* The host changed its memory after the volume was checked. */
static void voxels_that_became_nan_are_refused(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH("size", "[8, 8, 8]"));
    deeptepp_case *patient = make_case(b);
    dtp_study study;
    float tensor[512];
    assert_int_equal(dtp_study_make(&study, patient, &b->recipe, &b->warnings, NULL, NULL), DEEPTEPP_OK);
    *picture_at(&b->images[0], 16, 14, 10) = NAN;
    assert_int_equal(dtp_preprocess(&study, tensor, &b->actions, &b->warnings, NULL, &b->error),
                     DEEPTEPP_ERR_VOLUME_NONFINITE);
    dtp_study_free(&study);
    deeptepp_case_free(patient);
    free_bench(b);
}

/* Beyond it, overflow within the network could not be seen in its score. */
static void values_the_network_would_overflow_on_are_refused(void **state)
{
    (void)state;
    static const struct {
        double value;
        deeptepp_status status;
    } rows[] = {{0.99e18, DEEPTEPP_OK}, {-0.99e18, DEEPTEPP_OK}, {1.01e18, DEEPTEPP_ERR_SCORE_NONFINITE},
                {-1e37, DEEPTEPP_ERR_SCORE_NONFINITE}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench(RECIPE_WITH("size", "[8, 8, 8]"));
        for (size_t n = 0; n < picture_count(&b->images[0]); n++)
            b->images[0].values[n] = rows[i].value;
        assert_int_equal(run(b), rows[i].status);
        free_bench(b);
    }
}

/* ---- Stopping ---- */

static void a_cancelled_run_says_so(void **state)
{
    (void)state;
    for (size_t rule = 0; rule < DTP_COUNT(INTENSITIES); rule++) {
        bench *b = make_bench(RECIPE_WITH(LARGE, "channels", "['pre', 'post']", "intensity", INTENSITIES[rule]));
        dtp_watch watch = {.cancelled = true};
        assert_int_equal(run_watched(b, &watch), DEEPTEPP_ERR_CANCELLED);
        run_well(b);
        free_bench(b);
    }
}

/* Cancels as soon as a normalised value is seen, all of which are below 0; the image's are above. */
typedef struct spoiler {
    const volatile float *value;
    dtp_watch watch;
    atomic_bool over;
} spoiler;

static void *wait_and_cancel(void *argument)
{
    spoiler *s = argument;
    while (!(*s->value < 0) && !atomic_load(&s->over))
        ;
    atomic_store(&s->watch.cancelled, true);
    return NULL;
}

static deeptepp_status cancel_while_normalising(bench *b, float *tensor)
{
    dtp_study study;
    pthread_t thread;
    spoiler s = {.value = tensor};
    deeptepp_case *patient = make_case(b);
    assert_int_equal(dtp_study_make(&study, patient, &b->recipe, &b->warnings, &s.watch, NULL), DEEPTEPP_OK);
    tensor[0] = 0;
    assert_int_equal(pthread_create(&thread, NULL, wait_and_cancel, &s), 0);
    deeptepp_status status = dtp_preprocess(&study, tensor, &b->actions, &b->warnings, &s.watch, &b->error);
    atomic_store(&s.over, true);
    pthread_join(thread, NULL);
    dtp_study_free(&study);
    deeptepp_case_free(patient);
    return status;
}

/* Once in a few trials the other thread is in time. */
static void normalising_can_be_cancelled(void **state)
{
    (void)state;
    enum { EDGE = 160, TRIALS = 30 };
    bench *b =
        make_bench(RECIPE_WITH("size", "[160, 160, 160]", "region", "{'rule': 'fixed', 'spacing_mm': [0.1, 0.1, 0.1]}",
                               "intensity", "{'rule': 'minmax', 'over': 'view', 'range': [-5, -4]}"));
    float *tensor = malloc((size_t)EDGE * EDGE * EDGE * sizeof *tensor);
    deeptepp_status status = DEEPTEPP_OK;
    assert_non_null(tensor);
    for (int trial = 0; trial < TRIALS && status == DEEPTEPP_OK; trial++)
        status = cancel_while_normalising(b, tensor);
    assert_int_equal(status, DEEPTEPP_ERR_CANCELLED);
    free(tensor);
    free_bench(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slope_and_intercept_are_part_of_the_voxels),
        cmocka_unit_test(zscores_do_not_see_a_scanner_s_gain),
        cmocka_unit_test(over_says_of_which_values),
        cmocka_unit_test(over_the_image_is_by_its_voxels),
        cmocka_unit_test(channels_keep_the_recipe_s_order),
        cmocka_unit_test(a_range_is_filled_and_not_left),
        cmocka_unit_test(a_constant_crop_is_refused_by_name),
        cmocka_unit_test(voxels_that_became_nan_are_refused),
        cmocka_unit_test(values_the_network_would_overflow_on_are_refused),
        cmocka_unit_test(a_cancelled_run_says_so),
        cmocka_unit_test(normalising_can_be_cancelled),
    };
    return cmocka_run_group_tests_name("preprocess values", tests, NULL, NULL);
}
