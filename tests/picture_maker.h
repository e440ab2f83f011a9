/* Pictures: small volumes in double precision, to store in any type and axis order. */
#ifndef PICTURE_MAKER_H
#define PICTURE_MAKER_H

#include <math.h>

#include "../libdeeptepp/volume/volume.h"

typedef struct picture {
    int64_t dims[3];
    double affine[16]; /* row-major, voxel index to RAS mm */
    double *values;    /* i fastest; give back with free() */
} picture;

static inline size_t picture_count(const picture *p)
{
    return (size_t)(p->dims[0] * p->dims[1] * p->dims[2]);
}

static inline double *picture_at(const picture *p, int64_t i, int64_t j, int64_t k)
{
    return &p->values[i + p->dims[0] * (j + p->dims[1] * k)];
}

/* All 0, axes along R, A, S. */
static inline picture picture_make(const int64_t dims[3], const double spacing[3], const double origin[3])
{
    picture p = {.affine = {[15] = 1}};
    for (int a = 0; a < 3; a++) {
        p.dims[a] = dims[a];
        p.affine[5 * a] = spacing[a];
        p.affine[4 * a + 3] = origin[a];
    }
    p.values = calloc(picture_count(&p), sizeof *p.values);
    assert_non_null(p.values);
    return p;
}

static inline void picture_multiply(double out[16], const double a[16], const double b[16])
{
    double product[16];
    for (int r = 0; r < 4; r++)
        for (int c = 0; c < 4; c++) {
            product[4 * r + c] = 0;
            for (int n = 0; n < 4; n++)
                product[4 * r + c] += a[4 * r + n] * b[4 * n + c];
        }
    memcpy(out, product, sizeof product);
}

/* Turns the patient about RAS axis `axis`, right-handed. */
static inline void picture_turn(picture *p, int axis, double degrees)
{
    double s = sin(degrees * 3.14159265358979323846 / 180), c = cos(degrees * 3.14159265358979323846 / 180);
    double turn[16] = {[15] = 1};
    int a = (axis + 1) % 3, b = (axis + 2) % 3;
    turn[5 * axis] = 1;
    turn[5 * a] = turn[5 * b] = c;
    turn[4 * a + b] = -s;
    turn[4 * b + a] = s;
    picture_multiply(p->affine, turn, p->affine);
}

/* The same voxels at the same places, stored otherwise. order: 0 to 47. */
static inline picture picture_reorder(const picture *p, int order)
{
    static const int perms[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int *perm = perms[order / 8];
    double change[16] = {[15] = 1}; /* new voxel index to old */
    int64_t sense[3], first[3];
    picture q = {.values = calloc(picture_count(p), sizeof *q.values)};
    assert_non_null(q.values);
    for (int a = 0; a < 3; a++) {
        bool flip = order >> a & 1;
        int old = perm[a];
        q.dims[a] = p->dims[old];
        sense[a] = flip ? -1 : 1;
        first[a] = flip ? p->dims[old] - 1 : 0;
        change[4 * old + a] = (double)sense[a];
        change[4 * old + 3] = (double)first[a];
    }
    picture_multiply(q.affine, p->affine, change);
    for (int64_t n = 0; n < (int64_t)picture_count(&q); n++) {
        const int64_t at[3] = {n % q.dims[0], n / q.dims[0] % q.dims[1], n / q.dims[0] / q.dims[1]};
        int64_t old[3];
        for (int a = 0; a < 3; a++)
            old[perm[a]] = first[a] + sense[a] * at[a];
        q.values[n] = *picture_at(p, old[0], old[1], old[2]);
    }
    return q;
}

/* A volume over the picture's own memory, which must outlive it. */
static inline deeptepp_volume *picture_volume(const picture *p)
{
    deeptepp_volume *volume = NULL;
    deeptepp_error error = {0};
    deeptepp_array array = {.struct_size = sizeof array, .data = p->values, .type = DEEPTEPP_FLOAT64};
    memcpy(array.dims, p->dims, sizeof array.dims);
    memcpy(array.affine, p->affine, sizeof array.affine);
    if (deeptepp_volume_from_array(&volume, &array, &error) != DEEPTEPP_OK)
        fail_msg("the test's own volume is wrong: %s", error.message);
    return volume;
}

/* Numbers in [0, 1) that are the same on every machine. */
static inline double picture_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) / 9007199254740992.0;
}

#endif
