/* What a session takes: limits, estimates, and no growth. The library must be silent in all of this. */
#include "session_subject.h"

#include <malloc.h>

/* Some 14 MB of weights and 20 MB of activations. */
static const tiny_options large = {.seed = 41,
                                   .width = 32,
                                   .size = {32, 32, 32},
                                   .patch = "{\"input\": {\"angles_deg\": "
                                            "[0, 90, 180, 270]}}"};
/* Nothing smaller can be described but fewer classes. */
static const tiny_options smallest = {.seed = 42, .width = 4, .size = {8, 8, 8}, .classes = 1, .stem_stride = 2};

static double resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void a_memory_limit_is_kept(void **state)
{
    deeptepp_model *model = model_of(&large);
    deeptepp_session_options options = {.struct_size = sizeof options};
    deeptepp_session *session = (deeptepp_session *)&options;
    deeptepp_error error;
    char bytes[24];
    (void)state;
    options.memory_limit = deeptepp_model_memory(model) - 1;
    assert_int_equal(deeptepp_session_new(&session, model, &options, &error), DEEPTEPP_ERR_MEMORY_LIMIT);
    assert_null(session);
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)options.memory_limit);
    assert_says(error.message, bytes);
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)options.memory_limit + 1);
    assert_says(error.message, bytes);
    options.memory_limit++;
    assert_int_equal(deeptepp_session_new(&session, model, &options, &error), DEEPTEPP_OK);
    deeptepp_session_free(session);
    options.memory_limit = 1;
    assert_int_equal(deeptepp_session_new(&session, model, &options, &error), DEEPTEPP_ERR_MEMORY_LIMIT);
    deeptepp_model_free(model);
}

static void warm_up(const patient *p)
{
    deeptepp_model *model = model_with(&smallest, 1);
    deeptepp_session *session = session_with(model, NULL);
    score_of(session, p->known);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    malloc_trim(0);
}

/* Beyond the estimate there are the primitives' code, the threads' stacks and the description: a few MB. What a run
 * does not touch of it the system does not give. */
static void an_estimate_is_what_is_taken(void **state)
{
    if (UNDER_ASAN || under_valgrind())
        skip_because(state, "a checker's own memory is counted too");
    tiny_bytes bytes = tiny_model_bytes(&large);
    deeptepp_model *model = NULL;
    patient *p = patient_new(1);
    warm_up(p);
    double before = resident_bytes();
    assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, NULL, NULL), DEEPTEPP_OK);
    uint64_t estimate = deeptepp_model_memory(model);
    deeptepp_session *session = session_with(model, NULL);
    score_of(session, p->known);
    malloc_trim(0); /* what loading gave back to the allocator, to the system */
    double taken = resident_bytes() - before;
    if (!(taken > 0.7 * (double)estimate && taken < 1.1 * (double)estimate + 8e6))
        fail_msg("estimated %.3g MB, taken %.3g MB", 1e-6 * (double)estimate, 1e-6 * taken);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    patient_free(p);
    free(bytes.data);
}

static void an_estimate_grows_with_what_is_needed(void **state)
{
    tiny_options more = large;
    deeptepp_model *one = model_of(&large), *two;
    (void)state;
    more.members = 2;
    two = model_of(&more);
    uint64_t weights = deeptepp_model_memory(two) - deeptepp_model_memory(one); /* one net serves both members */
    assert_in_range(weights, 14000000, 20000000);
    deeptepp_model_free(two);
    more = large;
    more.patch = NULL; /* one view */
    two = model_of(&more);
    assert_true(deeptepp_model_memory(two) < deeptepp_model_memory(one));
    deeptepp_model_free(two);
    deeptepp_model_free(one);
}

/* ---- no growth ---- */

static void many_scores_need_no_more_memory(void **state)
{
    deeptepp_model *model = model_with(&smallest, 1);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = patient_new(1);
    int count = under_valgrind() ? 300 : 50000;
    double first = score_of(session, p->known);
    (void)state;
    for (int i = 0; i < 2000 && i < count; i++)
        score_of(session, p->known);
    double before = resident_bytes();
    for (int i = 0; i < count; i++)
        assert_same(score_of(session, p->known), first);
    double growth = resident_bytes() - before;
    if (!UNDER_ASAN && !under_valgrind() && growth > 1 << 20)
        fail_msg("%d scores took %.0f bytes more", count, growth);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void refused_cases_need_no_more_memory(void **state)
{
    deeptepp_model *model = model_with(&smallest, 1);
    deeptepp_session *session = session_with(model, NULL);
    patient *p = patient_new(1);
    deeptepp_result *result;
    int count = under_valgrind() ? 100 : 5000;
    double before = 0;
    (void)state;
    memset(p->mask, 0, sizeof p->mask);
    for (int i = 0; i < 2 * count; i++) {
        before = i == count ? resident_bytes() : before;
        assert_int_equal(deeptepp_session_score(session, p->known, &result, NULL), DEEPTEPP_ERR_MASK_EMPTY);
    }
    assert_true(UNDER_ASAN || under_valgrind() || resident_bytes() - before < 1 << 20);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

static void models_and_sessions_give_back_what_they_take(void **state)
{
    patient *p = patient_new(1);
    tiny_bytes bytes = tiny_model_bytes(&large);
    const deeptepp_model_options one = {.struct_size = sizeof one, .threads = 1};
    int rounds = under_valgrind() ? 2 : 12;
    double before = 0;
    (void)state;
    for (int i = 0; i < rounds; i++) {
        deeptepp_model *model = NULL;
        assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &one, NULL), DEEPTEPP_OK);
        deeptepp_session *session = session_with(model, NULL);
        score_of(session, p->known);
        deeptepp_session_free(session);
        deeptepp_model_free(model);
        malloc_trim(0);
        before = i == 3 ? resident_bytes() : before;
    }
    double growth = resident_bytes() - before;
    if (!UNDER_ASAN && !under_valgrind() && growth > 4e6)
        fail_msg("8 models and sessions left %.0f bytes", growth);
    free(bytes.data);
    patient_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(a_memory_limit_is_kept),
        silent_test(an_estimate_is_what_is_taken),
        silent_test(an_estimate_grows_with_what_is_needed),
        silent_test(many_scores_need_no_more_memory),
        silent_test(refused_cases_need_no_more_memory),
        silent_test(models_and_sessions_give_back_what_they_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
