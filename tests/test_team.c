/* Threads that share work: every item once, each lane one at a time, nobody waited for who has nothing, no two on one
 * processor where there are more. */
#define _GNU_SOURCE
#include <sched.h>

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
    int items, met, changed;  /* of lane 1: it began on lane 0's processor, with another affinity than all threads' */
} crowding;

/* Lane 0 sleeps, as if another process had its processor; lane 1 is drawn there again at the end of each item. */
static void crowd(void *argument, int lane, int64_t first, int64_t last)
{
    crowding *c = argument;
    cpu_set_t own;
    (void)first;
    (void)last;
    if (lane == 0) {
        sleep_ms(20);
        return;
    }
    int processor = sched_getcpu();
    assert_int_equal(sched_getaffinity(0, sizeof own, &own), 0);
    c->items++;
    c->met += processor >= 0 && CPU_ISSET((size_t)processor, &c->first);
    c->changed += !CPU_EQUAL(&own, &c->allowed);
    sched_setaffinity(0, sizeof c->first, &c->first);
    sched_setaffinity(0, sizeof c->allowed, &c->allowed);
}

static void lanes_that_meet_part(void **state)
{
    static crowding c;
    size_t processor = 0;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof c.allowed, &c.allowed), 0);
    if (CPU_COUNT(&c.allowed) < 2)
        skip(); /* nowhere to go */
    while (!CPU_ISSET(processor, &c.allowed))
        processor++;
    CPU_SET(processor, &c.first);
    dtp_team *team = new_team(2);
    sched_setaffinity(0, sizeof c.first, &c.first);
    dtp_team_for(team, 2000, 1, crowd, &c);
    sched_setaffinity(0, sizeof c.allowed, &c.allowed);
    dtp_team_free(team);
    assert_true(c.items > 1000);
    assert_int_equal(c.changed, 0);
    assert_true(c.met < c.items / 10); /* the system may move a thread whenever it likes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_done_once),
        cmocka_unit_test(who_is_put_off_holds_one_piece),
        cmocka_unit_test(many_small_pieces_lose_nobody),
        cmocka_unit_test(what_is_handed_out_within_stays_on_the_lane),
        cmocka_unit_test(lanes_that_meet_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
