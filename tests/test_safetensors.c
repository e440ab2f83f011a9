/* Safetensors files that are sound, that are something else, and that are damaged. */
#include <math.h>

#include "safetensors_expect.h"

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
    assert_string_equal(dtp_json_find(file.metadata, "k")->text, "v");
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

/* Of a tensor that is read in many pieces, each looked at as it comes. */
static void a_value_that_is_not_finite_is_found_wherever_it_lies(void **state)
{
    (void)state;
    enum { N = 200001, BYTES = 4 * N };
    static const size_t places[] = {0, 1, 65535, 65536, 131071, 131072, N - 1};
    char header[128], place[128];
    float *data = calloc(N, sizeof *data), *values = NULL;
    sprintf(header, "{\"t\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", N, BYTES);
    for (size_t p = 0; p < DTP_COUNT(places); p++) {
        data[places[p]] = p % 2 ? INFINITY : NAN;
        dtp_safetensors file = read_good(header, data, BYTES);
        assert_int_equal(dtp_tensor_take_f32(&file.tensors[0], &values, &error), DEEPTEPP_ERR_MODEL_NONFINITE);
        sprintf(place, "1 of %d values are NaN or infinite as float32, the first at index %zu", N, places[p]);
        assert_non_null(strstr(error.message, place));
        assert_int_equal(dtp_tensor_copy_f32(&file.tensors[0], &values, &error), DEEPTEPP_ERR_MODEL_NONFINITE);
        dtp_safetensors_free(&file);
        data[places[p]] = 3e38f;
    }
    dtp_safetensors file = read_good(header, data, BYTES);
    assert_int_equal(dtp_tensor_take_f32(&file.tensors[0], &values, &error), DEEPTEPP_OK);
    assert_memory_equal(values, data, BYTES);
    free(values);
    dtp_safetensors_free(&file);
    free(data);
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

static void another_kind_of_file_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        deeptepp_status status;
        const char *text;
    } kinds[] = {
#define KIND(bytes, status, text) {bytes, sizeof(bytes) - 1, DEEPTEPP_ERR_##status, text}
        KIND("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", FILE_POINTER, "git lfs pull"),
        KIND("/annex/objects/SHA256E-s12--00.safetensors\n", FILE_POINTER, "git annex get"),
        KIND("<!DOCTYPE html>\n<html lang=en>", FILE_FORMAT, "web page"),
        KIND("PK\3\4\24\0\0\0\10\10archive/data.pkl", FILE_FORMAT, "ZIP archive, as PyTorch's"),
        KIND("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", FILE_FORMAT, "pickle"),
        KIND("\x89HDF\r\n\x1a\n\0\0\0\0", FILE_FORMAT, "HDF5"),
        KIND("{\"data\":{\"error\":\"Not Found\"}}", FILE_FORMAT, "JSON"),
        KIND("404: Not Found", FILE_FORMAT, "text"),
        KIND("\4\0\0\0\0\0\0\0    ", MODEL_JSON, ""), /* white space is no other kind */
        KIND("\x1f\x8b\10\0\0\0\0\0\2\3abc", FILE_FORMAT, "gunzip"),
        KIND("\xff\xff\xff\xff\xff\xff\xff\xff{}", MODEL_HEADER_LENGTH, "no safetensors file"),
        KIND("\x00\x10\0\0\0\0\0\0{\"a\":1", MODEL_HEADER_LENGTH, "cut short"),
#undef KIND
    };
    for (size_t k = 0; k < DTP_COUNT(kinds); k++) {
        uint8_t *exact = malloc(kinds[k].size);
        memcpy(exact, kinds[k].bytes, kinds[k].size);
        file_bytes file = {exact, kinds[k].size};
        assert_refused(&file, kinds[k].status, kinds[k].text);
        free(exact);
    }
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
    const uint8_t values[] = {0,   1,    ' ', '"', ',', '-', '.',  '0',  '9', ':',
                              '[', '\\', ']', 'e', '{', '}', 0x7f, 0x80, 0xff};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found_with_their_data),
        cmocka_unit_test(unaligned_and_empty_tensors_are_read),
        cmocka_unit_test(a_file_without_tensors_or_metadata_is_read),
        cmocka_unit_test(a_batch_counter_may_be_i64),
        cmocka_unit_test(a_value_that_is_not_finite_is_found_wherever_it_lies),
        cmocka_unit_test(names_are_looked_up_in_a_file_of_many),
        cmocka_unit_test(header_lengths_out_of_range_are_refused),
        cmocka_unit_test(a_header_over_the_cap_is_refused_though_the_file_has_it),
        cmocka_unit_test(files_under_8_bytes_are_truncated),
        cmocka_unit_test(another_kind_of_file_is_named),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_damaged_byte_is_survived),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
