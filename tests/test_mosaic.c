/* The published views: rotation, slices, crops, tiles. tests/test_mosaic_opencv.py compares every grey level with
 * OpenCV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mosaic_bench.h"

/* ---- The canvas ---- */

static void the_canvas_grows_to_hold_the_plane(void **state)
{
    (void)state;
    static const struct {
        int64_t rows, columns;
        double degrees;
        int64_t wanted_rows, wanted_columns;
    } rows[] = {
        {100, 60, 36, 116, 107}, /* 80.9 + 35.3, 58.8 + 48.5, each cut to a whole number */
        {100, 60, 72, 87, 113},  {100, 60, 108, 87, 113}, {100, 60, 324, 116, 107}, {100, 60, -36, 116, 107},
        {100, 60, 90, 60, 100},  {100, 60, 180, 100, 60}, {100, 60, 270, 60, 100},  {100, 60, 360, 100, 60},
        {101, 61, 360, 101, 61}, {512, 512, 36, 715, 715}, {1, 1, 45, 1, 1},        {1, 200, 30, 100, 173},
    };
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        dtp_canvas canvas;
        dtp_canvas_make(&canvas, VECTOR(rows[i].rows, 9, rows[i].columns), rows[i].degrees);
        assert_int_equal(canvas.rows, rows[i].wanted_rows);
        assert_int_equal(canvas.columns, rows[i].wanted_columns);
    }
}

static void apply(const double m[2][3], const double at[2], double out[2])
{
    for (int i = 0; i < 2; i++)
        out[i] = m[i][0] * at[0] + m[i][1] * at[1] + m[i][2];
}

static void the_way_back_is_the_inverse(void **state)
{
    (void)state;
    for (int degrees = -400; degrees <= 400; degrees += 7) {
        dtp_canvas canvas;
        double there[2], back[2];
        const double at[2] = {17.25, -3.5};
        dtp_canvas_make(&canvas, VECTOR(100, 9, 61), degrees);
        apply(canvas.forward, at, there);
        apply(canvas.back, there, back);
        assert_true(fabs(back[0] - at[0]) < 1e-11 && fabs(back[1] - at[1]) < 1e-11);
    }
}

/* About (rows div 2, columns div 2), moved by half the new size minus that; what lies to the right goes down. */
static void a_positive_angle_turns_clockwise(void **state)
{
    (void)state;
    dtp_canvas canvas;
    double at[2];
    dtp_canvas_make(&canvas, VECTOR(100, 9, 60), 90);
    apply(canvas.forward, (const double[]){50, 30}, at);
    assert_true(at[0] == 30 && at[1] == 50);
    apply(canvas.forward, (const double[]){50, 37}, at);
    assert_true(at[0] == 37 && at[1] == 50);
    dtp_canvas_make(&canvas, VECTOR(101, 9, 61), 360);
    apply(canvas.forward, (const double[]){50, 30}, at);
    assert_true(at[0] == 50.5 && at[1] == 30.5); /* an odd size moves by half a cell */
}

/* ---- Crops: images of 512 x 512, of which the crop of 64 x 64 is the tile ---- */

/* Tile n against the image's own grey levels, scaled over the slice. */
static void assert_tile_is_image(bench *b, int n, int64_t slice, int64_t row, int64_t column)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < 512 * 512; i++) {
        double value = *picture_at(&b->image, i / 512, i % 512, slice);
        low = fmin(low, value);
        high = fmax(high, value);
    }
    for (int64_t i = 0; i < DTP_TILE_SIZE; i++) {
        double value = *picture_at(&b->image, row + i / 64, column + i % 64, slice);
        double grey = floor((value - low) / (high - low) * 255 + 0.5);
        assert_true(fabs((double)tile_of(b, 0, n)[i] - (grey / 255 - 0.5) / 0.5) < 1e-6);
    }
}

static void a_crop_has_5_cells_before_and_10_after(void **state)
{
    (void)state;
    bench *b = make_bench(PLAIN("angles_deg", "[360]"), VECTOR(512, 512, 4), VECTOR(200, 100, 1), VECTOR(249, 149, 2));
    run_well(b);
    assert_int_equal(b->actions.mosaic.slices[0], 1);
    assert_tile_is_image(b, 0, 1, 195, 95);
    assert_int_equal(b->warnings.count, 0);
    free_bench(b);
}

/* The crop ends where the slice does: 54 + 10 cells from the first edge, 5 + 59 up to the last. */
static void a_crop_is_cut_at_the_very_edge(void **state)
{
    (void)state;
    bench *b = make_bench(PLAIN("angles_deg", "[360]"), VECTOR(512, 512, 4), VECTOR(0, 453, 3), VECTOR(54, 512, 4));
    run_well(b);
    assert_tile_is_image(b, 0, 3, 0, 448);
    assert_non_null(warning(b, DEEPTEPP_WARN_MASK_AT_BORDER));
    free_bench(b);
    b = make_bench(PLAIN("angles_deg", "[360]"), VECTOR(512, 512, 4), VECTOR(453, 0, 0), VECTOR(512, 54, 1));
    run_well(b);
    assert_tile_is_image(b, 0, 0, 448, 0);
    free_bench(b);
}

static void any_corner_of_the_volume_gives_all_views(void **state)
{
    (void)state;
    for (int corner = 0; corner < 8; corner++) {
        int64_t low[3], end[3];
        for (int a = 0; a < 3; a++) {
            low[a] = corner >> a & 1 ? 34 : 0;
            end[a] = corner >> a & 1 ? 40 : 6;
        }
        bench *b = make_bench(PLAIN(VIEWS), VECTOR(40, 40, 40), low, end);
        run_well(b);
        for (int view = 0; view < 10; view++)
            assert_true(b->actions.mosaic.slices[view] >= 4);
        free_bench(b);
    }
}

/* ---- Tiles ---- */

static void too_few_slices_are_repeated(void **state)
{
    (void)state;
    bench *b = make_bench(PLAIN("angles_deg", "[360]"), VECTOR(20, 24, 10), VECTOR(5, 6, 3), VECTOR(15, 16, 6));
    run_well(b);
    assert_int_equal(b->actions.mosaic.slices[0], 3);
    for (int n = 3; n < DTP_TILES; n++)
        assert_same_tile(tile_of(b, 0, n), tile_of(b, 0, n % 3));
    for (int n = 1; n < 3; n++)
        assert_true(memcmp(tile_of(b, 0, n), tile_of(b, 0, 0), DTP_TILE_SIZE * sizeof(float)) != 0);
    free_bench(b);
}

static void one_slice_fills_all_tiles(void **state)
{
    (void)state;
    bench *b = make_bench(PLAIN("angles_deg", "[360]"), VECTOR(20, 24, 10), VECTOR(5, 6, 3), VECTOR(15, 16, 4));
    run_well(b);
    assert_int_equal(b->actions.mosaic.slices[0], 1);
    for (int n = 1; n < DTP_TILES; n++)
        assert_same_tile(tile_of(b, 0, n), tile_of(b, 0, 0));
    assert_int_equal(b->warnings.count, 0);
    free_bench(b);
}

static bench *make_long_bench(const char *slices, int64_t first, int64_t end)
{
    bench *b = make_bench(PLAIN("angles_deg", "[360]", "slices", slices), VECTOR(16, 16, 210), VECTOR(4, 4, first),
                          VECTOR(12, 11, end));
    run_well(b);
    return b;
}

static void the_first_64_of_200_slices_are_taken_and_the_rest_told(void **state)
{
    (void)state;
    bench *all = make_long_bench("'first'", 5, 205), *first = make_long_bench("'first'", 5, 69);
    assert_same_tensor(all, first);
    assert_int_equal(all->actions.mosaic.slices[0], 200);
    assert_int_equal(all->actions.mosaic.dropped[0], 136);
    const char *message = warning(all, DEEPTEPP_WARN_SLICES_DROPPED);
    assert_true(message && strstr(message, "136"));
    assert_int_equal(first->actions.mosaic.dropped[0], 0);
    assert_null(warning(first, DEEPTEPP_WARN_SLICES_DROPPED));
    free_bench(all);
    free_bench(first);
}

/* Tile n shows slice floor((n + 1/2) * 200 / 64); that is the model's own rule and no warning. */
static void spaced_slices_are_evenly_spaced(void **state)
{
    (void)state;
    static const int tiles[] = {0, 1, 2, 31, 32, 62, 63}, slices[] = {1, 4, 7, 98, 101, 195, 198};
    bench *all = make_long_bench("'spaced'", 5, 205);
    for (size_t i = 0; i < DTP_COUNT(tiles); i++) {
        bench *one = make_long_bench("'spaced'", 5 + slices[i], 6 + slices[i]);
        assert_same_tile(tile_of(all, 0, tiles[i]), tile_of(one, 0, 0));
        free_bench(one);
    }
    assert_int_equal(all->actions.mosaic.dropped[0], 136);
    assert_null(warning(all, DEEPTEPP_WARN_SLICES_DROPPED));
    free_bench(all);
}

static void up_to_64_slices_both_rules_are_one(void **state)
{
    (void)state;
    bench *first = make_long_bench("'first'", 5, 69), *spaced = make_long_bench("'spaced'", 5, 69);
    assert_same_tensor(first, spaced);
    free_bench(first);
    free_bench(spaced);
}

static void a_constant_slice_is_a_tile_of_0_and_told(void **state)
{
    (void)state;
    bench *b = make_bench(PLAIN("angles_deg", "[360]"), VECTOR(20, 24, 10), VECTOR(5, 6, 3), VECTOR(15, 16, 6));
    fill_box(&b->image, VECTOR(0, 0, 4), VECTOR(20, 24, 5), 321);
    run_well(b);
    for (int i = 0; i < DTP_TILE_SIZE; i++)
        assert_true(tile_of(b, 0, 1)[i] == -1);
    assert_true(tile_of(b, 0, 0)[100] != -1 || tile_of(b, 0, 0)[2000] != -1);
    assert_int_equal(b->actions.mosaic.constant[0], 1);
    const char *message = warning(b, DEEPTEPP_WARN_CONSTANT_SLICE);
    assert_true(message && strstr(message, "1 slice of one value only, in 1 of 1 view:"));
    free_bench(b);
}

static void the_mosaic_has_8_tiles_in_a_row(void **state)
{
    (void)state;
    bench *cube = make_bench(PLAIN(VIEWS), VECTOR(20, 24, 90), VECTOR(5, 6, 3), VECTOR(15, 16, 83));
    bench *mosaic = make_bench(PLAIN(VIEWS, "recipe", "'mosaic'", "size", "[1, 512, 512]"), VECTOR(20, 24, 90),
                               VECTOR(5, 6, 3), VECTOR(15, 16, 83));
    run_well(cube);
    run_well(mosaic);
    for (int64_t i = 0; i < 10 * 512 * 512; i++) {
        int64_t view = i / (512 * 512), row = i / 512 % 512, column = i % 512;
        int64_t tile = row / 64 * 8 + column / 64;
        assert_true(mosaic->tensor[i] == tile_of(cube, (int)view, (int)tile)[row % 64 * 64 + column % 64]);
    }
    free_bench(cube);
    free_bench(mosaic);
}

/* ---- Views ---- */

static void each_view_is_what_its_angle_alone_would_give(void **state)
{
    (void)state;
    bench *all = make_bench(PLAIN(VIEWS), VECTOR(31, 24, 40), VECTOR(5, 6, 8), VECTOR(19, 18, 30));
    run_well(all);
    for (int view = 0; view < 10; view++) {
        bench *one = make_bench(PLAIN("angles_deg", "[0]"), VECTOR(31, 24, 40), VECTOR(5, 6, 8), VECTOR(19, 18, 30));
        one->recipe.angles_deg[0] = 36 * (view + 1);
        run_well(one);
        assert_memory_equal(one->tensor, tile_of(all, view, 0), one->count * sizeof *one->tensor);
        assert_int_equal(one->actions.mosaic.slices[0], all->actions.mosaic.slices[view]);
        free_bench(one);
    }
    free_bench(all);
}

/* A quarter turn maps an even grid onto itself: the slices are the planes of axis 0, from its first or its last end. */
static void a_quarter_turn_slices_along_the_other_axis(void **state)
{
    (void)state;
    bench *b =
        make_bench(PLAIN("angles_deg", "[90, 270]"), VECTOR(512, 512, 512 / 8), VECTOR(80, 90, 10), VECTOR(84, 95, 20));
    run_well(b);
    assert_int_equal(b->actions.mosaic.slices[0], 4);
    assert_int_equal(b->actions.mosaic.slices[1], 4);
    free_bench(b);
}

static void cancelling_ends_it(void **state)
{
    (void)state;
    bench *b = make_bench(PLAIN(VIEWS), VECTOR(40, 40, 40), VECTOR(5, 5, 5), VECTOR(35, 35, 35));
    dtp_watch watch = {.cancelled = true};
    assert_int_equal(run_spoiled(b, &watch, NULL), DEEPTEPP_ERR_CANCELLED);
    free_bench(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canvas_grows_to_hold_the_plane),
        cmocka_unit_test(the_way_back_is_the_inverse),
        cmocka_unit_test(a_positive_angle_turns_clockwise),
        cmocka_unit_test(a_crop_has_5_cells_before_and_10_after),
        cmocka_unit_test(a_crop_is_cut_at_the_very_edge),
        cmocka_unit_test(any_corner_of_the_volume_gives_all_views),
        cmocka_unit_test(too_few_slices_are_repeated),
        cmocka_unit_test(one_slice_fills_all_tiles),
        cmocka_unit_test(the_first_64_of_200_slices_are_taken_and_the_rest_told),
        cmocka_unit_test(spaced_slices_are_evenly_spaced),
        cmocka_unit_test(up_to_64_slices_both_rules_are_one),
        cmocka_unit_test(a_constant_slice_is_a_tile_of_0_and_told),
        cmocka_unit_test(the_mosaic_has_8_tiles_in_a_row),
        cmocka_unit_test(each_view_is_what_its_angle_alone_would_give),
        cmocka_unit_test(a_quarter_turn_slices_along_the_other_axis),
        cmocka_unit_test(cancelling_ends_it),
    };
    return cmocka_run_group_tests_name("mosaic", tests, NULL, NULL);
}
