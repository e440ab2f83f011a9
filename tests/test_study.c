/* A case against its recipe: channels by name, one grid, one tumour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../libdeeptepp/input/study.h"
#include "picture_maker.h"
#include "recipe_maker.h"

/* A valid case for each test to damage: an image of 8 x 6 x 5 voxels of 1 x 2 x 3 mm and its mask, whose label 1 fills
 * voxels 2..3, 2..4, 1..2. */
typedef struct bench {
    dtp_recipe recipe;
    picture image, mask;
    int64_t label;
    dtp_warnings warnings;
    deeptepp_error error;
    dtp_study study; /* its volumes are gone after `run` */
} bench;

enum { VOXELS = 2 * 3 * 2 };

static const int64_t DIMS[3] = {8, 6, 5};
static const double SPACING[3] = {1, 2, 3}, ORIGIN[3] = {-10, 20, 30};

static void fill_box(picture *mask, const int64_t low[3], const int64_t high[3], double value)
{
    for (int64_t k = low[2]; k <= high[2]; k++)
        for (int64_t j = low[1]; j <= high[1]; j++)
            for (int64_t i = low[0]; i <= high[0]; i++)
                *picture_at(mask, i, j, k) = value;
}

static bench *make_bench_of(dtp_recipe recipe)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->recipe = recipe;
    b->image = picture_make(DIMS, SPACING, ORIGIN);
    b->mask = picture_make(DIMS, SPACING, ORIGIN);
    fill_box(&b->mask, (const int64_t[]){2, 2, 1}, (const int64_t[]){3, 4, 2}, 1);
    return b;
}

static bench *make_bench(void)
{
    return make_bench_of(recipe_with(NULL));
}

static void free_bench(bench *b)
{
    dtp_recipe_free(&b->recipe);
    free(b->image.values);
    free(b->mask.values);
    free(b);
}

static deeptepp_status make_study(bench *b, const deeptepp_case *patient)
{
    atomic_bool cancelled = false;
    return dtp_study_make(&b->study, patient, &b->recipe, &b->warnings, &cancelled, &b->error);
}

static deeptepp_case *make_case(void)
{
    deeptepp_case *patient = NULL;
    assert_int_equal(deeptepp_case_new(&patient, NULL), DEEPTEPP_OK);
    return patient;
}

static void add_image(deeptepp_case *patient, const char *name, const picture *p)
{
    deeptepp_volume *volume = picture_volume(p);
    assert_int_equal(deeptepp_case_set_image(patient, name, volume, NULL), DEEPTEPP_OK);
    deeptepp_volume_free(volume);
}

static void add_mask(deeptepp_case *patient, const picture *p, int64_t label)
{
    deeptepp_volume *volume = picture_volume(p);
    assert_int_equal(deeptepp_case_set_mask(patient, volume, label, NULL), DEEPTEPP_OK);
    deeptepp_volume_free(volume);
}

static deeptepp_status run(bench *b)
{
    deeptepp_case *patient = make_case();
    add_image(patient, NULL, &b->image);
    add_mask(patient, &b->mask, b->label);
    deeptepp_status status = make_study(b, patient);
    deeptepp_case_free(patient);
    return status;
}

static void assert_says(const bench *b, const char *text)
{
    if (!strstr(b->error.message, text))
        fail_msg("\"%s\" does not say \"%s\"", b->error.message, text);
}

static bool warns(const bench *b, deeptepp_warning code, const char *text)
{
    for (int i = 0; i < b->warnings.count; i++)
        if (b->warnings.items[i].code == code && strstr(b->warnings.items[i].message, text))
            return true;
    return false;
}

/* Runs, checks status and what the message says, and frees the bench. */
static void expect(bench *b, deeptepp_status wanted, const char *const *texts)
{
    deeptepp_status status = run(b);
    if (status != wanted)
        fail_msg("%s (%s), wanted %s", deeptepp_status_name(status), b->error.message, deeptepp_status_name(wanted));
    if (wanted != DEEPTEPP_OK)
        assert_int_equal(b->error.status, wanted);
    for (; texts && *texts; texts++)
        assert_says(b, *texts);
    free_bench(b);
}

#define EXPECT(b, status, ...) expect(b, DEEPTEPP_ERR_##status, (const char *const[]){__VA_ARGS__, NULL})

/* ---- The tumour's place ---- */

static void the_tumour_is_found(void **state)
{
    (void)state;
    bench *b = make_bench();
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.label, 1);
    assert_int_equal(b->study.mask_voxels, VOXELS);
    assert_memory_equal(b->study.low, ((int64_t[]){2, 2, 1}), sizeof b->study.low);
    assert_memory_equal(b->study.high, ((int64_t[]){3, 4, 2}), sizeof b->study.high);
    assert_int_equal(b->warnings.count, 0);
    free_bench(b);
}

static void the_box_follows_the_recipe_s_axes(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("axes", "'SPR'"));
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_memory_equal(b->study.low, ((int64_t[]){1, 1, 2}), sizeof b->study.low);
    assert_memory_equal(b->study.high, ((int64_t[]){2, 3, 3}), sizeof b->study.high);
    free_bench(b);
}

static void store_otherwise(picture *p, int order)
{
    picture q = picture_reorder(p, order);
    free(p->values);
    *p = q;
}

static void a_mask_in_any_axis_order_of_the_grid_is_accepted(void **state)
{
    (void)state;
    for (int order = 0; order < 48; order++) {
        bench *b = make_bench();
        picture_turn(&b->image, 2, 17);
        picture_turn(&b->mask, 2, 17);
        store_otherwise(&b->mask, order);
        assert_int_equal(run(b), DEEPTEPP_OK);
        assert_memory_equal(b->study.low, ((int64_t[]){2, 2, 1}), sizeof b->study.low);
        assert_memory_equal(b->study.high, ((int64_t[]){3, 4, 2}), sizeof b->study.high);
        assert_int_equal(b->study.mask_voxels, VOXELS);
        assert_int_equal(b->warnings.count, 0);
        free_bench(b);
    }
}

static void frames_tell_where_they_are(void **state)
{
    (void)state;
    for (int order = 0; order < 48; order++) {
        bench *b = make_bench_of(RECIPE_WITH("axes", "'SAL'"));
        double ras[3];
        store_otherwise(&b->image, order);
        assert_int_equal(run(b), DEEPTEPP_OK);
        dtp_frame_to_ras(&b->study.frames[0], (const double[]){3, 4, 2}, ras);
        assert_memory_equal(b->study.frames[0].dims, ((int64_t[]){5, 6, 8}), sizeof b->study.frames[0].dims);
        /* The frame's first voxel is the leftmost's opposite: x = -10 + 7; from there 2 mm to the left. */
        const double wanted[3] = {-10 + 7 - 2, 20 + 4, 30 + 3};
        for (int w = 0; w < 3; w++)
            assert_true(fabs(ras[w] - wanted[w]) < 1e-12);
        free_bench(b);
    }
}

/* ---- One grid ---- */

static void another_size_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    free(b->mask.values);
    b->mask = picture_make((const int64_t[]){8, 6, 4}, SPACING, ORIGIN);
    EXPECT(b, GEOMETRY_SIZE, "image \"t1c\" and mask", "8 x 6 x 5", "8 x 12 x 15 mm", "8 x 6 x 4", "8 x 12 x 12 mm");
}

static void another_spacing_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->mask.affine[10] = 3.1;
    EXPECT(b, GEOMETRY_SPACING, "spacing", "3 mm", "3.1 mm");
}

static void another_direction_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    memcpy(b->mask.affine, b->image.affine, sizeof b->mask.affine);
    double shift[16] = {1, 0, 0, 10, 0, 1, 0, -20, 0, 0, 1, -30, 0, 0, 0, 1};
    double back[16] = {1, 0, 0, -10, 0, 1, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1};
    picture_multiply(b->mask.affine, shift, b->mask.affine);
    picture_turn(&b->mask, 2, 1);
    picture_multiply(b->mask.affine, back, b->mask.affine);
    EXPECT(b, GEOMETRY_DIRECTION, "direction", "(0.00000, 1.00000, 0.00000)", "(-0.01745, 0.99985, 0.00000)", " mm ");
}

static void another_origin_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->mask.affine[7] += 0.5;
    EXPECT(b, GEOMETRY_ORIGIN, "origin", "(-10.0000, 20.0000, 30.0000) mm", "(-10.0000, 20.5000, 30.0000) mm");
}

static void a_flipped_axis_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    /* The header mirrored, the voxels not: a tool that lost a sign. The first voxel is then somewhere else. */
    b->mask.affine[0] = -1;
    EXPECT(b, GEOMETRY_ORIGIN, "origin");
}

/* In parts of the smallest voxel edge: to 1/1000 silently, to 1/100 with a warning, beyond not at all. */
static void tolerate(void (*shift)(picture *mask, double mm))
{
    static const struct {
        double mm;
        bool accepted;
        int warnings;
    } rows[] = {{0.0009, true, 0}, {0.002, true, 1}, {0.009, true, 1}, {0.012, false, 0}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench();
        shift(&b->mask, rows[i].mm);
        assert_int_equal(run(b) == DEEPTEPP_OK, rows[i].accepted);
        assert_int_equal(b->warnings.count, rows[i].warnings);
        if (rows[i].warnings)
            assert_true(warns(b, DEEPTEPP_WARN_GEOMETRY_TOLERATED, "image \"t1c\" and mask"));
        free_bench(b);
    }
}

static void shift_origin(picture *mask, double mm)
{
    mask->affine[3] += mm;
}

static void shift_spacing(picture *mask, double mm)
{
    mask->affine[5] += mm / (double)mask->dims[1];
}

/* Of the z axis, by its angle, about the first voxel. */
static void shift_direction(picture *mask, double mm)
{
    double length = mask->affine[10], angle = mm / (length * (double)mask->dims[2]);
    mask->affine[2] = length * sin(angle);
    mask->affine[10] = length * cos(angle);
}

static void rounding_in_headers_is_tolerated(void **state)
{
    (void)state;
    tolerate(shift_origin);
    tolerate(shift_spacing);
    tolerate(shift_direction);
}

static void images_are_compared_with_one_another(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("channels", "['pre', 'post']"));
    deeptepp_case *patient = make_case();
    picture moved = b->image;
    moved.affine[11] += 1;
    add_image(patient, "pre", &b->image);
    add_image(patient, "post", &moved);
    add_mask(patient, &b->mask, 0);
    assert_int_equal(make_study(b, patient), DEEPTEPP_ERR_GEOMETRY_ORIGIN);
    assert_says(b, "images \"pre\" and \"post\"");
    deeptepp_case_free(patient);
    free_bench(b);
}

static void images_may_be_stored_in_different_orders(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("channels", "['pre', 'post']"));
    deeptepp_case *patient = make_case();
    picture other = picture_reorder(&b->image, 29);
    add_image(patient, "pre", &b->image);
    add_image(patient, "post", &other);
    add_mask(patient, &b->mask, 0);
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 0);
    assert_memory_equal(b->study.frames[0].dims, b->study.frames[1].dims, sizeof b->study.frames[0].dims);
    deeptepp_case_free(patient);
    free(other.values);
    free_bench(b);
}

/* ---- The mask's values ---- */

static void an_empty_mask_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    memset(b->mask.values, 0, picture_count(&b->mask) * sizeof *b->mask.values);
    EXPECT(b, MASK_EMPTY, "every voxel is 0");
}

static void an_absent_label_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench();
    b->label = 4;
    EXPECT(b, MASK_LABEL, "label 4");
    b = make_bench();
    memset(b->mask.values, 0, picture_count(&b->mask) * sizeof *b->mask.values);
    b->label = 1;
    EXPECT(b, MASK_LABEL, "label 1");
}

static void several_labels_need_a_choice(void **state)
{
    (void)state;
    bench *b = make_bench();
    fill_box(&b->mask, (const int64_t[]){5, 1, 1}, (const int64_t[]){5, 3, 1}, 7);
    EXPECT(b, MASK_LABELS, "2 labels", "(7 with 3 voxels, 1 with 12,");
}

static void the_chosen_label_is_the_tumour(void **state)
{
    (void)state;
    bench *b = make_bench();
    fill_box(&b->mask, (const int64_t[]){5, 1, 1}, (const int64_t[]){5, 3, 1}, 7);
    b->label = 7;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.label, 7);
    assert_int_equal(b->study.mask_voxels, 3);
    assert_memory_equal(b->study.low, ((int64_t[]){5, 1, 1}), sizeof b->study.low);
    assert_memory_equal(b->study.high, ((int64_t[]){5, 3, 1}), sizeof b->study.high);
    free_bench(b);
}

static void the_only_label_may_have_any_number(void **state)
{
    (void)state;
    bench *b = make_bench();
    fill_box(&b->mask, (const int64_t[]){2, 2, 1}, (const int64_t[]){3, 4, 2}, 65535);
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.label, 65535);
    free_bench(b);
}

/* More labels than a segmentation of the whole breast has. */
static void one_of_many_labels_is_found(void **state)
{
    (void)state;
    bench *b = make_bench();
    for (size_t n = 0; n < picture_count(&b->mask); n++)
        b->mask.values[n] = (double)n;
    b->label = 100;
    assert_int_equal(run(b), DEEPTEPP_OK);
    assert_int_equal(b->study.mask_voxels, 1);
    assert_memory_equal(b->study.low, ((int64_t[]){4, 0, 2}), sizeof b->study.low);
    b->label = 0;
    assert_int_equal(run(b), DEEPTEPP_ERR_MASK_LABELS);
    assert_says(b, "at least");
    free_bench(b);
}

static void values_that_are_no_labels_are_refused(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0.5, "0.5"}, {-1, "-1"}, {1.0000001, "1.0000001"}, {1e20, "1e+20"}};
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        bench *b = make_bench();
        *picture_at(&b->mask, 6, 3, 2) = *picture_at(&b->mask, 1, 4, 3) = rows[i].value;
        EXPECT(b, MASK_FRACTIONAL, "2 voxels", "(6, 3, 2)", rows[i].text);
    }
}

static void they_are_refused_beside_a_chosen_label_too(void **state)
{
    (void)state;
    bench *b = make_bench();
    *picture_at(&b->mask, 6, 3, 2) = 0.25;
    b->label = 1;
    EXPECT(b, MASK_FRACTIONAL, "1 voxels", "0.25");
}

static void a_small_mask_is_refused(void **state)
{
    (void)state;
    bench *b = make_bench_of(RECIPE_WITH("min_mask_voxels", "12"));
    assert_int_equal(run(b), DEEPTEPP_OK);
    free_bench(b);
    b = make_bench_of(RECIPE_WITH("min_mask_voxels", "13"));
    EXPECT(b, MASK_SMALL, "12 voxels", "at least 13");
}

static const struct {
    int64_t at[3];
    const char *axis;
} borders[] = {{{0, 3, 2}, "along R"}, {{7, 3, 2}, "along R"}, {{4, 0, 2}, "along A"},
               {{4, 5, 2}, "along A"}, {{4, 3, 0}, "along S"}, {{4, 3, 4}, "along S"}};

static void a_mask_at_the_border_warns(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(borders); i++) {
        bench *b = make_bench();
        fill_box(&b->mask, borders[i].at, borders[i].at, 1);
        assert_int_equal(run(b), DEEPTEPP_OK);
        assert_int_equal(b->warnings.count, 1);
        assert_true(warns(b, DEEPTEPP_WARN_MASK_AT_BORDER, borders[i].axis));
        free_bench(b);
    }
}

static void a_mask_at_the_border_is_refused_where_the_rule_forbids_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(borders); i++) {
        bench *b = make_bench_of(RECIPE_WITH("outside.rule", "'error'"));
        fill_box(&b->mask, borders[i].at, borders[i].at, 1);
        EXPECT(b, REGION_OUTSIDE, borders[i].axis);
    }
}

/* ---- Channels ---- */

/* Images under these names (NULL: unnamed), on the recipe with these channels. */
static bench *channels(const char *recipe_channels, const char *const *names, int count, deeptepp_status wanted)
{
    bench *b = make_bench_of(RECIPE_WITH("channels", recipe_channels));
    deeptepp_case *patient = make_case();
    for (int i = 0; i < count; i++)
        add_image(patient, names[i], &b->image);
    add_mask(patient, &b->mask, 0);
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
    add_mask(patient, &b->mask, 0);
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
    assert_says(b, "pre, post");
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
    add_mask(patient, &b->mask, 0);
    patient->channels[0].image->affine_gap_mm = 2.5;
    patient->mask->orientation_assumed = true;
    assert_int_equal(make_study(b, patient), DEEPTEPP_OK);
    assert_int_equal(b->warnings.count, 2);
    assert_true(warns(b, DEEPTEPP_WARN_AFFINES_DISAGREE, "t1c: sform and qform place a corner 2.5 mm apart"));
    assert_true(warns(b, DEEPTEPP_WARN_ORIENTATION_ASSUMED, "mask: the file states no orientation; \"RAS\""));
    deeptepp_case_free(patient);
    free_bench(b);
}

static void a_cancelled_search_says_so(void **state)
{
    (void)state;
    bench *b = make_bench();
    deeptepp_case *patient = make_case();
    atomic_bool cancelled = true;
    add_image(patient, NULL, &b->image);
    add_mask(patient, &b->mask, 0);
    assert_int_equal(dtp_study_make(&b->study, patient, &b->recipe, &b->warnings, &cancelled, &b->error),
                     DEEPTEPP_ERR_CANCELLED);
    deeptepp_case_free(patient);
    free_bench(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tumour_is_found),
        cmocka_unit_test(the_box_follows_the_recipe_s_axes),
        cmocka_unit_test(a_mask_in_any_axis_order_of_the_grid_is_accepted),
        cmocka_unit_test(frames_tell_where_they_are),
        cmocka_unit_test(another_size_is_refused),
        cmocka_unit_test(another_spacing_is_refused),
        cmocka_unit_test(another_direction_is_refused),
        cmocka_unit_test(another_origin_is_refused),
        cmocka_unit_test(a_flipped_axis_is_refused),
        cmocka_unit_test(rounding_in_headers_is_tolerated),
        cmocka_unit_test(images_are_compared_with_one_another),
        cmocka_unit_test(images_may_be_stored_in_different_orders),
        cmocka_unit_test(an_empty_mask_is_refused),
        cmocka_unit_test(an_absent_label_is_refused),
        cmocka_unit_test(several_labels_need_a_choice),
        cmocka_unit_test(the_chosen_label_is_the_tumour),
        cmocka_unit_test(the_only_label_may_have_any_number),
        cmocka_unit_test(one_of_many_labels_is_found),
        cmocka_unit_test(values_that_are_no_labels_are_refused),
        cmocka_unit_test(they_are_refused_beside_a_chosen_label_too),
        cmocka_unit_test(a_small_mask_is_refused),
        cmocka_unit_test(a_mask_at_the_border_warns),
        cmocka_unit_test(a_mask_at_the_border_is_refused_where_the_rule_forbids_it),
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
        cmocka_unit_test(a_cancelled_search_says_so),
    };
    return cmocka_run_group_tests_name("study", tests, NULL, NULL);
}
