/* A call to the compute thread: callbacks, cancelling, errors, and what a fork() leaves. */
#include "worker_probe.h"

#include <sys/wait.h>
#include <unistd.h>

/* What callbacks saw. */
typedef struct listener {
    pthread_t caller;
    int strangers; /* calls from another thread than the caller's */
    int told, falls, asked;
    double last, cancel_after, cancelled_at; /* seconds */
    double asked_at, longest_gap;
} listener;

static void hear_progress(void *user, double fraction)
{
    listener *l = user;
    l->strangers += !pthread_equal(pthread_self(), l->caller);
    l->falls += fraction <= l->last || fraction < 0 || fraction > 1;
    l->last = fraction;
    l->told++;
}

static int hear_cancel(void *user)
{
    listener *l = user;
    double now = seconds_now();
    l->strangers += !pthread_equal(pthread_self(), l->caller);
    l->asked++;
    if (now - l->asked_at > l->longest_gap)
        l->longest_gap = now - l->asked_at;
    l->asked_at = now;
    if (l->cancel_after == 0 || now < l->cancel_after)
        return 0;
    if (l->cancelled_at == 0)
        l->cancelled_at = now;
    return 1;
}

static dtp_watch listen_to(listener *l, double cancel_after_s)
{
    *l = (listener){.caller = pthread_self(), .last = -1, .asked_at = seconds_now()};
    l->cancel_after = cancel_after_s > 0 ? seconds_now() + cancel_after_s : 0;
    dtp_watch watch;
    dtp_watch_start(&watch, &(deeptepp_callbacks){.progress = hear_progress, .cancel = hear_cancel, .user = l});
    return watch;
}

/* ---- jobs ---- */

typedef struct work {
    long ms;
    bool obeys, detaches;
    atomic_int running; /* jobs inside at once */
    atomic_int ended;
} work;

static deeptepp_status work_job(void *argument, dtp_job *job)
{
    work *w = argument;
    deeptepp_status status = DEEPTEPP_OK;
    atomic_fetch_add(&w->running, 1);
    if (w->detaches)
        atomic_store(&job->detached_ok, true);
    double start = seconds_now(), end = start + 1e-3 * (double)w->ms;
    while (seconds_now() < end && status == DEEPTEPP_OK) {
        sleep_ms(1);
        int permille = (int)(1000 * (seconds_now() - start) / (end - start));
        dtp_watch_tell(&job->watch, permille < 1000 ? permille : 1000);
        if (w->obeys)
            status = dtp_watch_ask(&job->watch, &job->error);
    }
    atomic_fetch_add(&w->ended, 1);
    atomic_fetch_sub(&w->running, 1);
    return status;
}

static deeptepp_status failing_job(void *argument, dtp_job *job)
{
    return dtp_fail(&job->error, DEEPTEPP_ERR_MASK_EMPTY, "mask: %s", (const char *)argument);
}

static deeptepp_status count_job(void *argument, dtp_job *job)
{
    (void)job;
    ++*(int *)argument;
    return DEEPTEPP_OK;
}

/* ---- promises ---- */

static void a_job_runs_once_a_call(void **state)
{
    int count = 0;
    (void)state;
    dtp_worker *worker = start_worker(2);
    for (int i = 0; i < 1000; i++)
        run_job(worker, count_job, &count, NULL);
    dtp_worker_stop(worker);
    assert_int_equal(count, 1000);
}

static void progress_rises_to_one_on_the_callers_thread(void **state)
{
    work w = {.ms = 300};
    listener l;
    (void)state;
    dtp_worker *worker = start_worker(2);
    dtp_watch watch = listen_to(&l, 0);
    run_job(worker, work_job, &w, &watch);
    dtp_worker_stop(worker);
    assert_int_equal(l.strangers, 0);
    assert_int_equal(l.falls, 0);
    assert_true(l.last == 1);
    assert_true(l.told >= 5);
}

static void a_short_jobs_progress_ends_at_one(void **state)
{
    int count = 0;
    (void)state;
    dtp_worker *worker = start_worker(1);
    for (int i = 0; i < 100; i++) {
        listener l;
        dtp_watch watch = listen_to(&l, 0);
        run_job(worker, count_job, &count, &watch);
        assert_true(l.last == 1);
        assert_int_equal(l.falls, 0);
    }
    dtp_worker_stop(worker);
}

static void a_failed_jobs_progress_does_not_end_at_one(void **state)
{
    char text[] = "empty";
    listener l;
    (void)state;
    dtp_worker *worker = start_worker(1);
    dtp_watch watch = listen_to(&l, 0);
    assert_int_equal(dtp_worker_run(worker, failing_job, text, &watch, NULL), DEEPTEPP_ERR_MASK_EMPTY);
    assert_true(l.last < 1);
    dtp_worker_stop(worker);
}

/* At least every 50 ms; a loaded machine may once be late. */
static void the_cancel_callback_is_asked_often(void **state)
{
    work w = {.ms = 1000};
    listener l;
    (void)state;
    dtp_worker *worker = start_worker(1);
    dtp_watch watch = listen_to(&l, 0);
    run_job(worker, work_job, &w, &watch);
    dtp_worker_stop(worker);
    assert_true(l.asked >= 20);
    assert_true(l.longest_gap < 0.2);
}

static void a_cancelled_call_returns_within_200_ms(void **state)
{
    const bool detaches[] = {false, true};
    (void)state;
    for (int i = 0; i < 2; i++) {
        work w = {.ms = 20000, .obeys = true, .detaches = detaches[i]};
        deeptepp_error error;
        listener l;
        dtp_worker *worker = start_worker(1);
        dtp_watch watch = listen_to(&l, 0.05);
        assert_int_equal(dtp_worker_run(worker, work_job, &w, &watch, &error), DEEPTEPP_ERR_CANCELLED);
        assert_true(seconds_now() - l.cancelled_at < 0.2);
        assert_int_equal(error.status, DEEPTEPP_ERR_CANCELLED);
        assert_true(l.last < 1);
        int count = 0;
        run_job(worker, count_job, &count, NULL); /* and is not cancelled too */
        assert_int_equal(count, 1);
        dtp_worker_stop(worker);
    }
}

/* The job ended before it saw the flag, or does not look at it. */
static void a_yes_counts_even_if_the_job_was_faster(void **state)
{
    work w = {.ms = 100};
    listener l;
    (void)state;
    dtp_worker *worker = start_worker(1);
    dtp_watch watch = listen_to(&l, 0.05);
    assert_int_equal(dtp_worker_run(worker, work_job, &w, &watch, NULL), DEEPTEPP_ERR_CANCELLED);
    assert_int_equal(atomic_load(&w.ended), 1);
    dtp_worker_stop(worker);
}

/* A job in the middle of a long layer: the call returns, and the next one waits for the job to end. */
static void a_detached_job_winds_down_alone(void **state)
{
    work w = {.ms = 600, .detaches = true}, next = {.ms = 1};
    listener l;
    (void)state;
    dtp_worker *worker = start_worker(1);
    dtp_watch watch = listen_to(&l, 0.03);
    double start = seconds_now();
    assert_int_equal(dtp_worker_run(worker, work_job, &w, &watch, NULL), DEEPTEPP_ERR_CANCELLED);
    assert_true(seconds_now() - start < 0.4);
    assert_int_equal(atomic_load(&w.ended), 0);
    run_job(worker, work_job, &next, NULL);
    assert_int_equal(atomic_load(&w.ended), 1);
    assert_int_equal(atomic_load(&next.ended), 1);
    dtp_worker_stop(worker);
}

static void waiting_and_stopping_wait_for_a_detached_job(void **state)
{
    (void)state;
    for (int stop = 0; stop < 2; stop++) {
        work w = {.ms = 300, .detaches = true};
        listener l;
        dtp_worker *worker = start_worker(1);
        dtp_watch watch = listen_to(&l, 0.03);
        assert_int_equal(dtp_worker_run(worker, work_job, &w, &watch, NULL), DEEPTEPP_ERR_CANCELLED);
        if (stop) {
            dtp_worker_stop(worker);
            worker = NULL;
        } else {
            assert_int_equal(dtp_worker_wait(worker, NULL, NULL), DEEPTEPP_OK);
        }
        assert_int_equal(atomic_load(&w.ended), 1);
        dtp_worker_stop(worker);
    }
}

/* A job that still reads the caller's memory: the call must not return before it. */
static void a_job_that_does_not_detach_is_waited_for(void **state)
{
    work w = {.ms = 300};
    listener l;
    (void)state;
    dtp_worker *worker = start_worker(1);
    dtp_watch watch = listen_to(&l, 0.02);
    dtp_worker_run(worker, work_job, &w, &watch, NULL);
    assert_int_equal(atomic_load(&w.ended), 1);
    dtp_worker_stop(worker);
}

static void a_jobs_error_is_the_callers(void **state)
{
    char text[] = "every voxel is 0";
    deeptepp_error error, untouched;
    int count = 0;
    (void)state;
    dtp_worker *worker = start_worker(1);
    assert_int_equal(dtp_worker_run(worker, failing_job, text, NULL, &error), DEEPTEPP_ERR_MASK_EMPTY);
    assert_int_equal(error.status, DEEPTEPP_ERR_MASK_EMPTY);
    assert_string_equal(error.message, "mask: every voxel is 0");
    untouched = error;
    assert_int_equal(dtp_worker_run(worker, count_job, &count, NULL, &error), DEEPTEPP_OK);
    assert_memory_equal(&error, &untouched, sizeof error);
    dtp_worker_stop(worker);
}

/* ---- fork ---- */

/* Runs `child` in a forked process that may not take longer than a minute; 0 is right. */
static void in_child(int (*child)(dtp_worker *worker), dtp_worker *worker)
{
    int status = -1;
    pid_t id = fork();
    if (id == 0) {
        alarm(60);
        _exit(child(worker));
    }
    assert_true(id > 0);
    assert_int_equal(waitpid(id, &status, 0), id);
    if (WIFSIGNALED(status))
        fail_msg("the child was ended by signal %d (14: it hung)", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int sums_wrongly(dtp_worker *worker, int team)
{
    summing s = {0};
    deeptepp_status status = dtp_worker_run(worker, sum_job, &s, NULL, NULL);
    return status != DEEPTEPP_OK || s.sum != 500500 || s.team != team;
}

static int use_and_stop(dtp_worker *worker)
{
    int wrong = sums_wrongly(worker, 2) + sums_wrongly(worker, 2);
    dtp_worker_stop(worker);
    return wrong;
}

static int stop_only(dtp_worker *worker)
{
    int wrong = dtp_worker_wait(worker, NULL, NULL) != DEEPTEPP_OK;
    dtp_worker_stop(worker);
    return wrong;
}

static int use_in_a_grandchild(dtp_worker *worker)
{
    int status = -1, wrong = sums_wrongly(worker, 2);
    pid_t id = fork();
    if (id == 0) {
        alarm(60);
        _exit(use_and_stop(worker));
    }
    waitpid(id, &status, 0);
    wrong += sums_wrongly(worker, 2);
    dtp_worker_stop(worker);
    return wrong + (status != 0);
}

static void a_child_of_fork_can_use_and_stop_a_worker(void **state)
{
    (void)state;
    dtp_worker *worker = start_worker(2);
    assert_sums(worker, 2);
    in_child(use_and_stop, worker);
    assert_sums(worker, 2);
    in_child(stop_only, worker);
    in_child(use_in_a_grandchild, worker);
    assert_sums(worker, 2);
    dtp_worker_stop(worker);
}

static void a_fork_while_a_job_winds_down_does_not_hang(void **state)
{
    work w = {.ms = 500, .detaches = true};
    listener l;
    (void)state;
    dtp_worker *worker = start_worker(2);
    dtp_watch watch = listen_to(&l, 0.03);
    assert_int_equal(dtp_worker_run(worker, work_job, &w, &watch, NULL), DEEPTEPP_ERR_CANCELLED);
    in_child(use_and_stop, worker);
    in_child(stop_only, worker);
    assert_sums(worker, 2);
    assert_int_equal(atomic_load(&w.ended), 1);
    dtp_worker_stop(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_once_a_call),
        cmocka_unit_test(progress_rises_to_one_on_the_callers_thread),
        cmocka_unit_test(a_short_jobs_progress_ends_at_one),
        cmocka_unit_test(a_failed_jobs_progress_does_not_end_at_one),
        cmocka_unit_test(the_cancel_callback_is_asked_often),
        cmocka_unit_test(a_cancelled_call_returns_within_200_ms),
        cmocka_unit_test(a_yes_counts_even_if_the_job_was_faster),
        cmocka_unit_test(a_detached_job_winds_down_alone),
        cmocka_unit_test(waiting_and_stopping_wait_for_a_detached_job),
        cmocka_unit_test(a_job_that_does_not_detach_is_waited_for),
        cmocka_unit_test(a_jobs_error_is_the_callers),
        cmocka_unit_test(a_child_of_fork_can_use_and_stop_a_worker),
        cmocka_unit_test(a_fork_while_a_job_winds_down_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
