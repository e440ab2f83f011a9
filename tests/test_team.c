/* Threads that share work: every item once, each lane one at a time, nobody waited for who has nothing, no two on one
 * processor where there are more. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker_probe.h"

typedef struct tally {
    dtp_team *team;
    atomic_int times[1000]; /* an item was done */
    atomic_int on_lane[DTP_MAX_THREADS], busy[DTP_MAX_THREADS];
    pthread_t thread[DTP_MAX_THREADS];
    int64_t grain;
    int lanes, slow; /* an item that takes long; -1: none */
    atomic_int wrong;
} tally;

static void count(void *argument, int lane, int64_t first, int64_t last)
{
    tally *t = argument;
    bool known = lane >= 0 && lane < t->lanes;
    atomic_fetch_add(&t->wrong, !known || last <= first || last - first > t->grain);
    if (!known)
        return;
    atomic_fetch_add(&t->wrong, atomic_fetch_add(&t->busy[lane], 1) != 0);
    t->thread[lane] = pthread_self();
    for (int64_t i = first; i < last; i++) {
        atomic_fetch_add(&t->times[i], 1);
        atomic_fetch_add(&t->on_lane[lane], 1);
        if (i == t->slow)
            sleep_ms(100);
    }
    atomic_fetch_sub(&t->busy[lane], 1);
}

static dtp_team *new_team(int lanes)
{
    deeptepp_error error = {0};
    dtp_team *team = NULL;
    if (dtp_team_new(&team, lanes, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(dtp_team_lanes(team), lanes);
    return team;
}

static void hand_out(tally *t, dtp_team *team, int64_t items, int64_t grain, int slow)
{
    memset(t, 0, sizeof *t);
    t->team = team;
    t->lanes = dtp_team_lanes(team);
    t->grain = t->lanes == 1 || items <= grain ? items : grain;
    t->slow = slow;
    dtp_team_for(team, items, grain, count, t);
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(t->times[i], i < items);
    assert_int_equal(t->wrong, 0);
}

static void every_item_is_done_once(void **state)
{
    static const int64_t items[] = {0, 1, 2, 7, 64, 1000}, grains[] = {1, 3, 64, 5000};
    static tally t;
    (void)state;
    hand_out(&t, NULL, 1000, 1, -1);
    for (int lanes = 1; lanes <= 5; lanes++) {
        dtp_team *team = new_team(lanes);
        for (size_t i = 0; i < DTP_COUNT(items); i++)
            for (size_t g = 0; g < DTP_COUNT(grains); g++)
                hand_out(&t, team, items[i], grains[g], -1);
        dtp_team_free(team);
    }
    dtp_team_free(NULL);
}

static void who_is_put_off_holds_one_piece(void **state)
{
    static tally t;
    dtp_team *team = new_team(3);
    (void)state;
    hand_out(&t, team, 1000, 1, 0);
    int least = 1000;
    for (int lane = 0; lane < 3; lane++)
        least = t.on_lane[lane] < least ? t.on_lane[lane] : least;
    assert_true(least <= 1); /* of whoever slept, if a helper that never came has not even less */
    dtp_team_free(team);
}

static void many_small_pieces_lose_nobody(void **state)
{
    static tally t;
    dtp_team *team = new_team(4);
    (void)state;
    for (int round = 0; round < 20000; round++) {
        t = (tally){.team = team, .lanes = 4, .grain = 1, .slow = -1};
        dtp_team_for(team, 4, 1, count, &t);
        for (int i = 0; i < 4; i++)
            assert_int_equal(t.times[i], 1);
        assert_int_equal(t.wrong, 0);
        if (round % 1000 == 0)
            sleep_ms(1); /* helpers fall asleep */
    }
    dtp_team_free(team);
}

/* ---- alone ---- */

typedef struct nesting {
    tally inner[4];
    dtp_team *team;
    atomic_int elsewhere;
} nesting;

static void nest(void *argument, int lane, int64_t first, int64_t last)
{
    nesting *n = argument;
    for (int64_t i = first; i < last; i++) {
        tally *t = &n->inner[i];
        t->lanes = dtp_team_lanes(n->team);
        t->grain = 50;
        t->slow = -1;
        dtp_team_for(dtp_team_alone(n->team, lane), 50, 1, count, t);
        bool here = t->on_lane[lane] == 50 && pthread_equal(t->thread[lane], pthread_self());
        atomic_fetch_add(&n->elsewhere, !here || t->wrong);
    }
}

static void what_is_handed_out_within_stays_on_the_lane(void **state)
{
    static nesting n;
    (void)state;
    assert_null(dtp_team_alone(NULL, 0));
    for (int lanes = 1; lanes <= 4; lanes++) {
        n = (nesting){.team = new_team(lanes)};
        dtp_team_for(n.team, 4, 1, nest, &n);
        assert_int_equal(n.elsewhere, 0);
        dtp_team_free(n.team);
    }
}

/* ---- Lanes apart ---- */

typedef struct crowding {
    cpu_set_t allowed, first; /* all of the test's processors, and the one that lane 0 is bound to */
    atomic_bool begun;        /* lane 0 */
    int items, met, changed;  /* of lane 1: it began on lane 0's processor, with another affinity than all threads' */
} crowding;

/* False where there is nowhere to go, or no going. */
static bool find_processors(cpu_set_t *allowed, cpu_set_t *first)
{
    size_t processor = 0;
    CPU_ZERO(first);
    if (sched_getaffinity(0, sizeof *allowed, allowed) != 0 || CPU_COUNT(allowed) < 2)
        return false;
    while (!CPU_ISSET(processor, allowed))
        processor++;
    CPU_SET(processor, first);
    return true;
}

/* Lane 0 sleeps, as if another process had its processor; lane 1 is drawn there again at the end of each item. */
static void crowd(void *argument, int lane, int64_t first, int64_t last)
{
    crowding *c = argument;
    cpu_set_t own;
    (void)first;
    (void)last;
    if (lane == 0)
        atomic_store(&c->begun, true);
    if (lane == 0 || !atomic_load(&c->begun)) {
        sleep_ms(lane == 0 ? 20 : 1);
        return;
    }
    int processor = sched_getcpu();
    bool known = sched_getaffinity(0, sizeof own, &own) == 0;
    c->items++;
    c->met += processor >= 0 && CPU_ISSET((size_t)processor, &c->first);
    c->changed += !known || !CPU_EQUAL(&own, &c->allowed);
    sched_setaffinity(0, sizeof c->first, &c->first);
    sched_setaffinity(0, sizeof c->allowed, &c->allowed);
}

static bool filtered(void)
{
    return prctl(PR_GET_SECCOMP) != 0;
}

static void lanes_that_meet_part(void **state)
{
    static crowding c;
    (void)state;
    if (!find_processors(&c.allowed, &c.first) || filtered())
        skip(); /* they stay where they are */
    dtp_team *team = new_team(2);
    sched_setaffinity(0, sizeof c.first, &c.first);
    dtp_team_for(team, 2000, 1, crowd, &c);
    sched_setaffinity(0, sizeof c.allowed, &c.allowed);
    dtp_team_free(team);
    assert_true(c.items > 100);
    assert_int_equal(c.changed, 0);
    assert_true(c.met < c.items / 10); /* the system may move a thread whenever it likes */
}

/* ---- A filter of system calls ---- */

/* Both lanes' threads, which may not say themselves where they run, and who says it for them. */
typedef struct strings {
    cpu_set_t allowed, first;
    atomic_int host, helper;
    atomic_bool bound, drawn;
} strings;

static void *pull(void *argument)
{
    strings *s = argument;
    while (!atomic_load(&s->host))
        sleep_ms(1);
    sched_setaffinity(atomic_load(&s->host), sizeof s->first, &s->first);
    atomic_store(&s->bound, true);
    while (!atomic_load(&s->helper))
        sleep_ms(1);
    sched_setaffinity(atomic_load(&s->helper), sizeof s->first, &s->first);
    sched_setaffinity(atomic_load(&s->helper), sizeof s->allowed, &s->allowed);
    atomic_store(&s->drawn, true);
    return NULL;
}

static void meet(void *argument, int lane, int64_t first, int64_t last)
{
    strings *s = argument;
    (void)first;
    (void)last;
    if (lane == 1)
        atomic_store(&s->helper, (int)syscall(SYS_gettid));
    do
        sleep_ms(lane == 0 ? 20 : 1);
    while (lane == 1 && !atomic_load(&s->drawn));
}

/* From now on this thread, and those that it starts, die of asking to be elsewhere. */
static bool forbid_moving(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {DTP_COUNT(rules), rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int crowd_under_a_filter(strings *s)
{
    pthread_t puller;
    if (pthread_create(&puller, NULL, pull, s) != 0 || !forbid_moving())
        return 2;
    atomic_store(&s->host, (int)syscall(SYS_gettid));
    while (!atomic_load(&s->bound))
        sleep_ms(1);
    dtp_team *team = new_team(2);
    dtp_team_for(team, 200, 1, meet, s);
    dtp_team_free(team);
    if (!atomic_load(&s->helper)) /* it never came: the puller waits for no one */
        atomic_store(&s->helper, atomic_load(&s->host));
    return pthread_join(puller, NULL);
}

static void a_filter_of_system_calls_ends_nobody(void **state)
{
    static strings s;
    int status = 0;
    (void)state;
    if (!find_processors(&s.allowed, &s.first))
        skip(); /* nobody would ask */
    pid_t child = fork();
    if (child == 0)
        _exit(crowd_under_a_filter(&s));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_done_once),
        cmocka_unit_test(who_is_put_off_holds_one_piece),
        cmocka_unit_test(many_small_pieces_lose_nobody),
        cmocka_unit_test(what_is_handed_out_within_stays_on_the_lane),
        cmocka_unit_test(lanes_that_meet_part),
        cmocka_unit_test(a_filter_of_system_calls_ends_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
