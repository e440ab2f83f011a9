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

#include "../libdeeptepp/base/openmp.h"
#include "../libdeeptepp/base/worker.h"

extern int omp_get_num_threads(void);
extern int omp_get_dynamic(void);

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

/* The sum 1 + ... + 1000, by all threads of the pool. */
typedef struct summing {
    long sum;
    int team;
} summing;

static inline deeptepp_status sum_job(void *argument, dtp_job *job)
{
    summing *s = argument;
    long sum = 0;
    (void)job;
#pragma omp parallel
    {
#pragma omp single
        s->team = omp_get_num_threads();
#pragma omp for reduction(+ : sum)
        for (long i = 1; i <= 1000; i++)
            sum += i;
    }
    s->sum = sum;
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
