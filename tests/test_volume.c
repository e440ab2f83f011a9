/* Volumes: affine, orientation, ownership. */
#include "volume_maker.h"

#include "../libdeeptepp/volume/nifti.h"

/* ---- Affine ------------------------------------------------------------------------------------------------------ */

static void a_bad_affine_is_refused(void **state)
{
    (void)state;
    static const struct {
        int at;
        double value;
        deeptepp_status status;
        const char *text;
    } wrong[] = {
        {6, NAN, DEEPTEPP_ERR_VOLUME_AFFINE, "row 1, column 2"},
        {15, INFINITY, DEEPTEPP_ERR_VOLUME_AFFINE, "row 3, column 3"},
        {12, 1, DEEPTEPP_ERR_VOLUME_AFFINE, "last row"},
        {15, 2, DEEPTEPP_ERR_VOLUME_AFFINE, "last row"},
        {5, 0, DEEPTEPP_ERR_VOLUME_AFFINE, "along j: 0 mm"},
        {5, 1e-9, DEEPTEPP_ERR_VOLUME_AFFINE, "along j"},
        {10, 1e200, DEEPTEPP_ERR_VOLUME_AFFINE, "along k"},
        {7, -1e10, DEEPTEPP_ERR_VOLUME_AFFINE, "origin"},
        {1, 1, DEEPTEPP_ERR_VOLUME_SHEAR, "axes i and j"},
        {9, -0.005, DEEPTEPP_ERR_VOLUME_SHEAR, "axes j and k"},
        {8, 0.01, DEEPTEPP_ERR_VOLUME_SHEAR, "axes k and i"},
    };
    for (size_t n = 0; n < DTP_COUNT(wrong); n++) {
        deeptepp_array array = counting_array();
        array.affine[wrong[n].at] = wrong[n].value;
        refuse(&array, wrong[n].status, wrong[n].text);
    }
}

static void axes_in_one_plane_are_refused(void **state)
{
    (void)state;
    deeptepp_array array = counting_array();
    static const double flat[12] = {1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0};
    memcpy(array.affine, flat, sizeof flat);
    refuse(&array, DEEPTEPP_ERR_VOLUME_AFFINE, "invertible");
}

static void rounding_is_not_shear(void **state)
{
    (void)state;
    deeptepp_array array = counting_array();
    array.affine[1] = 0.0027; /* cosine 9e-4 */
    deeptepp_volume_free(accept(&array));
}

/* ---- Orientation ------------------------------------------------------------------------------------------------- */

/* The same patient stored along other axes: axis n of the stored array is axis order[n] of the plain one. */
static deeptepp_array store_along(float *memory, const int order[3], int flips)
{
    deeptepp_array plain = counting_array(), stored = plain;
    lay_out(memory, order, flips);
    stored.data = memory;
    for (int n = 0; n < 3; n++) {
        int axis = order[n], flip = flips >> axis & 1;
        stored.dims[n] = plain.dims[axis];
        for (int w = 0; w < 3; w++) {
            double column = plain.affine[4 * w + axis];
            stored.affine[4 * w + n] = flip ? -column : column;
            if (flip)
                stored.affine[4 * w + 3] += column * (double)(plain.dims[axis] - 1);
        }
    }
    return stored;
}

static void all_48_axis_orders_are_one_patient(void **state)
{
    (void)state;
    float memory[N_VOXELS], out[N_VOXELS];
    for (int n = 0; n < 48; n++) {
        deeptepp_array array = store_along(memory, orders[n / 8], n % 8);
        deeptepp_volume *volume = accept(&array);
        int64_t dims[3];
        double spacing[3];
        memset(out, 0, sizeof out);
        assert_int_equal(deeptepp_volume_copy_ras(volume, out, N_VOXELS, dims, spacing, NULL), DEEPTEPP_OK);
        assert_memory_equal(out, counting, sizeof out);
        assert_memory_equal(dims, ((const int64_t[3]){NX, NY, NZ}), sizeof dims);
        assert_memory_equal(spacing, ((const double[3]){2, 3, 4}), sizeof spacing);
        for (int a = 0; a < 3; a++) {
            int axis = orders[n / 8][a], flip = n % 8 >> axis & 1;
            assert_int_equal(deeptepp_volume_orientation(volume)[a], "RASLPI"[axis + 3 * flip]);
        }
        deeptepp_volume_free(volume);
    }
}

static void an_oblique_volume_has_its_nearest_letters(void **state)
{
    (void)state;
    for (int degrees = -180; degrees < 180; degrees += 3) {
        double t = degrees * acos(-1) / 180;
        double affine[16] = {cos(t), -sin(t), 0, 0, sin(t), cos(t), 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
        static const char *const wanted[] = {"RAS", "ALS", "LPS", "PRS"};
        char letters[4];
        if (degrees % 45 == 0 && degrees % 90 != 0)
            continue;
        dtp_nifti_orientation(affine, letters);
        assert_string_equal(letters, wanted[(degrees + 360 + 45) / 90 % 4]);
    }
}

static void copy_ras_wants_the_exact_count(void **state)
{
    (void)state;
    deeptepp_array array = counting_array();
    deeptepp_volume *volume = accept(&array);
    deeptepp_error error = {0};
    float out[N_VOXELS + 1] = {0};
    int64_t dims[3] = {-1, -1, -1};
    assert_int_equal(deeptepp_volume_copy_ras(volume, out, N_VOXELS + 1, dims, NULL, &error), DEEPTEPP_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "count: 61 floats, wanted 60"));
    assert_true(dims[0] == -1);
    assert_int_equal(deeptepp_volume_copy_ras(NULL, out, N_VOXELS, NULL, NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_volume_copy_ras(volume, NULL, 0, dims, NULL, NULL), DEEPTEPP_OK);
    assert_true(dims[0] == NX && dims[1] == NY && dims[2] == NZ);
    deeptepp_volume_free(volume);
}

/* ---- Ownership --------------------------------------------------------------------------------------------------- */

static void the_last_holder_frees(void **state)
{
    (void)state;
    deeptepp_array array = counting_array();
    deeptepp_volume *volume = accept(&array);
    assert_ptr_equal(dtp_volume_ref(volume), volume);
    deeptepp_volume_free(volume);
    assert_true(dtp_volume_stored(volume, 1, 0, 0) == 1);
    deeptepp_volume_free(volume);
    deeptepp_volume_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_bad_affine_is_refused, fill_counting),
        cmocka_unit_test_setup(axes_in_one_plane_are_refused, fill_counting),
        cmocka_unit_test_setup(rounding_is_not_shear, fill_counting),
        cmocka_unit_test_setup(all_48_axis_orders_are_one_patient, fill_counting),
        cmocka_unit_test_setup(an_oblique_volume_has_its_nearest_letters, fill_counting),
        cmocka_unit_test_setup(copy_ras_wants_the_exact_count, fill_counting),
        cmocka_unit_test_setup(the_last_holder_frees, fill_counting),
    };
    return cmocka_run_group_tests_name("volume", tests, NULL, NULL);
}
