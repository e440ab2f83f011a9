/* A case against its recipe: channels by name, voxel sizes, what headers left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "study_bench.h"

/* ---- Channels ---- */

/* Images under these names (NULL: unnamed), on the recipe with these channels. */
static bench *channels(const char *recipe_channels, const char *const *names, int count, deeptepp_status wanted)
{
    bench *b = make_bench_of(RECIPE_WITH("channels", recipe_channels));
    deeptepp_case *patient = make_case();
    for (int i = 0; i < count; i++)
        add_image(patient, names[i], &b->image);
    add_mask(patient, &b->mask, NULL);
    deeptepp_status status = make_study(b, patient);
    if (status != wanted)
        fail_msg("%s (%s), wanted %s", deeptepp_status_name(status), b->error.message, deeptepp_status_name(wanted));
    deeptepp_case_free(patient);
    return b;
}

static void channels_come_in_the_recipe_s_order(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("channels", "['pre', 'post', 'late']"));
    static const char *const names[] = {"late", "pre", "post"};
    deeptepp_case *patient = make_case();
    for (int i = 0; i < 3; i++)
        add_image(patient, names[i], &b->image);
    add_mask(patient, &b->mask, NULL);
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(b->study.images[i], patient->channels[(i + 1) % 3].image);
    deeptepp_case_free(patient);
    free_bench(b);
}

static void a_missing_channel_is_named(void **state)
{
    (void)state;
    bench *b = channels("['pre', 'post']", (const char *const[]){"post"}, 1, DEEPTEPP_ERR_CHANNEL_MISSING);
    assert_says(b, "\"pre\"");
    free_bench(b);
    free_bench(channels("['pre']", NULL, 0, DEEPTEPP_ERR_CHANNEL_MISSING));
}

static void an_unknown_channel_is_named(void **state)
{
    (void)state;
    bench *b = channels("['pre', 'post']", (const char *const[]){"pre", "post", "Post"}, 3,
                        DEEPTEPP_ERR_CHANNEL_UNKNOWN);
    assert_says(b, "\"Post\"");
    assert_says(b, "\"pre\", \"post\"");
    free_bench(b);
    free_bench(channels("['t1c']", (const char *const[]){"t2"}, 1, DEEPTEPP_ERR_CHANNEL_UNKNOWN));
}

static void an_unnamed_image_is_the_only_channel_s(void **state)
{
    (void)state;
    free_bench(channels("['t1c']", (const char *const[]){NULL}, 1, DEEPTEPP_OK));
    bench *b = channels("['pre', 'post']", (const char *const[]){"pre", NULL}, 2, DEEPTEPP_ERR_CHANNEL_UNKNOWN);
    assert_says(b, "without a channel name");
    free_bench(b);
}

static void named_and_unnamed_for_one_channel_is_one_too_many(void **state)
{
    (void)state;
    bench *b = channels("['t1c']", (const char *const[]){NULL, "t1c"}, 2, DEEPTEPP_ERR_CHANNEL_DUPLICATE);
    assert_says(b, "\"t1c\"");
    free_bench(b);
}

static void a_case_without_a_mask_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    deeptepp_case *patient = make_case();
    add_image(patient, NULL, &b->image);
    assert_int_equal(make_study(b, patient), DEEPTEPP_ERR_MASK_MISSING);
    deeptepp_case_free(patient);
    free_bench(b);
}

/* ---- Voxel sizes and headers ---- */

static void voxels_beyond_the_hard_range_are_refused(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("spacing_mm", "{'hard': [0.5, 2.9], 'usual': [0.6, 2]}"));
    EXPECT(b, SPACING_RANGE, "1 x 2 x 3 mm", "0.5 to 2.9 mm");
    b = make_bench_of(RECIPE_WITH("spacing_mm", "{'hard': [1.1, 4], 'usual': [1.2, 4]}"));
    EXPECT(b, SPACING_RANGE, "1 x 2 x 3 mm", "1.1 to 4 mm");
}

static void voxels_beyond_the_usual_range_warn(void **state)
{
    (void)state;
    static const char *const ranges[] = {"{'hard': [0.5, 4], 'usual': [0.6, 2.9]}",
                                         "{'hard': [0.5, 4], 'usual': [1.1, 4]}"};
    for (size_t i = 0; i < DTP_COUNT(ranges); i++) {
        bench *b = make_bench_of(RECIPE_WITH("spacing_mm", ranges[i]));
        assert_int_equal(run(b), DEEPTEPP_OK);
        assert_int_equal(b->warnings.count, 1);
        assert_true(warns(b, DEEPTEPP_WARN_SPACING, "1 x 2 x 3 mm"));
        free_bench(b);
    }
}

static void voxels_at_the_ends_of_the_ranges_do_not(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("spacing_mm", "{'hard': [1, 3], 'usual': [1, 3]}"));
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 0);
    free_bench(b);
}

static void what_a_header_left_open_is_told(void **state)
{
    (void)state;
    bench *b = make_bench();
    deeptepp_case *patient = make_case();
    add_image(patient, NULL, &b->image);
    add_mask(patient, &b->mask, NULL);
    patient->channels[0].image->affine_gap_mm = 2.5;
    patient->mask->orientation_assumed = true;
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 2);
    assert_true(warns(b, DEEPTEPP_WARN_AFFINES_DISAGREE, "t1c: sform and qform place a corner 2.5 mm apart"));
    assert_true(warns(b, DEEPTEPP_WARN_ORIENTATION_ASSUMED, "mask: the file states no orientation; \"RAS\""));
    deeptepp_case_free(patient);
    free_bench(b);
}

/* The same picture under two names has one digest. */
static void one_volume_for_two_channels_warns(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("channels", "['pre', 'post', 'late']"));
    deeptepp_case *patient = make_case();
    picture other = picture_make(DIMS, SPACING, ORIGIN);
    *picture_at(&other, 1, 1, 1) = 5;
    add_image(patient, "pre", &b->image);
    add_image(patient, "late", &b->image);
    add_image(patient, "post", &other);
    add_mask(patient, &b->mask, NULL);
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 1);
    assert_true(warns(b, DEEPTEPP_WARN_IMAGE_TWICE, "channels \"pre\" and \"late\""));
    patient->channels[1].image->number = 2; /* of one file, another volume */
    b->warnings.count = 0;
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 0);
    deeptepp_case_free(patient);
    free(other.values);
    free_bench(b);
}

static void a_cancelled_search_says_so(void **state)
{
    (void)state;
    bench *b = make_bench();
    deeptepp_case *patient = make_case();
    dtp_watch cancelled = {.cancelled = true};
    add_image(patient, NULL, &b->image);
    add_mask(patient, &b->mask, NULL);
    assert_int_equal(dtp_study_make(&b->study, patient, &b->recipe, &b->warnings, &cancelled, &b->error),
                     DEEPTEPP_ERR_CANCELLED);
    deeptepp_case_free(patient);
    free_bench(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_come_in_the_recipe_s_order),
        cmocka_unit_test(a_missing_channel_is_named),
        cmocka_unit_test(an_unknown_channel_is_named),
        cmocka_unit_test(an_unnamed_image_is_the_only_channel_s),
        cmocka_unit_test(named_and_unnamed_for_one_channel_is_one_too_many),
        cmocka_unit_test(a_case_without_a_mask_is_refused),
        cmocka_unit_test(voxels_beyond_the_hard_range_are_refused),
        cmocka_unit_test(voxels_beyond_the_usual_range_warn),
        cmocka_unit_test(voxels_at_the_ends_of_the_ranges_do_not),
        cmocka_unit_test(what_a_header_left_open_is_told),
        cmocka_unit_test(one_volume_for_two_channels_warns),
        cmocka_unit_test(a_cancelled_search_says_so),
    };
    return cmocka_run_group_tests_name("study", tests, NULL, NULL);
}
