/* Laws of the whole way from voxels to the tensor: storage and geometry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preprocess_bench.h"

static void reorder(picture *p, int order)
{
    replace(p, picture_reorder(p, order));
}

static const char *const INTENSITIES[] = {
    "{'rule': 'zscore', 'over': 'view'}", "{'rule': 'zscore', 'over': 'images_together'}",
    "{'rule': 'minmax', 'over': 'image', 'range': [-1, 1]}",
    "{'rule': 'percentile', 'over': 'view_together', 'range': [0, 1], 'percentiles': [1, 99]}",
    "{'rule': 'percentile', 'over': 'images_together', 'range': [0, 1], 'percentiles': [1, 99]}",
};

/* ---- Storage ---- */

static void one_tensor_for_all_48_axis_orders(void **state)
{
    (void)state;
    for (size_t rule = 0; rule < DTP_COUNT(INTENSITIES); rule++) {
        float *first = NULL;
        for (int order = 0; order < 48; order += rule ? 5 : 1) {
            bench *b = make_bench(RECIPE_WITH(LARGE, "channels", "['pre', 'post']", "intensity", INTENSITIES[rule]));
            reorder(&b->images[0], order);
            reorder(&b->images[1], (order * 7 + 3) % 48);
            reorder(&b->mask, 47 - order);
            run_well(b);
            if (!first)
                first = keep(b);
            assert_true(difference(b, first) < 1e-6);
            free_bench(b);
        }
        free(first);
    }
}

/* Turned about two axes and stored in every order. */
static void assert_one_tensor(double about_x, double about_z)
{
    float *first = NULL;
    for (int order = 0; order < 48; order++) {
        bench *b = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
        picture *both[] = {&b->images[0], &b->mask};
        for (int n = 0; n < 2; n++) {
            picture_turn(both[n], 0, about_x);
            picture_turn(both[n], 2, about_z);
            reorder(both[n], order);
        }
        run_well(b);
        if (!first)
            first = keep(b);
        assert_true(difference(b, first) < 1e-6);
        free_bench(b);
    }
    free(first);
}

static void oblique_volumes_keep_that_law(void **state)
{
    (void)state;
    assert_one_tensor(21, -33);
    assert_one_tensor(50, 65);
}

/* Two axes are then as near to R as each other, and any answer will do, but for all orders the same. */
static void so_do_volumes_at_45_degrees(void **state)
{
    (void)state;
    assert_one_tensor(0, 45);
    assert_one_tensor(0, -45);
    assert_one_tensor(45, 0);
    assert_one_tensor(135, 0);
    assert_one_tensor(45, 45);
    assert_one_tensor(-45, 45);
}

/* Voxels mirrored, header as before: another patient. */
static void mirrored_voxels_give_another_tensor(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
    run_well(b);
    float *first = keep(b);
    for (int flips = 1; flips < 8; flips++) {
        bench *m = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
        picture *both[] = {&m->images[0], &m->mask};
        for (int n = 0; n < 2; n++) {
            picture mirrored = picture_reorder(both[n], flips);
            memcpy(mirrored.affine, both[n]->affine, sizeof mirrored.affine);
            replace(both[n], mirrored);
        }
        run_well(m);
        assert_true(difference(m, first) > 0.1);
        free_bench(m);
    }
    free(first);
    free_bench(b);
}

/* ---- Geometry ---- */

static void moving_the_patient_changes_nothing_but_the_place(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
    run_well(b);
    float *first = keep(b);
    const double before[3] = {b->actions.centre_ras[0], b->actions.centre_ras[1], b->actions.centre_ras[2]};
    const double shift[3] = {123.456, -78.9, 1000.25};
    for (int w = 0; w < 3; w++) {
        b->images[0].affine[4 * w + 3] += shift[w];
        b->mask.affine[4 * w + 3] += shift[w];
    }
    run_well(b);
    assert_true(difference(b, first) == 0);
    for (int w = 0; w < 3; w++)
        assert_true(fabs(b->actions.centre_ras[w] - before[w] - shift[w]) < 1e-9);
    free(first);
    free_bench(b);
}

/* All sampling happens in the image's own frame. */
static void turning_the_patient_changes_nothing(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
    run_well(b);
    float *first = keep(b);
    picture *both[] = {&b->images[0], &b->mask};
    for (int n = 0; n < 2; n++) {
        picture_turn(both[n], 1, 30);
        picture_turn(both[n], 2, -12);
    }
    run_well(b);
    assert_true(difference(b, first) < 1e-6);
    free(first);
    free_bench(b);
}

/* A picture of 21 x 21 x 21 mm voxels around (10, 10, 10), all 0 but for one. */
static bench *one_voxel(const char *rotation_axis, const int64_t at[3])
{
    bench *b = make_bench(RECIPE_WITH("size", "[9, 9, 9]", "angles_deg", "[0, 90]", "rotation_axis", rotation_axis));
    const double ones[3] = {1, 1, 1};
    replace(&b->images[0], picture_make((const int64_t[]){21, 21, 21}, ones, ones));
    replace(&b->mask, picture_make((const int64_t[]){21, 21, 21}, ones, ones));
    *picture_at(&b->images[0], at[0], at[1], at[2]) = 1;
    *picture_at(&b->mask, 10, 10, 10) = 1;
    run_well(b);
    return b;
}

/* Element (d, h, w) of a view, as an offset from its middle. */
static float element(const bench *b, int view, int d, int h, int w)
{
    return b->tensor[view * 729 + (d + 4) * 81 + (h + 4) * 9 + w + 4];
}

/* Depth, height, width run to R, A, S; a view turned by +90 degrees sees what lies there turned back. */
static void voxels_land_where_they_should(void **state)
{
    (void)state;
    bench *b = one_voxel("'SI'", (const int64_t[]){13, 10, 10});
    assert_true(element(b, 0, 3, 0, 0) == 1 && element(b, 1, 0, -3, 0) == 1);
    free_bench(b);
    b = one_voxel("'LR'", (const int64_t[]){10, 12, 10});
    assert_true(element(b, 0, 0, 2, 0) == 1 && element(b, 1, 0, 0, -2) == 1);
    free_bench(b);
    b = one_voxel("'AP'", (const int64_t[]){10, 10, 14});
    assert_true(element(b, 0, 0, 0, 4) == 1 && element(b, 1, -4, 0, 0) == 1);
    free_bench(b);
}

static void each_view_is_what_its_angle_alone_would_give(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
    run_well(b);
    for (int view = 0; view < b->recipe.n_views; view++) {
        bench *one = make_bench(RECIPE_WITH(LARGE, VIEW_ZSCORE));
        one->recipe.n_views = 1;
        one->recipe.angles_deg[0] = b->recipe.angles_deg[view];
        run_well(one);
        assert_memory_equal(one->tensor, b->tensor + (size_t)view * one->count, one->count * sizeof *one->tensor);
        assert_int_equal(one->actions.outside[0], b->actions.outside[view]);
        free_bench(one);
    }
    free_bench(b);
}

/* ---- What lies outside ---- */

/* 34 x 30 x 21 voxels on their own lattice; the cube of 40 is centred on (16, 14, 9.5). */
#define WIDE "size", "[40, 40, 40]", "region", "{'rule': 'fixed', 'spacing_mm': [1.1, 0.9, 1.7]}"

static void what_lies_outside_is_counted_and_told(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(WIDE, "angles_deg", "[0, 90]"));
    run_well(b);
    assert_int_equal(b->actions.outside[0], 40 * 40 * 40 - 34 * 30 * 21);
    assert_true(b->actions.outside[1] > 0);
    assert_int_equal(b->warnings.count, 1);
    assert_int_equal(b->warnings.items[0].code, DEEPTEPP_WARN_PADDED);
    char count[40];
    snprintf(count, sizeof count, "%lld samples", (long long)(b->actions.outside[0] + b->actions.outside[1]));
    assert_non_null(strstr(b->warnings.items[0].message, count));
    free_bench(b);
}

static void it_is_filled_by_the_rule(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(WIDE, "outside", "{'rule': 'warn', 'fill': 'constant', 'value': -77}"));
    run_well(b);
    assert_true(b->tensor[0] == -77);
    free_bench(b);
    b = make_bench(RECIPE_WITH(WIDE));
    run_well(b);
    assert_true(fabs((double)b->tensor[0] - *picture_at(&b->images[0], 0, 0, 0)) < 1e-3);
    free_bench(b);
}

static void it_is_refused_where_the_rule_forbids_it(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH(WIDE, "outside.rule", "'error'"));
    assert_int_equal(run(b), DEEPTEPP_ERR_REGION_OUTSIDE);
    assert_non_null(strstr(b->error.message, "66.53 %"));
    free_bench(b);
    b = make_bench(RECIPE_WITH("outside.rule", "'error'"));
    run_well(b);
    assert_int_equal(b->actions.outside[0], 0);
    assert_int_equal(b->warnings.count, 0);
    free_bench(b);
}

/* One view alone leaves the image: that is enough. */
static void one_view_outside_is_outside(void **state)
{
    (void)state;
    bench *b = make_bench(RECIPE_WITH("size", "[32, 8, 8]", "angles_deg", "[0, 180, 45]", "rotation_axis", "'SI'",
                                      "outside.rule", "'error'"));
    assert_int_equal(run(b), DEEPTEPP_ERR_REGION_OUTSIDE);
    b->recipe.n_views = 2;
    run_well(b);
    free_bench(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_tensor_for_all_48_axis_orders),
        cmocka_unit_test(oblique_volumes_keep_that_law),
        cmocka_unit_test(so_do_volumes_at_45_degrees),
        cmocka_unit_test(mirrored_voxels_give_another_tensor),
        cmocka_unit_test(moving_the_patient_changes_nothing_but_the_place),
        cmocka_unit_test(turning_the_patient_changes_nothing),
        cmocka_unit_test(voxels_land_where_they_should),
        cmocka_unit_test(each_view_is_what_its_angle_alone_would_give),
        cmocka_unit_test(what_lies_outside_is_counted_and_told),
        cmocka_unit_test(it_is_filled_by_the_rule),
        cmocka_unit_test(it_is_refused_where_the_rule_forbids_it),
        cmocka_unit_test(one_view_outside_is_outside),
    };
    return cmocka_run_group_tests_name("preprocess", tests, NULL, NULL);
}
