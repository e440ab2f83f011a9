/* Mask and images of a case lie on one grid, however each is stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "study_bench.h"

static void another_size_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    free(b->mask.values);
    b->mask = picture_make((const int64_t[]){8, 6, 4}, SPACING, ORIGIN);
    EXPECT(b, GEOMETRY_SIZE, "image \"t1c\" and mask", "8 x 6 x 5", "8 x 12 x 15 mm", "8 x 6 x 4", "8 x 12 x 12 mm");
}

static void another_spacing_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->mask.affine[10] = 3.1;
    EXPECT(b, GEOMETRY_SPACING, "spacing", "3 mm", "3.1 mm");
}

static void another_direction_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    memcpy(b->mask.affine, b->image.affine, sizeof b->mask.affine);
    double shift[16] = {1, 0, 0, 10, 0, 1, 0, -20, 0, 0, 1, -30, 0, 0, 0, 1};
    double back[16] = {1, 0, 0, -10, 0, 1, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1};
    picture_multiply(b->mask.affine, shift, b->mask.affine);
    picture_turn(&b->mask, 2, 1);
    picture_multiply(b->mask.affine, back, b->mask.affine);
    EXPECT(b, GEOMETRY_DIRECTION, "direction", "(0.00000, 1.00000, 0.00000)", "(-0.01745, 0.99985, 0.00000)", " mm ");
}

static void another_origin_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->mask.affine[7] += 0.5;
    EXPECT(b, GEOMETRY_ORIGIN, "origin", "(-10.0000, 20.0000, 30.0000) mm", "(-10.0000, 20.5000, 30.0000) mm");
}

static void a_flipped_axis_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    /* The header mirrored, the voxels not: a tool that lost a sign. The first voxel is then somewhere else. */
    b->mask.affine[0] = -1;
    EXPECT(b, GEOMETRY_ORIGIN, "origin");
}

/* In parts of the smallest voxel edge: to 1/1000 silently, to 1/100 with a warning, beyond not at all. */
static void tolerate(void (*shift)(picture *mask, double mm))
{
    static const struct {
        double mm;
        bool accepted;
        int warnings;
    } rows[] = {{0.0009, true, 0}, {0.002, true, 1}, {0.009, true, 1}, {0.012, false, 0}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench();
        shift(&b->mask, rows[i].mm);
        assert_int_equal(run(b) == DEEPTEPP_OK, rows[i].accepted);
        assert_int_equal(b->warnings.count, rows[i].warnings);
        if (rows[i].warnings)
            assert_true(warns(b, DEEPTEPP_WARN_GEOMETRY_TOLERATED, "image \"t1c\" and mask"));
        free_bench(b);
    }
}

static void shift_origin(picture *mask, double mm)
{
    mask->affine[3] += mm;
}

static void shift_spacing(picture *mask, double mm)
{
    mask->affine[5] += mm / (double)mask->dims[1];
}

/* Of the z axis, by its angle, about the first voxel. */
static void shift_direction(picture *mask, double mm)
{
    double length = mask->affine[10], angle = mm / (length * (double)mask->dims[2]);
    mask->affine[2] = length * sin(angle);
    mask->affine[10] = length * cos(angle);
}

static void rounding_in_headers_is_tolerated(void **state)
{
    (void)state;
    tolerate(shift_origin);
    tolerate(shift_spacing);
    tolerate(shift_direction);
}

static void images_are_compared_with_one_another(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("channels", "['pre', 'post']"));
    deeptepp_case *patient = make_case();
    picture moved = b->image;
    moved.affine[11] += 1;
    add_image(patient, "pre", &b->image);
    add_image(patient, "post", &moved);
    add_mask(patient, &b->mask, 0);
    assert_int_equal(make_study(b, patient), DEEPTEPP_ERR_GEOMETRY_ORIGIN);
    assert_says(b, "images \"pre\" and \"post\"");
    deeptepp_case_free(patient);
    free_bench(b);
}

static void images_may_be_stored_in_different_orders(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("channels", "['pre', 'post']"));
    deeptepp_case *patient = make_case();
    picture other = picture_reorder(&b->image, 29);
    add_image(patient, "pre", &b->image);
    add_image(patient, "post", &other);
    add_mask(patient, &b->mask, 0);
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 0);
    assert_memory_equal(b->study.frames[0].dims, b->study.frames[1].dims, sizeof b->study.frames[0].dims);
    deeptepp_case_free(patient);
    free(other.values);
    free_bench(b);
}

static void store_otherwise(picture *p, int order)
{
    picture q = picture_reorder(p, order);
    free(p->values);
    *p = q;
}

static void a_mask_in_any_axis_order_of_the_grid_is_accepted(void **state)
{
    (void)state;
    for (int order = 0; order < 48; order++) {
        bench *b = make_bench();
        picture_turn(&b->image, 2, 17);
        picture_turn(&b->mask, 2, 17);
        store_otherwise(&b->mask, order);
        assert_int_equal(run(b), DEEPTEPP_OK);
        assert_memory_equal(b->study.low, ((int64_t[]){2, 2, 1}), sizeof b->study.low);
        assert_memory_equal(b->study.high, ((int64_t[]){3, 4, 2}), sizeof b->study.high);
        assert_int_equal(b->study.mask_voxels, VOXELS);
        assert_int_equal(b->warnings.count, 0);
        free_bench(b);
    }
}

static void frames_tell_where_they_are(void **state)
{
    (void)state;
    for (int order = 0; order < 48; order++) {
        bench *b = make_bench_of(RECIPE_WITH("axes", "'SAL'"));
        double ras[3];
        store_otherwise(&b->image, order);
        assert_int_equal(run(b), DEEPTEPP_OK);
        dtp_frame_to_ras(&b->study.frames[0], (const double[]){3, 4, 2}, ras);
        assert_memory_equal(b->study.frames[0].dims, ((int64_t[]){5, 6, 8}), sizeof b->study.frames[0].dims);
        /* The frame's first voxel is the leftmost's opposite: x = -10 + 7; from there 2 mm to the left. */
        const double wanted[3] = {-10 + 7 - 2, 20 + 4, 30 + 3};
        for (int w = 0; w < 3; w++)
            assert_true(fabs(ras[w] - wanted[w]) < 1e-12);
        free_bench(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_size_is_refused),
        cmocka_unit_test(another_spacing_is_refused),
        cmocka_unit_test(another_direction_is_refused),
        cmocka_unit_test(another_origin_is_refused),
        cmocka_unit_test(a_flipped_axis_is_refused),
        cmocka_unit_test(rounding_in_headers_is_tolerated),
        cmocka_unit_test(images_are_compared_with_one_another),
        cmocka_unit_test(images_may_be_stored_in_different_orders),
        cmocka_unit_test(a_mask_in_any_axis_order_of_the_grid_is_accepted),
        cmocka_unit_test(frames_tell_where_they_are),
    };
    return cmocka_run_group_tests_name("grid", tests, NULL, NULL);
}
