/* A patient in memory, models and sessions for him, and an ear at stdout and stderr; shared by the tests of
 * sessions. */
#ifndef SESSION_SUBJECT_H
#define SESSION_SUBJECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

#include <deeptepp/deeptepp.h>

#include "mask_options.h"
#include "reference_net.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

/* Some fifty times slower. */
static inline int under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload") != NULL;
}

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the ear: setup and teardown of a test during which the library must be silent ---- */

typedef struct ear {
    int out, err; /* the real ones */
    FILE *heard;
} ear;

static inline int ear_open(void **state)
{
    ear *e = calloc(1, sizeof *e);
    *state = e;
    fflush(NULL);
    if (!e || !(e->heard = tmpfile()))
        return -1;
    e->out = dup(STDOUT_FILENO);
    e->err = dup(STDERR_FILENO);
    return dup2(fileno(e->heard), STDOUT_FILENO) < 0 || dup2(fileno(e->heard), STDERR_FILENO) < 0 ? -1 : 0;
}

/* Anything heard, a failed assertion's text included, is passed on and fails the test. */
static inline int ear_close(void **state)
{
    ear *e = *state;
    char text[4096];
    int heard = 0;
    fflush(NULL);
    dup2(e->out, STDOUT_FILENO);
    dup2(e->err, STDERR_FILENO);
    rewind(e->heard);
    while (fgets(text, sizeof text, e->heard)) {
        heard = 1;
        fputs(text, stderr);
    }
    fclose(e->heard);
    close(e->out);
    close(e->err);
    free(e);
    return heard ? -1 : 0;
}

#define silent_test(function) cmocka_unit_test_setup_teardown(function, ear_open, ear_close)

/* Leaves a silent test with a reason that is read. */
static inline void skip_because(void **state, const char *reason)
{
    ear *e = *state;
    dprintf(e->out, "skipped: %s\n", reason);
    skip();
}

/* ---- a patient ---- */

enum { EDGE = 28, VOXELS = EDGE * EDGE * EDGE };

typedef struct patient {
    float image[2][VOXELS]; /* two channels */
    uint8_t mask[VOXELS];
    deeptepp_array arrays[3]; /* channels, mask */
    deeptepp_volume *volumes[3];
    deeptepp_case *known;
} patient;

/* Voxel edges that are no binary fractions, some way from the scanner's middle. */
static inline deeptepp_array patient_array(const void *data, deeptepp_type type)
{
    return (deeptepp_array){
        .struct_size = sizeof(deeptepp_array), .data = data, .type = type, .dims = {EDGE, EDGE, EDGE},
        .affine = {0.9, 0, 0, -31.7, 0, 1.1, 0, 12.3, 0, 0, 1.3, -5.1, 0, 0, 0, 1}};
}

/* A bright ball with an edge, in noise; the mask is the ball. */
static inline void patient_fill(patient *p)
{
    uint64_t state = 5;
    for (int n = 0; n < VOXELS; n++) {
        double x = n % EDGE - 13.5, y = n / EDGE % EDGE - 13, z = n / EDGE / EDGE - 14.5;
        double r = sqrt(x * x + 1.2 * y * y + z * z);
        p->mask[n] = r < 6;
        for (int c = 0; c < 2; c++)
            p->image[c][n] = (float)((r < 6 ? 1.5 - 0.1 * r : 0.05 * x) + 0.3 * reference_random(&state));
    }
}

static inline void patient_volumes(patient *p)
{
    for (int v = 0; v < 3; v++) {
        p->arrays[v] = v < 2 ? patient_array(p->image[v], DEEPTEPP_FLOAT32) : patient_array(p->mask, DEEPTEPP_UINT8);
        assert_int_equal(deeptepp_volume_from_array(&p->volumes[v], &p->arrays[v], NULL), DEEPTEPP_OK);
    }
}

/* A case of `channels` (1 or 2) images; the caller's to free. */
static inline deeptepp_case *patient_case(const patient *p, int channels)
{
    deeptepp_case *made;
    assert_int_equal(deeptepp_case_new(&made, NULL), DEEPTEPP_OK);
    for (int c = 0; c < channels; c++)
        assert_int_equal(deeptepp_case_set_image(made, c ? "c1" : "c0", p->volumes[c], NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_mask(made, p->volumes[2], NULL, NULL), DEEPTEPP_OK);
    return made;
}

static inline patient *patient_new(int channels)
{
    patient *p = calloc(1, sizeof *p);
    assert_non_null(p);
    patient_fill(p);
    patient_volumes(p);
    p->known = patient_case(p, channels);
    return p;
}

static inline void patient_free(patient *p)
{
    deeptepp_case_free(p->known);
    for (int v = 0; v < 3; v++)
        deeptepp_volume_free(p->volumes[v]);
    free(p);
}

/* ---- models, sessions, scores ---- */

static inline deeptepp_model *model_with(const tiny_options *options, int threads)
{
    deeptepp_error error;
    deeptepp_model *model = NULL;
    tiny_bytes bytes = tiny_model_bytes(options);
    const deeptepp_model_options o = {.struct_size = sizeof o, .threads = threads};
    if (deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &o, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    free(bytes.data);
    return model;
}

static inline deeptepp_model *model_of(const tiny_options *options)
{
    return model_with(options, 2);
}

static inline deeptepp_session *session_with(deeptepp_model *model, const deeptepp_callbacks *callbacks)
{
    const deeptepp_session_options options = {.struct_size = sizeof options, .callbacks = callbacks};
    deeptepp_error error;
    deeptepp_session *session = NULL;
    if (deeptepp_session_new(&session, model, &options, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    return session;
}

static inline deeptepp_result *result_of(deeptepp_session *session, const deeptepp_case *known)
{
    deeptepp_error error;
    deeptepp_result *result = NULL;
    if (deeptepp_session_score(session, known, &result, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    return result;
}

static inline double score_of(deeptepp_session *session, const deeptepp_case *known)
{
    deeptepp_result *result = result_of(session, known);
    double score = deeptepp_result_score(result);
    deeptepp_result_free(result);
    assert_true(isfinite(score));
    return score;
}

/* Bit for bit. */
static inline void assert_same(double found, double wanted)
{
    if (memcmp(&found, &wanted, sizeof found) != 0)
        fail_msg("found %.17g, wanted %.17g", found, wanted);
}

static inline void assert_says(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text ? text : "NULL", part);
}

#endif
