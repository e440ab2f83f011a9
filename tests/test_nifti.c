/* NIfTI from memory: what a file says is what the volume says, and what the caller may choose. */
#include "nifti_expect.h"

static void assert_near(double found, double wanted, double tolerance)
{
    if (!(fabs(found - wanted) <= tolerance))
        fail_msg("%.17g is not %.17g", found, wanted);
}

/* ---- Read -------------------------------------------------------------------------------------------------------- */

static void check_counting(const deeptepp_volume *volume, double slope, double inter)
{
    double out[NX];
    for (int k = 0, n = 0; k < NZ; k++)
        for (int j = 0; j < NY; j++) {
            dtp_volume_row(volume, 0, j, k, NX, out);
            for (int i = 0; i < NX; i++, n++) {
                assert_true(dtp_volume_stored(volume, i, j, k) == n);
                assert_true(out[i] == slope * n + inter);
            }
        }
}

static void every_type_version_and_byte_order_reads_the_same(void **state)
{
    (void)state;
    static const struct {
        int code, bits;
        char kind;
        deeptepp_type type;
    } types[] = {{2, 8, 'b', DEEPTEPP_UINT8},     {256, 8, 'b', DEEPTEPP_INT8},    {512, 16, 'h', DEEPTEPP_UINT16},
                 {4, 16, 'h', DEEPTEPP_INT16},    {768, 32, 'i', DEEPTEPP_UINT32}, {8, 32, 'i', DEEPTEPP_INT32},
                 {1280, 64, 'l', DEEPTEPP_UINT64}, {1024, 64, 'l', DEEPTEPP_INT64}, {16, 32, 'f', DEEPTEPP_FLOAT32},
                 {64, 64, 'd', DEEPTEPP_FLOAT64}};
    for (size_t t = 0; t < 4 * DTP_COUNT(types); t++) {
        nifti_file file = make_nifti(t & 1, t & 2);
        put_voxels(&file, types[t / 4].code, types[t / 4].bits, types[t / 4].kind);
        deeptepp_volume *volume = accept(&file);
        assert_int_equal(volume->type, types[t / 4].type);
        check_counting(volume, 1, 0);
        deeptepp_volume_free(volume);
    }
}

static void geometry_is_the_headers(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    deeptepp_volume *volume = accept(&file);
    int64_t dims[3];
    double spacing[3], affine[16];
    static const double wanted[16] = {2, 0, 0, -10, 0, 3, 0, -20, 0, 0, 4, 30, 0, 0, 0, 1};
    deeptepp_volume_dims(volume, dims);
    deeptepp_volume_spacing(volume, spacing);
    deeptepp_volume_affine(volume, affine);
    assert_memory_equal(dims, ((const int64_t[3]){NX, NY, NZ}), sizeof dims);
    assert_memory_equal(spacing, ((const double[3]){2, 3, 4}), sizeof spacing);
    assert_memory_equal(affine, wanted, sizeof affine);
    assert_string_equal(deeptepp_volume_orientation(volume), "RAS");
    assert_false(volume->orientation_assumed);
    assert_true(volume->affine_gap_mm == 0);
    deeptepp_volume_free(volume);
}

static void scaling_is_applied(void **state)
{
    (void)state;
    nifti_file file = make_nifti(true, false);
    put(&file, SLOPE, 0, -2.5);
    put(&file, INTER, 0, 7);
    deeptepp_volume *volume = accept(&file);
    check_counting(volume, -2.5, 7);
    deeptepp_volume_free(volume);
}

static void slope_zero_or_nan_means_no_scaling(void **state)
{
    (void)state;
    static const double slopes[] = {0, NAN}, inters[] = {5, INFINITY, NAN};
    for (int n = 0; n < 6; n++) {
        nifti_file file = make_nifti(false, false);
        put(&file, SLOPE, 0, slopes[n / 3]);
        put(&file, INTER, 0, inters[n % 3]);
        deeptepp_volume *volume = accept(&file);
        check_counting(volume, 1, 0);
        deeptepp_volume_free(volume);
    }
}

static void units_become_millimetres(void **state)
{
    (void)state;
    static const double mm[4] = {1, 1000, 1, 0.001};
    for (int unit = 0; unit < 4; unit++)
        for (int sform = 0; sform < 2; sform++) {
            nifti_file file = make_nifti(false, false);
            put(&file, UNITS, 0, unit + 8); /* and seconds */
            put(&file, SFORM_CODE, 0, sform);
            put(&file, QFORM_CODE, 0, !sform);
            put(&file, QOFFSET, 0, -10);
            deeptepp_volume *volume = accept(&file);
            assert_near(volume->spacing[2], 4 * mm[unit], 1e-9);
            assert_near(volume->affine[3], -10 * mm[unit], 1e-9);
            deeptepp_volume_free(volume);
        }
}

static nifti_file make_with_both_forms(void)
{
    nifti_file file = make_nifti(false, false);
    put(&file, QFORM_CODE, 0, 1);
    put(&file, QOFFSET, 0, -10);
    put(&file, QOFFSET, 1, -20);
    put(&file, QOFFSET, 2, 30);
    return file;
}

static void sform_is_preferred_and_its_distance_from_qform_noted(void **state)
{
    (void)state;
    nifti_file file = make_with_both_forms();
    put(&file, QOFFSET, 1, -20.5);
    deeptepp_volume *volume = accept(&file);
    assert_true(volume->affine[7] == -20);
    assert_near(volume->affine_gap_mm, 0.5, 1e-12);
    deeptepp_volume_free(volume);
    put(&file, SFORM_CODE, 0, 0);
    volume = accept(&file);
    assert_true(volume->affine[7] == -20.5);
    assert_true(volume->affine_gap_mm == 0);
    deeptepp_volume_free(volume);
}

static void the_gap_is_the_worst_corners(void **state)
{
    (void)state;
    nifti_file file = make_with_both_forms();
    put(&file, PIXDIM, 0, -1); /* the k axis of the qform runs the other way: 2 * 4 mm * (NZ - 1) */
    for (int at_first = 0; at_first < 2; at_first++) {
        put(&file, QOFFSET, 2, at_first ? 38 : 30);
        deeptepp_volume *volume = accept(&file);
        assert_near(volume->affine_gap_mm, 8, 1e-12);
        deeptepp_volume_free(volume);
    }
}

static void forms_that_agree_have_no_gap(void **state)
{
    (void)state;
    nifti_file file = make_with_both_forms();
    put(&file, QOFFSET, 0, -10.0005);
    deeptepp_volume *volume = accept(&file);
    assert_true(volume->affine_gap_mm == 0);
    deeptepp_volume_free(volume);
}

static void a_qform_turns_about_its_quaternion(void **state)
{
    (void)state;
    nifti_file file = make_with_both_forms();
    put(&file, SFORM_CODE, 0, 0);
    put(&file, QUATERN, 2, 1); /* 180 degrees about z */
    deeptepp_volume *volume = accept(&file);
    assert_string_equal(deeptepp_volume_orientation(volume), "LPS");
    assert_near(volume->affine[0], -2, 1e-12);
    assert_near(volume->affine[5], -3, 1e-12);
    deeptepp_volume_free(volume);
}

static void qfac_zero_counts_as_one(void **state)
{
    (void)state;
    nifti_file file = make_with_both_forms();
    put(&file, PIXDIM, 0, 0);
    deeptepp_volume *volume = accept(&file);
    assert_true(volume->affine_gap_mm == 0);
    deeptepp_volume_free(volume);
}

/* ---- The caller's options ---------------------------------------------------------------------------------------- */

static void an_orientation_is_assumed_only_on_request(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    deeptepp_volume_options o = options();
    o.orientation = "PIL";
    put(&file, SFORM_CODE, 0, 0);
    deeptepp_volume *volume = accept_with(&file, &o);
    static const double wanted[16] = {0, 0, -4, 2, -2, 0, 0, 3, 0, -3, 0, 3, 0, 0, 0, 1};
    assert_memory_equal(volume->affine, wanted, sizeof wanted);
    assert_string_equal(deeptepp_volume_orientation(volume), "PIL");
    assert_true(volume->orientation_assumed);
    deeptepp_volume_free(volume);
}

static void a_stated_orientation_wins(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    deeptepp_volume_options o = options();
    o.orientation = "LPS";
    deeptepp_volume *volume = accept_with(&file, &o);
    assert_string_equal(deeptepp_volume_orientation(volume), "RAS");
    assert_false(volume->orientation_assumed);
    deeptepp_volume_free(volume);
}

static void an_orientation_has_one_letter_of_each_pair(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "R", "RA", "RASI", "RLS", "RRR", "ras", "XAS", "RA S"};
    nifti_file file = make_nifti(false, false);
    for (size_t n = 0; n < DTP_COUNT(wrong); n++) {
        deeptepp_volume_options o = options();
        o.orientation = wrong[n];
        refuse_with(&file, &o, DEEPTEPP_ERR_ARGUMENT, "options.orientation");
    }
}

static nifti_file make_two_volumes(void)
{
    nifti_file file = make_nifti(false, false);
    put(&file, DIM, 0, 4);
    put(&file, DIM, 4, 2);
    memmove(file.bytes + file.size, file.bytes + file.voxels, file.size - file.voxels);
    memset(file.bytes + file.voxels, 0xff, file.size - file.voxels);
    file.size += file.size - file.voxels;
    return file;
}

static void the_chosen_volume_of_several_is_read(void **state)
{
    (void)state;
    nifti_file file = make_two_volumes();
    deeptepp_volume_options o = options();
    o.volume_number = 2;
    deeptepp_volume *volume = accept_with(&file, &o);
    check_counting(volume, 1, 0);
    deeptepp_volume_free(volume);
    o.volume_number = 1;
    volume = accept_with(&file, &o);
    assert_true(dtp_volume_stored(volume, 0, 0, 0) == -1);
    deeptepp_volume_free(volume);
}

static void a_volume_that_is_not_there_is_refused(void **state)
{
    (void)state;
    nifti_file file = make_two_volumes();
    deeptepp_volume_options o = options();
    o.volume_number = 3;
    refuse_with(&file, &o, DEEPTEPP_ERR_NIFTI_4D, "volume_number: 3, wanted 1 to 2");
    file = make_nifti(false, false);
    o.volume_number = 2;
    refuse_with(&file, &o, DEEPTEPP_ERR_NIFTI_4D, "volume_number: 2, wanted 1 to 1");
    o.volume_number = -1;
    refuse_with(&file, &o, DEEPTEPP_ERR_ARGUMENT, "volume_number: -1");
}

static void the_caller_caps_the_size(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    deeptepp_volume_options o = options();
    o.max_bytes = 2 * N_VOXELS;
    deeptepp_volume_free(accept_with(&file, &o));
    o.max_bytes--;
    refuse_with(&file, &o, DEEPTEPP_ERR_FILE_TOO_LARGE, "48 bytes, wanted 47 at most");
    o.max_bytes++;
    o.volume_number = 1;
    put(&file, DIM, 0, 4);
    put(&file, DIM, 4, 5);
    refuse_with(&file, &o, DEEPTEPP_ERR_FILE_TOO_LARGE, "240 bytes, wanted 192 at most");
}

static void options_of_another_size_are_refused(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    deeptepp_volume_options o = {0};
    deeptepp_volume *volume = NULL;
    assert_int_equal(open_with(&volume, &file, &o, NULL), DEEPTEPP_ERR_STRUCT_SIZE);
}

static void null_arguments_are_refused(void **state)
{
    (void)state;
    deeptepp_volume *volume = NULL;
    assert_int_equal(deeptepp_volume_from_bytes(NULL, "", 0, NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_volume_from_bytes(&volume, NULL, 9, NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_volume_from_bytes(&volume, NULL, 0, NULL, NULL), DEEPTEPP_ERR_FILE_TRUNCATED);
}

/* ---- Voxels ------------------------------------------------------------------------------------------------------ */

static void nan_and_infinite_voxels_are_counted_and_located(void **state)
{
    (void)state;
    static const char kinds[] = {'f', 'd'};
    for (int t = 0; t < 4; t++) {
        size_t size = t & 1 ? 8 : 4;
        nifti_file file = make_nifti(false, t & 2);
        put_voxels(&file, t & 1 ? 64 : 16, t & 1 ? 64 : 32, kinds[t & 1]);
        put_kind(&file, file.voxels + 18 * size, kinds[t & 1], NAN); /* 18 = 2 + 4 * (1 + 3 * 1) */
        put_kind(&file, file.voxels + 23 * size, kinds[t & 1], -INFINITY);
        refuse(&file, DEEPTEPP_ERR_VOLUME_NONFINITE, "2 of 24");
        refuse(&file, DEEPTEPP_ERR_VOLUME_NONFINITE, "(2, 1, 1)");
    }
}

static void voxels_that_scaling_makes_infinite_are_refused(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    put_voxels(&file, 16, 32, 'f');
    put(&file, SLOPE, 0, 3e37);
    refuse(&file, DEEPTEPP_ERR_VOLUME_NONFINITE, "12 of 24"); /* 12 * 3e37 is more than 3.4e38 */
}

static void integers_beyond_a_double_are_refused(void **state)
{
    (void)state;
    static const double values[] = {0x1p53, -0x1p53, 0x1p53 + 2, -0x1p53 - 2};
    for (int n = 0; n < 8; n++) {
        nifti_file file = make_nifti(true, n & 1);
        put_voxels(&file, 1024, 64, 'l');
        put_kind(&file, file.voxels + 8 * 5, 'l', values[n / 2]);
        if (n / 2 < 2)
            deeptepp_volume_free(accept(&file));
        else
            refuse(&file, DEEPTEPP_ERR_VOLUME_INEXACT, "(1, 1, 0)");
    }
    nifti_file file = make_nifti(true, false);
    put_voxels(&file, 1280, 64, 'l');
    put_kind(&file, file.voxels, 'l', -1); /* 2^64 - 1 */
    refuse(&file, DEEPTEPP_ERR_VOLUME_INEXACT, "1 of 24");
}

static void extensions_are_passed_over(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    memmove(file.bytes + 368, file.bytes + 352, 2 * N_VOXELS);
    memset(file.bytes + 352, 0xee, 16);
    put(&file, VOX_OFFSET, 0, 368);
    file.size += 16;
    deeptepp_volume *volume = accept(&file);
    check_counting(volume, 1, 0);
    deeptepp_volume_free(volume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_version_and_byte_order_reads_the_same),
        cmocka_unit_test(geometry_is_the_headers),
        cmocka_unit_test(scaling_is_applied),
        cmocka_unit_test(slope_zero_or_nan_means_no_scaling),
        cmocka_unit_test(units_become_millimetres),
        cmocka_unit_test(sform_is_preferred_and_its_distance_from_qform_noted),
        cmocka_unit_test(the_gap_is_the_worst_corners),
        cmocka_unit_test(forms_that_agree_have_no_gap),
        cmocka_unit_test(a_qform_turns_about_its_quaternion),
        cmocka_unit_test(qfac_zero_counts_as_one),
        cmocka_unit_test(an_orientation_is_assumed_only_on_request),
        cmocka_unit_test(a_stated_orientation_wins),
        cmocka_unit_test(an_orientation_has_one_letter_of_each_pair),
        cmocka_unit_test(the_chosen_volume_of_several_is_read),
        cmocka_unit_test(a_volume_that_is_not_there_is_refused),
        cmocka_unit_test(the_caller_caps_the_size),
        cmocka_unit_test(options_of_another_size_are_refused),
        cmocka_unit_test(null_arguments_are_refused),
        cmocka_unit_test(nan_and_infinite_voxels_are_counted_and_located),
        cmocka_unit_test(voxels_that_scaling_makes_infinite_are_refused),
        cmocka_unit_test(integers_beyond_a_double_are_refused),
        cmocka_unit_test(extensions_are_passed_over),
    };
    return cmocka_run_group_tests_name("NIfTI", tests, NULL, NULL);
}
