/* Which of a header's two forms counts, and whose voxel sizes. */
#include "nifti_expect.h"

static const double SFORM[12] = {2, 0, 0, -10, 0, 3, 0, -20, 0, 0, 4, 30};
static const double QFORM_ORIGIN[3] = {-11, -22, 33};

/* Both forms are sound and 1, 2 and 3 mm apart. */
static nifti_file make_both(bool second, bool swapped)
{
    nifti_file file = make_nifti(second, swapped);
    put(&file, QFORM_CODE, 0, 1);
    for (int w = 0; w < 3; w++)
        put(&file, QOFFSET, w, QFORM_ORIGIN[w]);
    return file;
}

static void both_usable_keeps_both(void **state)
{
    (void)state;
    nifti_file file = make_both(false, false);
    deeptepp_volume *volume = accept(&file);
    assert_memory_equal(volume->affine, SFORM, sizeof SFORM);
    assert_true(volume->has_other_affine);
    static const double qform[16] = {2, 0, 0, -11, 0, 3, 0, -22, 0, 0, 4, 33, 0, 0, 0, 1};
    assert_memory_equal(volume->other_affine, qform, sizeof qform);
    assert_true(fabs(volume->affine_gap_mm - sqrt(1 + 4 + 9)) < 1e-12);
    assert_string_equal(volume->form_unusable, "");
    deeptepp_volume_free(volume);
}

static void one_form_has_no_other(void **state)
{
    (void)state;
    nifti_file file = make_both(false, false);
    for (int only = 0; only < 2; only++) {
        put(&file, SFORM_CODE, 0, only);
        put(&file, QFORM_CODE, 0, !only);
        deeptepp_volume *volume = accept(&file);
        assert_false(volume->has_other_affine);
        assert_string_equal(volume->form_unusable, "");
        assert_true(volume->affine[3] == (only ? SFORM[3] : QFORM_ORIGIN[0]));
        deeptepp_volume_free(volume);
    }
}

/* ---- One form says nothing --------------------------------------------------------------------------------------- */

typedef struct damage {
    field name;
    int index;
    double value;
    const char *text;
} damage;

static const damage OF_QFORM[] = {
    {QUATERN, 0, NAN, "quatern_b"}, {QUATERN, 1, INFINITY, "quatern_b"}, {QUATERN, 2, 1.01, "quatern_b"},
    {QOFFSET, 0, NAN, "qoffset_x"}, {QOFFSET, 2, INFINITY, "qoffset_x"}, {QOFFSET, 1, 1e12, "origin"},
    {PIXDIM, 0, 0.5, "qfac"},       {PIXDIM, 0, NAN, "qfac"},            {PIXDIM, 0, 2, "qfac"},
};
static const damage OF_SFORM[] = {
    {SROW, 6, NAN, "row 1, column 2"}, {SROW, 11, INFINITY, "row 2, column 3"}, {SROW, 0, 0, "along i: 0 mm"},
    {SROW, 3, 1e12, "origin"},         {SROW, 5, 1e9, "along j"},
};

static void expect_other(const nifti_file *file, bool sform, const char *text)
{
    deeptepp_volume *volume = accept(file);
    assert_true(volume->affine[3] == (sform ? SFORM[3] : QFORM_ORIGIN[0]));
    assert_false(volume->has_other_affine);
    assert_true(volume->affine_gap_mm == 0);
    if (!strstr(volume->form_unusable, text) ||
        !strstr(volume->form_unusable, sform ? "qform unusable" : "sform unusable"))
        fail_msg("\"%s\" does not speak of \"%s\"", volume->form_unusable, text);
    deeptepp_volume_free(volume);
}

static void a_good_sform_stands_beside_an_unusable_qform(void **state)
{
    (void)state;
    for (size_t d = 0; d < 4 * DTP_COUNT(OF_QFORM); d++) {
        const damage *one = &OF_QFORM[d / 4];
        nifti_file file = make_both(d & 1, d & 2);
        put(&file, one->name, one->index, one->value);
        expect_other(&file, true, one->text);
    }
}

static void a_good_qform_stands_in_for_an_unusable_sform(void **state)
{
    (void)state;
    for (size_t d = 0; d < 4 * DTP_COUNT(OF_SFORM); d++) {
        const damage *one = &OF_SFORM[d / 4];
        nifti_file file = make_both(d & 1, d & 2);
        put(&file, one->name, one->index, one->value);
        expect_other(&file, false, one->text);
    }
    nifti_file file = make_both(false, false);
    put_affine(&file, (const double[12]){0});
    expect_other(&file, false, "along i: 0 mm");
    put_affine(&file, (const double[12]){2, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0});
    expect_other(&file, false, "invertible");
}

/* ---- Voxel sizes ------------------------------------------------------------------------------------------------- */

static void put_ones(nifti_file *file)
{
    for (int d = 1; d <= 3; d++)
        put(file, PIXDIM, d, 1);
}

static void a_sform_alone_beside_ones_counts(void **state)
{
    (void)state;
    static const double mm[4] = {1, 1000, 1, 0.001};
    for (int t = 0; t < 16; t++) {
        nifti_file file = make_nifti(t & 1, t & 2);
        put_ones(&file);
        put(&file, UNITS, 0, t / 4);
        deeptepp_volume *volume = accept(&file);
        assert_true(fabs(volume->spacing[2] - 4 * mm[t / 4]) < 1e-9 * mm[t / 4]);
        assert_true(volume->pixdim_ignored);
        deeptepp_volume_free(volume);
    }
}

static void ones_that_agree_are_not_ignored(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    put_ones(&file);
    put_affine(&file, (const double[12]){1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0});
    deeptepp_volume *volume = accept(&file);
    assert_false(volume->pixdim_ignored);
    deeptepp_volume_free(volume);
}

static void any_other_pixdim_must_agree(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    put_ones(&file);
    put(&file, PIXDIM, 2, 1.5);
    refuse(&file, DEEPTEPP_ERR_VOLUME_SPACING, "image.set_qform(image.affine)");
    file = make_both(false, false); /* the qform that the ones belong to is another thing than the sform */
    put_ones(&file);
    refuse(&file, DEEPTEPP_ERR_VOLUME_SPACING, "pixdim[1]: 1 mm, wanted the sform's 2 mm");
}

/* ---- Volumes ----------------------------------------------------------------------------------------------------- */

/* Three volumes, the voxels of the n-th all n. */
static nifti_file make_three(int along)
{
    nifti_file file = make_nifti(false, true);
    put(&file, DIM, 0, along);
    put(&file, DIM, along, 3);
    file.size = file.voxels;
    for (int n = 0; n < 3 * N_VOXELS; n++)
        file.size += put_kind(&file, file.size, 'h', n / N_VOXELS + 1);
    return file;
}

static void volumes_lie_along_any_dimension_from_the_fourth(void **state)
{
    (void)state;
    for (int along = 4; along <= 7; along++) {
        nifti_file file = make_three(along);
        for (int number = 1; number <= 3; number++) {
            deeptepp_volume_options o = options();
            o.volume_number = number;
            deeptepp_volume *volume = accept_with(&file, &o);
            assert_true(dtp_volume_stored(volume, NX - 1, NY - 1, NZ - 1) == number);
            assert_int_equal(deeptepp_volume_number(volume), number);
            deeptepp_volume_free(volume);
        }
        deeptepp_volume_options o = options();
        o.volume_number = 4;
        refuse_with(&file, &o, DEEPTEPP_ERR_NIFTI_4D, "volume_number: 4, wanted 1 to 3");
        refuse(&file, DEEPTEPP_ERR_NIFTI_4D, "3 volumes and none chosen");
    }
}

/* ---- Axes -------------------------------------------------------------------------------------------------------- */

static deeptepp_status open_long(int64_t edge, int64_t max_edge)
{
    const size_t size = 352 + 2 * (size_t)edge;
    nifti_file file = make_nifti(false, false);
    uint8_t *bytes = calloc(size, 1);
    deeptepp_volume *volume = NULL;
    deeptepp_volume_options o = options();
    o.max_edge = max_edge;
    put(&file, DIM, 1, 1);
    put(&file, DIM, 2, (double)edge);
    put(&file, DIM, 3, 1);
    memcpy(bytes, file.bytes, 352);
    deeptepp_status status = deeptepp_volume_from_bytes(&volume, bytes, size, &o, NULL);
    deeptepp_volume_free(volume);
    free(bytes);
    return status;
}

static void an_axis_is_bounded_unless_the_caller_says_more(void **state)
{
    (void)state;
    assert_int_equal(open_long(2048, 0), DEEPTEPP_OK);
    assert_int_equal(open_long(2049, 0), DEEPTEPP_ERR_VOLUME_DIMS);
    assert_int_equal(open_long(2049, 2049), DEEPTEPP_OK);
    assert_int_equal(open_long(30000, INT64_MAX), DEEPTEPP_OK);
    assert_int_equal(open_long(3, 2), DEEPTEPP_ERR_VOLUME_DIMS);
    assert_int_equal(open_long(3, -1), DEEPTEPP_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_usable_keeps_both),
        cmocka_unit_test(one_form_has_no_other),
        cmocka_unit_test(a_good_sform_stands_beside_an_unusable_qform),
        cmocka_unit_test(a_good_qform_stands_in_for_an_unusable_sform),
        cmocka_unit_test(a_sform_alone_beside_ones_counts),
        cmocka_unit_test(ones_that_agree_are_not_ignored),
        cmocka_unit_test(any_other_pixdim_must_agree),
        cmocka_unit_test(an_axis_is_bounded_unless_the_caller_says_more),
        cmocka_unit_test(volumes_lie_along_any_dimension_from_the_fourth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
