#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "floats.h"
#include "openmp.h"

enum { POLL_MS = 20 };

struct dtp_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pid_t process; /* the process the thread lives in */
    int threads;
    dtp_team *team; /* the compute thread and its helpers */
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
            return count < 1 ? 1 : count > DTP_MAX_THREADS ? DTP_MAX_THREADS : count;
    }
    return 1;
}

deeptepp_status dtp_callbacks_copy(deeptepp_callbacks *out, const deeptepp_callbacks *in, deeptepp_error *error)
{
    return DTP_OPTIONS_READ(out, deeptepp_callbacks, user, in, error);
}

static void *worker_main(void *argument)
{
    dtp_worker *worker = argument;
    dtp_floats_default();
    omp_set_num_threads(1);
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
    worker->process = 0;
    dtp_team_forget(worker->team);
    deeptepp_status status = dtp_team_new(&worker->team, worker->threads, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (dtp_thread_start(&worker->thread, worker_main, worker) == 0) {
        worker->process = getpid();
        return DEEPTEPP_OK;
    }
    dtp_team_free(worker->team);
    worker->team = NULL;
    return dtp_team_refused(worker->threads, error);
}

deeptepp_status dtp_worker_start(dtp_worker **out, int threads, deeptepp_error *error)
{
    *out = NULL;
    dtp_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return dtp_fail_memory(error, "the compute thread", sizeof *worker);
    worker->threads = threads > 0 ? threads : dtp_processors();
    deeptepp_status status = launch(worker, error);
    if (status == DEEPTEPP_OK)
        *out = worker;
    else
        dtp_worker_stop(worker);
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
        dtp_team_free(worker->team);
    } else {
        dtp_team_forget(worker->team);
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
    worker->job.watch.team = worker->team;
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
