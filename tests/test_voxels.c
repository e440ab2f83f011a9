/* Voxels over the caller's memory: every layout, and every voxel checked. */
#define _GNU_SOURCE
#include "volume_maker.h"

#include <fenv.h>
#include <float.h>

#include "../libdeeptepp/volume/voxels.h"

static void strides_do_not_change_voxels_or_digest(void **state)
{
    (void)state;
    deeptepp_array plain = counting_array();
    deeptepp_volume *wanted = accept(&plain);
    float memory[N_VOXELS];
    for (int n = 0; n < 48; n++) {
        deeptepp_array array = lay_out(memory, orders[n / 8], n % 8);
        deeptepp_volume *volume = accept(&array);
        double row[3];
        assert_string_equal(deeptepp_volume_sha256(volume), deeptepp_volume_sha256(wanted));
        dtp_volume_row(volume, 1, 2, 1, 3, row);
        for (int i = 0; i < 3; i++)
            assert_true(row[i] == i + 1 + NX * (2 + NY * 1));
        assert_true(dtp_volume_stored(volume, 4, 3, 2) == N_VOXELS - 1);
        deeptepp_volume_free(volume);
    }
    deeptepp_volume_free(wanted);
}

static void the_digest_covers_type_dims_affine_and_voxels(void **state)
{
    (void)state;
    deeptepp_array array = counting_array(), changed = array;
    deeptepp_volume *volume = accept(&array);
    for (int n = 0; n < 4; n++) {
        changed = array;
        if (n == 0)
            changed.type = DEEPTEPP_UINT32;
        if (n == 1)
            changed.dims[0] = NY, changed.dims[1] = NX;
        if (n == 2)
            changed.affine[3] += 1;
        if (n == 3)
            counting[N_VOXELS - 1] = -1;
        deeptepp_volume *other = accept(&changed);
        assert_string_not_equal(deeptepp_volume_sha256(volume), deeptepp_volume_sha256(other));
        deeptepp_volume_free(other);
    }
    deeptepp_volume_free(volume);
}

static void any_alignment_is_read(void **state)
{
    (void)state;
    deeptepp_array array = counting_array();
    uint8_t memory[sizeof counting + 1];
    memcpy(memory + 1, counting, sizeof counting);
    array.data = memory + 1;
    deeptepp_volume *volume = accept(&array);
    assert_true(dtp_volume_stored(volume, 3, 2, 1) == 3 + NX * (2 + NY));
    deeptepp_volume_free(volume);
}

static void an_axis_of_one_voxel_may_have_any_stride(void **state)
{
    (void)state;
    deeptepp_array array = counting_array();
    array.dims[2] = 1;
    array.strides[0] = 4;
    array.strides[1] = 4 * NX;
    for (int n = 0; n < 2; n++) {
        array.strides[2] = n ? INT64_MAX : 0;
        deeptepp_volume_free(accept(&array));
    }
}

static void strides_that_overlap_are_refused(void **state)
{
    (void)state;
    static const int64_t wrong[][3] = {{4, 4, 80},   {0, 4, 16},       {4, 0, 20},      {4, 20, 79}, {4, 19, 80},
                                       {3, 20, 80},  {-4, 16, 80},     {4, -20, -76},   {2, 0, 0},   {4, 20, 0}};
    for (size_t n = 0; n < DTP_COUNT(wrong); n++) {
        deeptepp_array array = counting_array();
        memcpy(array.strides, wrong[n], sizeof array.strides);
        refuse(&array, DEEPTEPP_ERR_VOLUME_STRIDES, "overlap");
    }
}

static void strides_that_overflow_are_refused(void **state)
{
    (void)state;
    static const int64_t wrong[][3] = {
        {4, 20, INT64_MIN}, {4, 20, INT64_MAX}, {4, INT64_MAX / 3, 80}, {INT64_MIN, 4, 16}};
    for (size_t n = 0; n < DTP_COUNT(wrong); n++) {
        deeptepp_array array = counting_array();
        memcpy(array.strides, wrong[n], sizeof array.strides);
        refuse(&array, DEEPTEPP_ERR_VOLUME_STRIDES, "overflow");
    }
}

static void dims_are_positive_and_their_product_fits(void **state)
{
    (void)state;
    static const int64_t wrong[][3] = {{0, 4, 3},         {5, -4, 3},        {5, 4, INT64_MIN},
                                       {INT64_MAX, 4, 3}, {1 << 30, 1 << 30, 8}, {INT64_MAX, 1, 1}};
    for (size_t n = 0; n < 2 * DTP_COUNT(wrong); n++) {
        deeptepp_array array = counting_array();
        memcpy(array.dims, wrong[n / 2], sizeof array.dims);
        if (n % 2)
            array.strides[0] = 4, array.strides[1] = 20, array.strides[2] = 80;
        refuse(&array, DEEPTEPP_ERR_VOLUME_DIMS, "dims");
    }
}

static void unknown_types_are_refused(void **state)
{
    (void)state;
    static const int wrong[] = {0, 11, -1, 0x7fffffff};
    for (size_t n = 0; n < DTP_COUNT(wrong); n++) {
        deeptepp_array array = counting_array();
        array.type = (deeptepp_type)wrong[n];
        refuse(&array, DEEPTEPP_ERR_VOLUME_TYPE, "voxel type");
    }
}

static void null_and_foreign_structs_are_refused(void **state)
{
    (void)state;
    deeptepp_array array = counting_array();
    assert_int_equal(deeptepp_volume_from_array(NULL, &array, NULL), DEEPTEPP_ERR_ARGUMENT);
    refuse(NULL, DEEPTEPP_ERR_ARGUMENT, "array: NULL");
    array.data = NULL;
    refuse(&array, DEEPTEPP_ERR_ARGUMENT, "array.data");
    array.struct_size--;
    refuse(&array, DEEPTEPP_ERR_STRUCT_SIZE, "deeptepp_array");
}

/* ---- Voxels ------------------------------------------------------------------------------------------------------ */

/* A host that traps invalid operations must not die of a voxel. */
static void a_host_that_traps_survives_a_nan(void **state)
{
    (void)state;
    deeptepp_volume *volume = NULL;
    deeptepp_array array = counting_array();
    counting[33] = NAN;
    feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    deeptepp_status status = deeptepp_volume_from_array(&volume, &array, NULL);
    fedisableexcept(FE_ALL_EXCEPT);
    counting[33] = 33;
    assert_int_equal(status, DEEPTEPP_ERR_VOLUME_NONFINITE);
}

static void nonfinite_voxels_are_counted_and_located(void **state)
{
    (void)state;
    float memory[N_VOXELS];
    counting[33] = NAN; /* (3, 2, 1) */
    counting[34] = INFINITY;
    counting[59] = -INFINITY;
    for (int n = 0; n < 48; n++) {
        deeptepp_array array = lay_out(memory, orders[n / 8], n % 8);
        refuse(&array, DEEPTEPP_ERR_VOLUME_NONFINITE, "3 of 60 NaN or infinite (as float32), the first at (3, 2, 1)");
    }
}

static void one_bad_voxel_is_found_wherever_it_is(void **state)
{
    (void)state;
    enum { LONG = 201 };
    static const deeptepp_type types[] = {DEEPTEPP_FLOAT32, DEEPTEPP_FLOAT64, DEEPTEPP_INT64, DEEPTEPP_UINT64};
    static uint8_t memory[2 * LONG * 8];
    for (int n = 0; n < 2 * 4 * LONG; n++) {
        int at = n % LONG, t = n / LONG % 4, sparse = n / LONG / 4;
        int64_t size = (int64_t)dtp_type_size(types[t]);
        deeptepp_array array = counting_array();
        char text[32];
        memset(memory, 0, sizeof memory);
        memset(memory + at * size * (1 + sparse), 0x7f, (size_t)size);
        array.data = memory;
        array.type = types[t];
        array.dims[0] = LONG;
        array.dims[1] = array.dims[2] = 1;
        array.strides[0] = size * (1 + sparse);
        if (t == 0) {
            float nan = NAN;
            memcpy(memory + at * size * (1 + sparse), &nan, sizeof nan);
        }
        snprintf(text, sizeof text, "1 of %d", LONG);
        refuse(&array, t < 2 ? DEEPTEPP_ERR_VOLUME_NONFINITE : DEEPTEPP_ERR_VOLUME_INEXACT, text);
        snprintf(text, sizeof text, "(%d, 0, 0)", at);
        refuse(&array, t < 2 ? DEEPTEPP_ERR_VOLUME_NONFINITE : DEEPTEPP_ERR_VOLUME_INEXACT, text);
    }
}

static void accept_double(double value, bool wanted)
{
    deeptepp_array array = counting_array();
    array.type = DEEPTEPP_FLOAT64;
    array.data = &value;
    array.dims[0] = array.dims[1] = array.dims[2] = 1;
    if (wanted)
        deeptepp_volume_free(accept(&array));
    else
        refuse(&array, DEEPTEPP_ERR_VOLUME_NONFINITE, "1 of 1");
}

static void a_double_must_be_finite_as_float32(void **state)
{
    (void)state;
    accept_double((double)FLT_MAX, true);
    accept_double(-(double)FLT_MAX, true);
    accept_double(5e-324, true);
    accept_double(1e39, false);
    accept_double(-1e300, false);
    accept_double(NAN, false);
    accept_double(-INFINITY, false);
}

static void integers_up_to_2_53_are_exact(void **state)
{
    (void)state;
    static const int64_t exact = (int64_t)1 << 53, values[] = {exact, -exact, exact + 1, -exact - 1, INT64_MIN};
    for (int n = 0; n < 5; n++) {
        deeptepp_array array = counting_array();
        array.type = DEEPTEPP_INT64;
        array.data = &values[n];
        array.dims[0] = array.dims[1] = array.dims[2] = 1;
        if (n < 2)
            deeptepp_volume_free(accept(&array));
        else
            refuse(&array, DEEPTEPP_ERR_VOLUME_INEXACT, "2^53");
    }
}

/* ---- Stopping ---------------------------------------------------------------------------------------------------- */

/* Says yes at the `patience`-th question. */
typedef struct listener {
    int asked, patience;
} listener;

static int hear_cancel(void *user)
{
    listener *l = user;
    return ++l->asked == l->patience;
}

static deeptepp_status check_with(listener *l, const deeptepp_array *array, deeptepp_error *error)
{
    deeptepp_volume draft = {.type = array->type, .data = array->data, .slope = 1};
    dtp_watch watch = {.callbacks = {.cancel = hear_cancel, .user = l}};
    dtp_layout layout;
    for (int a = 0; a < 3; a++) {
        draft.dims[a] = array->dims[a];
        draft.strides[a] = a ? draft.strides[a - 1] * draft.dims[a - 1] : (int64_t)dtp_type_size(array->type);
    }
    assert_int_equal(dtp_voxels_layout(&draft, &layout, error), DEEPTEPP_OK);
    return dtp_voxels_check(&draft, &layout, &watch, error);
}

/* Sought from the front, with as many questions as the pass that counted it. */
static void the_search_for_a_bad_voxel_can_be_cancelled(void **state)
{
    (void)state;
    enum { WIDE = 1 << 10, HIGH = 1 << 8, DEEP = 1 << 5 };
    deeptepp_error error = {0};
    deeptepp_array array = counting_array();
    float *voxels = calloc((size_t)WIDE * HIGH * DEEP, sizeof *voxels);
    assert_non_null(voxels);
    memcpy(array.dims, ((const int64_t[3]){WIDE, HIGH, DEEP}), sizeof array.dims);
    array.data = voxels;
    listener counts = {.patience = 0}, all = {.patience = 0};
    assert_int_equal(check_with(&counts, &array, &error), DEEPTEPP_OK);
    assert_true(counts.asked >= 4);
    voxels[(size_t)WIDE * HIGH * DEEP - 1] = NAN;
    assert_int_equal(check_with(&all, &array, &error), DEEPTEPP_ERR_VOLUME_NONFINITE);
    assert_non_null(strstr(error.message, "1 of 8388608 NaN or infinite (as float32), the first at (1023, 255, 31)"));
    assert_int_equal(all.asked, 2 * counts.asked);
    for (int patience = 1; patience <= all.asked; patience++) {
        listener l = {.patience = patience};
        assert_int_equal(check_with(&l, &array, &error), DEEPTEPP_ERR_CANCELLED);
        assert_int_equal(l.asked, patience);
    }
    free(voxels);
}

/* Its own flag is set at the third block. */
typedef struct visitor {
    dtp_watch watch;
    int blocks;
} visitor;

static void visit(void *state, const double *block, int64_t n, const int64_t at[3])
{
    visitor *v = state;
    assert_true(n >= 1 && n <= DTP_BLOCK && at[0] + at[1] + at[2] >= v->blocks && block[n - 1] == 7);
    if (++v->blocks == 3)
        atomic_store(&v->watch.cancelled, true);
}

/* One voxel of memory, seen without end: in one row or in as many. */
static void a_visit_ends_within_a_row_and_between_rows(void **state)
{
    (void)state;
    static const int64_t endless[2][3] = {{INT64_C(1) << 60, 1, 1}, {1, INT64_C(1) << 30, INT64_C(1) << 30}};
    for (int n = 0; n < 2; n++) {
        deeptepp_volume volume = {.type = DEEPTEPP_UINT8, .data = &(const uint8_t){7}, .slope = 1};
        visitor v = {.blocks = 0};
        memcpy(volume.dims, endless[n], sizeof volume.dims);
        assert_false(dtp_volume_visit(&volume, visit, &v, &v.watch));
        assert_int_equal(v.blocks, 3);
    }
}

typedef struct total {
    double sum;
    int blocks;
} total;

static void add(void *state, const double *block, int64_t n, const int64_t at[3])
{
    total *t = state;
    for (int64_t i = 0; i < n; i++)
        t->sum += block[i] * (double)(at[0] + i + 10000 * at[1]);
    t->blocks++;
}

/* Four rows of three blocks each; what is not 0 lies in three of them: a -0.0, which is no byte of 0, is a value. */
static void only_blocks_of_nothing_but_0_are_left_out(void **state)
{
    (void)state;
    enum { WIDE = 2 * DTP_BLOCK + 7, HIGH = 4 };
    static float voxels[HIGH * WIDE];
    deeptepp_volume volume = {.type = DEEPTEPP_FLOAT32, .data = (const uint8_t *)voxels, .dims = {WIDE, HIGH, 1},
                              .strides = {4, 4 * WIDE, 4 * WIDE * HIGH}, .slope = 2};
    voxels[0] = 3;
    voxels[WIDE + DTP_BLOCK - 1] = -0.0f;
    voxels[HIGH * WIDE - 1] = 5;
    for (int inter = 0; inter < 2; inter++) {
        total all = {0}, nonzero = {0};
        volume.inter = inter;
        assert_true(dtp_volume_visit(&volume, add, &all, NULL));
        assert_true(dtp_volume_visit_nonzero(&volume, add, &nonzero, NULL));
        assert_true(nonzero.sum == all.sum && all.sum > 0);
        assert_int_equal(all.blocks, 3 * HIGH);
        assert_int_equal(nonzero.blocks, inter ? 3 * HIGH : 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(strides_do_not_change_voxels_or_digest, fill_counting),
        cmocka_unit_test_setup(the_digest_covers_type_dims_affine_and_voxels, fill_counting),
        cmocka_unit_test_setup(any_alignment_is_read, fill_counting),
        cmocka_unit_test_setup(an_axis_of_one_voxel_may_have_any_stride, fill_counting),
        cmocka_unit_test_setup(strides_that_overlap_are_refused, fill_counting),
        cmocka_unit_test_setup(strides_that_overflow_are_refused, fill_counting),
        cmocka_unit_test_setup(dims_are_positive_and_their_product_fits, fill_counting),
        cmocka_unit_test_setup(unknown_types_are_refused, fill_counting),
        cmocka_unit_test_setup(null_and_foreign_structs_are_refused, fill_counting),
        cmocka_unit_test_setup(a_host_that_traps_survives_a_nan, fill_counting),
        cmocka_unit_test_setup(nonfinite_voxels_are_counted_and_located, fill_counting),
        cmocka_unit_test_setup(one_bad_voxel_is_found_wherever_it_is, fill_counting),
        cmocka_unit_test_setup(a_double_must_be_finite_as_float32, fill_counting),
        cmocka_unit_test_setup(integers_up_to_2_53_are_exact, fill_counting),
        cmocka_unit_test(the_search_for_a_bad_voxel_can_be_cancelled),
        cmocka_unit_test(a_visit_ends_within_a_row_and_between_rows),
        cmocka_unit_test(only_blocks_of_nothing_but_0_are_left_out),
    };
    return cmocka_run_group_tests_name("voxels", tests, NULL, NULL);
}
