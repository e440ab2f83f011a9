/* What a net promises from run to run, and of its memory. */
#include "net_subject.h"

#include <malloc.h>
#include <math.h>

static void a_run_leaves_its_input_alone(void **state)
{
    subject s;
    (void)state;
    begin(&s, &staged, 2);
    for (int64_t batch = 1; batch <= 10; batch += 3) {
        make_net(&s, batch);
        on_worker(&s, run_job);
        assert_memory_equal(dtp_net_input(s.net), s.input, (size_t)batch * image_size(&s) * sizeof *s.input);
    }
    end(&s);
}

/* Values that spread to every cell of the arena, as far as the run gets, and show in whatever reads what it did not
 * write. */
static void a_run_remembers_nothing_of_the_one_before(void **state)
{
    const float poisons[] = {1e25f, -1e25f, NAN};
    const tiny_options options = {.seed = 12, .size = {32, 32, 32}, .width = 5, .activation = "leaky_relu"};
    float clean[6 * 2];
    subject s;
    (void)state;
    begin(&s, &options, 2);
    make_net(&s, 6);
    on_worker(&s, run_job);
    memcpy(clean, s.logits, sizeof clean);
    float *input = s.input, *poisoned = malloc(6 * image_size(&s) * sizeof *poisoned);
    for (size_t p = 0; p < DTP_COUNT(poisons); p++) {
        for (size_t i = 0; i < 6 * image_size(&s); i++)
            poisoned[i] = poisons[p];
        s.input = poisoned;
        deeptepp_status status = dtp_worker_run(s.worker, run_job, &s, NULL, NULL);
        assert_true(status != DEEPTEPP_OK || !(fabsf(s.logits[0]) < 1e20f));
        s.input = input;
        on_worker(&s, run_job);
        assert_memory_equal(s.logits, clean, sizeof clean);
    }
    free(poisoned);
    end(&s);
}

/* Beyond what the plan says there are only the gap before a huge page, for each of two blocks, and small things:
 * primitives, memory handles. */
static void a_net_takes_the_memory_its_plan_states(void **state)
{
    subject s;
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("skipped: the address sanitizer does not count allocations\n");
    skip();
#endif
    begin(&s, &staged, 1);
    make_net(&s, 10); /* once before, so that the backend's caches are warm */
    on_worker(&s, end_job);
    s.net = NULL;
    struct mallinfo2 before = mallinfo2();
    make_net(&s, 10);
    struct mallinfo2 after = mallinfo2();
    size_t stated = dtp_plan_bytes(s.plan);
    size_t taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_in_range(taken, stated, stated + (5 << 20));
    assert_true(stated >= 10 * image_size(&s) * sizeof(float));
    end(&s);
}

static void a_cancelled_net_is_not_made_and_not_run(void **state)
{
    subject s;
    deeptepp_error error;
    (void)state;
    begin(&s, &staged, 1);
    s.cancelled = true;
    s.batch = 1;
    assert_int_equal(dtp_worker_run(s.worker, net_job, &s, NULL, &error), DEEPTEPP_ERR_CANCELLED);
    assert_null(s.net);
    s.cancelled = false;
    make_net(&s, 1);
    s.cancelled = true;
    assert_int_equal(dtp_worker_run(s.worker, run_job, &s, NULL, &error), DEEPTEPP_ERR_CANCELLED);
    s.cancelled = false;
    on_worker(&s, run_job);
    end(&s);
}

/* Whatever stood when the cancellation came is given back. Without its cache the backend takes some milliseconds. */
static void a_net_cancelled_half_way_leaks_nothing(void **state)
{
    int cancelled = 0, capacity = 0;
    subject s;
    (void)state;
    dnnl_get_primitive_cache_capacity(&capacity);
    dnnl_set_primitive_cache_capacity(0);
    begin(&s, &staged, 1);
    for (int i = 0; i < 300 && cancelled < 10; i++) {
        s.batch = 1 + i % MAX_BATCH;
        s.cancel_us = 1 + 97 * i % 4000;
        cancelled += dtp_worker_run(s.worker, net_job, &s, NULL, NULL) == DEEPTEPP_ERR_CANCELLED;
    }
    end(&s);
    dnnl_set_primitive_cache_capacity(capacity);
    if (!cancelled) {
        print_message("skipped: every net was made before it could be cancelled\n");
        skip();
    }
}

typedef struct profile {
    subject *s;
    dtp_step_info steps[2 * DTP_MAX_LAYERS];
    int count;
} profile;

static deeptepp_status profile_job(void *argument, dtp_job *job)
{
    profile *p = argument;
    return dtp_net_profile(p->s->net, p->s->weights[0], 1, p->steps, &p->count, &job->error);
}

static void a_profile_covers_every_layer(void **state)
{
    static profile p;
    subject s;
    double macs = 0, wanted = 0;
    (void)state;
    begin(&s, &staged, 1);
    make_net(&s, 3);
    p.s = &s;
    assert_int_equal(dtp_worker_run(s.worker, profile_job, &p, NULL, NULL), DEEPTEPP_OK);
    for (int i = 0; i < p.count; i++) {
        macs += p.steps[i].convolution ? p.steps[i].macs : 0;
        assert_true(p.steps[i].seconds >= 0 && p.steps[i].seconds < 1e8);
    }
    for (int i = 0; i < s.arch.graph.n_layers; i++)
        wanted += 3 * dtp_layer_macs(&s.arch.graph, i);
    assert_true(macs == wanted);
    assert_memory_equal(p.steps[p.count - 1].layer, "fc", 2);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_leaves_its_input_alone),
        cmocka_unit_test(a_run_remembers_nothing_of_the_one_before),
        cmocka_unit_test(a_net_takes_the_memory_its_plan_states),
        cmocka_unit_test(a_cancelled_net_is_not_made_and_not_run),
        cmocka_unit_test(a_net_cancelled_half_way_leaks_nothing),
        cmocka_unit_test(a_profile_covers_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
