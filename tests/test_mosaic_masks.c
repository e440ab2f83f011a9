/* The published views: what voxel types, thin masks, labels and stored orders do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mosaic_bench.h"

static bench *small_bench(dtp_recipe recipe)
{
    return make_bench(recipe, VECTOR(31, 24, 40), VECTOR(5, 6, 8), VECTOR(19, 18, 30));
}

static void replace(picture *p, picture q)
{
    free(p->values);
    *p = q;
}

static void reorder(bench *b, int image_order, int mask_order)
{
    replace(&b->image, picture_reorder(&b->image, image_order));
    replace(&b->mask, picture_reorder(&b->mask, mask_order));
}

/* ---- Orders ---- */

static void one_tensor_for_all_48_axis_orders(void **state)
{
    (void)state;
    bench *first = small_bench(PLAIN("axes", "'LPS'", VIEWS));
    run_well(first);
    for (int order = 0; order < 48; order++) {
        bench *b = small_bench(PLAIN("axes", "'LPS'", VIEWS));
        reorder(b, order, 47 - order);
        run_well(b);
        assert_same_tensor(first, b);
        assert_int_equal(b->warnings.count, 0);
        free_bench(b);
    }
    free_bench(first);
}

static void axes_choose_what_the_views_turn_about(void **state)
{
    (void)state;
    static const char *const axes[] = {"'LPS'", "'RAS'", "'SAR'", "'ASR'", "'PLS'", "'LPI'"};
    bench *b[DTP_COUNT(axes)];
    for (size_t i = 0; i < DTP_COUNT(axes); i++) {
        b[i] = small_bench(MOSAIC_WITH("axes", axes[i], VIEWS));
        run_well(b[i]);
        for (size_t j = 0; j < i; j++)
            assert_false(same_tensor(b[i], b[j]));
    }
    for (size_t i = 0; i < DTP_COUNT(axes); i++)
        free_bench(b[i]);
}

/* The parity mode: right for a file that happens to be stored so, another score for every other, and always a
 * warning. */
static void stored_order_is_the_file_s_own_and_always_told(void **state)
{
    (void)state;
    bench *world = small_bench(PLAIN(VIEWS));
    run_well(world);
    int same = 0;
    for (int order = 0; order < 48; order++) {
        bench *b = small_bench(MOSAIC_WITH("axes", "'stored'", VIEWS));
        reorder(b, order, order);
        run_well(b);
        same += same_tensor(world, b);
        assert_true(order > 0 || same == 1);
        assert_non_null(warning(b, DEEPTEPP_WARN_STORED_ORDER));
        free_bench(b);
    }
    assert_int_equal(same, 1);
    assert_null(warning(world, DEEPTEPP_WARN_STORED_ORDER));
    free_bench(world);
}

static void a_mask_stored_otherwise_is_brought_into_the_image_s_order(void **state)
{
    (void)state;
    bench *first = small_bench(MOSAIC_WITH("axes", "'stored'"));
    run_well(first);
    for (int order = 1; order < 48; order += 5) {
        bench *b = small_bench(MOSAIC_WITH("axes", "'stored'"));
        reorder(b, 0, order);
        run_well(b);
        assert_same_tensor(first, b);
        free_bench(b);
    }
    free_bench(first);
}

/* The published pipeline knows no millimetres, nor does it turn with the patient. */
static void voxel_size_and_obliqueness_change_nothing(void **state)
{
    (void)state;
    bench *first = small_bench(PLAIN(VIEWS)), *b = small_bench(PLAIN(VIEWS));
    run_well(first);
    picture *both[] = {&b->image, &b->mask};
    for (int n = 0; n < 2; n++) {
        for (int row = 0; row < 3; row++)
            both[n]->affine[4 * row + 2] *= 3.25;
        picture_turn(both[n], 1, 21);
    }
    run_well(b);
    assert_same_tensor(first, b);
    free_bench(first);
    free_bench(b);
}

static void image_and_mask_are_compared(void **state)
{
    (void)state;
    bench *b = small_bench(PLAIN(VIEWS));
    b->mask.affine[3] += 0.5;
    assert_int_equal(run(b), DEEPTEPP_ERR_GEOMETRY_ORIGIN);
    free_bench(b);
    b = small_bench(PLAIN(VIEWS));
    replace(&b->mask, picture_make(VECTOR(31, 24, 39), MM, ORIGIN));
    assert_int_equal(run(b), DEEPTEPP_ERR_GEOMETRY_SIZE);
    free_bench(b);
    b = small_bench(PLAIN("min_mask_voxels", "100000"));
    assert_int_equal(run(b), DEEPTEPP_ERR_MASK_SMALL);
    free_bench(b);
}

/* ---- Types ---- */

static bench *typed_bench(deeptepp_type image, deeptepp_type mask)
{
    bench *b = small_bench(PLAIN(VIEWS));
    b->image_type = image;
    b->mask_type = mask;
    run_well(b);
    return b;
}

/* 8 bits round halves up and in fixed point, other integers to even; floating point does not round. */
static void types_that_round_alike_give_one_tensor(void **state)
{
    (void)state;
    static const deeptepp_type whole[] = {DEEPTEPP_INT32, DEEPTEPP_UINT16, DEEPTEPP_UINT32, DEEPTEPP_INT64,
                                          DEEPTEPP_UINT64};
    static const deeptepp_type masks[] = {DEEPTEPP_INT8, DEEPTEPP_INT32, DEEPTEPP_UINT16, DEEPTEPP_UINT32,
                                          DEEPTEPP_INT64};
    bench *first = typed_bench(DEEPTEPP_INT16, DEEPTEPP_INT16), *real = typed_bench(DEEPTEPP_FLOAT64, DEEPTEPP_FLOAT64);
    for (size_t i = 0; i < DTP_COUNT(whole); i++) {
        bench *b = typed_bench(whole[i], masks[i]);
        assert_same_tensor(first, b);
        assert_false(same_tensor(real, b));
        free_bench(b);
    }
    bench *single = typed_bench(DEEPTEPP_FLOAT32, DEEPTEPP_FLOAT32);
    assert_same_tensor(real, single);
    free_bench(first);
    free_bench(real);
    free_bench(single);
}

/* The most grey levels that lie between two tensors. One is what sums in another order give where they meet a half. */
static int levels_apart(const bench *a, const bench *b)
{
    double most = 0;
    for (size_t i = 0; i < a->count; i++)
        most = fmax(most, fabs((double)a->tensor[i] - (double)b->tensor[i]));
    return (int)(most * 127.5 + 0.5);
}

/* Scaled integers are what a reader makes of them: floating point. Outside the image is 0, whatever the intercept. */
static void scaling_makes_fractions_and_leaves_the_outside_0(void **state)
{
    (void)state;
    bench *scaled = small_bench(PLAIN(VIEWS)), *real = small_bench(PLAIN(VIEWS));
    scaled->slope = 0.5;
    scaled->inter = -1000;
    run_well(scaled);
    for (size_t n = 0; n < picture_count(&real->image); n++)
        real->image.values[n] = 0.5 * real->image.values[n] - 1000;
    real->image_type = DEEPTEPP_FLOAT64;
    run_well(real);
    assert_true(levels_apart(real, scaled) <= 1);
    free_bench(scaled);
    free_bench(real);
}

/* Of 25 grey values in all: rounding one to the next is ten levels of 255. */
static bench *coarse_bench(deeptepp_type type, double slope)
{
    bench *b = small_bench(PLAIN(VIEWS));
    for (size_t n = 0; n < picture_count(&b->image); n++)
        b->image.values[n] = floor(b->image.values[n] / 40);
    b->image_type = type;
    b->slope = slope;
    run_well(b);
    return b;
}

static void only_unscaled_integers_are_rounded(void **state)
{
    (void)state;
    bench *whole = coarse_bench(DEEPTEPP_INT16, 1), *scaled = coarse_bench(DEEPTEPP_INT16, 1.0000001);
    bench *real = coarse_bench(DEEPTEPP_FLOAT64, 1), *bytes = coarse_bench(DEEPTEPP_UINT8, 1);
    assert_true(levels_apart(real, scaled) <= 1);
    assert_true(levels_apart(real, whole) > 1);
    assert_true(levels_apart(bytes, whole) > 1);
    free_bench(whole);
    free_bench(scaled);
    free_bench(real);
    free_bench(bytes);
}

static void the_label_alone_is_the_tumour(void **state)
{
    (void)state;
    bench *plain = small_bench(PLAIN(VIEWS)), *labels = small_bench(PLAIN(VIEWS));
    run_well(plain);
    for (size_t n = 0; n < picture_count(&labels->mask); n++)
        labels->mask.values[n] *= 7;
    fill_box(&labels->mask, VECTOR(0, 0, 0), VECTOR(4, 24, 40), 2);
    labels->label = 7;
    run_well(labels);
    assert_same_tensor(plain, labels);
    free_bench(plain);
    free_bench(labels);
}

/* ---- Thin masks ---- */

/* At 360 degrees an odd size moves by half a cell: a mask of one slice has weight 1/2 in two. */
static bench *one_slice_bench(deeptepp_type type)
{
    bench *b = make_bench(PLAIN("angles_deg", "[360]"), VECTOR(20, 24, 11), VECTOR(5, 6, 5), VECTOR(15, 16, 6));
    b->mask_type = type;
    run_well(b);
    return b;
}

static void halves_are_of_the_mask_in_8_bits(void **state)
{
    (void)state;
    bench *b = one_slice_bench(DEEPTEPP_UINT8);
    assert_int_equal(b->actions.mosaic.slices[0], 2);
    assert_false(b->actions.mosaic.vanished[0]);
    assert_int_equal(b->warnings.count, 0);
    free_bench(b);
}

static void a_view_that_rounds_the_mask_away_takes_every_cell_and_tells(void **state)
{
    (void)state;
    static const deeptepp_type types[] = {DEEPTEPP_INT16, DEEPTEPP_FLOAT32};
    bench *full = one_slice_bench(DEEPTEPP_UINT8);
    for (size_t i = 0; i < DTP_COUNT(types); i++) {
        bench *b = one_slice_bench(types[i]);
        assert_int_equal(b->actions.mosaic.slices[0], 2);
        assert_true(b->actions.mosaic.vanished[0]);
        assert_int_equal(b->actions.mosaic.faded[0], 0);
        const char *message = warning(b, DEEPTEPP_WARN_MASK_FADED);
        assert_true(message && strstr(message, "1 of 1 view:"));
        free_bench(b);
    }
    free_bench(full);
}

static void a_single_voxel_is_no_lost_case(void **state)
{
    (void)state;
    int vanished = 0;
    bench *b = make_bench(PLAIN(VIEWS), VECTOR(33, 34, 35), VECTOR(11, 17, 8), VECTOR(12, 18, 9));
    run_well(b);
    for (int view = 0; view < 10; view++) {
        assert_true(b->actions.mosaic.slices[view] > 0);
        vanished += b->actions.mosaic.vanished[view];
    }
    assert_true(vanished > 0 && vanished < 10);
    assert_non_null(warning(b, DEEPTEPP_WARN_MASK_FADED));
    free_bench(b);
}

/* Floating-point cells count when they are 1: the fringe of a turned mask has slices without any. */
static void slices_without_a_full_cell_are_left_out_and_told(void **state)
{
    (void)state;
    bench *b = small_bench(PLAIN("angles_deg", "[36]"));
    b->mask_type = DEEPTEPP_FLOAT32;
    run_well(b);
    bench *whole = small_bench(PLAIN("angles_deg", "[36]"));
    run_well(whole);
    assert_true(b->actions.mosaic.faded[0] > 0 && b->actions.mosaic.slices[0] < whole->actions.mosaic.slices[0]);
    assert_int_equal(whole->actions.mosaic.faded[0], 0);
    char count[40];
    assert_true(b->actions.mosaic.faded[0] > 1);
    snprintf(count, sizeof count, "in %lld slices", (long long)b->actions.mosaic.faded[0]);
    const char *message = warning(b, DEEPTEPP_WARN_MASK_FADED);
    assert_true(message && strstr(message, count));
    free_bench(b);
    free_bench(whole);
}

/* Of 2048 cells a resize to 512 reads 4 n + 1 and 4 n + 2. */
static bench *long_bench(int axis, int64_t first, int64_t end)
{
    int64_t dims[3] = {8, 8, 8}, low[3] = {0, 0, 2}, ends[3] = {8, 8, 6};
    dims[axis] = 2048;
    low[axis] = first;
    ends[axis] = end;
    return make_bench(PLAIN("angles_deg", "[360]"), dims, low, ends);
}

static void a_mask_that_resizing_passes_over_takes_the_nearest_cells(void **state)
{
    (void)state;
    static const deeptepp_type types[] = {DEEPTEPP_UINT8, DEEPTEPP_INT16, DEEPTEPP_FLOAT32};
    for (size_t i = 0; i < 2 * DTP_COUNT(types); i++) {
        bench *thin = long_bench((int)i % 2, 1000, 1001), *shown = long_bench((int)i % 2, 1001, 1003);
        thin->mask_type = types[i / 2];
        run_well(thin);
        run_well(shown);
        assert_int_equal(thin->actions.mosaic.slices[0], 4);
        assert_true(thin->actions.mosaic.vanished[0] && !shown->actions.mosaic.vanished[0]);
        assert_same_tensor(thin, shown);
        assert_non_null(warning(thin, DEEPTEPP_WARN_MASK_FADED));
        assert_null(warning(shown, DEEPTEPP_WARN_MASK_FADED));
        free_bench(thin);
        free_bench(shown);
    }
}

static void slices_that_resizing_passes_over_are_left_out_and_told(void **state)
{
    (void)state;
    for (int axis = 0; axis < 2; axis++) {
        bench *b = long_bench(axis, 1000, 1010);
        fill_box(&b->mask, VECTOR(axis ? 0 : 1001, axis ? 1001 : 0, 3), VECTOR(axis ? 8 : 1010, axis ? 1010 : 8, 4), 0);
        run_well(b);
        assert_int_equal(b->actions.mosaic.slices[0], 3);
        assert_int_equal(b->actions.mosaic.faded[0], 1);
        assert_true(strstr(warning(b, DEEPTEPP_WARN_MASK_FADED), "in 1 slice it touches, in 1 of 1 view:"));
        free_bench(b);
    }
}

/* The canvas is cut to whole cells, and with it a corner of the volume. */
static void a_mask_that_a_view_cuts_off_is_refused_with_its_reason(void **state)
{
    (void)state;
    int refused = 0;
    for (int64_t size = 20; size < 40; size++) {
        bench *b = make_bench(PLAIN(VIEWS), VECTOR(size, 9, size), VECTOR(size - 1, 4, 0), VECTOR(size, 5, 1));
        deeptepp_status status = run(b);
        assert_true(status == DEEPTEPP_OK || status == DEEPTEPP_ERR_MASK_SMALL);
        if (status == DEEPTEPP_ERR_MASK_SMALL)
            assert_true(strstr(b->error.message, "degrees") && strstr(b->error.message, "corner"));
        refused += status == DEEPTEPP_ERR_MASK_SMALL;
        free_bench(b);
    }
    assert_true(refused > 0);
}

static void put_nan(void *voxels)
{
    ((float *)voxels)[31 * (12 + 24 * 20) + 10] = NAN;
}

static void voxels_that_turn_nan_while_they_are_read_are_refused(void **state)
{
    (void)state;
    bench *b = small_bench(PLAIN("angles_deg", "[360]"));
    b->image_type = DEEPTEPP_FLOAT32;
    assert_int_equal(run_spoiled(b, NULL, put_nan), DEEPTEPP_ERR_VOLUME_NONFINITE);
    free_bench(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_tensor_for_all_48_axis_orders),
        cmocka_unit_test(axes_choose_what_the_views_turn_about),
        cmocka_unit_test(stored_order_is_the_file_s_own_and_always_told),
        cmocka_unit_test(a_mask_stored_otherwise_is_brought_into_the_image_s_order),
        cmocka_unit_test(voxel_size_and_obliqueness_change_nothing),
        cmocka_unit_test(image_and_mask_are_compared),
        cmocka_unit_test(types_that_round_alike_give_one_tensor),
        cmocka_unit_test(scaling_makes_fractions_and_leaves_the_outside_0),
        cmocka_unit_test(only_unscaled_integers_are_rounded),
        cmocka_unit_test(the_label_alone_is_the_tumour),
        cmocka_unit_test(halves_are_of_the_mask_in_8_bits),
        cmocka_unit_test(a_view_that_rounds_the_mask_away_takes_every_cell_and_tells),
        cmocka_unit_test(a_single_voxel_is_no_lost_case),
        cmocka_unit_test(slices_without_a_full_cell_are_left_out_and_told),
        cmocka_unit_test(a_mask_that_resizing_passes_over_takes_the_nearest_cells),
        cmocka_unit_test(slices_that_resizing_passes_over_are_left_out_and_told),
        cmocka_unit_test(a_mask_that_a_view_cuts_off_is_refused_with_its_reason),
        cmocka_unit_test(voxels_that_turn_nan_while_they_are_read_are_refused),
    };
    return cmocka_run_group_tests_name("mosaics of any mask", tests, NULL, NULL);
}
