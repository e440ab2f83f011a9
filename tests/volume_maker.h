/* A small volume in memory that counts, laid out in any order; shared by the tests of volumes. */
#ifndef VOLUME_MAKER_H
#define VOLUME_MAKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "../libdeeptepp/volume/volume.h"

enum { NX = 5, NY = 4, NZ = 3, N_VOXELS = NX * NY * NZ };

static float counting[N_VOXELS]; /* 0, 1, 2, ... with i fastest */

static inline int fill_counting(void **state)
{
    (void)state;
    for (int n = 0; n < N_VOXELS; n++)
        counting[n] = (float)n;
    return 0;
}

static inline deeptepp_array counting_array(void)
{
    return (deeptepp_array){.struct_size = sizeof(deeptepp_array),
                            .data = counting,
                            .type = DEEPTEPP_FLOAT32,
                            .dims = {NX, NY, NZ},
                            .affine = {2, 0, 0, -10, 0, 3, 0, -20, 0, 0, 4, 30, 0, 0, 0, 1}};
}

static inline deeptepp_volume *accept(const deeptepp_array *array)
{
    deeptepp_error error = {0};
    deeptepp_volume *volume = NULL;
    if (deeptepp_volume_from_array(&volume, array, &error) != DEEPTEPP_OK)
        fail_msg("refused: %s", error.message);
    assert_non_null(volume);
    return volume;
}

static inline void refuse(const deeptepp_array *array, deeptepp_status wanted, const char *text)
{
    deeptepp_error error = {0};
    deeptepp_volume *volume = (deeptepp_volume *)&error;
    deeptepp_status status = deeptepp_volume_from_array(&volume, array, &error);
    assert_string_equal(deeptepp_status_name(status), deeptepp_status_name(wanted));
    assert_int_equal(error.status, wanted);
    assert_null(volume);
    if (!strstr(error.message, text))
        fail_msg("\"%s\" does not speak of \"%s\"", error.message, text);
}

/* Permutation `order` of the axes of memory, some of them backwards; the same voxels in each. */
static inline deeptepp_array lay_out(float *memory, const int order[3], int flips)
{
    deeptepp_array array = counting_array();
    int64_t step = sizeof(float), at = 0;
    for (int n = 0; n < 3; n++) {
        int axis = order[n];
        array.strides[axis] = flips >> axis & 1 ? -step : step;
        if (flips >> axis & 1)
            at += step * (array.dims[axis] - 1);
        step *= array.dims[axis];
    }
    array.data = (char *)memory + at;
    for (int n = 0; n < N_VOXELS; n++) {
        int64_t i = n % NX, j = n / NX % NY, k = n / NX / NY;
        char *voxel = (char *)memory + at + i * array.strides[0] + j * array.strides[1] + k * array.strides[2];
        memcpy(voxel, &counting[n], sizeof counting[n]);
    }
    return array;
}

static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

#endif
