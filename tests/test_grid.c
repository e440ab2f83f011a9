/* Mask and images of a case lie on one grid, however each is stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "study_bench.h"

static void store_otherwise(picture *p, int order)
{
    picture q = picture_reorder(p, order);
    free(p->values);
    *p = q;
}

static void another_size_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    free(b->mask.values);
    b->mask = picture_make((const int64_t[]){8, 6, 4}, SPACING, ORIGIN);
    EXPECT(b, GEOMETRY_SIZE, "image \"t1c\" and mask", "8 x 6 x 5 voxels (8 x 12 x 15 mm)",
           "8 x 6 x 4 voxels (8 x 12 x 12 mm)",
           "mask grid \"nearest\"");
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

/* In parts of the smallest voxel edge: to 1/1000 silently, to 1/10 with a warning, beyond not at all. */
static void tolerate(void (*shift)(picture *mask, double mm))
{
    static const struct {
        double mm;
        bool accepted;
        int warnings;
    } rows[] = {{0.0009, true, 0}, {0.002, true, 1}, {0.099, true, 1}, {0.102, false, 0}};
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

/* Of the longest axis, z, at its end: about x and the first voxel. */
static void shift_direction(picture *mask, double mm)
{
    const double angle = mm / (mask->affine[10] * (double)mask->dims[2]);
    const double origin[3] = {mask->affine[3], mask->affine[7], mask->affine[11]};
    picture_turn(mask, 0, angle * 180 / 3.14159265358979323846);
    for (int row = 0; row < 3; row++)
        mask->affine[4 * row + 3] = origin[row];
}

/* 3.27022 mm and 3.27 mm over 91 slices, 0.703125 mm and 0.7031 mm over 384 voxels: two converters of one series. */
static void two_converters_of_one_series_agree(void **state)
{
    (void)state;
    bench *b = make_bench();
    const int64_t dims[3] = {384, 4, 91};
    free(b->image.values);
    free(b->mask.values);
    b->image = picture_make(dims, (const double[]){0.703125, 0.703125, 3.27022}, ORIGIN);
    b->mask = picture_make(dims, (const double[]){0.7031, 0.7031, 3.27}, ORIGIN);
    fill_box(&b->mask, (const int64_t[]){100, 1, 40}, (const int64_t[]){110, 2, 45}, 1);
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 1);
    assert_true(warns(b, DEEPTEPP_WARN_GEOMETRY_TOLERATED, "by up to 0.02 mm, within 0.0703 mm"));
    free_bench(b);
}

/* The image's sform was moved, its qform not; the mask was drawn by a tool that reads the qform. */
static void where_the_other_form_fits_it_is_said(void **state)
{
    (void)state;
    for (int which = 1; which < 4; which++) {
        bench *b = make_bench();
        deeptepp_case *patient = make_case();
        b->mask.affine[3] += 30;
        add_image(patient, NULL, &b->image);
        add_mask(patient, &b->mask, NULL);
        deeptepp_volume *image = patient->channels[0].image, *mask = patient->mask;
        image->has_other_affine = which & 1;
        mask->has_other_affine = which & 2;
        memcpy(image->other_affine, mask->affine, sizeof image->affine);
        memcpy(mask->other_affine, image->affine, sizeof mask->affine);
        image->other_affine[11] += which == 3 ? 50 : 0; /* then neither fits what counts, but both fit each other */
        mask->other_affine[3] += which == 3 ? 30 : 0;
        mask->other_affine[11] += which == 3 ? 50 : 0;
        assert_int_equal(make_study(b, patient), DEEPTEPP_ERR_GEOMETRY_ORIGIN);
        assert_says(b, which == 1 ? "but the first file's qform fits: do not resample"
                                  : which == 2 ? "but the second file's qform fits" : "but each other's qform fits");
        assert_says(b, "mask grid \"image\"");
        deeptepp_case_free(patient);
        free_bench(b);
    }
}

static void without_one_the_options_are_named(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->mask.affine[3] += 30;
    EXPECT(b, GEOMETRY_ORIGIN, "mask grid \"image\" if", "mask grid \"nearest\" if");
}

static void a_mask_s_voxels_may_be_the_image_s(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->options.grid = DEEPTEPP_MASK_GRID_IMAGE;
    b->mask.affine[0] = -1.2; /* a lost sign, another size, another place */
    b->mask.affine[11] += 40;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_memory_equal(b->study.low, ((int64_t[]){2, 2, 1}), sizeof b->study.low);
    assert_memory_equal(b->study.high, ((int64_t[]){3, 4, 2}), sizeof b->study.high);
    assert_memory_equal(&b->study.mask_frame, &b->study.frames[0], sizeof b->study.mask_frame);
    assert_int_equal(b->warnings.count, 1);
    assert_true(warns(b, DEEPTEPP_WARN_MASK_REGRIDDED, "at the caller's word"));
    free_bench(b);
    b = make_bench();
    b->options.grid = DEEPTEPP_MASK_GRID_IMAGE;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 0); /* nothing was overridden */
    free_bench(b);
}

static void but_not_if_the_sizes_differ(void **state)
{
    (void)state;
    bench *b = make_bench();
    store_otherwise(&b->mask, 8); /* the same place, other axes: the sizes along i, j, k are 8 x 5 x 6 */
    b->options.grid = DEEPTEPP_MASK_GRID_IMAGE;
    EXPECT(b, GEOMETRY_SIZE, "8 x 6 x 5", "8 x 5 x 6");
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
    add_mask(patient, &b->mask, NULL);
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
    add_mask(patient, &b->mask, NULL);
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 0);
    assert_memory_equal(b->study.frames[0].dims, b->study.frames[1].dims, sizeof b->study.frames[0].dims);
    deeptepp_case_free(patient);
    free(other.values);
    free_bench(b);
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
        assert_int_equal(b->study.tumour.voxels, VOXELS);
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
        cmocka_unit_test(two_converters_of_one_series_agree),
        cmocka_unit_test(where_the_other_form_fits_it_is_said),
        cmocka_unit_test(without_one_the_options_are_named),
        cmocka_unit_test(a_mask_s_voxels_may_be_the_image_s),
        cmocka_unit_test(but_not_if_the_sizes_differ),
        cmocka_unit_test(images_are_compared_with_one_another),
        cmocka_unit_test(images_may_be_stored_in_different_orders),
        cmocka_unit_test(a_mask_in_any_axis_order_of_the_grid_is_accepted),
        cmocka_unit_test(frames_tell_where_they_are),
    };
    return cmocka_run_group_tests_name("grid", tests, NULL, NULL);
}
