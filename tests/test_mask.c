/* The mask: one tumour, its label, its box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "study_bench.h"

static void the_tumour_is_found(void **state)
{
    (void)state;
    bench *b = make_bench();
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.tumour.label, 1);
    assert_int_equal(b->study.tumour.voxels, VOXELS);
    assert_memory_equal(b->study.low, ((int64_t[]){2, 2, 1}), sizeof b->study.low);
    assert_memory_equal(b->study.high, ((int64_t[]){3, 4, 2}), sizeof b->study.high);
    assert_int_equal(b->warnings.count, 0);
    free_bench(b);
}

static void the_box_follows_the_recipe_s_axes(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("axes", "'SPR'"));
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_memory_equal(b->study.low, ((int64_t[]){1, 1, 2}), sizeof b->study.low);
    assert_memory_equal(b->study.high, ((int64_t[]){2, 3, 3}), sizeof b->study.high);
    free_bench(b);
}

/* ---- The mask's values ---- */

static void an_empty_mask_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    memset(b->mask.values, 0, picture_count(&b->mask) * sizeof *b->mask.values);
    EXPECT(b, MASK_EMPTY, "every voxel is 0");
}

static void an_absent_label_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->options.label = 4;
    EXPECT(b, MASK_LABEL, "label 4");
    b = make_bench();
    memset(b->mask.values, 0, picture_count(&b->mask) * sizeof *b->mask.values);
    b->options.label = 1;
    EXPECT(b, MASK_LABEL, "label 1");
}

static void several_labels_need_a_choice(void **state)
{
    (void)state;
    bench *b = make_bench();
    fill_box(&b->mask, (const int64_t[]){5, 1, 1}, (const int64_t[]){5, 3, 1}, 7);
    EXPECT(b, MASK_LABELS, "2 labels", "7 (3 voxels), 1 (12 voxels)");
}

static void the_chosen_label_is_the_tumour(void **state)
{
    (void)state;
    bench *b = make_bench();
    fill_box(&b->mask, (const int64_t[]){5, 1, 1}, (const int64_t[]){5, 3, 1}, 7);
    b->options.label = 7;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.tumour.label, 7);
    assert_int_equal(b->study.tumour.voxels, 3);
    assert_memory_equal(b->study.low, ((int64_t[]){5, 1, 1}), sizeof b->study.low);
    assert_memory_equal(b->study.high, ((int64_t[]){5, 3, 1}), sizeof b->study.high);
    free_bench(b);
}

static void the_only_label_may_have_any_number(void **state)
{
    (void)state;
    bench *b = make_bench();
    fill_box(&b->mask, (const int64_t[]){2, 2, 1}, (const int64_t[]){3, 4, 2}, 65535);
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.tumour.label, 65535);
    free_bench(b);
}

/* More labels than a segmentation of the whole breast has. */
static void one_of_many_labels_is_found(void **state)
{
    (void)state;
    bench *b = make_bench();
    for (size_t n = 0; n < picture_count(&b->mask); n++)
        b->mask.values[n] = (double)n;
    b->options.label = 100;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.tumour.voxels, 1);
    assert_memory_equal(b->study.low, ((int64_t[]){4, 0, 2}), sizeof b->study.low);
    b->options.label = 0;
    assert_int_equal(run(b), DEEPTEPP_ERR_MASK_LABELS);
    assert_says(b, "at least");
    free_bench(b);
}

static void values_that_are_no_labels_are_refused(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0.5, "0.5"}, {-1, "-1"}, {1e20, "1e+20"}, {1.000001, "1.00000"}, {0.996, "0.996"},
                {0.99599999189376831, "0.99599999189376831"}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench();
        *picture_at(&b->mask, 6, 3, 2) = *picture_at(&b->mask, 1, 4, 3) = rows[i].value;
        EXPECT(b, MASK_FRACTIONAL, "2 voxels", "(6, 3, 2)", rows[i].text);
    }
}

/* As nibabel saves 0 and 1 under an integer header: the slope and the intercept are float32. */
static void what_float32_rounds_is_a_label(void **state)
{
    (void)state;
    static const struct {
        double slope, inter, stored[2]; /* of 0, of 1 */
    } rows[] = {{1.0f / 255, 0, {0, 255}}, {1.0f / 65535, 32768.0f / 65535, {-32768, 32767}}, {1, 0, {0, 0.9999999f}},
                {3e-7f, -1024, {3413333333, 3416666667}}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench();
        deeptepp_case *patient = make_case();
        for (size_t n = 0; n < picture_count(&b->mask); n++)
            b->mask.values[n] = rows[i].stored[(int)b->mask.values[n]];
        add_image(patient, NULL, &b->image);
        add_mask(patient, &b->mask, i % 2 ? WITH_LABEL(1) : NULL);
        patient->mask->slope = rows[i].slope;
        patient->mask->inter = rows[i].inter;
        assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
        assert_int_equal(b->study.tumour.label, 1);
        assert_int_equal(b->study.tumour.voxels, VOXELS);
        assert_memory_equal(b->study.low, ((int64_t[]){2, 2, 1}), sizeof b->study.low);
        assert_int_equal(b->warnings.count, 1);
        assert_true(warns(b, DEEPTEPP_WARN_MASK_ROUNDED, "away from whole numbers"));
        deeptepp_case_free(patient);
        free_bench(b);
    }
}

/* The order of memory is another, the values are as far from whole numbers. */
static void how_far_is_told(void **state)
{
    (void)state;
    deeptepp_mask *mask = NULL;
    picture p = picture_make(DIMS, SPACING, ORIGIN);
    *picture_at(&p, 1, 1, 1) = 1 + 1e-7;
    *picture_at(&p, 1, 1, 2) = 1 - 3e-7;
    deeptepp_volume *volume = picture_volume(&p);
    assert_int_equal(deeptepp_mask_new(&mask, volume, NULL, NULL), DEEPTEPP_OK);
    assert_true(fabs(deeptepp_mask_rounding(mask) - 3e-7) < 1e-12);
    assert_int_equal(deeptepp_mask_label(mask), 1);
    assert_int_equal(deeptepp_mask_voxels(mask), 2);
    deeptepp_mask_free(mask);
    deeptepp_volume_free(volume);
    free(p.values);
}

/* 2^53 and the number before it are two labels; a double holds no other between them and 2^53 + 2. */
static void large_labels_are_told_apart(void **state)
{
    (void)state;
    const int64_t last = INT64_C(1) << 53;
    bench *b = make_bench();
    fill_box(&b->mask, (const int64_t[]){2, 2, 1}, (const int64_t[]){3, 4, 2}, (double)last);
    *picture_at(&b->mask, 5, 3, 2) = (double)(last - 1);
    b->options.label = last - 1;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.tumour.voxels, 1);
    b->options.label = 0;
    EXPECT(b, MASK_LABELS, "9007199254740992 (12 voxels)", "9007199254740991 (1 voxels)");
}

static void the_largest_part_alone_is_taken_on_demand(void **state)
{
    (void)state;
    for (int largest = 0; largest < 2; largest++) {
        bench *b = make_bench();
        fill_box(&b->mask, (const int64_t[]){6, 1, 3}, (const int64_t[]){6, 2, 3}, 1);
        b->options.largest_part = largest;
        assert_int_equal(run(b), DEEPTEPP_OK);
        assert_int_equal(b->study.tumour.voxels, largest ? VOXELS : VOXELS + 2);
        assert_memory_equal(b->study.high, largest ? ((int64_t[]){3, 4, 2}) : ((int64_t[]){6, 4, 3}),
                            sizeof b->study.high);
        assert_int_equal(b->warnings.count, 1);
        assert_true(warns(b, DEEPTEPP_WARN_MASK_PARTS, "2 parts"));
        assert_true(warns(b, DEEPTEPP_WARN_MASK_PARTS, largest ? "the largest alone was taken" : "all count"));
        free_bench(b);
    }
}

static void they_are_refused_beside_a_chosen_label_too(void **state)
{
    (void)state;
    bench *b = make_bench();
    *picture_at(&b->mask, 6, 3, 2) = 0.25;
    b->options.label = 1;
    EXPECT(b, MASK_FRACTIONAL, "1 voxels", "0.25");
}

static void a_small_mask_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("min_mask_voxels", "12"));
    assert_int_equal(run(b), DEEPTEPP_OK);
    free_bench(b);
    b = make_bench_of(RECIPE_WITH("min_mask_voxels", "13"));
    EXPECT(b, MASK_SMALL, "12 voxels", "at least 13");
}

static const struct {
    int64_t at[3];
    const char *axis;
} borders[] = {{{0, 3, 2}, "(L side)"}, {{7, 3, 2}, "(R side)"}, {{4, 0, 2}, "(P side)"}, {{4, 5, 2}, "(A side)"},
               {{4, 3, 0}, "(I side)"}, {{4, 3, 4}, "(S side)"}, {{0, 5, 2}, "(L, A side)"}};

static void a_mask_at_the_border_warns(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(borders); i++) {
        bench *b = make_bench();
        fill_box(&b->mask, borders[i].at, borders[i].at, 1);
        assert_int_equal(run(b), DEEPTEPP_OK);
        assert_int_equal(b->warnings.count, 1 + warns(b, DEEPTEPP_WARN_MASK_PARTS, "2 parts"));
        assert_true(warns(b, DEEPTEPP_WARN_MASK_AT_BORDER, borders[i].axis));
        free_bench(b);
    }
}

static void a_mask_at_the_border_is_refused_where_the_rule_forbids_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(borders); i++) {
        bench *b = make_bench_of(RECIPE_WITH("outside.rule", "'error'"));
        fill_box(&b->mask, borders[i].at, borders[i].at, 1);
        EXPECT(b, REGION_OUTSIDE, borders[i].axis);
    }
}

/* A row of more voxels than any memory holds as numbers, and a column of as many rows. */
static void a_cancelled_search_ends_whatever_the_size(void **state)
{
    (void)state;
    static const int64_t endless[2][3] = {{INT32_MAX, INT32_MAX, 1}, {1, INT32_MAX, INT32_MAX}};
    const uint8_t nothing = 0;
    for (int n = 0; n < 2; n++) {
        deeptepp_volume volume = {.type = DEEPTEPP_UINT8, .data = &nothing, .slope = 1};
        deeptepp_mask mask = {.label = 0};
        dtp_watch cancelled = {.cancelled = true};
        memcpy(volume.dims, endless[n], sizeof volume.dims);
        assert_int_equal(dtp_mask_survey(&mask, &volume, 0, &cancelled, NULL), DEEPTEPP_ERR_CANCELLED);
        volume.dims[n] = INT64_C(1) << 31;
        assert_int_equal(dtp_mask_survey(&mask, &volume, 0, &cancelled, NULL), DEEPTEPP_ERR_VOLUME_DIMS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tumour_is_found),
        cmocka_unit_test(the_box_follows_the_recipe_s_axes),
        cmocka_unit_test(an_empty_mask_is_refused),
        cmocka_unit_test(an_absent_label_is_refused),
        cmocka_unit_test(several_labels_need_a_choice),
        cmocka_unit_test(the_chosen_label_is_the_tumour),
        cmocka_unit_test(the_only_label_may_have_any_number),
        cmocka_unit_test(one_of_many_labels_is_found),
        cmocka_unit_test(values_that_are_no_labels_are_refused),
        cmocka_unit_test(what_float32_rounds_is_a_label),
        cmocka_unit_test(how_far_is_told),
        cmocka_unit_test(large_labels_are_told_apart),
        cmocka_unit_test(the_largest_part_alone_is_taken_on_demand),
        cmocka_unit_test(they_are_refused_beside_a_chosen_label_too),
        cmocka_unit_test(a_small_mask_is_refused),
        cmocka_unit_test(a_mask_at_the_border_warns),
        cmocka_unit_test(a_mask_at_the_border_is_refused_where_the_rule_forbids_it),
        cmocka_unit_test(a_cancelled_search_ends_whatever_the_size),
    };
    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
