/* The compute thread and its team: all that touches the backend runs there, so the host's threads keep their OpenMP
 * thread counts and floating-point environment. The caller waits, and its callbacks are called while it waits. */
#ifndef DTP_WORKER_H
#define DTP_WORKER_H

#include "watch.h"

typedef struct dtp_worker dtp_worker;

/* What a running job and its waiting caller share. */
typedef struct dtp_job {
    dtp_watch watch;         /* cancelled by the caller: the job returns DEEPTEPP_ERR_CANCELLED soon after */
    atomic_bool detached_ok; /* set by the job once it no longer reads the caller's memory */
    deeptepp_error error;    /* the job's own message; copied to the caller's afterwards */
} dtp_job;

typedef deeptepp_status (*dtp_job_function)(void *argument, dtp_job *job);

/* Starts a compute thread that is one of `threads` (0: one a processor this process may use): its jobs' watch has the
 * team. Errors: THREAD, MEMORY. */
deeptepp_status dtp_worker_start(dtp_worker **out, int threads, deeptepp_error *error);

/* Waits for a running job, then ends the thread. Accepts NULL. */
void dtp_worker_stop(dtp_worker *worker);

/* The threads it really has. */
int dtp_worker_threads(const dtp_worker *worker);

/* Runs a job, which is the part in hand of the caller's watch, and waits for it, telling and asking meanwhile. When it
 * is cancelled and the job allows it, returns while the job is still winding down: `argument` must then stay valid
 * until the next call on this worker, which waits for it. In a child of fork() a new thread is started first. */
deeptepp_status dtp_worker_run(dtp_worker *worker, dtp_job_function function, void *argument, dtp_watch *watch,
                               deeptepp_error *error);

/* Waits until no job is winding down, after which what it used may be changed. Nothing to wait for after fork().
 * Errors: CANCELLED, at the watch's word. */
deeptepp_status dtp_worker_wait(dtp_worker *worker, dtp_watch *watch, deeptepp_error *error);

/* The number of processors the calling thread may run on, 1 to 256. */
int dtp_processors(void);

/* A callbacks struct of any known size as one of this version's; NULL gives none. Errors: STRUCT_SIZE. */
deeptepp_status dtp_callbacks_copy(deeptepp_callbacks *out, const deeptepp_callbacks *in, deeptepp_error *error);

#endif
