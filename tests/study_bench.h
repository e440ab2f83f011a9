/* A valid case for tests to damage, and what dtp_study_make says of it. */
#ifndef STUDY_BENCH_H
#define STUDY_BENCH_H

#include "../libdeeptepp/views/study.h"
#include "mask_options.h"
#include "picture_maker.h"
#include "recipe_maker.h"

/* A valid case for each test to damage: an image of 8 x 6 x 5 voxels of 1 x 2 x 3 mm and its mask, whose label 1 fills
 * voxels 2..3, 2..4, 1..2. */
typedef struct bench {
    dtp_recipe recipe;
    picture image, mask;
    deeptepp_mask_options options;
    dtp_warnings warnings;
    deeptepp_error error;
    dtp_study study; /* its volumes and voxels are gone after `run` */
} bench;

enum { VOXELS = 2 * 3 * 2 };

static const int64_t DIMS[3] = {8, 6, 5};
static const double SPACING[3] = {1, 2, 3}, ORIGIN[3] = {-10, 20, 30};

static inline void fill_box(picture *mask, const int64_t low[3], const int64_t high[3], double value)
{
    for (int64_t k = low[2]; k <= high[2]; k++)
        for (int64_t j = low[1]; j <= high[1]; j++)
            for (int64_t i = low[0]; i <= high[0]; i++)
                *picture_at(mask, i, j, k) = value;
}

static inline bench *make_bench_of(dtp_recipe recipe)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->recipe = recipe;
    b->options.struct_size = sizeof b->options;
    b->image = picture_make(DIMS, SPACING, ORIGIN);
    b->mask = picture_make(DIMS, SPACING, ORIGIN);
    fill_box(&b->mask, (const int64_t[]){2, 2, 1}, (const int64_t[]){3, 4, 2}, 1);
    return b;
}

static inline bench *make_bench(void)
{
    return make_bench_of(recipe_with(NULL));
}

static inline void free_bench(bench *b)
{
    dtp_recipe_free(&b->recipe);
    free(b->image.values);
    free(b->mask.values);
    free(b);
}

static inline deeptepp_status make_study(bench *b, const deeptepp_case *patient)
{
    deeptepp_status status = dtp_study_make(&b->study, patient, &b->recipe, &b->warnings, NULL, &b->error);
    dtp_study_free(&b->study);
    return status;
}

static inline deeptepp_case *make_case(void)
{
    deeptepp_case *patient = NULL;
    assert_int_equal(deeptepp_case_new(&patient, NULL), DEEPTEPP_OK);
    return patient;
}

static inline void add_image(deeptepp_case *patient, const char *name, const picture *p)
{
    deeptepp_volume *volume = picture_volume(p);
    assert_int_equal(deeptepp_case_set_image(patient, name, volume, NULL), DEEPTEPP_OK);
    deeptepp_volume_free(volume);
}

static inline void add_mask(deeptepp_case *patient, const picture *p, const deeptepp_mask_options *options)
{
    deeptepp_volume *volume = picture_volume(p);
    assert_int_equal(deeptepp_case_set_mask(patient, volume, options, NULL), DEEPTEPP_OK);
    deeptepp_volume_free(volume);
}

static inline deeptepp_status run(bench *b)
{
    deeptepp_case *patient = make_case();
    add_image(patient, NULL, &b->image);
    add_mask(patient, &b->mask, &b->options);
    deeptepp_status status = make_study(b, patient);
    deeptepp_case_free(patient);
    return status;
}

static inline void assert_says(const bench *b, const char *text)
{
    if (!strstr(b->error.message, text))
        fail_msg("\"%s\" does not say \"%s\"", b->error.message, text);
}

static inline bool warns(const bench *b, deeptepp_warning code, const char *text)
{
    for (int i = 0; i < b->warnings.count; i++)
        if (b->warnings.items[i].code == code && strstr(b->warnings.items[i].message, text))
            return true;
    return false;
}

/* Runs, checks status and what the message says, and frees the bench. */
static inline void expect(bench *b, deeptepp_status wanted, const char *const *texts)
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

#endif
