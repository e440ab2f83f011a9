/* Tensors as float32. */
#include "safetensors_bytes.h"

#include <fenv.h>
#include <math.h>

#include "../libdeeptepp/file/safetensors.h"

static deeptepp_error error;

static dtp_tensor tensor_of(dtp_dtype dtype, const void *data, size_t count, size_t element)
{
    dtp_tensor tensor = {.name = (char *)(uintptr_t) "w", .dtype = dtype, .count = count, .end = count * element};
    tensor.data = dtp_alloc_aligned(tensor.end);
    memcpy(tensor.data, data, tensor.end);
    return tensor;
}

static void f32_is_handed_over_without_a_copy(void **state)
{
    (void)state;
    const float data[] = {1, -0.0f, 1e-45f};
    float *values = NULL;
    dtp_tensor tensor = tensor_of(DTP_F32, data, 3, 4);
    const void *block = tensor.data;
    assert_int_equal(dtp_tensor_take_f32(&tensor, &values, &error), DEEPTEPP_OK);
    assert_ptr_equal(values, block);
    assert_null(tensor.data);
    assert_true(tensor.used);
    assert_memory_equal(values, data, sizeof data);
    free(values);
    assert_int_equal(dtp_tensor_take_f32(&tensor, &values, &error), DEEPTEPP_ERR_INTERNAL);
    assert_null(values);
}

/* The value as its definition says: sign, 5 bits of exponent with bias 15, 10 of fraction. */
static double half_value(unsigned bits)
{
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = bits & 1023;
    const double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits & 0x8000 ? -size : size;
}

static void every_finite_f16_keeps_its_value(void **state)
{
    (void)state;
    enum { N = 2 * 0x7c00 };
    static uint16_t data[N];
    float *values = NULL;
    for (unsigned i = 0; i < N; i++)
        data[i] = (uint16_t)(i < 0x7c00 ? i : i - 0x7c00 + 0x8000);
    dtp_tensor tensor = tensor_of(DTP_F16, data, N, 2);
    assert_int_equal(dtp_tensor_take_f32(&tensor, &values, &error), DEEPTEPP_OK);
    for (unsigned i = 0; i < N; i++) {
        assert_true((double)values[i] == half_value(data[i]));
        assert_int_equal(signbit(values[i]) != 0, data[i] >> 15);
    }
    free(values);
}

static void bf16_keeps_its_value(void **state)
{
    (void)state;
    const uint16_t data[] = {0x3f80, 0xc040, 0x0000, 0x8000, 0x0001, 0x7f7f};
    const float wanted[] = {1, -3, 0, -0.0f, 0x1p-133f, 0x1.fep127f};
    float *values = NULL;
    dtp_tensor tensor = tensor_of(DTP_BF16, data, 6, 2);
    assert_int_equal(dtp_tensor_take_f32(&tensor, &values, &error), DEEPTEPP_OK);
    assert_memory_equal(values, wanted, sizeof wanted);
    free(values);
}

static void f64_is_rounded_to_the_nearest(void **state)
{
    (void)state;
    const double data[] = {0.1, -1e-300, 3.4028234663852886e38, 0x1.000001000001p0};
    const float wanted[] = {0.1f, -0.0f, 3.4028234663852886e38f, 0x1.000002p0f};
    float *values = NULL;
    dtp_tensor tensor = tensor_of(DTP_F64, data, 4, 8);
    assert_int_equal(dtp_tensor_take_f32(&tensor, &values, &error), DEEPTEPP_OK);
    assert_memory_equal(values, wanted, sizeof wanted);
    free(values);
}

static void check_nonfinite(dtp_dtype dtype, const void *data, size_t count, size_t element, const char *fragment)
{
    float *values = NULL;
    dtp_tensor tensor = tensor_of(dtype, data, count, element);
    assert_int_equal(dtp_tensor_take_f32(&tensor, &values, &error), DEEPTEPP_ERR_MODEL_NONFINITE);
    assert_null(values);
    if (!strstr(error.message, fragment))
        fail_msg("%s", error.message);
    assert_non_null(tensor.data);
    assert_false(tensor.used);
    free(tensor.data);
}

static void nonfinite_weights_are_counted_and_located(void **state)
{
    (void)state;
    const float f32[] = {0, NAN, 1, INFINITY, -INFINITY};
    const uint16_t f16[] = {0x7bff, 0x7c00, 0xfc00, 0x7c01, 0xffff};
    const uint16_t bf16[] = {0x7f7f, 0xff80, 0x7f81};
    const double f64[] = {3.4028234663852886e38, 3.5e38, -1e300, (double)NAN};
    check_nonfinite(DTP_F32, f32, 5, 4, "\"w\": 3 of 5 values are NaN or infinite as float32, the first at index 1");
    check_nonfinite(DTP_F16, f16, 5, 2, "4 of 5 values are NaN or infinite as float32, the first at index 1");
    check_nonfinite(DTP_BF16, bf16, 3, 2, "2 of 3 values");
    check_nonfinite(DTP_F64, f64, 4, 8, "3 of 4 values are NaN or infinite as float32, the first at index 1");
}

/* Towards zero, 3.5e38 converts to the largest float32, which is finite. */
static void an_overflow_is_seen_in_every_rounding_mode(void **state)
{
    (void)state;
    const double f64[] = {3.5e38};
    const int before = fegetround();
    fesetround(FE_TOWARDZERO);
    check_nonfinite(DTP_F64, f64, 1, 8, "1 of 1 values");
    fesetround(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_is_handed_over_without_a_copy),
        cmocka_unit_test(every_finite_f16_keeps_its_value),
        cmocka_unit_test(bf16_keeps_its_value),
        cmocka_unit_test(f64_is_rounded_to_the_nearest),
        cmocka_unit_test(nonfinite_weights_are_counted_and_located),
        cmocka_unit_test(an_overflow_is_seen_in_every_rounding_mode),
    };
    return cmocka_run_group_tests_name("tensors as float32", tests, NULL, NULL);
}
