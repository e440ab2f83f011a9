/* Sessions among threads, processes and impatient callers. The library must be silent in all of this. */
#include "session_subject.h"
#include "tasks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static const tiny_options options = {.seed = 51, .width = 6, .patch = "{\"self_test\": {\"seed\": 1, \"score\": 0}}"};

/* ---- threads ---- */

typedef struct scorer {
    deeptepp_model *model;
    const patient *p;
    pthread_t thread;
    int rounds, wrong;
    double wanted;
} scorer;

/* Assertions belong to the main thread: what is wrong is counted here. */
static void *score_often(void *argument)
{
    scorer *s = argument;
    deeptepp_session *session = NULL;
    if (deeptepp_session_new(&session, s->model, NULL, NULL) != DEEPTEPP_OK)
        s->wrong++;
    for (int i = 0; i < s->rounds && session; i++) {
        deeptepp_result *r = NULL;
        s->wrong += deeptepp_session_score(session, s->p->known, &r, NULL) != DEEPTEPP_OK;
        double score = deeptepp_result_score(r);
        s->wrong += memcmp(&score, &s->wanted, sizeof score) != 0;
        deeptepp_result_free(r);
    }
    deeptepp_session_free(session);
    return NULL;
}

static void *load_often(void *argument)
{
    scorer *s = argument;
    tiny_bytes bytes = tiny_model_bytes(&options);
    for (int i = 0; i < s->rounds; i++) {
        deeptepp_model *model = NULL;
        s->wrong += deeptepp_model_from_bytes(&model, bytes.data, bytes.size, NULL, NULL) != DEEPTEPP_OK;
        s->wrong += !model || strcmp(deeptepp_model_sha256(model), deeptepp_model_sha256(s->model)) != 0;
        deeptepp_model_free(model);
    }
    free(bytes.data);
    return NULL;
}

/* Two sessions of one model share one case; a third thread opens models. */
static void sessions_of_one_model_do_not_meet(void **state)
{
    int rounds = under_valgrind() ? 3 : 60;
    patient *p = patient_new(1);
    deeptepp_model *model = model_of(&options);
    scorer s[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        s[i] = (scorer){.model = model, .p = p, .rounds = i < 2 ? rounds : rounds / 3};
        deeptepp_session *session = session_with(model, NULL);
        s[i].wanted = score_of(session, p->known);
        deeptepp_session_free(session);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&s[i].thread, NULL, i < 2 ? score_often : load_often, &s[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(s[i].thread, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(s[i].wrong, 0);
    deeptepp_model_free(model);
    patient_free(p);
}

static void *ref_and_free(void *argument)
{
    for (int i = 0; i < 20000; i++)
        deeptepp_model_free(deeptepp_model_ref(argument));
    return NULL;
}

static void a_models_owners_may_be_of_any_thread(void **state)
{
    pthread_t threads[3];
    deeptepp_model *model = model_of(&options);
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_free, model), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_string_equal(deeptepp_model_name(model), "tiny name");
    deeptepp_model_free(model);
}

/* ---- how many threads there are changes no bit, and there are no more ---- */

#define TEN_VIEWS                                                                                                      \
    "{\"input\": {\"angles_deg\": [0, 7, 14, 21, 28, 35, 42, 49, 56, 63]}}"

/* Layers of every kind: the stem, Winograd's, the backend's own, tap by tap; several stages. */
static const tiny_options wide = {.seed = 52, .width = 64, .depth = 10, .size = {32, 32, 32}, .stem_stride = 2,
                                  .pool = true, .kernel = {7, 7, 7}, .patch = TEN_VIEWS};

static void the_score_is_the_same_from_1_to_n_threads(void **state)
{
    static const int threads[] = {1, 2, 3, 4, 8, 10};
    double wanted[11], found;
    patient *p = patient_new(1);
    (void)state;
    for (size_t t = 0; t < DTP_COUNT(threads) - (under_valgrind() ? 3 : 0); t++) {
        deeptepp_model *model = model_with(&wide, threads[t]);
        deeptepp_session *session = session_with(model, NULL);
        deeptepp_result *r = result_of(session, p->known);
        assert_int_equal(deeptepp_result_view_count(r), 10);
        for (int v = 0; v <= 10; v++) {
            found = v < 10 ? deeptepp_result_view_score(r, v) : deeptepp_result_score(r);
            wanted[v] = t ? wanted[v] : found;
            assert_memory_equal(&found, &wanted[v], sizeof found);
        }
        deeptepp_result_free(r);
        deeptepp_session_free(session);
        deeptepp_model_free(model);
    }
    patient_free(p);
}

/* With fewer views than threads and with more: what the backend computes with is the session's own threads. */
static void a_session_has_the_threads_it_was_asked_for(void **state)
{
    static const tiny_options one = {.seed = 53, .width = 16};
    const tiny_options *models[] = {&one, &wide};
    patient *p = patient_new(1);
    (void)state;
    for (size_t m = 0; m < DTP_COUNT(models); m++) {
        deeptepp_model *model = model_with(models[m], 3);
        int before = count_tasks();
        deeptepp_session *session = session_with(model, NULL);
        score_of(session, p->known);
        assert_int_equal(count_tasks(), before + 3);
        deeptepp_session_free(session);
        deeptepp_model_free(model);
    }
    patient_free(p);
}

/* ---- a session in use ---- */

typedef struct intruder {
    deeptepp_session *session;
    const patient *p;
    deeptepp_status statuses[3];
    char message[sizeof(((deeptepp_error *)0)->message)];
    int done;
} intruder;

static void *intrude(void *argument)
{
    intruder *i = argument;
    deeptepp_result *r = (deeptepp_result *)i;
    deeptepp_error error;
    double expected, found;
    float *input = calloc(16 * 16 * 16, sizeof *input);
    i->statuses[0] = deeptepp_session_score(i->session, i->p->known, &r, &error);
    snprintf(i->message, sizeof i->message, "%s", error.message);
    i->statuses[1] = deeptepp_session_preprocess(i->session, i->p->known, input, 16 * 16 * 16, NULL);
    i->statuses[2] = deeptepp_session_self_test(i->session, &expected, &found, NULL);
    free(input);
    return r ? i : NULL;
}

/* Called while a score is being made, by the thread that asked for it: the other thread comes and goes meanwhile. */
static int let_intruder_in(void *user)
{
    intruder *i = user;
    pthread_t thread;
    void *result = i;
    if (!i->done && i->session && pthread_create(&thread, NULL, intrude, i) == 0) {
        pthread_join(thread, &result);
        i->done = result ? -1 : 1;
    }
    return 0;
}

static void a_second_thread_finds_the_session_busy(void **state)
{
    intruder i = {.done = 0};
    const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .cancel = let_intruder_in, .user = &i};
    deeptepp_model *model = model_of(&options);
    deeptepp_session *session = session_with(model, &callbacks);
    patient *p = patient_new(1);
    (void)state;
    i.p = p;
    double before = score_of(session, p->known);
    i.session = session;
    assert_same(score_of(session, p->known), before);
    assert_int_equal(i.done, 1);
    for (int n = 0; n < 3; n++)
        assert_int_equal(i.statuses[n], DEEPTEPP_ERR_BUSY);
    assert_says(i.message, "in use by another thread");
    assert_same(score_of(session, p->known), before);
    patient_free(p);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
}

/* ---- processes ---- */

typedef struct family {
    deeptepp_model *model;
    deeptepp_session *session;
    patient *p;
    double wanted;
} family;

static int is_wrong(deeptepp_session *session, const family *f)
{
    deeptepp_result *r = NULL;
    int wrong = deeptepp_session_score(session, f->p->known, &r, NULL) != DEEPTEPP_OK;
    double score = deeptepp_result_score(r);
    wrong += memcmp(&score, &f->wanted, sizeof score) != 0;
    deeptepp_result_free(r);
    return wrong;
}

/* Scores in the session from before the fork, in one of the child's own, and gives everything back. */
static int child_of(const family *f)
{
    deeptepp_session *own = NULL;
    int wrong = is_wrong(f->session, f) + is_wrong(f->session, f);
    wrong += deeptepp_session_new(&own, f->model, NULL, NULL) != DEEPTEPP_OK;
    wrong += own ? is_wrong(own, f) : 1;
    deeptepp_session_free(own);
    deeptepp_session_free(f->session);
    deeptepp_model_free(f->model);
    patient_free(f->p);
    return wrong;
}

static void fork_and_check(const family *f)
{
    int status = -1;
    pid_t id = fork();
    if (id == 0) {
        alarm(120);
        _exit(child_of(f));
    }
    assert_true(id > 0);
    assert_int_equal(waitpid(id, &status, 0), id);
    if (WIFSIGNALED(status))
        fail_msg("the child was ended by signal %d (14: it hung)", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_child_of_fork_goes_on_with_its_parents_session(void **state)
{
    family f = {.model = model_of(&options), .p = patient_new(1)};
    (void)state;
    f.session = session_with(f.model, NULL);
    f.wanted = score_of(f.session, f.p->known);
    for (int i = 0; i < 3; i++) {
        fork_and_check(&f);
        assert_same(score_of(f.session, f.p->known), f.wanted);
    }
    deeptepp_session_free(f.session);
    deeptepp_model_free(f.model);
    patient_free(f.p);
}

static void a_session_never_used_before_the_fork_works_after_it(void **state)
{
    family f = {.model = model_of(&options), .p = patient_new(1)};
    deeptepp_session *other = session_with(f.model, NULL);
    (void)state;
    f.wanted = score_of(other, f.p->known);
    deeptepp_session_free(other);
    f.session = session_with(f.model, NULL);
    fork_and_check(&f);
    assert_same(score_of(f.session, f.p->known), f.wanted);
    deeptepp_session_free(f.session);
    deeptepp_model_free(f.model);
    patient_free(f.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(the_score_is_the_same_from_1_to_n_threads),
        silent_test(a_session_has_the_threads_it_was_asked_for),
        silent_test(sessions_of_one_model_do_not_meet),
        silent_test(a_models_owners_may_be_of_any_thread),
        silent_test(a_second_thread_finds_the_session_busy),
        silent_test(a_child_of_fork_goes_on_with_its_parents_session),
        silent_test(a_session_never_used_before_the_fork_works_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
