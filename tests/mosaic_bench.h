/* A case of any voxel type, and the mosaic's cube it gives. */
#ifndef MOSAIC_BENCH_H
#define MOSAIC_BENCH_H

#include "../libdeeptepp/views/preprocess.h"
#include "../libdeeptepp/views/slices.h"
#include "mask_options.h"
#include "picture_maker.h"
#include "recipe_maker.h"

typedef struct bench {
    dtp_recipe recipe;
    picture image, mask; /* values as stored, each of its type */
    deeptepp_type image_type, mask_type;
    double slope, inter; /* of the image */
    int64_t label;
    float *tensor;
    size_t count;
    dtp_actions actions;
    dtp_warnings warnings;
    deeptepp_error error;
} bench;

static const double MM[3] = {1, 1, 1}, ORIGIN[3] = {0, 0, 0};

/* Soft waves and noise of about 100 to 1100: no two places are alike. */
static inline void paint(picture *p)
{
    uint64_t state = 5;
    for (int64_t k = 0; k < p->dims[2]; k++)
        for (int64_t j = 0; j < p->dims[1]; j++)
            for (int64_t i = 0; i < p->dims[0]; i++)
                *picture_at(p, i, j, k) =
                    floor(600 + 400 * sin(0.2 * (double)i + 0.1 * (double)k) * cos(0.15 * (double)j) +
                          100 * picture_random(&state));
}

static inline void fill_box(picture *mask, const int64_t low[3], const int64_t end[3], double value)
{
    for (int64_t k = low[2]; k < end[2]; k++)
        for (int64_t j = low[1]; j < end[1]; j++)
            for (int64_t i = low[0]; i < end[0]; i++)
                *picture_at(mask, i, j, k) = value;
}

/* An int16 image, a uint8 mask of low to end, axes along the frame's (index axes 0, 1, 2 are R, A, S). */
static inline bench *make_bench(dtp_recipe recipe, const int64_t dims[3], const int64_t low[3], const int64_t end[3])
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->recipe = recipe;
    b->image = picture_make(dims, MM, ORIGIN);
    b->mask = picture_make(dims, MM, ORIGIN);
    b->image_type = DEEPTEPP_INT16;
    b->mask_type = DEEPTEPP_UINT8;
    b->slope = 1;
    paint(&b->image);
    fill_box(&b->mask, low, end, 1);
    return b;
}

#define VECTOR(...) ((const int64_t[3]){__VA_ARGS__})
#define PLAIN(...) MOSAIC_WITH("axes", "'RAS'", __VA_ARGS__)
#define VIEWS "angles_deg", "[36, 72, 108, 144, 180, 216, 252, 288, 324, 360]"

static inline void free_bench(bench *b)
{
    free(b->image.values);
    free(b->mask.values);
    free(b->tensor);
    dtp_recipe_free(&b->recipe);
    free(b);
}

#define STORE(type)                                                                                                    \
    for (size_t n = 0; n < picture_count(p); n++)                                                                      \
        ((type *)out)[n] = (type)p->values[n];                                                                         \
    break

static inline void *store(const picture *p, deeptepp_type type)
{
    void *out = calloc(picture_count(p), dtp_type_size(type));
    assert_non_null(out);
    switch (type) {
    case DEEPTEPP_UINT8: STORE(uint8_t);
    case DEEPTEPP_INT8: STORE(int8_t);
    case DEEPTEPP_UINT16: STORE(uint16_t);
    case DEEPTEPP_INT16: STORE(int16_t);
    case DEEPTEPP_UINT32: STORE(uint32_t);
    case DEEPTEPP_INT32: STORE(int32_t);
    case DEEPTEPP_UINT64: STORE(uint64_t);
    case DEEPTEPP_INT64: STORE(int64_t);
    case DEEPTEPP_FLOAT32: STORE(float);
    case DEEPTEPP_FLOAT64: STORE(double);
    case DEEPTEPP_TYPE_FORCE_INT32: break;
    }
    return out;
}

static inline deeptepp_volume *make_volume(const picture *p, deeptepp_type type, const void *voxels)
{
    deeptepp_volume *volume = NULL;
    deeptepp_error error = {0};
    deeptepp_array array = {.struct_size = sizeof array, .data = voxels, .type = type};
    memcpy(array.dims, p->dims, sizeof array.dims);
    memcpy(array.affine, p->affine, sizeof array.affine);
    if (deeptepp_volume_from_array(&volume, &array, &error) != DEEPTEPP_OK)
        fail_msg("the test's own volume is wrong: %s", error.message);
    return volume;
}

static inline deeptepp_status run_study(bench *b, const deeptepp_case *patient, dtp_watch *watch)
{
    dtp_study study;
    b->warnings.count = 0;
    deeptepp_status status = dtp_study_make(&study, patient, &b->recipe, &b->warnings, watch, &b->error);
    if (status == DEEPTEPP_OK)
        status = dtp_preprocess(&study, b->tensor, &b->actions, &b->warnings, watch, &b->error);
    dtp_study_free(&study);
    return status;
}

/* spoil: NULL, or what is done to the image's voxels once they were checked. */
static inline deeptepp_status run_spoiled(bench *b, dtp_watch *watch, void (*spoil)(void *voxels))
{
    deeptepp_case *patient = NULL;
    void *image = store(&b->image, b->image_type), *mask = store(&b->mask, b->mask_type);
    deeptepp_volume *volumes[2] = {make_volume(&b->image, b->image_type, image),
                                   make_volume(&b->mask, b->mask_type, mask)};
    volumes[0]->slope = b->slope;
    volumes[0]->inter = b->inter;
    assert_int_equal(deeptepp_case_new(&patient, NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_image(patient, NULL, volumes[0], NULL), DEEPTEPP_OK);
    assert_int_equal(deeptepp_case_set_mask(patient, volumes[1], WITH_LABEL(b->label), NULL), DEEPTEPP_OK);
    if (spoil)
        spoil(image);
    free(b->tensor);
    b->count = (size_t)b->recipe.n_views * DTP_TILES * DTP_TILE_SIZE;
    b->tensor = calloc(b->count, sizeof *b->tensor);
    assert_non_null(b->tensor);
    deeptepp_status status = run_study(b, patient, watch);
    deeptepp_case_free(patient);
    deeptepp_volume_free(volumes[0]);
    deeptepp_volume_free(volumes[1]);
    free(image);
    free(mask);
    return status;
}

static inline deeptepp_status run(bench *b)
{
    return run_spoiled(b, NULL, NULL);
}

static inline void run_well(bench *b)
{
    if (run(b) != DEEPTEPP_OK)
        fail_msg("%s", b->error.message);
}

/* Tile n of a view of a mosaic's cube. */
static inline const float *tile_of(const bench *b, int view, int n)
{
    return b->tensor + ((size_t)view * DTP_TILES + (size_t)n) * DTP_TILE_SIZE;
}

static inline void assert_same_tile(const float *a, const float *b)
{
    assert_memory_equal(a, b, DTP_TILE_SIZE * sizeof *a);
}

static inline void assert_same_tensor(const bench *a, const bench *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->tensor, b->tensor, a->count * sizeof *a->tensor);
}

static inline bool same_tensor(const bench *a, const bench *b)
{
    return a->count == b->count && memcmp(a->tensor, b->tensor, a->count * sizeof *a->tensor) == 0;
}

/* The warning's text, or NULL. */
static inline const char *warning(const bench *b, deeptepp_warning code)
{
    for (int i = 0; i < b->warnings.count; i++)
        if (b->warnings.items[i].code == code)
            return b->warnings.items[i].message;
    return NULL;
}

#endif
