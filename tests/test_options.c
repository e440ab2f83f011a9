/* What a caller may say when a model is opened or a session made: structs of a newer header, the digest of the file
 * that is meant, a log with levels. */
#include "session_subject.h"

typedef struct heard {
    int lines[4]; /* by level */
    char last[512];
} heard;

static void hear(void *user, deeptepp_log_level level, const char *line)
{
    heard *h = user;
    assert_in_range(level, DEEPTEPP_LOG_INFO, DEEPTEPP_LOG_ERROR);
    h->lines[level]++;
    snprintf(h->last, sizeof h->last, "%s", line);
}

static tiny_bytes make_bytes(void)
{
    const tiny_options options = {.seed = 3, .patch = "{\"weights\": \"seeded\"}"};
    return tiny_model_bytes(&options);
}

/* ---- the digest that is expected ---- */

static deeptepp_status open_expecting(const char *sha256, char *found, deeptepp_error *error)
{
    tiny_bytes bytes = make_bytes();
    deeptepp_model *model;
    const deeptepp_model_options options = {.struct_size = sizeof options, .expected_sha256 = sha256};
    deeptepp_status status = deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &options, error);
    if (status == DEEPTEPP_OK && found)
        memcpy(found, deeptepp_model_sha256(model), 65);
    deeptepp_model_free(model);
    free(bytes.data);
    return status;
}

static void the_file_that_is_meant_is_opened(void **state)
{
    char sha256[65];
    (void)state;
    assert_int_equal(open_expecting(NULL, sha256, NULL), DEEPTEPP_OK);
    assert_int_equal(open_expecting(sha256, NULL, NULL), DEEPTEPP_OK);
    for (int i = 0; i < 64; i++)
        sha256[i] = (char)(sha256[i] >= 'a' ? sha256[i] - 'a' + 'A' : sha256[i]);
    assert_int_equal(open_expecting(sha256, NULL, NULL), DEEPTEPP_OK);
}

static void another_file_is_refused(void **state)
{
    char sha256[65], other[65];
    deeptepp_error error;
    (void)state;
    assert_int_equal(open_expecting(NULL, sha256, NULL), DEEPTEPP_OK);
    for (int i = 0; i < 64; i++) {
        memcpy(other, sha256, sizeof other);
        other[i] = other[i] == '7' ? '8' : '7';
        assert_int_equal(open_expecting(other, NULL, &error), DEEPTEPP_ERR_MODEL_SHA256);
        assert_says(error.message, sha256);
        assert_says(error.message, other);
    }
}

static void what_is_no_digest_is_refused(void **state)
{
    static const char digits[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0";
    char text[65];
    deeptepp_error error;
    (void)state;
    assert_int_equal(open_expecting(digits, NULL, &error), DEEPTEPP_ERR_ARGUMENT);
    assert_says(error.message, "64 hexadecimal digits");
    assert_int_equal(open_expecting(digits + 2, NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(open_expecting("", NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    for (int i = 0; i < 64; i++) {
        memcpy(text, digits + 1, sizeof text);
        text[i] = "gG/:@` -"[i % 8];
        assert_int_equal(open_expecting(text, NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    }
}

/* ---- structs of a newer header ---- */

/* As such a header declares them: one more field at the end. */
typedef struct newer_model_options {
    deeptepp_model_options known;
    void *more;
} newer_model_options;
typedef struct newer_volume_options {
    deeptepp_volume_options known;
    void *more;
} newer_volume_options;
typedef struct newer_session_options {
    deeptepp_session_options known;
    void *more;
} newer_session_options;
typedef struct newer_callbacks {
    deeptepp_callbacks known;
    void *more;
} newer_callbacks;

static deeptepp_status open_newer(void *more_options, void *more_callbacks)
{
    tiny_bytes bytes = make_bytes();
    deeptepp_model *model;
    const newer_callbacks callbacks = {.known.struct_size = sizeof callbacks, .more = more_callbacks};
    const newer_model_options options = {
        .known = {.struct_size = sizeof options, .callbacks = &callbacks.known, .threads = 1}, .more = more_options};
    deeptepp_status status = deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &options.known, NULL);
    deeptepp_model_free(model);
    free(bytes.data);
    return status;
}

static void a_newer_callers_options_are_taken_unless_set(void **state)
{
    int set;
    (void)state;
    assert_int_equal(open_newer(NULL, NULL), DEEPTEPP_OK);
    assert_int_equal(open_newer(&set, NULL), DEEPTEPP_ERR_STRUCT_SIZE);
    assert_int_equal(open_newer(NULL, &set), DEEPTEPP_ERR_STRUCT_SIZE);
}

static void so_are_those_of_sessions_and_volumes(void **state)
{
    const tiny_options tiny = {.seed = 3};
    deeptepp_model *model = model_of(&tiny);
    deeptepp_session *session;
    deeptepp_volume *volume;
    newer_session_options s = {.known.struct_size = sizeof s};
    newer_volume_options v = {.known.struct_size = sizeof v};
    (void)state;
    assert_int_equal(deeptepp_session_new(&session, model, &s.known, NULL), DEEPTEPP_OK);
    deeptepp_session_free(session);
    s.more = &s;
    assert_int_equal(deeptepp_session_new(&session, model, &s.known, NULL), DEEPTEPP_ERR_STRUCT_SIZE);
    assert_int_not_equal(deeptepp_volume_from_bytes(&volume, "x", 1, &v.known, NULL), DEEPTEPP_ERR_STRUCT_SIZE);
    v.more = &v;
    assert_int_equal(deeptepp_volume_from_bytes(&volume, "x", 1, &v.known, NULL), DEEPTEPP_ERR_STRUCT_SIZE);
    deeptepp_model_free(model);
}

/* ---- levels of the log ---- */

static void a_session_reports_and_warns(void **state)
{
    heard h = {0};
    const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .log = hear, .user = &h};
    const tiny_options options = {.seed = 3, .patch = "{\"weights\": \"seeded\"}"};
    deeptepp_model *model = model_of(&options);
    deeptepp_session *session = session_with(model, &callbacks);
    patient *p = patient_new(1);
    (void)state;
    assert_true(h.lines[DEEPTEPP_LOG_INFO] > 0 && !h.lines[DEEPTEPP_LOG_WARNING] && !h.lines[DEEPTEPP_LOG_ERROR]);
    deeptepp_result *result = result_of(session, p->known);
    assert_true(deeptepp_result_warning_count(result) > 0);
    assert_int_equal(h.lines[DEEPTEPP_LOG_WARNING], deeptepp_result_warning_count(result));
    assert_string_equal(h.last, deeptepp_result_warning_message(result, deeptepp_result_warning_count(result) - 1));
    assert_int_equal(h.lines[DEEPTEPP_LOG_ERROR], 0);
    deeptepp_result_free(result);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void wrong_tensors_are_errors(void **state)
{
    heard h = {0};
    const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .log = hear, .user = &h};
    const deeptepp_model_options options = {.struct_size = sizeof options, .callbacks = &callbacks};
    const tiny_options tiny = {.seed = 3};
    tiny_model made = tiny_model_make(&tiny);
    deeptepp_model *model;
    (void)state;
    tiny_model_drop(&made, "fc.bias");
    tiny_bytes bytes = tiny_model_write(&made);
    assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &options, NULL),
                     DEEPTEPP_ERR_MODEL_TENSORS);
    assert_true(h.lines[DEEPTEPP_LOG_ERROR] == 1 && !h.lines[DEEPTEPP_LOG_INFO] && !h.lines[DEEPTEPP_LOG_WARNING]);
    assert_string_equal(h.last, "missing tensor fc.bias");
    free(bytes.data);
    tiny_model_free(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(the_file_that_is_meant_is_opened),
        silent_test(another_file_is_refused),
        silent_test(what_is_no_digest_is_refused),
        silent_test(a_newer_callers_options_are_taken_unless_set),
        silent_test(so_are_those_of_sessions_and_volumes),
        silent_test(a_session_reports_and_warns),
        silent_test(wrong_tensors_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
