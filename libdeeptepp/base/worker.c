#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "floats.h"
#include "openmp.h"

enum { MAX_THREADS = 256, POLL_MS = 20 };

struct dtp_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pid_t process; /* the process the thread lives in */
    int threads;
    dtp_job_function function; /* the job in hand; NULL when idle */
    void *argument;
    dtp_job job;
    deeptepp_status status;
    bool quit;
};

int dtp_processors(void)
{
    enum { MOST = 1 << 16 }; /* the kernel refuses a set with less room than it has processors */
    for (int room = 1024; room <= MOST; room *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)room);
        size_t size = CPU_ALLOC_SIZE((size_t)room);
        bool known = set && sched_getaffinity(0, size, set) == 0;
        int count = known ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (known)
            return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count;
    }
    return 1;
}

deeptepp_status dtp_callbacks_copy(deeptepp_callbacks *out, const deeptepp_callbacks *in, deeptepp_error *error)
{
    return DTP_OPTIONS_READ(out, deeptepp_callbacks, user, in, error);
}

static void *hold(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* libgomp ends the process when the system refuses it a thread or memory: ask the system first, all at once. */
static bool threads_available(int count)
{
    pthread_t threads[MAX_THREADS];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    int started = 0;
    while (started < count && pthread_create(&threads[started], NULL, hold, &lock) == 0)
        started++;
    bool room = dtp_ask_room() != DTP_NO_ROOM;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&lock);
    return started == count && room;
}

/* OpenMP's settings are per thread; its helpers inherit this thread's floating-point environment when they start. The
 * backend lays out work for as many threads as omp_get_max_threads says, and leaves out parts of it in a team of fewer:
 * OMP_DYNAMIC and OMP_MAX_ACTIVE_LEVELS=0 must not make one. */
static void prepare_thread(int threads)
{
    dtp_floats_default();
    omp_set_dynamic(0);
    if (omp_get_max_active_levels() < 1)
        omp_set_max_active_levels(1);
    omp_set_num_threads(threads);
#pragma omp parallel
    {
        dtp_floats_default();
    }
}

static void *worker_main(void *argument)
{
    dtp_worker *worker = argument;
    prepare_thread(worker->threads);
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (!worker->function && !worker->quit)
            pthread_cond_wait(&worker->changed, &worker->lock);
        if (worker->quit)
            break;
        pthread_mutex_unlock(&worker->lock);
        deeptepp_status status = worker->function(worker->argument, &worker->job);
        pthread_mutex_lock(&worker->lock);
        worker->status = status;
        worker->function = NULL;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* The signals of faults stay: the host's crash handler must see those of our threads too. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < DTP_COUNT(faults); i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

int dtp_thread_start(pthread_t *thread, void *(*function)(void *), void *argument)
{
    sigset_t before;
    block_signals(&before);
    int failed = pthread_create(thread, NULL, function, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static int start_thread(dtp_worker *worker)
{
    sigset_t before;
    block_signals(&before);
    bool available = threads_available(worker->threads);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return available ? dtp_thread_start(&worker->thread, worker_main, worker) : EAGAIN;
}

static deeptepp_status launch(dtp_worker *worker, deeptepp_error *error)
{
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, &clock);
    pthread_condattr_destroy(&clock);
    worker->function = NULL;
    worker->quit = false;
    worker->process = getpid();
    if (start_thread(worker) == 0)
        return DEEPTEPP_OK;
    worker->process = 0;
    return dtp_fail(error, DEEPTEPP_ERR_THREAD, "the system refused %d compute threads: ask for fewer",
                    worker->threads);
}

deeptepp_status dtp_worker_start(dtp_worker **out, int threads, deeptepp_error *error)
{
    *out = NULL;
    int limit = omp_get_thread_limit();
    dtp_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return dtp_fail_memory(error, "the compute thread", sizeof *worker);
    worker->threads = threads > 0 ? threads : dtp_processors();
    if (worker->threads > limit)
        worker->threads = limit;
    deeptepp_status status = launch(worker, error);
    if (status != DEEPTEPP_OK)
        free(worker);
    else
        *out = worker;
    return status;
}

void dtp_worker_stop(dtp_worker *worker)
{
    int cancelling;
    if (!worker)
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    if (worker->process == getpid()) {
        pthread_mutex_lock(&worker->lock);
        atomic_store(&worker->job.watch.cancelled, true);
        while (worker->function)
            pthread_cond_wait(&worker->changed, &worker->lock);
        worker->quit = true;
        pthread_cond_broadcast(&worker->changed);
        pthread_mutex_unlock(&worker->lock);
        pthread_join(worker->thread, NULL);
        pthread_mutex_destroy(&worker->lock);
        pthread_cond_destroy(&worker->changed);
    }
    pthread_setcancelstate(cancelling, NULL);
    free(worker);
}

int dtp_worker_threads(const dtp_worker *worker)
{
    return worker->threads;
}

/* Waits for a change, at most POLL_MS. The lock is held. */
static void wait_a_moment(dtp_worker *worker)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&worker->changed, &worker->lock, &until);
}

/* Tells and asks, without the lock. */
static void poll_watch(dtp_worker *worker, dtp_watch *watch)
{
    dtp_watch *inner = &worker->job.watch;
    pthread_mutex_unlock(&worker->lock);
    if (dtp_watch_step(watch, atomic_load(&inner->permille), NULL) != DEEPTEPP_OK)
        atomic_store(&inner->cancelled, true);
    pthread_mutex_lock(&worker->lock);
}

static deeptepp_status finish(dtp_worker *worker, deeptepp_error *error)
{
    /* Also when the job was faster: a caller who said yes is told nothing else. */
    if (worker->function || dtp_watch_cancelled(&worker->job.watch))
        return dtp_watch_ask(&worker->job.watch, error);
    if (worker->status != DEEPTEPP_OK && error)
        *error = worker->job.error;
    return worker->status;
}

deeptepp_status dtp_worker_wait(dtp_worker *worker, dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    if (worker->process != getpid())
        return DEEPTEPP_OK;
    pthread_mutex_lock(&worker->lock);
    while (worker->function && status == DEEPTEPP_OK) {
        wait_a_moment(worker);
        pthread_mutex_unlock(&worker->lock);
        status = dtp_watch_ask(watch, error);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
    return status;
}

/* The lock is held. */
static void begin_job(dtp_worker *worker, dtp_job_function function, void *argument)
{
    dtp_watch_start(&worker->job.watch, NULL);
    atomic_store(&worker->job.detached_ok, false);
    worker->argument = argument;
    worker->function = function;
    pthread_cond_broadcast(&worker->changed);
}

deeptepp_status dtp_worker_run(dtp_worker *worker, dtp_job_function function, void *argument, dtp_watch *watch,
                               deeptepp_error *error)
{
    deeptepp_status status = dtp_worker_wait(worker, watch, error);
    /* After fork() the thread is not here and the lock may be held by a ghost: both are made anew. */
    if (status == DEEPTEPP_OK && worker->process != getpid())
        status = launch(worker, error);
    if (status != DEEPTEPP_OK)
        return status;
    pthread_mutex_lock(&worker->lock);
    begin_job(worker, function, argument);
    while (worker->function) {
        wait_a_moment(worker);
        poll_watch(worker, watch);
        if (dtp_watch_cancelled(&worker->job.watch) && atomic_load(&worker->job.detached_ok))
            break;
    }
    status = finish(worker, error);
    pthread_mutex_unlock(&worker->lock);
    if (status == DEEPTEPP_OK)
        dtp_watch_finish(watch);
    return status;
}
