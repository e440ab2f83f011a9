/* Opening a model file: the path, the digest, the description's own JSON and schema. */
#include "safetensors_bytes.h"

#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "../libdeeptepp/file/model_file.h"

static deeptepp_error error;
static char folder[] = "/tmp/deeptepp-test-XXXXXX";
static char path[64];

/* One float32 tensor and a description. */
static file_bytes model_with(const char *description)
{
    char header[1024];
    const uint8_t data[4] = {0, 0, 0x80, 0x3f};
    snprintf(header, sizeof header,
             "{\"__metadata__\":{\"deeptepp\":\"%s\"},"
             "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
             description);
    return file_of(header, data, sizeof data);
}

static file_bytes good_model(void)
{
    return model_with("{\\\"schema\\\":1,\\\"name\\\":\\\"m\\\"}");
}

static void write_file(const file_bytes *file)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(file->data, 1, file->size, stream), file->size);
    assert_int_equal(fclose(stream), 0);
}

static void assert_empty(const dtp_model_file *file)
{
    const dtp_model_file empty = {0};
    assert_memory_equal(file, &empty, sizeof empty);
}

static void check_failure(const dtp_model_file *out, deeptepp_status status, deeptepp_status wanted,
                          const char *fragment)
{
    if (status != wanted || !strstr(error.message, fragment))
        fail_msg("found %s (%s), wanted %s (%s)", deeptepp_status_name(status), error.message,
                 deeptepp_status_name(wanted), fragment);
    assert_int_equal(error.status, status);
    assert_empty(out);
}

static void assert_open_refused(const char *where, uint64_t cap, deeptepp_status wanted, const char *fragment)
{
    dtp_model_file out;
    memset(&out, 0xff, sizeof out);
    check_failure(&out, dtp_model_file_open(&out, where, cap, NULL, &error), wanted, fragment);
}

static void assert_bytes_refused(file_bytes file, uint64_t cap, deeptepp_status wanted, const char *fragment)
{
    dtp_model_file out;
    memset(&out, 0xff, sizeof out);
    check_failure(&out, dtp_model_file_from_bytes(&out, file.data, file.size, cap, NULL, &error), wanted, fragment);
    free(file.data);
}

static void a_cancelled_reading_gives_nothing(void **state)
{
    (void)state;
    dtp_model_file out;
    dtp_watch watch = {.cancelled = true, .to = 1000};
    file_bytes file = good_model();
    write_file(&file);
    memset(&out, 0xff, sizeof out);
    check_failure(&out, dtp_model_file_open(&out, path, 0, &watch, &error), DEEPTEPP_ERR_CANCELLED, "cancelled");
    memset(&out, 0xff, sizeof out);
    check_failure(&out, dtp_model_file_from_bytes(&out, file.data, file.size, 0, &watch, &error),
                  DEEPTEPP_ERR_CANCELLED, "cancelled");
    assert_int_equal(watch.permille, 0);
    free(file.data);
}

/* ---- Success ---- */

static void check_good(const dtp_model_file *model, const file_bytes *file)
{
    dtp_digest digest;
    char wanted[DTP_DIGEST_SIZE];
    dtp_digest_init(&digest);
    dtp_digest_add(&digest, file->data, file->size);
    dtp_digest_hex(&digest, wanted);
    assert_string_equal(model->sha256, wanted);
    assert_string_equal(dtp_json_find(model->description, "name")->text, "m");
    assert_true(*(const float *)dtp_safetensors_find(&model->file, "w")->data == 1);
}

static void path_and_memory_give_the_same_model(void **state)
{
    (void)state;
    dtp_model_file model;
    file_bytes file = good_model();
    write_file(&file);
    assert_int_equal(dtp_model_file_open(&model, path, 0, NULL, &error), DEEPTEPP_OK);
    check_good(&model, &file);
    dtp_model_file_close(&model);
    assert_empty(&model);
    dtp_watch watch;
    dtp_watch_start(&watch, NULL);
    assert_int_equal(dtp_model_file_from_bytes(&model, file.data, file.size, 0, &watch, NULL), DEEPTEPP_OK);
    check_good(&model, &file);
    assert_int_equal(watch.permille, 1000);
    dtp_model_file_close(&model);
    dtp_model_file_close(NULL);
    free(file.data);
}

/* The digest of the same bytes by Python's hashlib. */
static void the_digest_is_sha256_of_every_byte(void **state)
{
    (void)state;
    dtp_model_file model;
    file_bytes file = good_model();
    assert_int_equal(dtp_model_file_from_bytes(&model, file.data, file.size, 0, NULL, &error), DEEPTEPP_OK);
    assert_string_equal(model.sha256, "4fde732458a29a9e4b897094188085865b032958f6b6c646052087e850b9ed90");
    dtp_model_file_close(&model);
    free(file.data);
}

/* Pieces of 4 MiB and a rest; large enough for a hash thread beside the reader. */
static void a_file_of_several_pieces_is_read_whole(void **state)
{
    (void)state;
    enum { N = 2500001 };
    char header[256];
    dtp_model_file model;
    float *data = malloc(N * sizeof *data);
    for (int i = 0; i < N; i++)
        data[i] = (float)i;
    data[0] = 1;
    snprintf(header, sizeof header,
             "{\"__metadata__\":{\"deeptepp\":\"{\\\"schema\\\":1,\\\"name\\\":\\\"m\\\"}\"},"
             "\"w\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]}}",
             N, 4 * N);
    file_bytes file = file_of(header, data, N * sizeof *data);
    write_file(&file);
    assert_int_equal(dtp_model_file_open(&model, path, 0, NULL, &error), DEEPTEPP_OK);
    check_good(&model, &file);
    assert_memory_equal(dtp_safetensors_find(&model.file, "w")->data, data, N * sizeof *data);
    dtp_model_file_close(&model);
    free(file.data);
    free(data);
}

static void no_descriptor_is_left_open(void **state)
{
    (void)state;
    dtp_model_file model;
    file_bytes file = good_model();
    const int before = dup(0);
    close(before);
    write_file(&file);
    assert_int_equal(dtp_model_file_open(&model, path, 0, NULL, &error), DEEPTEPP_OK);
    dtp_model_file_close(&model);
    file.size--;
    write_file(&file);
    assert_open_refused(path, 0, DEEPTEPP_ERR_FILE_TRUNCATED, "cut short");
    assert_open_refused(folder, 0, DEEPTEPP_ERR_FILE_READ, "");
    const int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    free(file.data);
}

/* ---- The path ---- */

static void a_missing_file_is_told_from_one_that_cannot_be_read(void **state)
{
    (void)state;
    char below[96];
    file_bytes file = good_model();
    write_file(&file);
    snprintf(below, sizeof below, "%s/below", path);
    assert_open_refused(below, 0, DEEPTEPP_ERR_FILE_MISSING, "does not exist");
    assert_open_refused("", 0, DEEPTEPP_ERR_FILE_MISSING, "does not exist");
    assert_open_refused(folder, 0, DEEPTEPP_ERR_FILE_READ, "is a folder, wanted a regular file");
    unlink(path);
    assert_open_refused(path, 0, DEEPTEPP_ERR_FILE_MISSING, "does not exist");
    free(file.data);
}

/* Whatever is wrong: the container, the description, the file itself. */
static void every_error_of_opening_begins_with_the_path(void **state)
{
    (void)state;
    deeptepp_model *model = NULL;
    file_bytes file = good_model(); /* its description lacks most keys */
    write_file(&file);
    assert_int_equal(deeptepp_model_open(&model, path, NULL, &error), DEEPTEPP_ERR_MODEL_METADATA);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    unlink(path);
    assert_int_equal(deeptepp_model_open(&model, path, NULL, &error), DEEPTEPP_ERR_FILE_MISSING);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    free(file.data);
}

static void a_file_without_permission_cannot_be_read(void **state)
{
    (void)state;
    file_bytes file = good_model();
    write_file(&file);
    free(file.data);
    chmod(path, 0);
    if (access(path, R_OK) == 0) {
        unlink(path);
        print_message("skipped: this user may read every file\n");
        skip();
    }
    assert_open_refused(path, 0, DEEPTEPP_ERR_FILE_READ, "ermission");
    unlink(path);
}

/* A pipe without a writer would block an ordinary open for ever. */
static void pipes_and_devices_are_refused_at_once(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_open_refused(path, 0, DEEPTEPP_ERR_FILE_READ, "is a pipe, socket or device");
    assert_open_refused("/dev/zero", 0, DEEPTEPP_ERR_FILE_READ, "is a pipe, socket or device");
    unlink(path);
}

static void a_file_over_the_cap_is_refused(void **state)
{
    (void)state;
    dtp_model_file model;
    file_bytes file = good_model();
    write_file(&file);
    assert_open_refused(path, file.size - 1, DEEPTEPP_ERR_FILE_TOO_LARGE, "wanted at most");
    assert_int_equal(dtp_model_file_open(&model, path, file.size, NULL, &error), DEEPTEPP_OK);
    dtp_model_file_close(&model);
    assert_bytes_refused(file, file.size - 1, DEEPTEPP_ERR_FILE_TOO_LARGE, "wanted at most");
}

static void a_file_over_4_gib_is_refused_unless_asked_for(void **state)
{
    (void)state;
    const off_t size = ((off_t)4 << 30) + 1;
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    int failed = ftruncate(fd, size);
    close(fd);
    if (failed) {
        print_message("skipped: no sparse file of 4 GiB here\n");
        skip();
    }
    assert_open_refused(path, 0, DEEPTEPP_ERR_FILE_TOO_LARGE, "4294967297 bytes, wanted at most 4294967296");
    assert_open_refused(path, (uint64_t)size, DEEPTEPP_ERR_MODEL_HEADER_LENGTH, "header length is 0");
    unlink(path);
}

static void an_empty_file_is_truncated(void **state)
{
    (void)state;
    const file_bytes empty = {(uint8_t *)path, 0};
    write_file(&empty);
    assert_open_refused(path, 0, DEEPTEPP_ERR_FILE_TRUNCATED, "0 bytes, wanted at least 8");
    assert_bytes_refused((file_bytes){NULL, 0}, 0, DEEPTEPP_ERR_FILE_TRUNCATED, "0 bytes, wanted at least 8");
}

static void every_truncation_of_the_file_is_refused(void **state)
{
    (void)state;
    dtp_model_file out;
    file_bytes file = good_model();
    write_file(&file);
    for (size_t size = file.size; size-- > 0;) {
        assert_int_equal(truncate(path, (off_t)size), 0);
        deeptepp_status status = dtp_model_file_open(&out, path, 0, NULL, &error);
        assert_true(status == DEEPTEPP_ERR_FILE_TRUNCATED || status == DEEPTEPP_ERR_MODEL_HEADER_LENGTH);
        assert_empty(&out);
    }
    free(file.data);
}

/* ---- The description ---- */

static void weights_without_a_description_are_refused_with_advice(void **state)
{
    (void)state;
    assert_bytes_refused(file_of("{}", NULL, 0), 0, DEEPTEPP_ERR_MODEL_METADATA, "docs/model-format.md");
    assert_bytes_refused(file_of("{\"__metadata__\":{\"format\":\"pt\"}}", NULL, 0), 0, DEEPTEPP_ERR_MODEL_METADATA,
                         "key \"deeptepp\" is missing");
}

static void a_description_that_is_not_strict_json_is_refused(void **state)
{
    (void)state;
    assert_bytes_refused(model_with(""), 0, DEEPTEPP_ERR_MODEL_JSON, "model description: not strict JSON");
    assert_bytes_refused(model_with("{\\\"schema\\\":1"), 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON");
    assert_bytes_refused(model_with("{\\\"schema\\\":1} x"), 0, DEEPTEPP_ERR_MODEL_JSON, "not strict JSON");
    assert_bytes_refused(model_with("[1]"), 0, DEEPTEPP_ERR_MODEL_JSON, "wanted an object");
    assert_bytes_refused(model_with("1"), 0, DEEPTEPP_ERR_MODEL_JSON, "it is 1, wanted an object");
    assert_bytes_refused(model_with("{\\\"schema\\\":1,\\\"schema\\\":1}"), 0, DEEPTEPP_ERR_MODEL_JSON, "duplicate");
    assert_bytes_refused(model_with("{\\\"schema\\\":1,\\\"a\\\":{\\\"b\\\":1,\\\"b\\\":2}}"), 0,
                         DEEPTEPP_ERR_MODEL_JSON, "duplicate");
    assert_bytes_refused(model_with("{\\\"schema\\\":1,\\\"a\\\":\\\"\\\\u0000\\\"}"), 0, DEEPTEPP_ERR_MODEL_JSON,
                         "not strict JSON");
}

static void only_schema_1_is_read(void **state)
{
    (void)state;
    assert_bytes_refused(model_with("{}"), 0, DEEPTEPP_ERR_MODEL_SCHEMA, "schema is missing, wanted the integer 1");
    assert_bytes_refused(model_with("{\\\"schema\\\":2}"), 0, DEEPTEPP_ERR_MODEL_SCHEMA,
                         "schema is 2, wanted 1: use a newer");
    assert_bytes_refused(model_with("{\\\"schema\\\":0}"), 0, DEEPTEPP_ERR_MODEL_SCHEMA, "schema is 0, wanted 1");
    assert_bytes_refused(model_with("{\\\"schema\\\":1.0}"), 0, DEEPTEPP_ERR_MODEL_SCHEMA,
                         "schema is not an integer, wanted the integer 1");
    assert_bytes_refused(model_with("{\\\"schema\\\":\\\"1\\\"}"), 0, DEEPTEPP_ERR_MODEL_SCHEMA,
                         "schema is not an integer");
}

static void every_damaged_byte_is_survived(void **state)
{
    (void)state;
    dtp_model_file out;
    file_bytes file = good_model();
    for (size_t i = 0; i < file.size; i++) {
        const uint8_t before = file.data[i];
        for (int change = 1; change < 256; change++) {
            file.data[i] = (uint8_t)(before ^ change);
            deeptepp_status status = dtp_model_file_from_bytes(&out, file.data, file.size, 0, NULL, &error);
            if (status != DEEPTEPP_OK)
                assert_empty(&out);
            dtp_model_file_close(&out);
        }
        file.data[i] = before;
    }
    free(file.data);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/model", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_reading_gives_nothing),
        cmocka_unit_test(path_and_memory_give_the_same_model),
        cmocka_unit_test(the_digest_is_sha256_of_every_byte),
        cmocka_unit_test(a_file_of_several_pieces_is_read_whole),
        cmocka_unit_test(no_descriptor_is_left_open),
        cmocka_unit_test(a_missing_file_is_told_from_one_that_cannot_be_read),
        cmocka_unit_test(every_error_of_opening_begins_with_the_path),
        cmocka_unit_test(a_file_without_permission_cannot_be_read),
        cmocka_unit_test(pipes_and_devices_are_refused_at_once),
        cmocka_unit_test(a_file_over_the_cap_is_refused),
        cmocka_unit_test(a_file_over_4_gib_is_refused_unless_asked_for),
        cmocka_unit_test(an_empty_file_is_truncated),
        cmocka_unit_test(every_truncation_of_the_file_is_refused),
        cmocka_unit_test(weights_without_a_description_are_refused_with_advice),
        cmocka_unit_test(a_description_that_is_not_strict_json_is_refused),
        cmocka_unit_test(only_schema_1_is_read),
        cmocka_unit_test(every_damaged_byte_is_survived),
    };
    return cmocka_run_group_tests_name("model file", tests, make_folder, remove_folder);
}
