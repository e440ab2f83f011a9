/* Cancelling, progress and log of a large model: ResNet-18 of width 64, ten views of 96^3, 133 MB of weights. The
 * library must be silent in all of this. */
#include "session_subject.h"

#include <pthread.h>

/* Tells when the call is to end, and remembers when that was asked for. */
typedef struct impatient {
    pthread_t caller;
    int armed, strangers, falls, lines, steps;
    double at, begun, asked, last; /* seconds; progress */
    double at_progress;            /* when above 0: cancel at that much progress */
} impatient;

static void hear_log(void *user, deeptepp_log_level level, const char *line)
{
    impatient *i = user;
    assert_in_range(level, DEEPTEPP_LOG_INFO, DEEPTEPP_LOG_WARNING);
    i->strangers += !pthread_equal(pthread_self(), i->caller);
    i->lines += line && *line && !strchr(line, '\n');
}

static void hear_progress(void *user, double fraction)
{
    impatient *i = user;
    i->strangers += !pthread_equal(pthread_self(), i->caller);
    i->falls += fraction < i->last || fraction > 1;
    i->steps += fraction > 0 && fraction < 1;
    i->last = fraction;
}

static int hear_cancel(void *user)
{
    impatient *i = user;
    double now = seconds_now();
    i->strangers += !pthread_equal(pthread_self(), i->caller);
    if (!i->armed || now < i->begun + i->at || (i->at_progress > 0 && i->last < i->at_progress))
        return 0;
    if (i->asked == 0)
        i->asked = now;
    return 1;
}

static void arm(impatient *i, double after, double at_progress)
{
    *i = (impatient){.caller = pthread_self(), .armed = 1, .at = after, .begun = seconds_now(), .last = -1,
                     .at_progress = at_progress};
}

static deeptepp_callbacks callbacks_of(impatient *i)
{
    arm(i, 0, 0);
    i->armed = 0;
    return (deeptepp_callbacks){.struct_size = sizeof(deeptepp_callbacks), .log = hear_log, .progress = hear_progress,
                                .cancel = hear_cancel, .user = i};
}

static void assert_prompt(const impatient *i, deeptepp_status status)
{
    double late = seconds_now() - i->asked;
    assert_string_equal(deeptepp_status_name(status), "DEEPTEPP_ERR_CANCELLED");
    assert_true(i->asked > 0);
    if (!(late < 0.2))
        fail_msg("returned %.0f ms after it was cancelled", 1e3 * late);
    assert_int_equal(i->strangers, 0);
}

/* ---- the large model, made once ---- */

typedef struct large {
    tiny_bytes bytes;
    deeptepp_model *model;
    deeptepp_session *session;
    impatient user;
    deeptepp_callbacks callbacks;
    patient *p;
    double score;
} large;

static large big;

static int make_large(void **state)
{
    const tiny_options o = {.seed = 61, .depth = 18, .width = 64, .kernel = {7, 7, 7}, .stem_stride = 2, .pool = true,
                            .strides = {1, 2, 2, 2}, .size = {96, 96, 96},
                            .patch = "{\"input\": {\"angles_deg\": [0, 36, 72, 108, 144, 180, 216, 252, 288, 324], "
                                     "\"intensity\": {\"rule\": \"zscore\", \"over\": \"view\"}}, "
                                     "\"self_test\": {\"seed\": 3, \"score\": 0}}"};
    (void)state;
    if (under_valgrind())
        return 0;
    big.bytes = tiny_model_bytes(&o);
    big.callbacks = callbacks_of(&big.user);
    big.p = patient_new(1);
    const deeptepp_model_options options = {.struct_size = sizeof options, .threads = 2};
    if (deeptepp_model_from_bytes(&big.model, big.bytes.data, big.bytes.size, &options, NULL) != DEEPTEPP_OK)
        return -1;
    big.session = session_with(big.model, &big.callbacks);
    big.score = score_of(big.session, big.p->known);
    return 0;
}

static int free_large(void **state)
{
    (void)state;
    if (under_valgrind())
        return 0;
    deeptepp_session_free(big.session);
    deeptepp_model_free(big.model);
    patient_free(big.p);
    free(big.bytes.data);
    return 0;
}

static void needs_large(void **state)
{
    if (under_valgrind())
        skip_because(state, "the large model takes minutes under valgrind");
}

/* ---- promises ---- */

static void progress_of_a_score_rises_to_one(void **state)
{
    needs_large(state);
    big.callbacks = callbacks_of(&big.user);
    assert_same(score_of(big.session, big.p->known), big.score);
    assert_int_equal(big.user.falls, 0);
    assert_true(big.user.last == 1);
    assert_int_equal(big.user.strangers, 0);
}

/* At once, among the views, and at several places in the network. */
static void a_score_is_cancelled_within_200_ms(void **state)
{
    static const double progress[] = {0, 0.001, 0.1, 0.4, 0.9};
    needs_large(state);
    for (size_t i = 0; i < sizeof progress / sizeof *progress; i++) {
        deeptepp_result *result = (deeptepp_result *)&big;
        deeptepp_error error;
        arm(&big.user, 0, progress[i]);
        deeptepp_status status = deeptepp_session_score(big.session, big.p->known, &result, &error);
        assert_prompt(&big.user, status);
        assert_null(result);
        assert_int_equal(error.status, DEEPTEPP_ERR_CANCELLED);
    }
    big.user.armed = 0;
    assert_same(score_of(big.session, big.p->known), big.score);
}

static void a_score_in_bfloat16_is_cancelled_within_200_ms(void **state)
{
    static const double progress[] = {0, 0.1, 0.3};
    const deeptepp_model_options options = {.struct_size = sizeof options, .threads = 2,
                                            .precision = DEEPTEPP_PRECISION_BF16};
    deeptepp_model *model;
    impatient user;
    needs_large(state);
    if (!deeptepp_precision_available(DEEPTEPP_PRECISION_BF16))
        skip_because(state, "this processor has no bfloat16");
    assert_int_equal(deeptepp_model_from_bytes(&model, big.bytes.data, big.bytes.size, &options, NULL), DEEPTEPP_OK);
    deeptepp_callbacks callbacks = callbacks_of(&user);
    deeptepp_session *session = session_with(model, &callbacks);
    for (size_t i = 0; i < sizeof progress / sizeof *progress; i++) {
        deeptepp_result *result = (deeptepp_result *)&user;
        arm(&user, 0, progress[i]);
        deeptepp_status status = deeptepp_session_score(session, big.p->known, &result, NULL);
        assert_prompt(&user, status);
        assert_null(result);
    }
    user = (impatient){.caller = pthread_self()};
    score_of(session, big.p->known);
    assert_int_equal(user.falls, 0);
    assert_true(user.last == 1);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

/* Preprocessing waits for the layer in hand, as a score would. */
static void assert_usable(void)
{
    const size_t count = (size_t)10 * 96 * 96 * 96;
    float *input = malloc(count * sizeof *input);
    big.user.armed = 0;
    assert_int_equal(deeptepp_session_preprocess(big.session, big.p->known, input, count, NULL), DEEPTEPP_OK);
    free(input);
}

/* The case goes while the layer in hand is still running. */
static void a_cancelled_case_may_be_freed_at_once(void **state)
{
    needs_large(state);
    for (int i = 0; i < 2; i++) {
        patient *p = patient_new(1);
        deeptepp_result *result;
        arm(&big.user, 0, 0.1 + 0.3 * i);
        deeptepp_status status = deeptepp_session_score(big.session, p->known, &result, NULL);
        memset(p->image, 0xff, sizeof p->image);
        patient_free(p);
        assert_prompt(&big.user, status);
    }
    assert_usable();
}

static void a_cancelled_session_may_be_freed_at_once(void **state)
{
    impatient user;
    deeptepp_result *result;
    needs_large(state);
    deeptepp_callbacks callbacks = callbacks_of(&user);
    deeptepp_session *session = session_with(big.model, &callbacks);
    arm(&user, 0, 0.3);
    deeptepp_status status = deeptepp_session_score(session, big.p->known, &result, NULL);
    assert_prompt(&user, status);
    deeptepp_session_free(session);
}

static void a_self_test_is_cancelled_within_200_ms(void **state)
{
    double expected, found;
    needs_large(state);
    for (int i = 0; i < 2; i++) {
        arm(&big.user, 0, 0.2 + 0.4 * i);
        deeptepp_status status = deeptepp_session_self_test(big.session, &expected, &found, NULL);
        assert_prompt(&big.user, status);
    }
    assert_usable();
}

/* The views alone: the caller waits until they are left. */
static void preprocessing_is_cancelled_within_200_ms(void **state)
{
    const size_t count = (size_t)10 * 96 * 96 * 96;
    int midway = 0;
    needs_large(state);
    float *input = malloc(count * sizeof *input);
    for (int i = 0; i < 3; i++) {
        arm(&big.user, 0, 0.001 + 0.3 * i);
        deeptepp_status status = deeptepp_session_preprocess(big.session, big.p->known, input, count, NULL);
        assert_prompt(&big.user, status);
        midway += big.user.last < 1;
    }
    assert_true(midway > 0);
    free(input);
    assert_usable();
}

static void opening_a_model_is_cancelled_within_200_ms(void **state)
{
    impatient user;
    needs_large(state);
    deeptepp_callbacks callbacks = callbacks_of(&user);
    const deeptepp_model_options o = {.struct_size = sizeof o, .callbacks = &callbacks};
    for (int i = 0; i < 9; i++) { /* at once, while the file is read, while weights are packed */
        deeptepp_model *model = (deeptepp_model *)&user;
        arm(&user, 0, 0.1 * i);
        deeptepp_status status = deeptepp_model_from_bytes(&model, big.bytes.data, big.bytes.size, &o, NULL);
        assert_prompt(&user, status);
        assert_null(model);
    }
}

static void opening_a_model_tells_its_progress(void **state)
{
    impatient user;
    needs_large(state);
    deeptepp_callbacks callbacks = callbacks_of(&user);
    const deeptepp_model_options o = {.struct_size = sizeof o, .callbacks = &callbacks};
    deeptepp_model *model = NULL;
    assert_int_equal(deeptepp_model_from_bytes(&model, big.bytes.data, big.bytes.size, &o, NULL), DEEPTEPP_OK);
    assert_int_equal(user.falls + user.strangers, 0);
    assert_true(user.last == 1 && user.steps > 3);
    deeptepp_model_free(model);
}

/* Small enough for a checker: whatever stood is given back. */
static void making_a_session_can_be_cancelled(void **state)
{
    const tiny_options o = {.seed = 62, .depth = 50, .width = 3, .size = {24, 24, 24}};
    impatient user;
    deeptepp_callbacks callbacks = callbacks_of(&user);
    deeptepp_model *model = model_with(&o, 1);
    const deeptepp_session_options options = {.struct_size = sizeof options, .callbacks = &callbacks};
    (void)state;
    for (int i = 0; i < 6; i++) {
        deeptepp_session *session = (deeptepp_session *)&user;
        arm(&user, 0.004 * i, 0);
        deeptepp_status status = deeptepp_session_new(&session, model, &options, NULL);
        assert_true(status == DEEPTEPP_ERR_CANCELLED || (status == DEEPTEPP_OK && i > 0));
        assert_int_equal(session == NULL, status != DEEPTEPP_OK);
        deeptepp_session_free(session);
    }
    deeptepp_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(progress_of_a_score_rises_to_one),
        silent_test(a_score_is_cancelled_within_200_ms),
        silent_test(a_score_in_bfloat16_is_cancelled_within_200_ms),
        silent_test(a_cancelled_case_may_be_freed_at_once),
        silent_test(a_cancelled_session_may_be_freed_at_once),
        silent_test(a_self_test_is_cancelled_within_200_ms),
        silent_test(preprocessing_is_cancelled_within_200_ms),
        silent_test(opening_a_model_is_cancelled_within_200_ms),
        silent_test(opening_a_model_tells_its_progress),
        silent_test(making_a_session_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, make_large, free_large);
}
