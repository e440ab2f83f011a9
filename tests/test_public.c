/* Every public function with what it must refuse: NULL, structs of another size, numbers out of range. A failed
 * constructor gives NULL and changes nothing. The library must be silent in all of this. */
#include "session_subject.h"

typedef struct subject {
    deeptepp_model *model;
    deeptepp_session *session;
    patient *p;
    tiny_bytes bytes;
} subject;

static subject s;

static int begin(void **state)
{
    const tiny_options options = {.seed = 71};
    (void)state;
    s.bytes = tiny_model_bytes(&options);
    s.model = model_of(&options);
    s.session = session_with(s.model, NULL);
    s.p = patient_new(1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    patient_free(s.p);
    deeptepp_session_free(s.session);
    deeptepp_model_free(s.model);
    free(s.bytes.data);
    return 0;
}

/* Somewhere to point that is not NULL. */
#define GARBAGE(type) ((type *)(void *)&s)

/* The call fails with that status, with and without an error struct, says so in one line, and leaves NULL. */
#define REFUSED(type, wanted, call)                                                                                    \
    do {                                                                                                               \
        deeptepp_error error_ = {.status = DEEPTEPP_OK}, *error = &error_;                                             \
        type *out = GARBAGE(type);                                                                                     \
        assert_string_equal(deeptepp_status_name(call), #wanted);                                                      \
        assert_null(out);                                                                                              \
        assert_int_equal(error_.status, wanted);                                                                       \
        assert_true(*error_.message && !strchr(error_.message, '\n'));                                                 \
        error = NULL;                                                                                                  \
        out = GARBAGE(type);                                                                                           \
        assert_int_equal(call, wanted);                                                                                \
        assert_null(out);                                                                                              \
    } while (0)

#define REFUSED_PLAIN(wanted, call)                                                                                    \
    do {                                                                                                               \
        deeptepp_error error_ = {.status = DEEPTEPP_OK}, *error = &error_;                                             \
        assert_string_equal(deeptepp_status_name(call), #wanted);                                                      \
        assert_int_equal(error_.status, wanted);                                                                       \
        error = NULL;                                                                                                  \
        assert_int_equal(call, wanted);                                                                                \
    } while (0)

/* ---- NULL ---- */

static void freeing_nothing_does_nothing(void **state)
{
    (void)state;
    deeptepp_model_free(NULL);
    deeptepp_volume_free(NULL);
    deeptepp_case_free(NULL);
    deeptepp_session_free(NULL);
    deeptepp_result_free(NULL);
    assert_null(deeptepp_model_ref(NULL));
}

static void opening_a_model_wants_path_or_bytes(void **state)
{
    (void)state;
    REFUSED(deeptepp_model, DEEPTEPP_ERR_ARGUMENT, deeptepp_model_open(&out, NULL, NULL, error));
    REFUSED(deeptepp_model, DEEPTEPP_ERR_ARGUMENT, deeptepp_model_from_bytes(&out, NULL, 0, NULL, error));
    REFUSED(deeptepp_model, DEEPTEPP_ERR_ARGUMENT, deeptepp_model_from_bytes(&out, NULL, 100, NULL, error));
    REFUSED(deeptepp_model, DEEPTEPP_ERR_FILE_TRUNCATED, deeptepp_model_from_bytes(&out, "", 0, NULL, error));
    REFUSED(deeptepp_model, DEEPTEPP_ERR_FILE_MISSING, deeptepp_model_open(&out, "/nowhere/at.all", NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_model_open(NULL, "x", NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_model_from_bytes(NULL, s.bytes.data, s.bytes.size, NULL, error));
}

static void opening_a_volume_wants_path_bytes_or_array(void **state)
{
    deeptepp_array array = s.p->arrays[0];
    (void)state;
    REFUSED(deeptepp_volume, DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_open(&out, NULL, NULL, error));
    REFUSED(deeptepp_volume, DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_from_bytes(&out, NULL, 5, NULL, error));
    REFUSED(deeptepp_volume, DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_from_array(&out, NULL, error));
    REFUSED(deeptepp_volume, DEEPTEPP_ERR_FILE_MISSING, deeptepp_volume_open(&out, "/nowhere/at.all", NULL, error));
    array.data = NULL;
    REFUSED(deeptepp_volume, DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_from_array(&out, &array, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_open(NULL, "x", NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_from_bytes(NULL, "x", 1, NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_from_array(NULL, &s.p->arrays[0], error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_volume_copy_ras(NULL, NULL, 0, NULL, NULL, error));
}

static void a_case_wants_its_parts(void **state)
{
    deeptepp_case *known = s.p->known;
    deeptepp_volume *volume = s.p->volumes[0];
    (void)state;
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_new(NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_image(NULL, "c0", volume, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_image(known, "c9", NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_image(known, "", volume, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_CHANNEL_DUPLICATE, deeptepp_case_set_image(known, "c0", volume, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_mask(NULL, volume, NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_mask(known, NULL, NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_mask(known, volume, WITH_LABEL(-1), error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_covariate(NULL, "age", 1, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_covariate(known, NULL, 1, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_case_set_covariate(known, "", 1, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_COVARIATE_VALUE, deeptepp_case_set_covariate(known, "age", NAN, error));
    score_of(s.session, known); /* nothing of all this stuck */
}

static void a_session_wants_its_parts(void **state)
{
    uint64_t bytes = 7;
    double expected = 7, found = 7;
    float input[8];
    (void)state;
    REFUSED(deeptepp_session, DEEPTEPP_ERR_ARGUMENT, deeptepp_session_new(&out, NULL, NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_new(NULL, s.model, NULL, error));
    REFUSED(deeptepp_result, DEEPTEPP_ERR_ARGUMENT, deeptepp_session_score(NULL, s.p->known, &out, error));
    REFUSED(deeptepp_result, DEEPTEPP_ERR_ARGUMENT, deeptepp_session_score(s.session, NULL, &out, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_score(s.session, s.p->known, NULL, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_preprocess(NULL, s.p->known, input, 8, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_preprocess(s.session, NULL, input, 8, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_preprocess(s.session, s.p->known, NULL, 8, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_preprocess(s.session, s.p->known, input, 8, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_self_test(NULL, &expected, &found, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_self_test(s.session, NULL, &found, error));
    REFUSED_PLAIN(DEEPTEPP_ERR_ARGUMENT, deeptepp_session_self_test(s.session, &expected, NULL, error));
    assert_true(bytes == 7 && expected == 7 && found == 7);
}

static void getters_of_nothing_give_nothing(void **state)
{
    int64_t shape[5] = {7, 7, 7, 7, 7}, dims[3] = {7, 7, 7};
    double spacing[3] = {7, 7, 7}, affine[16] = {7};
    (void)state;
    assert_null(deeptepp_model_name(NULL));
    assert_null(deeptepp_model_sha256(NULL));
    assert_null(deeptepp_model_json(NULL));
    deeptepp_model_input_shape(NULL, shape);
    deeptepp_model_input_shape(s.model, NULL);
    deeptepp_volume_dims(NULL, dims);
    deeptepp_volume_dims(s.p->volumes[0], NULL);
    deeptepp_volume_spacing(NULL, spacing);
    deeptepp_volume_spacing(s.p->volumes[0], NULL);
    deeptepp_volume_affine(NULL, affine);
    deeptepp_volume_affine(s.p->volumes[0], NULL);
    assert_null(deeptepp_volume_orientation(NULL));
    assert_null(deeptepp_volume_sha256(NULL));
    assert_true(shape[4] == 7 && dims[2] == 7 && spacing[2] == 7 && affine[0] == 7);
}

static void a_result_of_nothing_says_nothing(void **state)
{
    (void)state;
    assert_true(isnan(deeptepp_result_score(NULL)));
    assert_true(isnan(deeptepp_result_score_sd(NULL)));
    assert_int_equal(deeptepp_result_view_count(NULL), 0);
    assert_true(isnan(deeptepp_result_view_score(NULL, 0)));
    assert_int_equal(deeptepp_result_member_count(NULL), 0);
    assert_true(isnan(deeptepp_result_member_score(NULL, 0)));
    assert_int_equal(deeptepp_result_tier(NULL), -1);
    assert_null(deeptepp_result_tier_name(NULL));
    assert_true(isnan(deeptepp_result_cutpoint_distance(NULL)));
    assert_int_equal(deeptepp_result_survival_count(NULL), 0);
    assert_true(isnan(deeptepp_result_survival_time(NULL, 0)));
    assert_true(isnan(deeptepp_result_survival(NULL, 0)));
    assert_null(deeptepp_result_guidance(NULL));
    assert_int_equal(deeptepp_result_warning_count(NULL), 0);
    assert_int_equal(deeptepp_result_warning_code(NULL, 0), 0);
    assert_null(deeptepp_result_warning_message(NULL, 0));
    assert_null(deeptepp_result_json(NULL));
}

static void an_index_out_of_range_gives_nothing(void **state)
{
    static const int64_t outside[] = {-1, 1, INT64_MIN, INT64_MAX};
    deeptepp_result *r = result_of(s.session, s.p->known);
    (void)state;
    assert_true(isfinite(deeptepp_result_view_score(r, 0)) && isfinite(deeptepp_result_member_score(r, 0)));
    for (int i = 0; i < 4; i++) {
        assert_true(isnan(deeptepp_result_view_score(r, outside[i])));
        assert_true(isnan(deeptepp_result_member_score(r, outside[i])));
        assert_true(isnan(deeptepp_result_survival_time(r, outside[i])));
        assert_true(isnan(deeptepp_result_survival(r, outside[i])));
        assert_int_equal(deeptepp_result_warning_code(r, outside[i]), 0);
        assert_null(deeptepp_result_warning_message(r, outside[i]));
    }
    assert_true(isnan(deeptepp_result_score_sd(r))); /* one view */
    assert_int_equal(deeptepp_result_tier(r), -1);   /* no cut-points */
    assert_true(isnan(deeptepp_result_cutpoint_distance(r)));
    assert_null(deeptepp_result_guidance(r));
    deeptepp_result_free(r);
}

/* ---- struct_size and numbers ---- */

static void structs_of_another_size_are_refused(void **state)
{
    static const size_t wrong[] = {0, 1, 8, 9999, SIZE_MAX};
    (void)state;
    for (int i = 0; i < 5; i++) {
        deeptepp_array array = s.p->arrays[0];
        const deeptepp_callbacks callbacks = {.struct_size = wrong[i]};
        const deeptepp_model_options m = {.struct_size = wrong[i]},
                                     mc = {.struct_size = sizeof m, .callbacks = &callbacks};
        const deeptepp_volume_options v = {.struct_size = wrong[i]},
                                      vc = {.struct_size = sizeof v, .callbacks = &callbacks};
        const deeptepp_session_options o = {.struct_size = wrong[i]},
                                       oc = {.struct_size = sizeof o, .callbacks = &callbacks};
        array.struct_size = wrong[i];
        REFUSED(deeptepp_model, DEEPTEPP_ERR_STRUCT_SIZE,
                deeptepp_model_from_bytes(&out, s.bytes.data, s.bytes.size, &m, error));
        REFUSED(deeptepp_model, DEEPTEPP_ERR_STRUCT_SIZE,
                deeptepp_model_from_bytes(&out, s.bytes.data, s.bytes.size, &mc, error));
        REFUSED(deeptepp_model, DEEPTEPP_ERR_STRUCT_SIZE, deeptepp_model_open(&out, "/nowhere", &m, error));
        REFUSED(deeptepp_volume, DEEPTEPP_ERR_STRUCT_SIZE, deeptepp_volume_open(&out, "/nowhere", &v, error));
        REFUSED(deeptepp_volume, DEEPTEPP_ERR_STRUCT_SIZE, deeptepp_volume_from_bytes(&out, "x", 1, &v, error));
        REFUSED(deeptepp_volume, DEEPTEPP_ERR_STRUCT_SIZE, deeptepp_volume_from_bytes(&out, "x", 1, &vc, error));
        REFUSED(deeptepp_volume, DEEPTEPP_ERR_STRUCT_SIZE, deeptepp_volume_from_array(&out, &array, error));
        REFUSED(deeptepp_session, DEEPTEPP_ERR_STRUCT_SIZE, deeptepp_session_new(&out, s.model, &o, error));
        REFUSED(deeptepp_session, DEEPTEPP_ERR_STRUCT_SIZE, deeptepp_session_new(&out, s.model, &oc, error));
    }
}

static void thread_counts_are_0_to_256(void **state)
{
    static const int32_t wrong[] = {-1, 257, INT32_MIN, INT32_MAX};
    (void)state;
    for (int i = 0; i < 4; i++) {
        const deeptepp_model_options m = {.struct_size = sizeof m, .threads = wrong[i]};
        REFUSED(deeptepp_model, DEEPTEPP_ERR_ARGUMENT,
                deeptepp_model_from_bytes(&out, s.bytes.data, s.bytes.size, &m, error));
    }
}

static void a_file_over_the_cap_is_refused(void **state)
{
    deeptepp_model_options o = {.struct_size = sizeof o, .max_file_bytes = s.bytes.size - 1};
    deeptepp_model *model = NULL;
    (void)state;
    REFUSED(deeptepp_model, DEEPTEPP_ERR_FILE_TOO_LARGE,
            deeptepp_model_from_bytes(&out, s.bytes.data, s.bytes.size, &o, error));
    o.max_file_bytes++;
    assert_int_equal(deeptepp_model_from_bytes(&model, s.bytes.data, s.bytes.size, &o, NULL), DEEPTEPP_OK);
    deeptepp_model_free(model);
}

static void success_leaves_the_error_alone(void **state)
{
    deeptepp_error error, before;
    deeptepp_model *model;
    deeptepp_result *result;
    (void)state;
    memset(&error, 0x5a, sizeof error);
    before = error;
    assert_int_equal(deeptepp_model_from_bytes(&model, s.bytes.data, s.bytes.size, NULL, &error), DEEPTEPP_OK);
    assert_int_equal(deeptepp_session_score(s.session, s.p->known, &result, &error), DEEPTEPP_OK);
    assert_memory_equal(&error, &before, sizeof error);
    deeptepp_result_free(result);
    deeptepp_model_free(model);
}

static void a_cut_file_is_refused(void **state)
{
    uint8_t *bytes = malloc(s.bytes.size);
    (void)state;
    memcpy(bytes, s.bytes.data, s.bytes.size);
    for (size_t size = 0; size < s.bytes.size; size += 1 + s.bytes.size / 200) {
        deeptepp_model *model = GARBAGE(deeptepp_model);
        assert_int_not_equal(deeptepp_model_from_bytes(&model, bytes, size, NULL, NULL), DEEPTEPP_OK);
        assert_null(model);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(freeing_nothing_does_nothing),
        silent_test(opening_a_model_wants_path_or_bytes),
        silent_test(opening_a_volume_wants_path_bytes_or_array),
        silent_test(a_case_wants_its_parts),
        silent_test(a_session_wants_its_parts),
        silent_test(getters_of_nothing_give_nothing),
        silent_test(a_result_of_nothing_says_nothing),
        silent_test(an_index_out_of_range_gives_nothing),
        silent_test(structs_of_another_size_are_refused),
        silent_test(thread_counts_are_0_to_256),
        silent_test(a_file_over_the_cap_is_refused),
        silent_test(success_leaves_the_error_alone),
        silent_test(a_cut_file_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
