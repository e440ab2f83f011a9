/* Every allocation of the library's own, failed one by one, and each with all that follow: the call says MEMORY, or
 * gives the same answer to the last bit; nothing leaks. What the libraries below allocate for themselves is not
 * touched. */
#include "session_subject.h"

#include "failing_allocations.h"
#include "nifti_maker.h"

/* What the calls work on; made once, whole. */
typedef struct context {
    tiny_bytes file;
    char model_path[64], volume_path[64];
    patient *patient;
    deeptepp_model *model;
    deeptepp_session *session;
    uint8_t *nifti, *gzip;
    size_t nifti_size, gzip_size;
    float *tensor;
    size_t count;
    uint8_t parts[VOXELS]; /* the patient's mask and a voxel elsewhere */
    deeptepp_volume *scattered; /* over them, on a grid beside the images' */
    deeptepp_case *regridded;
} context;

/* ---- the trials ---- */

static void say_score(context *c, deeptepp_session *session, char *text)
{
    deeptepp_result *result = result_of(session, c->patient->known);
    say(text, deeptepp_result_json(result));
    deeptepp_result_free(result);
}

/* The model's own words, and the score it gives. */
static deeptepp_status opened(context *c, deeptepp_status status, deeptepp_model *model, char *text)
{
    allocations_disarm();
    if (status != DEEPTEPP_OK) {
        assert_null(model);
        return status;
    }
    deeptepp_session *session = session_with(model, NULL);
    say_score(c, session, text);
    strcat(text, deeptepp_model_json(model));
    for (int64_t i = 0; i < deeptepp_model_property_count(model); i++)
        strcat(strcat(text, deeptepp_model_property_key(model, i)), deeptepp_model_property_value(model, i));
    assert_true(strlen(text) < MAX_TEXT);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    return status;
}

static deeptepp_status open_path(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    const deeptepp_model_options options = {.struct_size = sizeof options, .threads = 2};
    deeptepp_model *model;
    deeptepp_status status = deeptepp_model_open(&model, c->model_path, &options, error);
    return opened(c, status, model, text);
}

static deeptepp_status open_bytes(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    const deeptepp_model_options options = {.struct_size = sizeof options, .threads = 2};
    deeptepp_model *model;
    deeptepp_status status = deeptepp_model_from_bytes(&model, c->file.data, c->file.size, &options, error);
    return opened(c, status, model, text);
}

static deeptepp_status make_session(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_session *session;
    deeptepp_status status = deeptepp_session_new(&session, c->model, NULL, error);
    allocations_disarm();
    assert_true((session != NULL) == (status == DEEPTEPP_OK));
    if (session)
        say_score(c, session, text);
    deeptepp_session_free(session);
    return status;
}

static deeptepp_status make_case(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_case *made;
    deeptepp_status status;
    DTP_TRY(deeptepp_case_new(&made, error));
    DTP_TRY(deeptepp_case_set_image(made, "c0", c->patient->volumes[0], error));
    DTP_TRY(deeptepp_case_set_image(made, "c1", c->patient->volumes[1], error));
    DTP_TRY(deeptepp_case_set_mask(made, c->patient->volumes[2], NULL, error));
    DTP_TRY(deeptepp_case_set_covariate(made, "age", 61, error));
    DTP_TRY(deeptepp_case_set_covariate(made, "grade", 2, error));
    say(text, "made");
fail:
    allocations_disarm();
    deeptepp_case_free(made);
    return status;
}

static deeptepp_status score(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_result *result;
    deeptepp_status status = deeptepp_session_score(c->session, c->patient->known, &result, error);
    allocations_disarm();
    assert_true((result != NULL) == (status == DEEPTEPP_OK));
    if (result)
        say(text, deeptepp_result_json(result));
    deeptepp_result_free(result);
    return status;
}

static const deeptepp_mask_options nearest = {
    .struct_size = sizeof nearest, .label = 1, .largest_part = 1, .grid = DEEPTEPP_MASK_GRID_NEAREST};

static deeptepp_status score_regridded(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_result *result;
    deeptepp_status status = deeptepp_session_score(c->session, c->regridded, &result, error);
    allocations_disarm();
    assert_true((result != NULL) == (status == DEEPTEPP_OK));
    if (result)
        say(text, deeptepp_result_json(result));
    deeptepp_result_free(result);
    return status;
}

static deeptepp_status read_mask(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    static int32_t parts[VOXELS];
    deeptepp_mask *mask;
    deeptepp_status status = deeptepp_mask_new(&mask, c->scattered, &nearest, error);
    allocations_disarm();
    assert_true((mask != NULL) == (status == DEEPTEPP_OK));
    if (mask) {
        assert_int_equal(deeptepp_mask_copy_ras(mask, parts, VOXELS, NULL, NULL, NULL), DEEPTEPP_OK);
        say_bytes(text, parts, sizeof parts);
    }
    deeptepp_mask_free(mask);
    return status;
}

static deeptepp_status preprocess(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_status status = deeptepp_session_preprocess(c->session, c->patient->known, c->tensor, c->count, error);
    allocations_disarm();
    say_bytes(text, c->tensor, c->count * sizeof *c->tensor);
    return status;
}

static deeptepp_status self_test(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    double numbers[2] = {0, 0};
    deeptepp_status status = deeptepp_session_self_test(c->session, &numbers[0], &numbers[1], error);
    allocations_disarm();
    say_bytes(text, numbers, sizeof numbers);
    return status;
}

static deeptepp_status took(deeptepp_status status, deeptepp_volume *volume, char *text)
{
    int64_t dims[3];
    static float voxels[4096];
    allocations_disarm();
    assert_true((volume != NULL) == (status == DEEPTEPP_OK));
    if (!volume)
        return status;
    assert_int_equal(deeptepp_volume_copy_ras(volume, NULL, 0, dims, NULL, NULL), DEEPTEPP_OK);
    size_t count = (size_t)(dims[0] * dims[1] * dims[2]);
    assert_true(count <= DTP_COUNT(voxels));
    assert_int_equal(deeptepp_volume_copy_ras(volume, voxels, count, NULL, NULL, NULL), DEEPTEPP_OK);
    say_bytes(text, voxels, count * sizeof *voxels);
    strcat(strcat(text, deeptepp_volume_sha256(volume)), deeptepp_volume_orientation(volume));
    deeptepp_volume_free(volume);
    return status;
}

static deeptepp_status open_volume(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_volume *volume;
    deeptepp_status status = deeptepp_volume_open(&volume, c->volume_path, NULL, error);
    return took(status, volume, text);
}

static deeptepp_status read_plain(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_volume *volume;
    deeptepp_status status = deeptepp_volume_from_bytes(&volume, c->nifti, c->nifti_size, NULL, error);
    return took(status, volume, text);
}

static deeptepp_status read_gzip(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_volume *volume;
    deeptepp_status status = deeptepp_volume_from_bytes(&volume, c->gzip, c->gzip_size, NULL, error);
    return took(status, volume, text);
}

/* Strides for which rows are gathered. */
static deeptepp_status describe_volume(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_volume *volume;
    deeptepp_array array = c->patient->arrays[0];
    const int64_t strides[3] = {EDGE * EDGE * 4, EDGE * 4, 4}, dims[3] = {12, 13, 14};
    memcpy(array.strides, strides, sizeof strides);
    memcpy(array.dims, dims, sizeof dims);
    deeptepp_status status = deeptepp_volume_from_array(&volume, &array, error);
    return took(status, volume, text);
}

/* ---- what they work on ---- */

/* All sections that a description may have, two members, and layers wide enough for other forms of a convolution. */
static const tiny_options full = {
    .seed = 61, .width = 16, .channels = 2, .members = 2, .size = {16, 16, 16},
    .patch = "{\"input\": {\"angles_deg\": [0, 30], \"intensity\": {\"rule\": \"percentile\", \"over\": \"image\","
             " \"range\": [-1, 1], \"percentiles\": [1, 99]}},"
             " \"covariates\": [{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 100], \"coefficient\": 0.1,"
             " \"missing\": 50}, {\"name\": \"grade\", \"unit\": \"1\", \"levels\": [{\"value\": 1, \"name\": \"low\","
             " \"coefficient\": 0.27}, {\"value\": 2, \"name\": \"high\", \"coefficient\": 1}], \"missing\": 1}],"
             " \"tiers\": {\"names\": [\"a\", \"b\", \"c\"], \"cutpoints\": [-100, 100], \"source\": \"s\","
             " \"guidance\": \"deeptepp\", \"tolerance\": 1000}, \"calibration\": {\"endpoint\": \"e\","
             " \"unit\": \"months\", \"source\": \"s\", \"times\": [12, 24], \"baseline_survival\": [0.9, 0.8],"
             " \"slope\": 0.01, \"centre\": 0}, \"self_test\": {\"seed\": 1, \"score\": 0, \"tolerance\": 1}}"};

static void write_bytes(char path[64], const void *bytes, size_t size)
{
    strcpy(path, "/tmp/deeptepp-allocations-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void make_volumes(context *c)
{
    nifti_file plain = make_nifti(false, false);
    c->nifti_size = plain.size;
    c->nifti = malloc(plain.size);
    c->gzip = malloc(4096);
    assert_true(c->nifti && c->gzip);
    memcpy(c->nifti, plain.bytes, plain.size);
    c->gzip_size = gzip_member(plain.bytes, plain.size, c->gzip, 0, 4096);
    write_bytes(c->volume_path, c->gzip, c->gzip_size);
}

static void make_regridded(context *c)
{
    deeptepp_array array = patient_array(c->parts, DEEPTEPP_UINT8);
    memcpy(c->parts, c->patient->mask, sizeof c->parts);
    c->parts[2 * EDGE * EDGE + 2 * EDGE + 2] = 1;
    array.affine[3] += 0.3;
    assert_int_equal(deeptepp_volume_from_array(&c->scattered, &array, NULL), DEEPTEPP_OK);
    c->regridded = patient_case(c->patient, 2);
    assert_int_equal(deeptepp_case_set_mask(c->regridded, c->scattered, &nearest, NULL), DEEPTEPP_OK);
}

static int setup(void **state)
{
    static context c;
    c.patient = patient_new(2);
    assert_int_equal(deeptepp_case_set_covariate(c.patient->known, "age", 61, NULL), DEEPTEPP_OK);
    c.file = tiny_model_bytes(&full);
    write_bytes(c.model_path, c.file.data, c.file.size);
    c.model = model_of(&full);
    c.session = session_with(c.model, NULL);
    c.count = 2 * 2 * 16 * 16 * 16;
    c.tensor = calloc(c.count, sizeof *c.tensor);
    make_volumes(&c);
    make_regridded(&c);
    *state = &c;
    return c.tensor ? 0 : -1;
}

static int teardown(void **state)
{
    context *c = *state;
    remove(c->model_path);
    remove(c->volume_path);
    deeptepp_session_free(c->session);
    deeptepp_case_free(c->regridded);
    deeptepp_volume_free(c->scattered);
    deeptepp_model_free(c->model);
    patient_free(c->patient);
    free(c->file.data);
    free(c->nifti);
    free(c->gzip);
    free(c->tensor);
    return 0;
}

static void opening_a_model(void **state)
{
    fail_each(*state, "model, from a path", open_path, true, 50);
    fail_each(*state, "model, from memory", open_bytes, false, 50);
}

static void making_a_session(void **state)
{
    fail_each(*state, "session", make_session, true, 10);
}

static void taking_volumes(void **state)
{
    fail_each(*state, "volume, gzip at a path", open_volume, true, 4);
    fail_each(*state, "volume, from bytes", read_plain, true, 2);
    fail_each(*state, "volume, from gzip", read_gzip, true, 3);
    fail_each(*state, "volume, from an array", describe_volume, true, 2);
}

static void making_a_case(void **state)
{
    fail_each(*state, "case", make_case, true, 6);
}

static void scoring_and_printing(void **state)
{
    fail_each(*state, "score and its JSON", score, true, 10);
    fail_each(*state, "score, another grid", score_regridded, true, 10);
}

static void views(void **state)
{
    fail_each(*state, "preprocess", preprocess, true, 1);
    fail_each(*state, "mask and its parts", read_mask, true, 3);
}

static void testing_itself(void **state)
{
    fail_each(*state, "self-test", self_test, true, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_a_model), cmocka_unit_test(making_a_session),     cmocka_unit_test(taking_volumes),
        cmocka_unit_test(making_a_case),   cmocka_unit_test(scoring_and_printing), cmocka_unit_test(views),
        cmocka_unit_test(testing_itself),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
