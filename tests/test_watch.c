/* Progress and cancelling: what a caller is told and asked, and that whatever happens it only rises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../libdeeptepp/base/watch.h"

typedef struct listener {
    int told, asked, yes_at; /* the question that is answered yes, from 1; 0: none */
    double last;
} listener;

static void hear_progress(void *user, double fraction)
{
    listener *l = user;
    assert_true(fraction > l->last && fraction <= 1);
    l->last = fraction;
    l->told++;
}

static int hear_cancel(void *user)
{
    listener *l = user;
    return ++l->asked == l->yes_at;
}

static dtp_watch watch_with(listener *l)
{
    dtp_watch watch;
    dtp_watch_start(&watch, &(deeptepp_callbacks){.progress = hear_progress, .cancel = hear_cancel, .user = l});
    return watch;
}

static void progress_rises_through_the_parts(void **state)
{
    (void)state;
    listener l = {0};
    dtp_watch watch = watch_with(&l);
    const double after[] = {0.2, 0.6, 1};
    const int ends[] = {0, 200, 600, 1000};
    for (int part = 0; part < 3; part++) {
        dtp_watch_part(&watch, ends[part], ends[part + 1]);
        for (int i = 0; i < 50; i++)
            assert_int_equal(dtp_watch_step(&watch, (i * 37) % 1000, NULL), DEEPTEPP_OK);
        dtp_watch_finish(&watch);
        assert_float_equal(l.last, after[part], 1e-12);
    }
    assert_int_equal(l.asked, 150);
    dtp_watch_part(&watch, 0, 500);
    int told = l.told;
    dtp_watch_finish(&watch);
    assert_int_equal(l.told, told);
}

/* Who said yes may be gone. */
static void one_yes_is_for_good(void **state)
{
    (void)state;
    listener l = {.yes_at = 2};
    deeptepp_error error = {.status = DEEPTEPP_OK};
    dtp_watch watch = watch_with(&l);
    assert_int_equal(dtp_watch_ask(&watch, &error), DEEPTEPP_OK);
    assert_false(dtp_watch_cancelled(&watch));
    assert_int_equal(dtp_watch_step(&watch, 100, &error), DEEPTEPP_ERR_CANCELLED);
    assert_true(dtp_watch_cancelled(&watch));
    assert_int_equal(error.status, DEEPTEPP_ERR_CANCELLED);
    assert_int_equal(dtp_watch_step(&watch, 200, NULL), DEEPTEPP_ERR_CANCELLED);
    assert_int_equal(l.asked, 2);
    assert_int_equal(l.told, 1);
    dtp_watch_start(&watch, &watch.callbacks);
    assert_int_equal(dtp_watch_step(&watch, 200, NULL), DEEPTEPP_OK);
}

static void without_callbacks_the_flag_alone_counts(void **state)
{
    (void)state;
    dtp_watch watch;
    dtp_watch_start(&watch, NULL);
    assert_int_equal(dtp_watch_step(&watch, 123, NULL), DEEPTEPP_OK);
    assert_int_equal(watch.permille, 123);
    atomic_store(&watch.cancelled, true);
    assert_int_equal(dtp_watch_step(&watch, 124, NULL), DEEPTEPP_ERR_CANCELLED);
    assert_int_equal(watch.permille, 123);
}

static void no_watch_is_never_cancelled(void **state)
{
    (void)state;
    dtp_watch_part(NULL, 0, 500);
    dtp_watch_tell(NULL, 10);
    dtp_watch_finish(NULL);
    assert_false(dtp_watch_cancelled(NULL));
    assert_int_equal(dtp_watch_ask(NULL, NULL), DEEPTEPP_OK);
    assert_int_equal(dtp_watch_step(NULL, 10, NULL), DEEPTEPP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_rises_through_the_parts),
        cmocka_unit_test(one_yes_is_for_good),
        cmocka_unit_test(without_callbacks_the_flag_alone_counts),
        cmocka_unit_test(no_watch_is_never_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
