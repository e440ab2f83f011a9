/* Hosts with odd threads: floating-point traps, rounding and flushing of their own, and threads that are cancelled
 * while they are in the library. The library must be silent in all of this. */
#define _GNU_SOURCE
#include <fenv.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "nifti_maker.h"
#include "session_subject.h"

#include <pthread.h>
#include <stdatomic.h>

#define PATCH "{\"self_test\": {\"seed\": 1, \"score\": 0.3}, \"input\": {\"angles_deg\": [0, 33.3], " \
              "\"intensity\": {\"rule\": \"zscore\", \"over\": \"view\"}}, " \
              "\"covariates\": [{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 99.9], " \
              "\"coefficient\": 0.07, \"centre\": 50.3}]}"
/* Tensors large enough for a thread that hashes them. */
static const tiny_options options = {.seed = 71, .width = 26, .patch = PATCH};

/* ---- the host's floating-point environment ---- */

static unsigned control(void)
{
#if defined(__SSE__)
    return _mm_getcsr() & ~0x3fu; /* all but the flags */
#else
    return 0;
#endif
}

typedef struct environment {
    int traps, round, flags;
    unsigned control;
} environment;

static environment now(void)
{
    return (environment){fegetexcept(), fegetround(), fetestexcept(FE_ALL_EXCEPT), control()};
}

/* Rounds up, flushes to zero, takes denormals as zero; no flag is set. */
static void be_odd(bool traps)
{
    fesetround(FE_UPWARD);
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040u);
#endif
    feclearexcept(FE_ALL_EXCEPT);
    if (traps)
        feenableexcept(FE_ALL_EXCEPT);
}

static bool same_environment(const environment *a, const environment *b)
{
    return a->traps == b->traps && a->round == b->round && a->flags == b->flags && a->control == b->control;
}

/* ---- all that a host calls ---- */

typedef struct walk {
    tiny_bytes model_bytes;
    nifti_file nifti;
    char path[32];
    const patient *p;
    environment wanted; /* in callbacks and afterwards */
    int callbacks, odd; /* calls of them; those in another environment */
    deeptepp_status status, self_test;
    float voxels[N_VOXELS], input[2 * 16 * 16 * 16];
    double spacing[3], affine[16], expected, found;
    char *model_json, *json;
    double values[6];
} walk;

static void look(walk *w)
{
    environment here = now();
    w->callbacks++;
    w->odd += !same_environment(&here, &w->wanted);
}

static void hear(void *user, deeptepp_log_level level, const char *line)
{
    (void)level;
    (void)line;
    look(user);
}

static void follow(void *user, double fraction)
{
    (void)fraction;
    look(user);
}

static int ask(void *user)
{
    look(user);
    return 0;
}

static void open_volumes(walk *w, const deeptepp_callbacks *callbacks)
{
    const deeptepp_volume_options o = {.struct_size = sizeof o, .callbacks = callbacks};
    deeptepp_volume *file = NULL, *bytes = NULL;
    int64_t dims[3];
    w->status = deeptepp_volume_open(&file, w->path, &o, NULL);
    if (!w->status)
        w->status = deeptepp_volume_from_bytes(&bytes, w->nifti.bytes, w->nifti.size, &o, NULL);
    if (!w->status)
        w->status = deeptepp_volume_copy_ras(file, w->voxels, N_VOXELS, dims, w->spacing, NULL);
    deeptepp_volume_affine(bytes, w->affine);
    deeptepp_volume_free(file);
    deeptepp_volume_free(bytes);
}

static deeptepp_case *make_case(walk *w)
{
    deeptepp_volume *volumes[2] = {NULL, NULL};
    deeptepp_case *made = NULL;
    for (int v = 0; v < 2 && !w->status; v++)
        w->status = deeptepp_volume_from_array(&volumes[v], &w->p->arrays[2 * v], NULL);
    w->status = w->status ? w->status : deeptepp_case_new(&made, NULL);
    w->status = w->status ? w->status : deeptepp_case_set_image(made, NULL, volumes[0], NULL);
    w->status = w->status ? w->status : deeptepp_case_set_mask(made, volumes[1], 0, NULL);
    w->status = w->status ? w->status : deeptepp_case_set_covariate(made, "age", 61.3, NULL);
    if (!w->status && deeptepp_case_set_covariate(made, "other", NAN, NULL) != DEEPTEPP_ERR_COVARIATE_VALUE)
        w->status = DEEPTEPP_ERR_INTERNAL;
    deeptepp_volume_free(volumes[0]);
    deeptepp_volume_free(volumes[1]);
    return made;
}

static void keep_result(walk *w, const deeptepp_model *model, const deeptepp_result *r)
{
    w->model_json = strdup(deeptepp_model_json(model));
    w->json = strdup(deeptepp_result_json(r));
    w->values[0] = deeptepp_result_score(r);
    w->values[1] = deeptepp_result_score_sd(r);
    w->values[2] = deeptepp_result_view_score(r, 1);
    w->values[3] = deeptepp_result_member_score(r, 0);
    w->values[4] = deeptepp_result_cutpoint_distance(r);
    w->values[5] = deeptepp_result_survival(r, 0);
}

static void walk_through(walk *w)
{
    const deeptepp_callbacks callbacks = {sizeof callbacks, hear, follow, ask, w};
    const deeptepp_model_options mo = {.struct_size = sizeof mo, .callbacks = &callbacks, .threads = 2};
    const deeptepp_session_options so = {.struct_size = sizeof so, .callbacks = &callbacks};
    deeptepp_model *model = NULL;
    deeptepp_session *session = NULL;
    deeptepp_result *r = NULL;
    open_volumes(w, &callbacks);
    deeptepp_case *known = make_case(w);
    if (!w->status)
        w->status = deeptepp_model_from_bytes(&model, w->model_bytes.data, w->model_bytes.size, &mo, NULL);
    w->status = w->status ? w->status : deeptepp_session_new(&session, model, &so, NULL);
    w->self_test = deeptepp_session_self_test(session, &w->expected, &w->found, NULL);
    size_t count = sizeof w->input / sizeof *w->input;
    w->status = w->status ? w->status : deeptepp_session_preprocess(session, known, w->input, count, NULL);
    w->status = w->status ? w->status : deeptepp_session_score(session, known, &r, NULL);
    if (!w->status)
        keep_result(w, model, r);
    deeptepp_result_free(r);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    deeptepp_case_free(known);
}

static void assert_alike(const walk *a, const walk *b)
{
    assert_int_equal(a->self_test, b->self_test);
    assert_memory_equal(a->voxels, b->voxels, sizeof a->voxels);
    assert_memory_equal(a->input, b->input, sizeof a->input);
    assert_memory_equal(a->spacing, b->spacing, sizeof a->spacing);
    assert_memory_equal(a->affine, b->affine, sizeof a->affine);
    assert_memory_equal(a->values, b->values, sizeof a->values);
    assert_same(a->expected, b->expected);
    assert_same(a->found, b->found);
    assert_string_equal(a->model_json, b->model_json);
    assert_string_equal(a->json, b->json);
}

static walk *begin(const patient *p)
{
    walk *w = calloc(1, sizeof *w);
    w->p = p;
    w->model_bytes = tiny_model_bytes(&options);
    w->nifti = make_nifti(false, true);
    put(&w->nifti, SLOPE, 0, 0.3);
    put(&w->nifti, INTER, 0, 0.7);
    snprintf(w->path, sizeof w->path, "/tmp/deeptepp_host_XXXXXX");
    int fd = mkstemp(w->path);
    assert_int_equal(write(fd, w->nifti.bytes, w->nifti.size), w->nifti.size);
    close(fd);
    return w;
}

static void end(walk *w)
{
    unlink(w->path);
    free(w->model_bytes.data);
    free(w->model_json);
    free(w->json);
    free(w);
}

/* A trap that fires ends the program: SIGFPE keeps its default. */
static void a_host_keeps_its_floating_point_environment(void **state)
{
    patient *p = patient_new(1);
    walk *plain = begin(p);
    (void)state;
    plain->wanted = now();
    walk_through(plain);
    assert_int_equal(plain->status, DEEPTEPP_OK);
    for (int traps = 0; traps < 2; traps++) {
        walk *odd = begin(p);
        fenv_t before;
        feholdexcept(&before);
        be_odd(traps);
        odd->wanted = now();
        walk_through(odd);
        environment after = now();
        fesetenv(&before);
        assert_int_equal(odd->status, DEEPTEPP_OK);
        assert_true(same_environment(&after, &odd->wanted));
        assert_true(odd->callbacks > 5);
        assert_int_equal(odd->odd, 0);
        assert_alike(plain, odd);
        end(odd);
    }
    end(plain);
    patient_free(p);
}

/* ---- cancelled threads ---- */

typedef struct caller {
    tiny_bytes bytes;
    deeptepp_model *model;
    deeptepp_session *session;
    const patient *p;
    deeptepp_result *result;
    atomic_int rounds; /* calls that ended */
    deeptepp_status status;
} caller;

static void *score_until_cancelled(void *argument)
{
    caller *c = argument;
    for (;;) {
        deeptepp_result *r = NULL;
        deeptepp_status status = deeptepp_session_score(c->session, c->p->known, &r, NULL);
        deeptepp_result_free(r);
        c->status = c->status ? c->status : status;
        atomic_fetch_add(&c->rounds, 1);
        pthread_testcancel();
    }
    return NULL;
}

static void *open_until_cancelled(void *argument)
{
    caller *c = argument;
    for (;;) {
        deeptepp_model *model = NULL;
        deeptepp_session *session = NULL;
        deeptepp_status status = deeptepp_model_from_bytes(&model, c->bytes.data, c->bytes.size, NULL, NULL);
        status = status ? status : deeptepp_session_new(&session, model, NULL, NULL);
        c->status = c->status ? c->status : status;
        deeptepp_session_free(session);
        deeptepp_model_free(model);
        atomic_fetch_add(&c->rounds, 1);
        pthread_testcancel();
    }
    return NULL;
}

/* Cancels it in the middle of a call, some milliseconds further in each time. */
static void cancel_one(caller *c, void *(*function)(void *), long us)
{
    pthread_t thread;
    void *ended = NULL;
    const struct timespec wait = {.tv_nsec = 1000 * us};
    assert_int_equal(pthread_create(&thread, NULL, function, c), 0);
    while (atomic_load(&c->rounds) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    nanosleep(&wait, NULL);
    assert_int_equal(pthread_cancel(thread), 0);
    assert_int_equal(pthread_join(thread, &ended), 0);
    assert_ptr_equal(ended, PTHREAD_CANCELED);
    assert_int_equal(c->status, DEEPTEPP_OK);
    atomic_store(&c->rounds, 0);
}

static void a_cancelled_thread_leaves_a_usable_session(void **state)
{
    if (UNDER_ASAN)
        skip_because(state, "AddressSanitizer takes the stack of a cancelled thread for a fault");
    patient *p = patient_new(1);
    const tiny_options small = {.seed = 72, .width = 6};
    caller c = {.bytes = tiny_model_bytes(&small), .model = model_of(&small), .p = p};
    c.session = session_with(c.model, NULL);
    double wanted = score_of(c.session, p->known);
    for (long us = 0; us < 20000; us += under_valgrind() ? 10000 : 1500) {
        cancel_one(&c, score_until_cancelled, us);
        assert_same(score_of(c.session, p->known), wanted);
    }
    deeptepp_session_free(c.session);
    for (long us = 0; us < 20000; us += under_valgrind() ? 20000 : 5000)
        cancel_one(&c, open_until_cancelled, us);
    deeptepp_model_free(c.model);
    free(c.bytes.data);
    patient_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(a_host_keeps_its_floating_point_environment),
        silent_test(a_cancelled_thread_leaves_a_usable_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
