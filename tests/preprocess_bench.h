/* A case with up to two images, and the tensor it gives. */
#ifndef PREPROCESS_BENCH_H
#define PREPROCESS_BENCH_H

#include "../libdeeptepp/views/preprocess.h"
#include "picture_maker.h"
#include "recipe_maker.h"

enum { MAX_IMAGES = 2 };

/* What a run works on and gives. */
typedef struct bench {
    dtp_recipe recipe;
    picture images[MAX_IMAGES], mask;
    double slope, inter; /* of the first image */
    float *tensor;
    size_t count;
    dtp_actions actions;
    dtp_warnings warnings;
    deeptepp_error error;
} bench;

static const int64_t DIMS[3] = {34, 30, 21};
static const double SPACING[3] = {1.1, 0.9, 1.7}, ORIGIN[3] = {-60, 25, 110};

#define ANGLES "[36, 72, 108, 144, 180, 216, 252, 288, 324, 360]"

/* Soft waves and noise: no two places are alike. */
static inline void paint(picture *p, int seed)
{
    uint64_t state = (uint64_t)seed;
    for (int64_t k = 0; k < p->dims[2]; k++)
        for (int64_t j = 0; j < p->dims[1]; j++)
            for (int64_t i = 0; i < p->dims[0]; i++)
                *picture_at(p, i, j, k) = 300 * seed + 200 * sin(0.2 * (double)i + seed) * cos(0.15 * (double)j) +
                                          (double)(3 * k) + 40 * picture_random(&state);
}

static inline bench *make_bench(dtp_recipe recipe)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->recipe = recipe;
    b->slope = 1;
    for (int c = 0; c < recipe.n_channels; c++) {
        b->images[c] = picture_make(DIMS, SPACING, ORIGIN);
        paint(&b->images[c], c + 1);
    }
    b->mask = picture_make(DIMS, SPACING, ORIGIN);
    for (int n = 0; n < 7 * 5 * 4; n++)
        *picture_at(&b->mask, 13 + n % 7, 12 + n / 7 % 5, 8 + n / 35) = 1;
    return b;
}

static inline void free_bench(bench *b)
{
    for (int c = 0; c < b->recipe.n_channels; c++)
        free(b->images[c].values);
    free(b->mask.values);
    free(b->tensor);
    dtp_recipe_free(&b->recipe);
    free(b);
}

static inline deeptepp_case *make_case(const bench *b)
{
    deeptepp_case *patient = NULL;
    assert_int_equal(deeptepp_case_new(&patient, NULL), DEEPTEPP_OK);
    for (int c = 0; c < b->recipe.n_channels; c++) {
        deeptepp_volume *image = picture_volume(&b->images[c]);
        if (c == 0) {
            image->slope = b->slope;
            image->inter = b->inter;
        }
        assert_int_equal(deeptepp_case_set_image(patient, b->recipe.channels[c], image, NULL), DEEPTEPP_OK);
        deeptepp_volume_free(image);
    }
    deeptepp_volume *mask = picture_volume(&b->mask);
    assert_int_equal(deeptepp_case_set_mask(patient, mask, NULL, NULL), DEEPTEPP_OK);
    deeptepp_volume_free(mask);
    return patient;
}

static inline deeptepp_status run_watched(bench *b, dtp_watch *watch)
{
    const dtp_recipe *r = &b->recipe;
    dtp_study study;
    free(b->tensor);
    b->count = (size_t)(r->n_views * r->n_channels) * (size_t)(r->size[0] * r->size[1] * r->size[2]);
    b->tensor = calloc(b->count, sizeof *b->tensor);
    assert_non_null(b->tensor);
    b->warnings.count = 0;
    deeptepp_case *patient = make_case(b);
    deeptepp_status status = dtp_study_make(&study, patient, r, &b->warnings, watch, &b->error);
    if (status == DEEPTEPP_OK)
        status = dtp_preprocess(&study, b->tensor, &b->actions, &b->warnings, watch, &b->error);
    dtp_study_free(&study);
    deeptepp_case_free(patient);
    return status;
}

static inline deeptepp_status run(bench *b)
{
    return run_watched(b, NULL);
}

static inline void run_well(bench *b)
{
    if (run(b) != DEEPTEPP_OK)
        fail_msg("%s", b->error.message);
}

/* A copy of the tensor as it is now. */
static inline float *keep(const bench *b)
{
    float *copy = malloc(b->count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, b->tensor, b->count * sizeof *copy);
    return copy;
}

static inline double difference(const bench *b, const float *other)
{
    double most = 0;
    for (size_t n = 0; n < b->count; n++)
        most = fmax(most, fabs((double)b->tensor[n] - (double)other[n]));
    return most;
}

#define LARGE "size", "[16, 18, 20]", "angles_deg", ANGLES, "axes", "'SAR'"
#define VIEW_ZSCORE "intensity", "{'rule': 'zscore', 'over': 'view'}"

static inline void replace(picture *p, picture q)
{
    free(p->values);
    *p = q;
}

#endif
