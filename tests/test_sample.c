/* Trilinear sampling against the formula. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>

#include "recipe_maker.h"
#include "sample_reference.h"

/* ---- Comparing ---- */

static int64_t sample(const deeptepp_volume *volume, const dtp_grid *grid, const dtp_recipe *recipe, float *out)
{
    return dtp_sample(volume, grid, recipe, out, NULL);
}

static float *make_cube(const dtp_recipe *r)
{
    float *cube = malloc((size_t)(r->size[0] * r->size[1] * r->size[2]) * sizeof *cube);
    assert_non_null(cube);
    return cube;
}

static void assert_samples(const picture *p, const deeptepp_volume *volume, const dtp_grid *grid, const dtp_recipe *r)
{
    float *cube = make_cube(r);
    int64_t outside = 0, at[3], n = 0, found = sample(volume, grid, r, cube);
    double largest = 0;
    for (size_t v = 0; v < picture_count(p); v++)
        largest = fmax(largest, fabs(volume->slope * p->values[v] + volume->inter));
    for (at[0] = 0; at[0] < r->size[0]; at[0]++)
        for (at[1] = 0; at[1] < r->size[1]; at[1]++)
            for (at[2] = 0; at[2] < r->size[2]; at[2]++, n++) {
                double place[3];
                place_of(grid, at, place);
                bool out = is_outside(p, place);
                double wanted = out && !r->fill_edge ? r->fill_value : volume->slope * naive(p, place) + volume->inter;
                outside += out;
                if (!(fabs(cube[n] - wanted) <= 1.2e-7 * largest))
                    fail_msg("type %d, sample (%d, %d, %d): %.9g, wanted %.9g", (int)volume->type, (int)at[0],
                             (int)at[1], (int)at[2], (double)cube[n], wanted);
            }
    assert_int_equal(found, outside);
    free(cube);
}

static picture make_picture(int64_t ni, int64_t nj, int64_t nk)
{
    return picture_make((const int64_t[]){ni, nj, nk}, (const double[]){1, 1, 1}, (const double[]){0, 0, 0});
}

/* A grid at an angle to everything, which leaves a 9 x 7 x 5 volume on all sides. */
static const dtp_grid OBLIQUE = {{-3.1, -1.2, -2.3}, {{0.31, 0.52, 0.17}, {0.77, -0.21, 0.11}, {0.13, 0.29, 0.61}}};

/* ---- Promises ---- */

static void every_type_stride_and_direction_gives_the_formula(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 9, 11]");
    picture p = make_picture(9, 7, 5);
    for (size_t type = 0; type < DTP_COUNT(TYPES); type++) {
        fill_random(&p, type, type + 1);
        for (int64_t gap = 0; gap < 4; gap++)
            for (int backwards = 0; backwards < 8; backwards++) {
                stored s = store_picture(&p, TYPES[type].type, gap, backwards, 1, 0);
                assert_samples(&p, s.volume, &OBLIQUE, &r);
                free_stored(&s);
            }
    }
    free(p.values);
    dtp_recipe_free(&r);
}

static void slope_and_intercept_are_applied(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 9, 11]");
    picture p = make_picture(9, 7, 5);
    for (size_t type = 0; type < DTP_COUNT(TYPES); type++) {
        fill_random(&p, type, 77);
        stored s = store_picture(&p, TYPES[type].type, 0, 0, -0.37, 1234.5);
        assert_samples(&p, s.volume, &OBLIQUE, &r);
        free_stored(&s);
    }
    free(p.values);
    dtp_recipe_free(&r);
}

static void a_constant_fills_what_lies_outside_in_image_units(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 9, 11]", "outside", "{'rule': 'warn', 'fill': 'constant', 'value': -7.25}");
    picture p = make_picture(9, 7, 5);
    fill_random(&p, 3, 5);
    stored s = store_picture(&p, DEEPTEPP_INT16, 1, 5, 2, 100);
    assert_samples(&p, s.volume, &OBLIQUE, &r);
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

/* The cube's first sample `first` along each axis, the others one voxel apart. */
static dtp_grid lattice(double first)
{
    return (dtp_grid){{first, first, first}, {{0, 0, 1}, {0, 1, 0}, {1, 0, 0}}};
}

static void samples_on_voxels_are_the_voxels(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 8]");
    picture p = make_picture(9, 9, 9);
    float cube[8][8][8];
    fill_random(&p, 8, 3);
    stored s = store_picture(&p, DEEPTEPP_FLOAT32, 0, 0, 1, 0);
    dtp_grid grid = lattice(1);
    assert_int_equal(sample(s.volume, &grid, &r, &cube[0][0][0]), 0);
    for (int n = 0; n < 512; n++)
        assert_true((double)cube[n / 64][n / 8 % 8][n % 8] == *picture_at(&p, 1 + n % 8, 1 + n / 8 % 8, 1 + n / 64));
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

/* Inside is up to half a voxel beyond the outermost centres: where the outermost voxels end. */
static void outside_begins_where_the_last_voxel_ends(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 8]");
    picture p = make_picture(8, 8, 8);
    stored s = store_picture(&p, DEEPTEPP_UINT8, 0, 0, 1, 0);
    static const struct {
        double first;
        int inside; /* samples along each axis */
    } rows[] = {{0, 8},        {-0.5, 8},  {-0.4999, 8}, {0.5, 8}, {-0.5000000001, 8}, {0.5000000001, 8}, {-0.50001, 7},
                {0.50001, 7},  {-3.5, 5},  {-3.51, 4},   {7.5, 1}, {7.51, 0},          {-7.5, 1},         {-7.51, 0}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        float cube[512];
        dtp_grid grid = lattice(rows[i].first);
        assert_int_equal(sample(s.volume, &grid, &r, cube), 512 - rows[i].inside * rows[i].inside * rows[i].inside);
    }
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

static void one_axis_outside_is_outside(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 8]");
    picture p = make_picture(8, 8, 8);
    stored s = store_picture(&p, DEEPTEPP_UINT8, 0, 0, 1, 0);
    for (int v = 0; v < 3; v++) {
        float cube[512];
        dtp_grid grid = lattice(0);
        grid.origin[v] = -2;
        assert_int_equal(sample(s.volume, &grid, &r, cube), 2 * 64);
        grid.origin[v] = 3;
        assert_int_equal(sample(s.volume, &grid, &r, cube), 3 * 64);
    }
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

static void the_edge_is_repeated_however_far_outside(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 8]");
    picture p = make_picture(3, 4, 5);
    float cube[512];
    fill_random(&p, 8, 9);
    stored s = store_picture(&p, DEEPTEPP_FLOAT32, 0, 0, 1, 0);
    static const double far[] = {-1e3, -1e9, -1e15};
    for (size_t i = 0; i < DTP_COUNT(far); i++) {
        dtp_grid grid = lattice(far[i]);
        assert_int_equal(sample(s.volume, &grid, &r, cube), 512);
        assert_true((double)cube[0] == *picture_at(&p, 0, 0, 0) && cube[511] == cube[0]);
        grid = lattice(-far[i]);
        assert_int_equal(sample(s.volume, &grid, &r, cube), 512);
        assert_true((double)cube[0] == *picture_at(&p, 2, 3, 4) && cube[511] == cube[0]);
    }
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

static void axes_of_one_voxel_are_sampled(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 9, 11]");
    for (int single = 1; single < 8; single++) {
        picture p = make_picture(single & 1 ? 1 : 6, single & 2 ? 1 : 6, single & 4 ? 1 : 6);
        fill_random(&p, 8, (uint64_t)single);
        stored s = store_picture(&p, DEEPTEPP_FLOAT32, 0, 0, 1, 0);
        assert_samples(&p, s.volume, &OBLIQUE, &r);
        dtp_grid near = lattice(-0.4);
        assert_samples(&p, s.volume, &near, &r);
        free_stored(&s);
        free(p.values);
    }
    dtp_recipe_free(&r);
}

static void cubes_may_be_512_long(void **state)
{
    (void)state;
    static const char *const sizes[] = {"[512, 8, 8]", "[8, 512, 8]", "[8, 8, 512]"};
    picture p = make_picture(9, 7, 5);
    fill_random(&p, 8, 21);
    stored s = store_picture(&p, DEEPTEPP_FLOAT32, 0, 0, 1, 0);
    for (int t = 0; t < 3; t++) {
        dtp_recipe r = RECIPE_WITH("size", sizes[t]);
        dtp_grid grid = OBLIQUE;
        for (int v = 0; v < 3; v++)
            grid.step[t][v] /= 40;
        assert_samples(&p, s.volume, &grid, &r);
        dtp_recipe_free(&r);
    }
    free_stored(&s);
    free(p.values);
}

static void volumes_may_be_long(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 512]");
    picture p = make_picture(700, 3, 2);
    fill_random(&p, 2, 8);
    stored s = store_picture(&p, DEEPTEPP_UINT16, 0, 1, 1, 0);
    dtp_grid grid = {{-20.25, -0.4, -0.4}, {{0, 0, 0.2}, {0, 0.4, 0}, {1.45, 0, 0}}};
    assert_samples(&p, s.volume, &grid, &r);
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

/* Memory that is never touched costs nothing: two slices 5 GiB apart. */
static void offsets_pass_four_gigabytes(void **state)
{
    (void)state;
    const uint64_t apart = (uint64_t)5 << 30;
    uint8_t *block = apart < SIZE_MAX - 8 ? calloc(1, (size_t)apart + 8) : NULL;
    if (!block)
        skip();
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 8]");
    float cube[512];
    deeptepp_volume volume = {.type = DEEPTEPP_UINT8, .dims = {2, 2, 2}, .strides = {1, 2, (int64_t)apart},
                              .data = block, .slope = 1};
    block[0] = 10;
    block[apart] = 30;
    dtp_grid grid = {{0, 0, 0}, {{0, 0, 1.0 / 7}, {0, 0, 0}, {0, 0, 0}}};
    assert_int_equal(sample(&volume, &grid, &r, cube), 0);
    assert_true(cube[0] == 10 && fabs(cube[7 * 64] - 30) < 1e-5 && fabs(cube[64] - (10 + 20.0 / 7)) < 1e-5);
    dtp_recipe_free(&r);
    free(block);
}

static void neighbours_of_opposite_extremes_do_not_overflow(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 8]");
    picture p = make_picture(2, 2, 2);
    float cube[512];
    for (size_t n = 0; n < 8; n++)
        p.values[n] = n % 2 ? (double)FLT_MAX : -(double)FLT_MAX;
    stored s = store_picture(&p, DEEPTEPP_FLOAT32, 0, 0, 1, 0);
    dtp_grid grid = {{0.5, 0.5, 0.5}, {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}};
    sample(s.volume, &grid, &r, cube);
    assert_true(cube[0] == 0);
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

static void a_cancelled_call_samples_nothing_more(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("size", "[8, 8, 8]");
    picture p = make_picture(9, 7, 5);
    float cube[512] = {[100] = 42};
    dtp_watch cancelled = {.cancelled = true};
    stored s = store_picture(&p, DEEPTEPP_UINT8, 0, 0, 1, 0);
    dtp_sample(s.volume, &OBLIQUE, &r, cube, &cancelled);
    assert_true(cube[100] == 42);
    free_stored(&s);
    free(p.values);
    dtp_recipe_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_stride_and_direction_gives_the_formula),
        cmocka_unit_test(slope_and_intercept_are_applied),
        cmocka_unit_test(a_constant_fills_what_lies_outside_in_image_units),
        cmocka_unit_test(samples_on_voxels_are_the_voxels),
        cmocka_unit_test(outside_begins_where_the_last_voxel_ends),
        cmocka_unit_test(one_axis_outside_is_outside),
        cmocka_unit_test(the_edge_is_repeated_however_far_outside),
        cmocka_unit_test(axes_of_one_voxel_are_sampled),
        cmocka_unit_test(cubes_may_be_512_long),
        cmocka_unit_test(volumes_may_be_long),
        cmocka_unit_test(offsets_pass_four_gigabytes),
        cmocka_unit_test(neighbours_of_opposite_extremes_do_not_overflow),
        cmocka_unit_test(a_cancelled_call_samples_nothing_more),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
