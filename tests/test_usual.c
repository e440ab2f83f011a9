/* The tumour's volume and each image's mean within it, against the model's usual ranges: what is told, and that neither
 * storage order, parts, labels nor another grid mislead; and what ranges a file may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "study_bench.h"

/* The bench's tumour: 12 voxels of 6 mm3. */
static const char *const ML_AROUND = "{'mask_ml': [0.0719, 0.0721]}";

/* A range of one channel around a mean. */
static const char *around(double mean)
{
    static char text[80];
    snprintf(text, sizeof text, "{'intensity': [[%.17g, %.17g]]}", mean - 1e-9, mean + 1e-9);
    return text;
}

static void fill_randomly(picture *image, uint64_t state)
{
    for (size_t i = 0; i < picture_count(image); i++)
        image->values[i] = 1000 * picture_random(&state) - 200;
}

static double mean_where(const picture *image, const picture *mask, double label)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < picture_count(mask); i++)
        if (mask->values[i] == label) {
            sum += image->values[i];
            count++;
        }
    return sum / count;
}

/* Runs, and frees the bench: whether there is no warning but these, each that is not NULL. */
static void expect_warnings(bench *b, const char *mask, const char *intensity)
{
    if (run(b) != DEEPTEPP_OK)
        fail_msg("%s", b->error.message);
    assert_int_equal(b->warnings.count, (mask != NULL) + (intensity != NULL));
    if (mask)
        assert_true(warns(b, DEEPTEPP_WARN_MASK_UNUSUAL, mask));
    if (intensity)
        assert_true(warns(b, DEEPTEPP_WARN_INTENSITY_UNUSUAL, intensity));
    free_bench(b);
}

static void a_volume_outside_the_range_is_told(void **state)
{
    (void)state;
    expect_warnings(make_bench_of(RECIPE_WITH("usual", ML_AROUND)), NULL, NULL);
    expect_warnings(make_bench_of(RECIPE_WITH("usual", "{'mask_ml': [0.08, 50]}")),
                    "mask: a tumour of 0.072 ml: the model's usual ones have 0.08 to 50 ml", NULL);
    expect_warnings(make_bench_of(RECIPE_WITH("usual", "{'mask_ml': [0, 0.07]}")), "0 to 0.07 ml", NULL);
}

static void a_mean_outside_the_range_is_told_with_its_channel(void **state)
{
    (void)state;
    static const struct {
        const char *usual, *told;
    } rows[] = {{"{'intensity': [[-50, -40.5]]}", "image \"t1c\": a mean of -40.25 within the mask: the model's usual "
                                                  "ones are -50 to -40.5"},
                {"{'intensity': [[-40, 7]]}", "-40 to 7"},
                {"{'intensity': [[-41, -40]]}", NULL},
                {"{}", NULL}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench_of(RECIPE_WITH("usual", rows[i].usual));
        for (size_t v = 0; v < picture_count(&b->image); v++)
            b->image.values[v] = b->mask.values[v] == 1 ? -40.25 : 9e9;
        expect_warnings(b, NULL, rows[i].told);
    }
}

static void both_ends_are_usual(void **state)
{
    (void)state;
    static const char *const ranges[] = {"{'intensity': [[5, 6]]}", "{'intensity': [[4, 5]]}"};
    for (size_t i = 0; i < DTP_COUNT(ranges); i++) {
        bench *b = make_bench_of(RECIPE_WITH("usual", ranges[i]));
        for (size_t v = 0; v < picture_count(&b->image); v++)
            b->image.values[v] = 5;
        expect_warnings(b, NULL, NULL);
    }
    bench *b = make_bench_of(RECIPE_WITH("usual", "{'mask_ml': [0.072, 1]}"));
    expect_warnings(b, NULL, NULL);
}

/* The mask in one of the 48 orders, the image in another: the same mean. */
static void storage_orders_do_not_matter(void **state)
{
    (void)state;
    for (int order = 0; order < 96; order++) {
        bench *b = make_bench();
        fill_randomly(&b->image, (uint64_t)order);
        fill_box(&b->mask, (const int64_t[]){4, 1, 1}, (const int64_t[]){6, 2, 1}, 1);
        double mean = mean_where(&b->image, &b->mask, 1);
        picture image = picture_reorder(&b->image, order % 48), mask = picture_reorder(&b->mask, order * 31 % 48);
        free(b->image.values);
        free(b->mask.values);
        dtp_recipe_free(&b->recipe);
        b->image = image;
        b->mask = mask;
        b->recipe = order < 48 ? RECIPE_WITH("usual", around(mean), "axes", "'SPL'")
                               : MOSAIC_WITH("usual", around(mean));
        expect_warnings(b, NULL, NULL);
    }
}

/* Spans longer than what is read at once. */
static void long_rows_are_read_to_their_end(void **state)
{
    (void)state;
    static const int64_t dims[3] = {1300, 3, 3};
    for (int order = 0; order < 2; order++) { /* along i, and against it */
        bench *b = make_bench();
        free(b->image.values);
        free(b->mask.values);
        b->image = picture_make(dims, SPACING, ORIGIN);
        b->mask = picture_make(dims, SPACING, ORIGIN);
        fill_randomly(&b->image, 7);
        fill_box(&b->mask, (const int64_t[]){1, 1, 1}, (const int64_t[]){1290, 1, 1}, 1);
        dtp_recipe_free(&b->recipe);
        b->recipe = RECIPE_WITH("usual", around(mean_where(&b->image, &b->mask, 1)));
        picture image = picture_reorder(&b->image, order);
        free(b->image.values);
        b->image = image;
        expect_warnings(b, NULL, NULL);
    }
}

static void the_label_that_is_the_tumour_counts(void **state)
{
    (void)state;
    bench *b = make_bench();
    fill_randomly(&b->image, 3);
    fill_box(&b->mask, (const int64_t[]){2, 2, 1}, (const int64_t[]){2, 4, 2}, 3);
    dtp_recipe_free(&b->recipe);
    b->recipe = RECIPE_WITH("usual", around(mean_where(&b->image, &b->mask, 3)));
    b->options.label = 3;
    expect_warnings(b, NULL, NULL);
}

static void the_largest_part_alone_counts_where_it_is_the_tumour(void **state)
{
    (void)state;
    for (int largest = 0; largest < 2; largest++) {
        bench *b = make_bench();
        fill_randomly(&b->image, 4);
        double part = mean_where(&b->image, &b->mask, 1);
        *picture_at(&b->mask, 6, 1, 3) = 1;
        double both = mean_where(&b->image, &b->mask, 1);
        assert_true(fabs(part - both) > 1e-3);
        dtp_recipe_free(&b->recipe);
        b->recipe = RECIPE_WITH("usual", around(largest ? part : both), "usual.mask_ml",
                                largest ? "[0.071, 0.073]" : "[0.077, 0.079]");
        b->options.largest_part = largest;
        assert_int_equal(run(b), DEEPTEPP_OK);
        assert_int_equal(b->warnings.count, 1);
        assert_true(warns(b, DEEPTEPP_WARN_MASK_PARTS, ""));
        free_bench(b);
    }
}

/* A mask of voxels twice as long along i, put onto the image's grid: two of the image's for each. */
static void a_mask_on_another_grid_is_measured_on_the_image_s(void **state)
{
    (void)state;
    static const int64_t dims[3] = {4, 6, 5};
    static const double spacing[3] = {2, 2, 3}, origin[3] = {-9.5, 20, 30};
    bench *b = make_bench();
    fill_randomly(&b->image, 5);
    double mean = mean_where(&b->image, &b->mask, 1);
    free(b->mask.values);
    b->mask = picture_make(dims, spacing, origin);
    fill_box(&b->mask, (const int64_t[]){1, 2, 1}, (const int64_t[]){1, 4, 2}, 1);
    dtp_recipe_free(&b->recipe);
    b->recipe = RECIPE_WITH("usual", around(mean), "usual.mask_ml", "[0.0719, 0.0721]");
    b->options.grid = DEEPTEPP_MASK_GRID_NEAREST;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 1);
    assert_true(warns(b, DEEPTEPP_WARN_MASK_REGRIDDED, ""));
    free_bench(b);
}

static void each_channel_has_its_range(void **state)
{
    (void)state;
    static const char *const names[] = {"late", "post", "pre"};
    bench *b = make_bench_of(RECIPE_WITH("channels", "['pre', 'post', 'late']", "usual",
                                         "{'intensity': [[1, 3], [1, 3], [7, 9]]}"));
    deeptepp_case *patient = make_case();
    picture images[3];
    for (int i = 0; i < 3; i++) { /* 8, 5, 2 */
        images[i] = picture_make(DIMS, SPACING, ORIGIN);
        for (size_t v = 0; v < picture_count(&images[i]); v++)
            images[i].values[v] = 8 - 3 * i;
        add_image(patient, names[i], &images[i]);
    }
    add_mask(patient, &b->mask, NULL);
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 1);
    assert_true(warns(b, DEEPTEPP_WARN_INTENSITY_UNUSUAL, "image \"post\": a mean of 5 within"));
    deeptepp_case_free(patient);
    for (int i = 0; i < 3; i++)
        free(images[i].values);
    free_bench(b);
}

static void measuring_can_be_cancelled(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("usual", "{'intensity': [[1, 3]]}"));
    deeptepp_case *patient = make_case();
    dtp_watch cancelled = {.cancelled = true};
    add_image(patient, NULL, &b->image);
    add_mask(patient, &b->mask, NULL);
    assert_int_equal(dtp_study_make(&b->study, patient, &b->recipe, &b->warnings, NULL, &b->error), DEEPTEPP_OK);
    b->warnings.count = 0;
    assert_int_equal(dtp_study_warn_of_unusual(&b->study, &b->warnings, &cancelled, &b->error),
                     DEEPTEPP_ERR_CANCELLED);
    assert_int_equal(b->warnings.count, 0);
    dtp_study_free(&b->study);
    deeptepp_case_free(patient);
    free_bench(b);
}

/* ---- What the file may say ---- */

static void usual_ranges_rise_and_are_one_a_channel(void **state)
{
    (void)state;
    static const change_row two[] = {{"channels", "['pre', 'post']", 0}, {"usual", "{}", 0}, {NULL, NULL, 0}};
    static const change_row rows[] = {
        {"usual", "[1, 50]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual", "null", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.mask_mm3", "[1, 50]", DEEPTEPP_ERR_MODEL_METADATA},
        {"usual.mask_ml", "50", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.mask_ml", "[1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.mask_ml", "[50, 1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.mask_ml", "[1, 1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.mask_ml", "[-1, 50]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.mask_ml", "[1, 100001]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.mask_ml", "[0, 100000]", DEEPTEPP_OK},
        {"usual.intensity", "[1, 2]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "{'pre': [1, 2], 'post': [1, 2]}", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[1, 2]]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[1, 2], [1, 2], [1, 2]]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[1, 2], [2, 1]]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[1, 2], [1, 2, 3]]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[1, 2], [1, '2']]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[1, 2], null]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[1, 2e30], [1, 2]]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual.intensity", "[[-1e30, 1e30], [-2, -1]]", DEEPTEPP_OK},
    };
    check_rows_of(plain_recipe_json, two, rows, DTP_COUNT(rows));
}

static void a_usual_range_s_error_says_which_and_what(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{'mask_ml': [50, 1]}", "input.usual.mask_ml: is [50, 1], wanted rising"},
        {"{'intensity': [[1, 2]]}", "input.usual.intensity: has 1 pairs for 2 channels, wanted one each"},
        {"{'intensity': [[1, 2], [4, 3]]}", "input.usual.intensity[1]: is [4, 3], wanted rising"},
        {"{'intensity': [[1, 2], [4]]}", "input.usual.intensity[1]: is [4], wanted an array of 2 to 2 elements"},
        {"{'intensity': [[1, true], [3, 4]]}", "input.usual.intensity[0][1]: is true, wanted a number"},
        {"{'mean': 1}", "input.usual.mean: is not a key of this section"}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        dtp_recipe recipe;
        deeptepp_error error = {0};
        json_t *json = plain_recipe_json();
        change(json, "channels", "['pre', 'post']");
        change(json, "usual", rows[i][0]);
        assert_int_not_equal(parse_recipe(&recipe, json, &error), DEEPTEPP_OK);
        if (!strstr(error.message, rows[i][1]))
            fail_msg("\"%s\" does not say \"%s\"", error.message, rows[i][1]);
        dtp_recipe_free(&recipe);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_outside_the_range_is_told),
        cmocka_unit_test(a_mean_outside_the_range_is_told_with_its_channel),
        cmocka_unit_test(both_ends_are_usual),
        cmocka_unit_test(storage_orders_do_not_matter),
        cmocka_unit_test(long_rows_are_read_to_their_end),
        cmocka_unit_test(the_label_that_is_the_tumour_counts),
        cmocka_unit_test(the_largest_part_alone_counts_where_it_is_the_tumour),
        cmocka_unit_test(a_mask_on_another_grid_is_measured_on_the_image_s),
        cmocka_unit_test(each_channel_has_its_range),
        cmocka_unit_test(measuring_can_be_cancelled),
        cmocka_unit_test(usual_ranges_rise_and_are_one_a_channel),
        cmocka_unit_test(a_usual_range_s_error_says_which_and_what),
    };
    return cmocka_run_group_tests_name("usual", tests, NULL, NULL);
}
