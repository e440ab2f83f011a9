#define _GNU_SOURCE
#include "team.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "file.h"
#include "floats.h"
#include "openmp.h"

/* How often a helper that has just worked, and a thread that waits for one, looks again before it sleeps: some 20
 * microseconds, less than falling asleep and waking takes. */
enum { LOOKS = 500 };

/* The work in hand. Helpers join while it is open; whoever has not joined when nothing is left is not waited for. */
typedef struct work {
    dtp_team_function function;
    void *argument;
    int64_t count, grain;
    atomic_llong next; /* the first item that nobody has taken */
} work;

struct dtp_team {
    int lane; /* of the thread that hands out */
    int lanes;
    dtp_team *alone; /* one a lane */
    atomic_int *at;  /* the processor that each lane works on; -1: it does not work; NULL: lanes stay where they are */
    pthread_t *helpers;
    int n_helpers;
    pthread_mutex_t lock;
    pthread_cond_t opened, left;
    atomic_uint round; /* counts the pieces of work */
    atomic_int busy;   /* helpers that have joined */
    bool open, quit;
    work work;
};

typedef struct helper {
    dtp_team *team;
    int lane;
} helper;

/* ---- Lanes apart ---- */

/* Whether a filter watches this thread's system calls: for one that it does not expect it may end the process. Where
 * the system does not say, as if one did. */
static bool is_filtered(void)
{
    char text[4096];
    uint64_t size;
    size_t got = 0;
    int fd;
    if (dtp_file_open(&fd, &size, "/proc/thread-self/status", NULL) != DEEPTEPP_OK)
        return true;
    dtp_file_read(fd, text, sizeof text - 1, &got, NULL);
    close(fd);
    text[got] = '\0';
    return strstr(text, "\nSeccomp:\t0\n") == NULL;
}

/* Moves the calling lane off the processors that others work on, if it may run on another. The system is told by way
 * of the thread's affinity, which is then as it was. */
static void move_away(const dtp_team *team, int lane)
{
    cpu_set_t allowed, others;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    others = allowed;
    for (int i = 0; i < team->lanes; i++) {
        int processor = atomic_load(&team->at[i]);
        if (i != lane && processor >= 0)
            CPU_CLR((size_t)processor, &others);
    }
    if (CPU_COUNT(&others) == 0)
        return;
    if (sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof allowed, &allowed);
}

/* Beside a busy neighbour the system sees nothing wrong with two lanes on one processor and the neighbour alone on the
 * other: they would get one processor where apart they get one and a half. The later lane goes; what it knows of the
 * others is of when their items began, so it may meet one again. */
void dtp_team_spread(dtp_team *team, int lane)
{
    bool met = false;
    if (!team || !team->at)
        return;
    int processor = sched_getcpu();
    for (int i = 0; i < lane; i++)
        met |= processor >= 0 && atomic_load(&team->at[i]) == processor;
    if (met)
        move_away(team, lane);
    atomic_store(&team->at[lane], met ? sched_getcpu() : processor);
}

/* ---- Taking work ---- */

static void take(dtp_team *team, int lane)
{
    work *w = &team->work;
    for (;;) {
        int64_t first = atomic_fetch_add_explicit(&w->next, w->grain, memory_order_relaxed);
        if (first >= w->count)
            break;
        dtp_team_spread(team, lane);
        w->function(w->argument, lane, first, dtp_min_i64(first + w->grain, w->count));
    }
    if (team->at)
        atomic_store(&team->at[lane], -1);
}

static inline void look_again(void)
{
#if defined(__SSE__)
    _mm_pause();
#endif
}

/* The lock is held, also afterwards. */
static bool wait_for_work(dtp_team *team, unsigned *round)
{
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; i < LOOKS && atomic_load(&team->round) == *round; i++)
        look_again();
    pthread_mutex_lock(&team->lock);
    while (!team->quit && (!team->open || atomic_load(&team->round) == *round))
        pthread_cond_wait(&team->opened, &team->lock);
    *round = atomic_load(&team->round);
    return !team->quit;
}

/* Any floating-point environment and any number of OpenMP threads may be inherited from the host's thread. */
static void *help(void *argument)
{
    const helper own = *(helper *)argument;
    dtp_team *team = own.team;
    unsigned round = 0;
    free(argument);
    dtp_floats_default();
    omp_set_num_threads(1);
    pthread_mutex_lock(&team->lock);
    while (wait_for_work(team, &round)) {
        atomic_fetch_add(&team->busy, 1);
        pthread_mutex_unlock(&team->lock);
        take(team, own.lane);
        pthread_mutex_lock(&team->lock);
        if (atomic_fetch_sub(&team->busy, 1) == 1)
            pthread_cond_signal(&team->left);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

/* ---- Handing out ---- */

static void open_work(dtp_team *team)
{
    pthread_mutex_lock(&team->lock);
    team->open = true;
    atomic_fetch_add(&team->round, 1);
    pthread_cond_broadcast(&team->opened);
    pthread_mutex_unlock(&team->lock);
}

static void close_work(dtp_team *team)
{
    for (int i = 0; i < LOOKS && atomic_load(&team->busy); i++)
        look_again();
    pthread_mutex_lock(&team->lock);
    team->open = false;
    while (atomic_load(&team->busy))
        pthread_cond_wait(&team->left, &team->lock);
    pthread_mutex_unlock(&team->lock);
}

void dtp_team_for(dtp_team *team, int64_t count, int64_t grain, dtp_team_function function, void *argument)
{
    if (count <= 0)
        return;
    if (!team || team->lanes == 1 || count <= grain) {
        function(argument, team ? team->lane : 0, 0, count);
        return;
    }
    team->work = (work){.function = function, .argument = argument, .count = count, .grain = grain};
    open_work(team);
    take(team, 0);
    close_work(team);
}

/* ---- Starting and ending ---- */

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

deeptepp_status dtp_team_refused(int lanes, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_THREAD, "the system refused %d compute threads: ask for fewer", lanes);
}

static void end_helpers(dtp_team *team)
{
    pthread_mutex_lock(&team->lock);
    team->quit = true;
    pthread_cond_broadcast(&team->opened);
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; i < team->n_helpers; i++)
        pthread_join(team->helpers[i], NULL);
    team->n_helpers = 0;
}

static deeptepp_status start_helpers(dtp_team *team, deeptepp_error *error)
{
    while (team->n_helpers < team->lanes - 1) {
        helper *own = malloc(sizeof *own);
        if (!own)
            return dtp_fail_memory(error, "a compute thread", sizeof *own);
        *own = (helper){team, team->n_helpers + 1};
        if (dtp_thread_start(&team->helpers[team->n_helpers], help, own) != 0) {
            free(own);
            return dtp_team_refused(team->lanes, error);
        }
        team->n_helpers++;
    }
    return DEEPTEPP_OK;
}

deeptepp_status dtp_team_new(dtp_team **out, int lanes, deeptepp_error *error)
{
    *out = NULL;
    dtp_team *team = calloc(1, sizeof *team);
    if (!team)
        return dtp_fail_memory(error, "the compute threads", sizeof *team);
    team->lanes = lanes;
    team->alone = calloc((size_t)lanes, sizeof *team->alone);
    const bool spreads = lanes > 1 && !is_filtered();
    team->at = spreads ? calloc((size_t)lanes, sizeof *team->at) : NULL;
    team->helpers = calloc((size_t)lanes, sizeof *team->helpers);
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->opened, NULL);
    pthread_cond_init(&team->left, NULL);
    deeptepp_status status = team->alone && (team->at || !spreads) && team->helpers
                                 ? DEEPTEPP_OK
                                 : dtp_fail_memory(error, "the compute threads", (size_t)lanes * sizeof *team->alone);
    for (int i = 0; i < lanes && status == DEEPTEPP_OK; i++)
        team->alone[i] = (dtp_team){.lane = i, .lanes = 1};
    for (int i = 0; i < lanes && team->at; i++)
        atomic_init(&team->at[i], -1);
    if (status == DEEPTEPP_OK)
        status = start_helpers(team, error);
    if (status == DEEPTEPP_OK)
        *out = team;
    else
        dtp_team_free(team);
    return status;
}

void dtp_team_forget(dtp_team *team)
{
    if (!team)
        return;
    free(team->alone);
    free(team->at);
    free(team->helpers);
    free(team);
}

void dtp_team_free(dtp_team *team)
{
    if (!team)
        return;
    end_helpers(team);
    pthread_mutex_destroy(&team->lock);
    pthread_cond_destroy(&team->opened);
    pthread_cond_destroy(&team->left);
    dtp_team_forget(team);
}

int dtp_team_lanes(const dtp_team *team)
{
    return team ? team->lanes : 1;
}

dtp_team *dtp_team_alone(dtp_team *team, int lane)
{
    return team && team->alone ? &team->alone[lane] : team;
}
