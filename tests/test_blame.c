/* Which of a case's volumes an error is about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "study_bench.h"

/* A case of the channels "pre", "post", set the other way round, whose second volume (the recipe's first) is `pre`. */
static void expect_volumes(bench *b, const picture *pre, deeptepp_status wanted, int32_t first, int32_t second)
{
    deeptepp_case *patient = make_case();
    add_image(patient, "post", &b->image);
    add_image(patient, "pre", pre);
    add_mask(patient, &b->mask, &b->options);
    b->error.volumes[0] = b->error.volumes[1] = 77;
    assert_int_equal(make_study(b, patient), wanted);
    assert_int_equal(b->error.volumes[0], first);
    assert_int_equal(b->error.volumes[1], second);
    deeptepp_case_free(patient);
}

static bench *make_two(const char *channels)
{
    return make_bench_of(RECIPE_WITH("channels", channels, "spacing_mm", "{'hard': [0.5, 4], 'usual': [0.5, 4]}"));
}

static void images_are_counted_as_they_were_set(void **state)
{
    (void)state;
    bench *b = make_two("['pre', 'post']");
    picture moved = b->image;
    moved.affine[3] += 5;
    b->mask.affine[3] += 5;
    expect_volumes(b, &moved, DEEPTEPP_ERR_GEOMETRY_ORIGIN, 2, 1);
    expect_volumes(b, &b->image, DEEPTEPP_ERR_GEOMETRY_ORIGIN, 2, DEEPTEPP_MASK_VOLUME);
    free_bench(b);
}

static void of_the_mask_and_of_one_image(void **state)
{
    (void)state;
    bench *b = make_two("['pre', 'post']");
    b->options.label = 9;
    expect_volumes(b, &b->image, DEEPTEPP_ERR_MASK_LABEL, DEEPTEPP_MASK_VOLUME, DEEPTEPP_NO_VOLUME);
    b->recipe.hard_mm[1] = 2;
    expect_volumes(b, &b->image, DEEPTEPP_ERR_SPACING_RANGE, 2, DEEPTEPP_NO_VOLUME);
    free_bench(b);
    b = make_two("['pre', 'late']");
    expect_volumes(b, &b->image, DEEPTEPP_ERR_CHANNEL_UNKNOWN, 1, DEEPTEPP_NO_VOLUME);
    free_bench(b);
}

static void an_image_set_twice_is_named(void **state)
{
    (void)state;
    bench *b = make_bench();
    deeptepp_case *patient = make_case();
    deeptepp_volume *volume = picture_volume(&b->image);
    add_image(patient, "pre", &b->image);
    add_image(patient, "post", &b->image);
    assert_int_equal(deeptepp_case_set_image(patient, "post", volume, &b->error), DEEPTEPP_ERR_CHANNEL_DUPLICATE);
    assert_memory_equal(b->error.volumes, ((int32_t[]){2, DEEPTEPP_NO_VOLUME}), sizeof b->error.volumes);
    assert_int_equal(deeptepp_case_set_image(patient, "", volume, &b->error), DEEPTEPP_ERR_ARGUMENT);
    assert_memory_equal(b->error.volumes, ((int32_t[]){0, 0}), sizeof b->error.volumes);
    deeptepp_volume_free(volume);
    deeptepp_case_free(patient);
    free_bench(b);
}

/* Success leaves the error as it was; memory and cancelling are no volume's fault. */
static void what_is_nobody_s_fault(void **state)
{
    (void)state;
    deeptepp_error error = {.volumes = {7, 7}};
    assert_int_equal(dtp_about(DEEPTEPP_OK, 1, 2, &error), DEEPTEPP_OK);
    assert_int_equal(error.volumes[0], 7);
    dtp_about(dtp_fail(&error, DEEPTEPP_ERR_CANCELLED, "cancelled"), 1, 2, &error);
    dtp_about(dtp_fail_memory(&error, "a test", 1), 1, 2, &error);
    assert_int_equal(error.volumes[0], 0);
    assert_int_equal(dtp_about(DEEPTEPP_ERR_MASK_EMPTY, 1, 2, NULL), DEEPTEPP_ERR_MASK_EMPTY);
    dtp_about(dtp_fail(&error, DEEPTEPP_ERR_MASK_EMPTY, "mask"), DEEPTEPP_MASK_VOLUME, 0, &error);
    dtp_name_file(&error, "file");
    assert_int_equal(error.volumes[0], DEEPTEPP_MASK_VOLUME);
    assert_int_equal(sizeof error, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_counted_as_they_were_set),
        cmocka_unit_test(of_the_mask_and_of_one_image),
        cmocka_unit_test(an_image_set_twice_is_named),
        cmocka_unit_test(what_is_nobody_s_fault),
    };
    return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
