/* The allocations of a mosaic's views, failed one by one: test_allocations.c says how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "mosaic_bench.h"

#include "failing_allocations.h"

typedef struct context {
    bench *bench;
    void *voxels[2];
    deeptepp_case *patient;
} context;

static deeptepp_status make_mosaic(void *given, char *text, deeptepp_error *error)
{
    context *c = given;
    deeptepp_status status = run_study(c->bench, c->patient, NULL);
    allocations_disarm();
    *error = c->bench->error;
    say_bytes(text, c->bench->tensor, c->bench->count * sizeof *c->bench->tensor);
    return status;
}

/* The caller's own hold on the volume is given up: the case keeps one. */
static deeptepp_case *case_of(context *c)
{
    deeptepp_case *made;
    bench *b = c->bench;
    c->voxels[0] = store(&b->image, DEEPTEPP_INT16);
    c->voxels[1] = store(&b->mask, DEEPTEPP_UINT8);
    deeptepp_volume *image = make_volume(&b->image, DEEPTEPP_INT16, c->voxels[0]);
    deeptepp_volume *mask = make_volume(&b->mask, DEEPTEPP_UINT8, c->voxels[1]);
    assert_int_equal(deeptepp_case_new(&made, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_image(made, NULL, image, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_mask(made, mask, NULL, NULL), DEEPTEPP_OK);
    deeptepp_volume_free(image);
    deeptepp_volume_free(mask);
    return made;
}

/* Plain and rotated. */
static void mosaics(void **state)
{
    (void)state;
    context c = {.bench = make_bench(PLAIN("angles_deg", "[0, 30]"), VECTOR(30, 30, 9), VECTOR(12, 14, 3),
                                     VECTOR(25, 26, 6))};
    c.bench->count = 2 * (size_t)DTP_TILES * DTP_TILE_SIZE;
    c.bench->tensor = calloc(c.bench->count, sizeof *c.bench->tensor);
    assert_non_null(c.bench->tensor);
    c.patient = case_of(&c);
    fail_each(&c, "mosaics", make_mosaic, true, 3);
    deeptepp_case_free(c.patient);
    free(c.voxels[0]);
    free(c.voxels[1]);
    free_bench(c.bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mosaics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
