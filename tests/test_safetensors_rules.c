/* Safetensors headers that break a rule of docs/model-format.md, "The container": each with its status. */
#include "safetensors_expect.h"

typedef struct rule {
    const char *header;
    size_t data_size;
    deeptepp_status status;
    const char *fragment;
} rule;

#define T(dtype, shape, offsets) "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define PAIR(a, b)                                                                                                     \
    "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" a "},"                                                 \
    "\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" b "}}"

static const rule json_rules[] = {
    {"[1,2]", 0, DEEPTEPP_ERR_MODEL_JSON, "does not start with {"},
    {" {}", 0, DEEPTEPP_ERR_MODEL_JSON, "does not start with {"},
    {"\xef\xbb\xbf{}", 0, DEEPTEPP_ERR_MODEL_JSON, "does not start with {"},
    {"{\"t\":", 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON at byte"},
    {"{} {}", 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON"},
    {"{},", 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON"},
    {"{'t':1}", 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON"},
    {"{\"\xff\":1}", 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON"},
    {"{\"a\\u0000b\":1}", 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON"},
    {"{\"a\":{},\"a\":{}}", 0, DEEPTEPP_ERR_MODEL_JSON, "duplicate"},
    {"{\"a\":{},\"\\u0061\":{}}", 0, DEEPTEPP_ERR_MODEL_JSON, "duplicate"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, DEEPTEPP_ERR_MODEL_JSON, "duplicate"},
    {"{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, DEEPTEPP_ERR_MODEL_JSON,
     "duplicate"},
    {T("\"F32\"", "[9223372036854775808]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_JSON, "too big"},
    {T("\"F32\"", "[1]", "[-9223372036854775809,4]"), 4, DEEPTEPP_ERR_MODEL_JSON, "too big"},
    {T("\"F32\"", "[1e999]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_JSON, "real number overflow"},
    {T("\"F32\"", "[NaN]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON"},
    {T("\"F32\"", "[01]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON"},
};

static const rule entry_rules[] = {
    {"{\"t\":1}", 0, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "tensor \"t\": its entry is 1, wanted an object"},
    {"{\"t\":null}", 0, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "its entry is null"},
    {"{\"t\":[]}", 0, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "its entry is []"},
    {"{\"\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY,
     "name has 0 bytes, wanted 1 to 255"},
    {"{\"t\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "exactly dtype"},
    {"{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "exactly dtype"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[]}}", 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "exactly dtype"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":0}}", 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY,
     "exactly dtype"},
    {T("7", "[1]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "dtype is 7, wanted a text"},
    {T("\"F32\"", "4", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is 4, wanted an array of 0 to 5"},
    {T("\"F32\"", "[1,1,1,1,1,1]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is [1,1,1,1,1,1]"},
    {T("\"F32\"", "[-1]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is [-1]"},
    {T("\"F32\"", "[1.0]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is [1.0]"},
    {T("\"F32\"", "[1e0]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is [1e0]"},
    {T("\"F32\"", "[\"1\"]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is [\"1\"]"},
    {T("\"F32\"", "[true]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is [true]"},
    {T("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "does not overflow"},
    {T("\"F32\"", "[4611686018427387904]", "[0,0]"), 0, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "does not overflow"},
    {T("\"F32\"", "[1]", "{\"0\":4}"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "data_offsets is {\"0\":4}"},
    {T("\"F32\"", "[1]", "[0]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "data_offsets is [0]"},
    {T("\"F32\"", "[1]", "[0,4,8]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "data_offsets is [0,4,8]"},
    {T("\"F32\"", "[1]", "[0,4.0]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "data_offsets is [0,4.0]"},
    {T("\"F32\"", "[1]", "[-4,0]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "data_offsets is [-4,0]"},
};

static const rule dtype_rules[] = {
    {T("\"I64\"", "[1]", "[0,8]"), 8, DEEPTEPP_ERR_MODEL_DTYPE, "tensor \"t\": dtype is \"I64\", wanted F32, F16"},
    {T("\"I32\"", "[1]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_DTYPE, "dtype is \"I32\""},
    {T("\"F8_E4M3\"", "[1]", "[0,1]"), 1, DEEPTEPP_ERR_MODEL_DTYPE, "dtype is \"F8_E4M3\""},
    {T("\"f32\"", "[1]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_DTYPE, "dtype is \"f32\""},
    {T("\"\"", "[1]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_DTYPE, "dtype is \"\""},
    {"{\"num_batches_tracked.x\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8,
     DEEPTEPP_ERR_MODEL_DTYPE, "dtype is \"I64\""},
    {"{\"b.num_batches_tracked\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
     DEEPTEPP_ERR_MODEL_DTYPE, "F64 or I64"},
};

static const rule offset_rules[] = {
    {T("\"F32\"", "[1]", "[0,5]"), 5, DEEPTEPP_ERR_MODEL_OFFSETS, "[0, 5), wanted 4 bytes"},
    {T("\"F32\"", "[1]", "[4,0]"), 4, DEEPTEPP_ERR_MODEL_OFFSETS, "[4, 0), wanted 4 bytes"},
    /* As unsigned, the size of [8, 0) is the size of the shape. */
    {"{\"t\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
     "\"u\":{\"dtype\":\"F64\",\"shape\":[2305843009213693951],\"data_offsets\":[8,0]}}",
     0, DEEPTEPP_ERR_MODEL_OFFSETS, "[8, 0), wanted"},
    {T("\"F16\"", "[3]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_OFFSETS, "wanted 6 bytes"},
    {T("\"F64\"", "[]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_OFFSETS, "wanted 8 bytes"},
    {T("\"F32\"", "[1]", "[4,8]"), 8, DEEPTEPP_ERR_MODEL_OFFSETS, "begin at byte 4, wanted 0: there is a gap"},
    {T("\"F32\"", "[0]", "[4,4]"), 4, DEEPTEPP_ERR_MODEL_OFFSETS, "begin at byte 4, wanted 0"},
    {PAIR("[0,8]", "[12,20]"), 20, DEEPTEPP_ERR_MODEL_OFFSETS, "\"u\": its data begin at byte 12, wanted 8"},
    {PAIR("[4,12]", "[0,8]"), 12, DEEPTEPP_ERR_MODEL_OFFSETS,
     "\"t\": its data begin at byte 4, wanted 8: they overlap"},
    {PAIR("[0,8]", "[0,8]"), 8, DEEPTEPP_ERR_MODEL_OFFSETS, "overlap"},
    {T("\"F32\"", "[1]", "[0,4]"), 5, DEEPTEPP_ERR_MODEL_OFFSETS, "5 bytes of tensor data, the header wants 4"},
    {"{}", 1, DEEPTEPP_ERR_MODEL_OFFSETS, "something follows"},
    {T("\"F32\"", "[1]", "[0,4]"), 3, DEEPTEPP_ERR_FILE_TRUNCATED, "3 bytes of tensor data, the header wants 4"},
    {T("\"F32\"", "[2305843009213693952]", "[0,9223372036854775807]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "overflow"},
    {T("\"F32\"", "[1152921504606846976]", "[0,4611686018427387904]"), 4, DEEPTEPP_ERR_FILE_TRUNCATED, "cut short"},
    {T("\"F32\"", "[1]", "[9223372036854775803,9223372036854775807]"), 4, DEEPTEPP_ERR_MODEL_OFFSETS, "gap"},
};

static const rule metadata_rules[] = {
    {"{\"__metadata__\":[]}", 0, DEEPTEPP_ERR_MODEL_METADATA, "__metadata__ is [], wanted an object of texts"},
    {"{\"__metadata__\":null}", 0, DEEPTEPP_ERR_MODEL_METADATA, "__metadata__ is null"},
    {"{\"__metadata__\":{\"k\":1}}", 0, DEEPTEPP_ERR_MODEL_METADATA, "\"k\" is 1, wanted a text"},
    {"{\"__metadata__\":{\"k\":{\"a\":\"b\"}}}", 0, DEEPTEPP_ERR_MODEL_METADATA, "\"k\" is {\"a\":\"b\"}"},
};

static void check_rules(const rule *rules, size_t count)
{
    static const uint8_t data[32] = {0};
    for (size_t i = 0; i < count; i++) {
        file_bytes file = file_of(rules[i].header, data, rules[i].data_size);
        assert_refused(&file, rules[i].status, rules[i].fragment);
        free(file.data);
    }
}

static void json_that_is_not_strict_is_refused(void **state)
{
    (void)state;
    check_rules(json_rules, DTP_COUNT(json_rules));
}

static void tensor_entries_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    check_rules(entry_rules, DTP_COUNT(entry_rules));
}

static void dtypes_that_are_not_weights_are_refused(void **state)
{
    (void)state;
    check_rules(dtype_rules, DTP_COUNT(dtype_rules));
}

static void offsets_that_do_not_tile_the_data_are_refused(void **state)
{
    (void)state;
    check_rules(offset_rules, DTP_COUNT(offset_rules));
}

static void metadata_that_is_not_text_to_text_is_refused(void **state)
{
    (void)state;
    check_rules(metadata_rules, DTP_COUNT(metadata_rules));
}

static void a_long_name_is_cut_between_characters(void **state)
{
    (void)state;
    char header[400] = "{\"__metadata__\":{\"k";
    for (int i = 0; i < 60; i++)
        strcat(header, "\xc3\xa9");
    strcat(header, "\":1}}");
    file_bytes file = file_of(header, NULL, 0);
    assert_refused(&file, DEEPTEPP_ERR_MODEL_METADATA, "\xc3\xa9\" is 1");
    free(file.data);
}

static void a_name_of_256_bytes_is_refused(void **state)
{
    (void)state;
    char header[400] = "{\"";
    memset(header + 2, 'n', 256);
    strcpy(header + 258, "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    file_bytes file = file_of(header, NULL, 0);
    assert_refused(&file, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "name has 256 bytes");
    free(file.data);
}

static void a_nul_byte_anywhere_in_the_header_is_refused(void **state)
{
    (void)state;
    const char header[] = "{\"t\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    char with_nul[sizeof header];
    for (size_t i = 1; i < sizeof header; i++) {
        memcpy(with_nul, header, i);
        with_nul[i] = '\0';
        memcpy(with_nul + i + 1, header + i, sizeof header - 1 - i);
        file_bytes file = file_with_length(sizeof header, with_nul, sizeof header, NULL, 0);
        assert_refused(&file, DEEPTEPP_ERR_MODEL_JSON, "NUL");
        free(file.data);
    }
}

/* Repeats a unit between a beginning and an end. */
static char *repeated(const char *begin, const char *unit, size_t count, const char *end)
{
    size_t at = strlen(begin), step = strlen(unit);
    char *text = malloc(at + count * step + strlen(end) + 1);
    assert_non_null(text);
    strcpy(text, begin);
    for (size_t i = 0; i < count; i++, at += step)
        memcpy(text + at, unit, step);
    strcpy(text + at, end);
    return text;
}

static void check_header(char *header, deeptepp_status status, const char *fragment)
{
    file_bytes file = file_of(header, NULL, 0);
    assert_refused(&file, status, fragment);
    free(file.data);
    free(header);
}

static void a_header_that_only_fills_memory_is_refused(void **state)
{
    (void)state;
    check_header(repeated("{\"a\":[", "0,", 2000000, "0]}"), DEEPTEPP_ERR_MODEL_JSON, "1600001 JSON values by byte");
    check_header(repeated("{\"a\":", "[", 100000, ""), DEEPTEPP_ERR_MODEL_JSON, "brackets 33 deep, wanted at most 32");
    /* Brackets within texts are text. */
    check_header(repeated("{\"__metadata__\":{\"a\":\"\\\"", "[,", 2000000, "\",\"b\":1}}"),
                 DEEPTEPP_ERR_MODEL_METADATA, "\"b\" is 1");
}

static void more_tensors_than_the_cap_are_refused(void **state)
{
    (void)state;
    enum { N = 100001, ENTRY = 12 };
    char *header = malloc(N * ENTRY + 2);
    size_t at = 0;
    for (int i = 0; i < N; i++)
        at += (size_t)sprintf(header + at, "%c\"%d\":{}", i ? ',' : '{', i);
    strcpy(header + at, "}");
    check_header(header, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "100001 tensors, wanted at most 100000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_that_is_not_strict_is_refused),
        cmocka_unit_test(tensor_entries_that_break_a_rule_are_refused),
        cmocka_unit_test(dtypes_that_are_not_weights_are_refused),
        cmocka_unit_test(offsets_that_do_not_tile_the_data_are_refused),
        cmocka_unit_test(metadata_that_is_not_text_to_text_is_refused),
        cmocka_unit_test(a_long_name_is_cut_between_characters),
        cmocka_unit_test(a_name_of_256_bytes_is_refused),
        cmocka_unit_test(a_nul_byte_anywhere_in_the_header_is_refused),
        cmocka_unit_test(a_header_that_only_fills_memory_is_refused),
        cmocka_unit_test(more_tensors_than_the_cap_are_refused),
    };
    return cmocka_run_group_tests_name("safetensors rules", tests, NULL, NULL);
}
