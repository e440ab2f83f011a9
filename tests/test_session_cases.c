/* Every case that is refused, and after each of them, in the same session, the golden case: the same score bit for bit.
 * The library must be silent in all of this. */
#include "session_subject.h"

#define GOLDEN_PATCH                                                                                                   \
    "{\"input\": {\"angles_deg\": [0, 45], \"intensity\": {\"rule\": \"zscore\", \"over\": \"view\"}, "                \
    "\"outside\": {\"rule\": \"error\"}, \"min_mask_voxels\": 20, "                                                    \
    "\"spacing_mm\": {\"hard\": [0.5, 2], \"usual\": [0.8, 1.5]}}, "                                                   \
    "\"covariates\": [{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 100], \"coefficient\": 0.01}]}"

static const tiny_options golden = {.seed = 31, .channels = 2, .patch = GOLDEN_PATCH};

/* The golden patient with one thing changed. */
typedef struct change {
    const char *what;
    void (*apply)(patient *p, deeptepp_case **known);
    deeptepp_status wanted;
} change;

static void with_age(deeptepp_case *known)
{
    assert_int_equal(deeptepp_case_set_covariate(known, "age", 61, NULL), DEEPTEPP_OK);
}

/* A case of these volumes, any of which may be NULL. */
static void replace(deeptepp_case **known, deeptepp_volume *first, deeptepp_volume *second, deeptepp_volume *mask,
                    int64_t label)
{
    deeptepp_case_free(*known);
    assert_int_equal(deeptepp_case_new(known, NULL), DEEPTEPP_OK);
    if (first)
        assert_int_equal(deeptepp_case_set_image(*known, "c0", first, NULL), DEEPTEPP_OK);
    if (second)
        assert_int_equal(deeptepp_case_set_image(*known, "c1", second, NULL), DEEPTEPP_OK);
    if (mask)
        assert_int_equal(deeptepp_case_set_mask(*known, mask, WITH_LABEL(label), NULL), DEEPTEPP_OK);
    with_age(*known);
}

static deeptepp_volume *volume_of(const deeptepp_array *array)
{
    deeptepp_error error;
    deeptepp_volume *volume = NULL;
    if (deeptepp_volume_from_array(&volume, array, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    return volume;
}

/* The mask with another geometry; the case keeps the volume. */
static void replace_mask(patient *p, deeptepp_case **known, const deeptepp_array *array)
{
    deeptepp_volume *mask = volume_of(array);
    replace(known, p->volumes[0], p->volumes[1], mask, 0);
    deeptepp_volume_free(mask);
}

static void no_second_channel(patient *p, deeptepp_case **known)
{
    replace(known, p->volumes[0], NULL, p->volumes[2], 0);
}

static void a_third_channel(patient *p, deeptepp_case **known)
{
    assert_int_equal(deeptepp_case_set_image(*known, "c2", p->volumes[0], NULL), DEEPTEPP_OK);
}

static void no_mask(patient *p, deeptepp_case **known)
{
    replace(known, p->volumes[0], p->volumes[1], NULL, 0);
}

static void another_size(patient *p, deeptepp_case **known)
{
    deeptepp_array array = p->arrays[2];
    array.dims[2]--;
    replace_mask(p, known, &array);
}

static void another_spacing(patient *p, deeptepp_case **known)
{
    deeptepp_array array = p->arrays[2];
    array.affine[5] *= 1.05;
    replace_mask(p, known, &array);
}

static void another_direction(patient *p, deeptepp_case **known)
{
    deeptepp_array array = p->arrays[2];
    const double c = cos(0.05), s = sin(0.05);
    array.affine[0] = 0.9 * c;
    array.affine[1] = -1.1 * s;
    array.affine[4] = 0.9 * s;
    array.affine[5] = 1.1 * c;
    replace_mask(p, known, &array);
}

static void another_origin(patient *p, deeptepp_case **known)
{
    deeptepp_array array = p->arrays[2];
    array.affine[11] += 0.3;
    replace_mask(p, known, &array);
}

static void an_empty_mask(patient *p, deeptepp_case **known)
{
    (void)known;
    memset(p->mask, 0, sizeof p->mask);
}

static void two_labels(patient *p, deeptepp_case **known)
{
    (void)known;
    p->mask[0] = 2;
}

static void an_absent_label(patient *p, deeptepp_case **known)
{
    replace(known, p->volumes[0], p->volumes[1], p->volumes[2], 9);
}

static void a_fractional_mask(patient *p, deeptepp_case **known)
{
    deeptepp_array array = p->arrays[0];
    replace_mask(p, known, &array); /* the image as mask */
}

static void a_small_mask(patient *p, deeptepp_case **known)
{
    int kept = 0;
    (void)known;
    for (int n = 0; n < VOXELS; n++)
        p->mask[n] = p->mask[n] && kept++ < 19;
}

static void a_tumour_at_the_border(patient *p, deeptepp_case **known)
{
    (void)known;
    memmove(p->mask, p->mask + 13 * EDGE * EDGE, 15 * EDGE * EDGE);
    memset(p->mask + 15 * EDGE * EDGE, 0, 13 * EDGE * EDGE);
}

static void a_constant_image(patient *p, deeptepp_case **known)
{
    (void)known;
    for (int n = 0; n < VOXELS; n++)
        p->image[1][n] = 3.5f;
}

static void huge_voxels(patient *p, deeptepp_case **known)
{
    deeptepp_volume *volumes[3];
    for (int v = 0; v < 3; v++) {
        deeptepp_array array = p->arrays[v];
        array.affine[10] = 2.5;
        volumes[v] = volume_of(&array);
    }
    replace(known, volumes[0], volumes[1], volumes[2], 0);
    for (int v = 0; v < 3; v++)
        deeptepp_volume_free(volumes[v]);
}

static void no_age(patient *p, deeptepp_case **known)
{
    deeptepp_case_free(*known);
    *known = patient_case(p, 2);
}

static void too_old(patient *p, deeptepp_case **known)
{
    no_age(p, known);
    assert_int_equal(deeptepp_case_set_covariate(*known, "age", 101, NULL), DEEPTEPP_OK);
}

static void an_unknown_covariate(patient *p, deeptepp_case **known)
{
    (void)p;
    assert_int_equal(deeptepp_case_set_covariate(*known, "weight", 61, NULL), DEEPTEPP_OK);
}

static const change changes[] = {
    {"no second channel", no_second_channel, DEEPTEPP_ERR_CHANNEL_MISSING},
    {"a third channel", a_third_channel, DEEPTEPP_ERR_CHANNEL_UNKNOWN},
    {"no mask", no_mask, DEEPTEPP_ERR_MASK_MISSING},
    {"another size", another_size, DEEPTEPP_ERR_GEOMETRY_SIZE},
    {"another spacing", another_spacing, DEEPTEPP_ERR_GEOMETRY_SPACING},
    {"another direction", another_direction, DEEPTEPP_ERR_GEOMETRY_DIRECTION},
    {"another origin", another_origin, DEEPTEPP_ERR_GEOMETRY_ORIGIN},
    {"an empty mask", an_empty_mask, DEEPTEPP_ERR_MASK_EMPTY},
    {"two labels", two_labels, DEEPTEPP_ERR_MASK_LABELS},
    {"an absent label", an_absent_label, DEEPTEPP_ERR_MASK_LABEL},
    {"a fractional mask", a_fractional_mask, DEEPTEPP_ERR_MASK_FRACTIONAL},
    {"a small mask", a_small_mask, DEEPTEPP_ERR_MASK_SMALL},
    {"a tumour at the border", a_tumour_at_the_border, DEEPTEPP_ERR_REGION_OUTSIDE},
    {"a constant image", a_constant_image, DEEPTEPP_ERR_IMAGE_CONSTANT},
    {"huge voxels", huge_voxels, DEEPTEPP_ERR_SPACING_RANGE},
    {"no age", no_age, DEEPTEPP_ERR_COVARIATE_MISSING},
    {"too old", too_old, DEEPTEPP_ERR_COVARIATE_RANGE},
    {"an unknown covariate", an_unknown_covariate, DEEPTEPP_ERR_COVARIATE_UNKNOWN},
};

static void assert_refused(deeptepp_session *session, const change *c)
{
    patient *p = patient_new(2);
    deeptepp_result *result = (deeptepp_result *)p;
    deeptepp_error error = {.status = DEEPTEPP_OK};
    with_age(p->known);
    c->apply(p, &p->known);
    deeptepp_status status = deeptepp_session_score(session, p->known, &result, &error);
    if (status != c->wanted)
        fail_msg("%s: %s (%s)", c->what, deeptepp_status_name(status), error.message);
    assert_null(result);
    assert_int_equal(error.status, status);
    assert_true(strlen(error.message) > 10);
    assert_null(strpbrk(error.message, "\n\r"));
    patient_free(p);
}

static void a_refused_case_leaves_no_trace(void **state)
{
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = patient_new(2);
    (void)state;
    with_age(p->known);
    double score = score_of(session, p->known);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        assert_refused(session, &changes[i]);
        assert_same(score_of(session, p->known), score);
    }
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void a_refused_case_may_go_without_error_struct(void **state)
{
    deeptepp_model *model = model_of(&golden);
    deeptepp_session *session = session_with(model, NULL);
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        patient *p = patient_new(2);
        deeptepp_result *result;
        with_age(p->known);
        changes[i].apply(p, &p->known);
        assert_int_equal(deeptepp_session_score(session, p->known, &result, NULL), changes[i].wanted);
        patient_free(p);
    }
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

/* The memory is the caller's, who must not change it, and did. */
static void a_voxel_that_became_nan_is_found(void **state)
{
    static const char *const patches[] = {"{\"input\": {\"intensity\": {\"rule\": \"none\"}}}",
                                          "{\"input\": {\"intensity\": {\"rule\": \"zscore\", \"over\": \"view\"}}}"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const tiny_options options = {.seed = 33, .patch = patches[i]};
        deeptepp_model *model = model_of(&options);
        deeptepp_session *session = session_with(model, NULL);
        deeptepp_result *result;
        patient *p = patient_new(1);
        double score = score_of(session, p->known);
        float *voxel = &p->image[0][(14 * EDGE + 14) * EDGE + 14], before = *voxel;
        *voxel = NAN;
        deeptepp_status status = deeptepp_session_score(session, p->known, &result, NULL);
        assert_int_equal(status == DEEPTEPP_ERR_VOLUME_NONFINITE || status == DEEPTEPP_ERR_IMAGE_CONSTANT, 1);
        *voxel = before;
        assert_same(score_of(session, p->known), score);
        patient_free(p);
        deeptepp_session_free(session);
        deeptepp_model_free(model);
    }
}

/* What one case leaves in the session must not reach the next one's warnings. */
static void warnings_are_the_cases_own(void **state)
{
    static const char patch[] = "{\"input\": {\"angles_deg\": [0], \"outside\": {\"rule\": \"warn\"}}, \"weights\": "
                                "\"seeded\", \"tiers\": {\"names\": [\"a\", \"b\"], \"cutpoints\": [0], \"source\": "
                                "\"x\", \"tolerance\": 1000}}";
    const tiny_options options = {.seed = 32, .patch = patch};
    deeptepp_model *model = model_of(&options);
    deeptepp_session *session = session_with(model, NULL);
    patient *good = patient_new(1), *cut = patient_new(1);
    (void)state;
    a_tumour_at_the_border(cut, &cut->known);
    for (int turn = 0; turn < 3; turn++) {
        deeptepp_result *r = result_of(session, cut->known);
        assert_int_equal(deeptepp_result_warning_count(r), 4);
        assert_int_equal(deeptepp_result_warning_code(r, 0), DEEPTEPP_WARN_MASK_AT_BORDER);
        assert_int_equal(deeptepp_result_warning_code(r, 1), DEEPTEPP_WARN_PADDED);
        assert_int_equal(deeptepp_result_warning_code(r, 2), DEEPTEPP_WARN_NEAR_CUTPOINT);
        assert_int_equal(deeptepp_result_warning_code(r, 3), DEEPTEPP_WARN_SEEDED_WEIGHTS);
        deeptepp_result_free(r);
        r = result_of(session, good->known);
        assert_int_equal(deeptepp_result_warning_count(r), 2);
        assert_int_equal(deeptepp_result_warning_code(r, 2), 0);
        assert_null(deeptepp_result_warning_message(r, -1));
        deeptepp_result_free(r);
    }
    patient_free(good);
    patient_free(cut);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(a_refused_case_leaves_no_trace),
        silent_test(a_refused_case_may_go_without_error_struct),
        silent_test(a_voxel_that_became_nan_is_found),
        silent_test(warnings_are_the_cases_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
