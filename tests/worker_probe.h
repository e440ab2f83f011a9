/* Jobs that report what they see from the compute thread; shared by the tests of the worker. */
#ifndef WORKER_PROBE_H
#define WORKER_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <pthread.h>
#include <time.h>

#include "../libdeeptepp/base/worker.h"

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void sleep_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static inline dtp_worker *start_worker(int threads)
{
    deeptepp_error error;
    dtp_worker *worker = NULL;
    if (dtp_worker_start(&worker, threads, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    return worker;
}

static inline void run_job(dtp_worker *worker, dtp_job_function function, void *argument,
                           dtp_watch *watch)
{
    deeptepp_error error;
    if (dtp_worker_run(worker, function, argument, watch, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
}

/* The sum 1 + ... + 1000, by all threads of the team: each waits until all have come. */
typedef struct summing {
    atomic_long sum;
    atomic_int team;
} summing;

typedef struct meeting {
    summing *s;
    int lanes;
} meeting;

static inline void meet_and_sum(void *argument, int lane, int64_t first, int64_t last)
{
    const meeting *m = argument;
    (void)lane;
    for (int64_t i = first; i < last; i++) {
        atomic_fetch_add(&m->s->team, 1);
        for (int wait = 0; wait < 2000 && atomic_load(&m->s->team) < m->lanes; wait++)
            sleep_ms(1);
        for (long n = 1 + i; n <= 1000; n += m->lanes)
            atomic_fetch_add(&m->s->sum, n);
    }
}

static inline deeptepp_status sum_job(void *argument, dtp_job *job)
{
    summing *s = argument;
    const meeting m = {s, dtp_team_lanes(job->watch.team)};
    atomic_store(&s->sum, 0);
    atomic_store(&s->team, 0);
    dtp_team_for(job->watch.team, m.lanes, 1, meet_and_sum, (void *)(uintptr_t)&m);
    return DEEPTEPP_OK;
}

static inline void assert_sums(dtp_worker *worker, int team)
{
    summing s = {0};
    run_job(worker, sum_job, &s, NULL);
    assert_int_equal(s.sum, 500500);
    assert_int_equal(s.team, team);
}

#endif
