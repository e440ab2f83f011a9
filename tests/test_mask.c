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
    assert_int_equal(b->study.label, 1);
    assert_int_equal(b->study.mask_voxels, VOXELS);
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
    b->label = 4;
    EXPECT(b, MASK_LABEL, "label 4");
    b = make_bench();
    memset(b->mask.values, 0, picture_count(&b->mask) * sizeof *b->mask.values);
    b->label = 1;
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
    b->label = 7;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.label, 7);
    assert_int_equal(b->study.mask_voxels, 3);
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
    assert_int_equal(b->study.label, 65535);
    free_bench(b);
}

/* More labels than a segmentation of the whole breast has. */
static void one_of_many_labels_is_found(void **state)
{
    (void)state;
    bench *b = make_bench();
    for (size_t n = 0; n < picture_count(&b->mask); n++)
        b->mask.values[n] = (double)n;
    b->label = 100;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.mask_voxels, 1);
    assert_memory_equal(b->study.low, ((int64_t[]){4, 0, 2}), sizeof b->study.low);
    b->label = 0;
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
    } rows[] = {{0.5, "0.5"}, {-1, "-1"}, {1.0000001, "1.0000001"}, {1e20, "1e+20"}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench();
        *picture_at(&b->mask, 6, 3, 2) = *picture_at(&b->mask, 1, 4, 3) = rows[i].value;
        EXPECT(b, MASK_FRACTIONAL, "2 voxels", "(6, 3, 2)", rows[i].text);
    }
}

static void they_are_refused_beside_a_chosen_label_too(void **state)
{
    (void)state;
    bench *b = make_bench();
    *picture_at(&b->mask, 6, 3, 2) = 0.25;
    b->label = 1;
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
        assert_int_equal(b->warnings.count, 1);
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
    static const int64_t endless[2][3] = {{INT64_C(1) << 50, 1, 1}, {1, 1, INT64_C(1) << 60}};
    const uint8_t nothing = 0;
    for (int n = 0; n < 2; n++) {
        deeptepp_volume mask = {.type = DEEPTEPP_UINT8, .data = &nothing, .slope = 1};
        dtp_study study = {.mask = &mask};
        dtp_watch cancelled = {.cancelled = true};
        memcpy(mask.dims, endless[n], sizeof mask.dims);
        assert_int_equal(dtp_mask_find(&study, 0, &cancelled, NULL), DEEPTEPP_ERR_CANCELLED);
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
        cmocka_unit_test(they_are_refused_beside_a_chosen_label_too),
        cmocka_unit_test(a_small_mask_is_refused),
        cmocka_unit_test(a_mask_at_the_border_warns),
        cmocka_unit_test(a_mask_at_the_border_is_refused_where_the_rule_forbids_it),
        cmocka_unit_test(a_cancelled_search_ends_whatever_the_size),
    };
    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
