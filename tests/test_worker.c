/* The compute thread: what a job sees there, and what the caller does not see of it. */
#define _GNU_SOURCE
#include "worker_probe.h"
#include "tasks.h"

#include <fenv.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __SSE__
#include <immintrin.h>
#endif

#include "../libdeeptepp/base/openmp.h"

extern int omp_get_num_threads(void);
extern int omp_get_dynamic(void);
extern int omp_get_max_threads(void);
extern void omp_set_dynamic(int dynamic);

/* ---- threads ---- */

static void a_worker_has_the_threads_asked_for(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        dtp_worker *worker = start_worker(threads);
        assert_int_equal(dtp_worker_threads(worker), threads);
        assert_sums(worker, threads);
        assert_sums(worker, threads);
        dtp_worker_stop(worker);
    }
    dtp_worker_stop(NULL);
}

static void zero_threads_means_one_a_processor(void **state)
{
    (void)state;
    assert_in_range(dtp_processors(), 1, 256);
    dtp_worker *worker = start_worker(0);
    assert_int_equal(dtp_worker_threads(worker), dtp_processors());
    dtp_worker_stop(worker);
}

static void processors_are_those_this_process_may_use(void **state)
{
    cpu_set_t before, one;
    size_t first = 0;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int found = dtp_processors();
    sched_setaffinity(0, sizeof before, &before);
    assert_int_equal(found, 1);
    assert_int_equal(dtp_processors(), CPU_COUNT(&before));
}

static void a_stopped_worker_leaves_no_thread(void **state)
{
    int before = count_tasks();
    (void)state;
    for (int i = 0; i < 30; i++) {
        dtp_worker *worker = start_worker(3);
        assert_sums(worker, 3);
        dtp_worker_stop(worker);
    }
    for (int wait = 0; count_tasks() != before && wait < 100; wait++)
        sleep_ms(20); /* a joined thread may still be listed for a moment */
    assert_int_equal(count_tasks(), before);
}

static void *sum_in_thread(void *argument)
{
    dtp_worker *worker;
    int threads = *(int *)argument;
    summing s = {0};
    if (dtp_worker_start(&worker, threads, NULL) != DEEPTEPP_OK)
        return NULL;
    for (int i = 0; i < 50; i++)
        if (dtp_worker_run(worker, sum_job, &s, NULL, NULL) != DEEPTEPP_OK || s.sum != 500500 || s.team != threads)
            threads = -1;
    dtp_worker_stop(worker);
    *(int *)argument = -threads;
    return NULL;
}

static void workers_of_different_threads_do_not_meet(void **state)
{
    pthread_t threads[3];
    int counts[3] = {1, 2, 3};
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sum_in_thread, &counts[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(counts[i], -(i + 1));
    }
}

/* ---- the caller's own settings ---- */

typedef struct environment {
    int modes;  /* rounding modes seen, a bit for each that is not to nearest */
    int flushes; /* threads that flush subnormals or trap */
    int wrong; /* signals of the host's that a compute thread would take, and faults that it would not */
    pthread_t thread;
} environment;

/* The host's crash handler must see those of every thread. */
static int is_fault(int s)
{
    return s == SIGSEGV || s == SIGBUS || s == SIGFPE || s == SIGILL || s == SIGTRAP;
}

typedef struct looking {
    environment *e;
    atomic_int modes, flushes, wrong, came;
    int lanes;
} looking;

/* Each thread stays until all have come. */
static void look(void *argument, int lane, int64_t first, int64_t last)
{
    looking *l = argument;
    sigset_t mask;
    (void)lane;
    assert_int_equal(last, first + 1);
    atomic_fetch_or(&l->modes, fegetround() != FE_TONEAREST);
#ifdef __SSE__
    atomic_fetch_add(&l->flushes, (_mm_getcsr() & ~0x3fu) != 0x1f80);
#endif
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int s = 1; s < 32; s++)
        atomic_fetch_add(&l->wrong, s != SIGKILL && s != SIGSTOP && sigismember(&mask, s) == is_fault(s));
    atomic_fetch_add(&l->came, 1);
    for (int wait = 0; wait < 2000 && atomic_load(&l->came) < l->lanes; wait++)
        sleep_ms(1);
}

static deeptepp_status look_job(void *argument, dtp_job *job)
{
    environment *e = argument;
    looking l = {.e = e, .lanes = dtp_team_lanes(job->watch.team)};
    dtp_team_for(job->watch.team, l.lanes, 1, look, &l);
    assert_int_equal(l.came, l.lanes);
    *e = (environment){.modes = l.modes, .flushes = l.flushes, .wrong = l.wrong, .thread = pthread_self()};
    return DEEPTEPP_OK;
}

static void set_caller(int mode, unsigned csr)
{
    fesetround(mode);
#ifdef __SSE__
    _mm_setcsr((_mm_getcsr() & ~0x8040u) | csr);
#endif
    (void)csr;
}

static unsigned caller_control(void)
{
#ifdef __SSE__
    return _mm_getcsr() & ~0x3fu;
#else
    return (unsigned)fegetround();
#endif
}

/* Set before the threads start, so that they would inherit it, and again before the job. */
static void a_job_has_its_own_floating_point_environment(void **state)
{
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(modes); i++) {
        environment e;
        set_caller(modes[i], 0x8040); /* flush to zero, denormals are zero */
        unsigned before = caller_control();
        dtp_worker *worker = start_worker(3);
        deeptepp_status status = dtp_worker_run(worker, look_job, &e, NULL, NULL);
        dtp_worker_stop(worker);
        unsigned after = caller_control();
        int mode = fegetround();
        set_caller(FE_TONEAREST, 0);
        assert_int_equal(status, DEEPTEPP_OK);
        assert_int_equal(e.modes, 0);
        assert_int_equal(e.flushes, 0);
        assert_int_equal(mode, modes[i]);
        assert_int_equal(after, before);
    }
}

static void the_hosts_signals_stay_the_hosts(void **state)
{
    sigset_t before, after;
    environment e;
    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    dtp_worker *worker = start_worker(3);
    run_job(worker, look_job, &e, NULL);
    dtp_worker_stop(worker);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(e.wrong, 0);
    assert_false(pthread_equal(e.thread, pthread_self()));
    for (int s = 1; s < 32; s++)
        assert_int_equal(sigismember(&after, s), sigismember(&before, s));
}

static void the_callers_openmp_is_untouched(void **state)
{
    int team = 0;
    (void)state;
    omp_set_dynamic(1);
    omp_set_num_threads(4);
    dtp_worker *worker = start_worker(2);
    assert_sums(worker, 2);
    int threads = omp_get_max_threads(), dynamic = omp_get_dynamic();
    omp_set_dynamic(0);
#pragma omp parallel
#pragma omp single
    team = omp_get_num_threads();
    assert_sums(worker, 2);
    dtp_worker_stop(worker);
    assert_int_equal(threads, 4);
    assert_int_equal(dynamic, 1);
    assert_int_equal(team, 4);
}

/* ---- when the system refuses ---- */

/* Exit status of a child: 0 right, 1 wrong, 2 the limit does not bind here. */
static int refused_child(void)
{
    struct rlimit old, none;
    deeptepp_error error = {.status = DEEPTEPP_OK};
    dtp_worker *worker = (dtp_worker *)&error;
    pthread_t thread;
    alarm(60);
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        return 2;
    getrlimit(RLIMIT_NPROC, &old);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_NPROC, &none);
    if (pthread_create(&thread, NULL, sum_in_thread, &(int){1}) == 0)
        return 2;
    deeptepp_status status = dtp_worker_start(&worker, 3, &error);
    if (status != DEEPTEPP_ERR_THREAD || error.status != status || worker ||
        !strstr(error.message, "3 compute threads"))
        return 1;
    setrlimit(RLIMIT_NPROC, &old);
    summing s = {0};
    if (dtp_worker_start(&worker, 2, NULL) != DEEPTEPP_OK ||
        dtp_worker_run(worker, sum_job, &s, NULL, NULL) != DEEPTEPP_OK)
        return 1;
    dtp_worker_stop(worker);
    return s.sum == 500500 ? 0 : 1;
}

static void a_refused_thread_is_an_error_not_the_end(void **state)
{
    int status = -1;
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(refused_child());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        print_message("skipped: a limit on processes does not bind here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- options ---- */

static void callbacks_of_another_size_are_refused(void **state)
{
    deeptepp_callbacks in = {.struct_size = sizeof in, .user = &in}, out;
    deeptepp_error error;
    (void)state;
    assert_int_equal(dtp_callbacks_copy(&out, NULL, &error), DEEPTEPP_OK);
    assert_true(!out.log && !out.progress && !out.cancel);
    assert_int_equal(dtp_callbacks_copy(&out, &in, &error), DEEPTEPP_OK);
    assert_ptr_equal(out.user, &in);
    for (size_t size = 0; size < sizeof in; size += 8) {
        in.struct_size = size;
        assert_int_equal(dtp_callbacks_copy(&out, &in, &error), DEEPTEPP_ERR_STRUCT_SIZE);
    }
    in.struct_size = 5000;
    assert_int_equal(dtp_callbacks_copy(&out, &in, &error), DEEPTEPP_ERR_STRUCT_SIZE);
    assert_non_null(strstr(error.message, "deeptepp_callbacks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_has_the_threads_asked_for),
        cmocka_unit_test(zero_threads_means_one_a_processor),
        cmocka_unit_test(processors_are_those_this_process_may_use),
        cmocka_unit_test(a_stopped_worker_leaves_no_thread),
        cmocka_unit_test(workers_of_different_threads_do_not_meet),
        cmocka_unit_test(a_job_has_its_own_floating_point_environment),
        cmocka_unit_test(the_hosts_signals_stay_the_hosts),
        cmocka_unit_test(the_callers_openmp_is_untouched),
        cmocka_unit_test(a_refused_thread_is_an_error_not_the_end),
        cmocka_unit_test(callbacks_of_another_size_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
