#define _GNU_SOURCE
#include "reading.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "progress.h"

enum { MOST_READERS = 16 };

/* One fewer than processors: the model is loaded meanwhile. Who asks for more threads than there are, gets them. */
int cli_readers(int64_t threads)
{
    cpu_set_t set;
    int64_t wanted = threads;
    CPU_ZERO(&set);
    if (!wanted && sched_getaffinity(0, sizeof set, &set) == 0)
        wanted = CPU_COUNT(&set);
    return wanted < 2 ? 1 : wanted > MOST_READERS ? MOST_READERS : (int)wanted - 1;
}

typedef struct reading {
    cli_volume_attempt *attempts;
    atomic_size_t next, end; /* end: after the first that failed; nothing from there on is wanted */
} reading;

/* One volume, on whichever thread. */
typedef struct turn {
    reading *reading;
    size_t index;
    bool shown; /* on the thread that may print */
} turn;

static void show(void *user, double fraction)
{
    if (((const turn *)user)->shown)
        cli_progress_show("reading", fraction);
}

static int given_up(void *user)
{
    const turn *t = user;
    return cli_interrupted() || t->index >= atomic_load(&t->reading->end);
}

/* Those before it go on: the first fault in order is the one that is told. */
static void note_failure(reading *r, size_t index)
{
    size_t end = atomic_load(&r->end);
    while (index + 1 < end && !atomic_compare_exchange_weak(&r->end, &end, index + 1))
        ;
}

static void read_on(reading *r, bool shown)
{
    turn t = {.reading = r, .shown = shown};
    const deeptepp_callbacks callbacks = {
        .struct_size = sizeof callbacks, .progress = show, .cancel = given_up, .user = &t};
    while ((t.index = atomic_fetch_add(&r->next, 1)) < atomic_load(&r->end)) {
        cli_volume_try(&r->attempts[t.index], &callbacks);
        if (cli_volume_failed(&r->attempts[t.index]))
            note_failure(r, t.index);
    }
}

static void *help(void *argument)
{
    read_on(argument, false);
    return NULL;
}

void cli_read(cli_volume_attempt *attempts, size_t count, int readers)
{
    reading r = {.attempts = attempts};
    pthread_t helpers[MOST_READERS];
    int started = 0;
    atomic_init(&r.end, count);
    while (started + 1 < readers && (size_t)started + 1 < count && cli_thread_start(&helpers[started], help, &r))
        started++;
    read_on(&r, true);
    while (started)
        pthread_join(helpers[--started], NULL);
    cli_progress_clear();
}
