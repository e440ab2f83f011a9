/* A system that starts no more threads, met at every place: a status that says so, and nothing else happens. */
#include "session_subject.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

static const tiny_options options = {.seed = 61, .width = 8, .size = {16, 16, 16},
                                     .patch = "{\"input\": {\"angles_deg\": [0, 10, 20, 30]}}"};

static int asked, allowed = 1 << 20;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *), void *argument)
{
    return asked++ < allowed ? __real_pthread_create(thread, attr, function, argument) : EAGAIN;
}

static deeptepp_status score(deeptepp_model **model, deeptepp_session **session, const patient *p, double *found,
                             deeptepp_error *error)
{
    tiny_bytes bytes = tiny_model_bytes(&options);
    const deeptepp_model_options o = {.struct_size = sizeof o, .threads = 3};
    deeptepp_result *r = NULL;
    deeptepp_status status = deeptepp_model_from_bytes(model, bytes.data, bytes.size, &o, error);
    free(bytes.data);
    status = status ? status : deeptepp_session_new(session, *model, NULL, error);
    status = status ? status : deeptepp_session_score(*session, p->known, &r, error);
    *found = deeptepp_result_score(r);
    deeptepp_result_free(r);
    return status;
}

static void every_refusal_is_a_status(void **state)
{
    patient *p = patient_new(1);
    deeptepp_status status = DEEPTEPP_ERR_THREAD;
    int refused = 0;
    double found;
    (void)state;
    for (allowed = 0; status != DEEPTEPP_OK; allowed++) {
        deeptepp_model *model = NULL;
        deeptepp_session *session = NULL;
        deeptepp_error error = {0};
        asked = 0;
        status = score(&model, &session, p, &found, &error);
        assert_true(status == DEEPTEPP_OK || status == DEEPTEPP_ERR_THREAD);
        if (status != DEEPTEPP_OK) {
            assert_says(error.message, "3");
            refused++;
        }
        deeptepp_session_free(session);
        deeptepp_model_free(model);
    }
    assert_int_equal(refused, 6); /* three threads to open the model, three of the session */
    patient_free(p);
}

/* In the child the session's threads are made anew: refused once, it is whole and tries again. */
static int refused_child(deeptepp_session *session, const patient *p, double wanted)
{
    deeptepp_result *r = NULL;
    for (allowed = 0; allowed < 3; allowed++) {
        asked = 0;
        if (deeptepp_session_score(session, p->known, &r, NULL) != DEEPTEPP_ERR_THREAD)
            return 1;
    }
    allowed = 1 << 20;
    if (deeptepp_session_score(session, p->known, &r, NULL) != DEEPTEPP_OK)
        return 2;
    int same = deeptepp_result_score(r) == wanted;
    deeptepp_result_free(r);
    deeptepp_session_free(session);
    return same ? 0 : 3;
}

static void a_child_may_be_refused_and_try_again(void **state)
{
    patient *p = patient_new(1);
    deeptepp_model *model = NULL;
    deeptepp_session *session = NULL;
    double wanted;
    int ended;
    (void)state;
    allowed = 1 << 20;
    assert_int_equal(score(&model, &session, p, &wanted, NULL), DEEPTEPP_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(refused_child(session, p, wanted));
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    patient_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(every_refusal_is_a_status),
        silent_test(a_child_may_be_refused_and_try_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
