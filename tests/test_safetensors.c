/* The safetensors container: every rule of docs/model-format.md, "The container". */
#include "safetensors_bytes.h"

#include <fenv.h>
#include <math.h>

#include "../libdeeptepp/file/safetensors.h"

static deeptepp_error error;

static deeptepp_status read_bytes(dtp_safetensors *out, const uint8_t *bytes, size_t size)
{
    dtp_source source = {.bytes = bytes, .size = size};
    dtp_digest_init(&source.digest);
    memset(out, 0xff, sizeof *out);
    memset(&error, 0, sizeof error);
    return dtp_safetensors_read(out, &source, &error);
}

static void assert_empty(const dtp_safetensors *file)
{
    const dtp_safetensors empty = {0};
    assert_memory_equal(file, &empty, sizeof empty);
}

static void assert_refused(const file_bytes *file, deeptepp_status wanted, const char *fragment)
{
    dtp_safetensors out;
    deeptepp_status status = read_bytes(&out, file->data, file->size);
    if (status != wanted || !strstr(error.message, fragment))
        fail_msg("%s: found %s (%s), wanted %s (%s)", file->size > 8 ? (const char *)file->data + 8 : "",
                 deeptepp_status_name(status), error.message, deeptepp_status_name(wanted), fragment);
    assert_int_equal(error.status, status);
    assert_empty(&out);
}

/* ---- What is accepted ---- */

static dtp_safetensors read_good(const char *header, const void *data, size_t size)
{
    dtp_safetensors out;
    file_bytes file = file_of(header, data, size);
    deeptepp_status status = read_bytes(&out, file.data, file.size);
    free(file.data);
    if (status != DEEPTEPP_OK)
        fail_msg("%s: %s", header, error.message);
    return out;
}

static void tensors_are_found_with_their_data(void **state)
{
    (void)state;
    const float values[] = {1.5f, -2, 3, 4};
    dtp_safetensors file = read_good("{\"b\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[4,16]},"
                                     "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                     "\"__metadata__\":{\"k\":\"v\"}}  ",
                                     values, sizeof values);
    assert_int_equal(file.count, 2);
    assert_string_equal(file.tensors[0].name, "a");
    const dtp_tensor *b = dtp_safetensors_find(&file, "b");
    assert_ptr_equal(b, &file.tensors[1]);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[0], 1);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->count, 3);
    assert_memory_equal(b->data, values + 1, 12);
    assert_null(dtp_safetensors_find(&file, "c"));
    assert_string_equal(json_string_value(json_object_get(file.metadata, "k")), "v");
    dtp_safetensors_free(&file);
    assert_empty(&file);
}

static void unaligned_and_empty_tensors_are_read(void **state)
{
    (void)state;
    const uint8_t data[] = {1, 2, 0, 0, 0x80, 0x3f};
    dtp_safetensors file = read_good("{\"h\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                                     "\"y\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[2,2]},"
                                     "\"f\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[2,6]},"
                                     "\"z\":{\"dtype\":\"F64\",\"shape\":[3,0],\"data_offsets\":[6,6]}}",
                                     data, sizeof data);
    float *values = NULL;
    assert_int_equal(dtp_tensor_take_f32(dtp_safetensors_find(&file, "f"), &values, &error), DEEPTEPP_OK);
    assert_true(values[0] == 1);
    free(values);
    assert_int_equal(dtp_tensor_take_f32(dtp_safetensors_find(&file, "z"), &values, &error), DEEPTEPP_OK);
    free(values);
    dtp_safetensors_free(&file);
}

static void a_file_without_tensors_or_metadata_is_read(void **state)
{
    (void)state;
    dtp_safetensors file = read_good("{}", NULL, 0);
    assert_int_equal(file.count, 0);
    assert_null(file.metadata);
    assert_null(dtp_safetensors_find(&file, "a"));
    dtp_safetensors_free(&file);
}

static void a_batch_counter_may_be_i64(void **state)
{
    (void)state;
    const uint8_t data[8] = {1};
    float *values = NULL;
    dtp_safetensors file = read_good(
        "{\"bn1.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", data, sizeof data);
    assert_int_equal(dtp_tensor_take_f32(&file.tensors[0], &values, &error), DEEPTEPP_ERR_MODEL_DTYPE);
    assert_null(values);
    dtp_safetensors_free(&file);
}

/* The data lie in another order than the names. */
static void names_are_looked_up_in_a_file_of_many(void **state)
{
    (void)state;
    enum { N = 3000, ENTRY = 72 };
    char *header = malloc(N * ENTRY), name[16];
    uint16_t data[N] = {0};
    size_t at = 0;
    for (int i = 0; i < N; i++)
        at += (size_t)sprintf(header + at, "%c\"t%d\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                              i ? ',' : '{', i, 2 * (N - 1 - i), 2 * (N - i));
    strcpy(header + at, "}");
    dtp_safetensors file = read_good(header, data, sizeof data);
    for (int i = 0; i < N; i++) {
        sprintf(name, "t%d", i);
        assert_ptr_equal(dtp_safetensors_find(&file, name), &file.tensors[N - 1 - i]);
    }
    dtp_safetensors_free(&file);
    free(header);
}

/* ---- What is refused ---- */

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
    {T("\"F32\"", "[1e0]", "[0,4]"), 4, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "shape is [1.0]"},
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
    {PAIR("[4,12]", "[0,8]"), 12, DEEPTEPP_ERR_MODEL_OFFSETS, "\"t\": its data begin at byte 4, wanted 8: they overlap"},
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
    check_header(repeated("{\"a\":[", "0,", 2000000, "0]}"), DEEPTEPP_ERR_MODEL_JSON, "JSON values, wanted at most");
    check_header(repeated("{\"a\":", "[", 100000, ""), DEEPTEPP_ERR_MODEL_JSON, "maximum parsing depth");
    /* Brackets within texts are text. */
    check_header(repeated("{\"__metadata__\":{\"a\":\"\\\"", "[,", 2000000, "\",\"b\":1}}"), DEEPTEPP_ERR_MODEL_METADATA,
                 "\"b\" is 1");
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

/* ---- The first bytes ---- */

static void header_lengths_out_of_range_are_refused(void **state)
{
    (void)state;
    const uint64_t lengths[] = {0, 1, 3, 104857601, (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < DTP_COUNT(lengths); i++) {
        file_bytes file = file_with_length(lengths[i], "{}", 2, NULL, 0);
        assert_refused(&file, DEEPTEPP_ERR_MODEL_HEADER_LENGTH, "header length is");
        free(file.data);
    }
}

static void a_header_over_the_cap_is_refused_though_the_file_has_it(void **state)
{
    (void)state;
    const size_t size = ((size_t)100 << 20) + 1;
    char *header = malloc(size);
    assert_non_null(header);
    memset(header, ' ', size);
    memcpy(header, "{}", 2);
    file_bytes file = file_with_length(size, header, size, NULL, 0);
    assert_refused(&file, DEEPTEPP_ERR_MODEL_HEADER_LENGTH, "104857601, wanted 2 to 104857600");
    free(file.data);
    free(header);
}

static void files_under_8_bytes_are_truncated(void **state)
{
    (void)state;
    uint8_t bytes[7] = {2};
    for (size_t size = 0; size < 8; size++) {
        file_bytes file = {bytes, size};
        assert_refused(&file, DEEPTEPP_ERR_FILE_TRUNCATED, "wanted at least 8");
    }
}

static void a_git_lfs_pointer_is_told_from_a_broken_file(void **state)
{
    (void)state;
    uint8_t pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    uint8_t other[] = "version https://elsewhere.example/spec";
    file_bytes file = {pointer, sizeof pointer - 1}, cut = {pointer, 20}, not_lfs = {other, sizeof other - 1};
    assert_refused(&file, DEEPTEPP_ERR_MODEL_LFS_POINTER, "git lfs pull");
    assert_refused(&cut, DEEPTEPP_ERR_MODEL_HEADER_LENGTH, "no safetensors file");
    assert_refused(&not_lfs, DEEPTEPP_ERR_MODEL_HEADER_LENGTH, "no safetensors file");
}

/* ---- Damage ---- */

static file_bytes small_file(void)
{
    const uint8_t data[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0x3c, 1, 0, 0, 0, 0, 0, 0, 0};
    return file_of("{\"__metadata__\":{\"k\":\"v\"},"
                   "\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
                   "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[4,12]},"
                   "\"c\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[12,14]},"
                   "\"d.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[14,22]}} ",
                   data, sizeof data);
}

/* The copy has exactly the cut size, so that a memory checker sees a read past it. */
static void every_truncation_is_refused(void **state)
{
    (void)state;
    dtp_safetensors out;
    file_bytes whole = small_file();
    for (size_t size = 0; size < whole.size; size++) {
        uint8_t *cut = malloc(size + (size == 0));
        memcpy(cut, whole.data, size);
        deeptepp_status status = read_bytes(&out, cut, size);
        assert_true(status == DEEPTEPP_ERR_FILE_TRUNCATED || status == DEEPTEPP_ERR_MODEL_HEADER_LENGTH);
        assert_empty(&out);
        free(cut);
    }
    assert_int_equal(read_bytes(&out, whole.data, whole.size), DEEPTEPP_OK);
    dtp_safetensors_free(&out);
    free(whole.data);
}

static void read_and_take_all(const file_bytes *file)
{
    dtp_safetensors out;
    deeptepp_status status = read_bytes(&out, file->data, file->size);
    if (status != DEEPTEPP_OK) {
        assert_int_equal(error.status, status);
        assert_true(*error.message);
        assert_empty(&out);
        return;
    }
    for (size_t i = 0; i < out.count; i++) {
        float *values;
        if (dtp_tensor_take_f32(&out.tensors[i], &values, &error) == DEEPTEPP_OK)
            free(values);
    }
    dtp_safetensors_free(&out);
}

static void every_damaged_byte_is_survived(void **state)
{
    (void)state;
    const uint8_t values[] = {0, 1, ' ', '"', ',', '-', '.', '0', '9', ':', '[', '\\', ']', 'e', '{', '}', 0x7f, 0x80, 0xff};
    file_bytes file = small_file();
    for (size_t i = 0; i < file.size; i++) {
        const uint8_t before = file.data[i];
        for (size_t v = 0; v < DTP_COUNT(values); v++) {
            file.data[i] = values[v];
            read_and_take_all(&file);
        }
        for (int bit = 0; bit < 8; bit++) {
            file.data[i] = (uint8_t)(before ^ 1 << bit);
            read_and_take_all(&file);
        }
        file.data[i] = before;
    }
    free(file.data);
}

/* ---- As float32 ---- */

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
        cmocka_unit_test(tensors_are_found_with_their_data),
        cmocka_unit_test(unaligned_and_empty_tensors_are_read),
        cmocka_unit_test(a_file_without_tensors_or_metadata_is_read),
        cmocka_unit_test(a_batch_counter_may_be_i64),
        cmocka_unit_test(names_are_looked_up_in_a_file_of_many),
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
        cmocka_unit_test(header_lengths_out_of_range_are_refused),
        cmocka_unit_test(a_header_over_the_cap_is_refused_though_the_file_has_it),
        cmocka_unit_test(files_under_8_bytes_are_truncated),
        cmocka_unit_test(a_git_lfs_pointer_is_told_from_a_broken_file),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_damaged_byte_is_survived),
        cmocka_unit_test(f32_is_handed_over_without_a_copy),
        cmocka_unit_test(every_finite_f16_keeps_its_value),
        cmocka_unit_test(bf16_keeps_its_value),
        cmocka_unit_test(f64_is_rounded_to_the_nearest),
        cmocka_unit_test(nonfinite_weights_are_counted_and_located),
        cmocka_unit_test(an_overflow_is_seen_in_every_rounding_mode),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
