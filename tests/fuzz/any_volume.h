/* Volumes over memory as an input asks for them: any type, order, strides, affine; images and masks. */
#ifndef ANY_VOLUME_H
#define ANY_VOLUME_H

#include "fuzz.h"

enum { MOST_VOXELS = 4096, ROOM = 8 * MOST_VOXELS };

/* Axes permuted, flipped, scaled and turned about; or any numbers. */
static inline void choose_affine(bites *b, double affine[16])
{
    uint8_t kind = bite(b);
    memset(affine, 0, 16 * sizeof *affine);
    affine[15] = 1;
    for (int axis = 0; axis < 3; axis++)
        affine[4 * ((axis + kind) % 3) + axis] = (kind >> axis & 8 ? -0.25 : 0.25) * (double)bite_within(b, 1, 12);
    double angle = kind & 64 ? 0.01 * (double)bite(b) : 0;
    for (int axis = 0; axis < 3; axis++) {
        double x = affine[axis], y = affine[4 + axis];
        affine[axis] = x * cos(angle) - y * sin(angle);
        affine[4 + axis] = x * sin(angle) + y * cos(angle);
        affine[4 * axis + 3] = (double)bite(b) - 100;
    }
    for (int e = 0; kind & 128 && e < 3; e++)
        affine[bite_within(b, 0, 15)] = bite_number(b);
}

/* Strides that fill the memory, the axes in any order, each from either end. */
static inline void choose_strides(bites *b, deeptepp_array *array, uint8_t *memory, int64_t size)
{
    uint8_t kind = bite(b);
    int64_t step = size, first = 0;
    for (int n = 0; n < 3; n++) {
        int axis = kind & 64 ? (n + kind) % 3 : (kind + 3 - n) % 3;
        array->strides[axis] = kind >> n & 8 ? -step : step;
        first += kind >> n & 8 ? step * (array->dims[axis] - 1) : 0;
        step *= array->dims[axis];
    }
    array->data = memory + first;
}

static inline void fill(bites *b, const deeptepp_array *like, uint8_t *memory, int64_t size, bool mask)
{
    int64_t count = like->dims[0] * like->dims[1] * like->dims[2];
    uint8_t base = bite(b), step = bite(b), pattern[16];
    bite_bytes(b, pattern, (size_t)bite_within(b, 0, 16));
    memset(memory, 0, (size_t)(count * size));
    for (int64_t n = 0; n < count && !mask; n++)
        memory[n * size] = (uint8_t)(base + step * n + (n >> 3) * 7);
    int64_t from = count * base / 256, length = 1 + count * step / 1024;
    for (int64_t n = from; n < from + length && n < count && mask; n++)
        memory[n * size] = pattern[0] & 1 ? (uint8_t)(1 + (n & pattern[0] >> 4)) : 1;
    for (int i = 1; i < 16 && mask; i++)
        memory[pattern[i] * count / 256 * size] |= pattern[i] & 1;
}

static inline deeptepp_volume *choose_volume(bites *b, deeptepp_array *array, uint8_t memory[ROOM], bool mask)
{
    static const int sizes[] = {0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    deeptepp_volume *volume;
    deeptepp_error error = {0};
    array->type = (deeptepp_type)bite_within(b, 1, mask ? 8 : 10);
    choose_strides(b, array, memory, sizes[array->type]);
    fill(b, array, memory, sizes[array->type], mask);
    deeptepp_status status = deeptepp_volume_from_array(&volume, array, &error);
    require_sound(status, &error);
    return volume;
}

#endif
