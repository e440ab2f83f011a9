/* What a mask promises: its parts are those that its voxels show, and the tumour lies in its box. */
#ifndef MASK_PROMISES_H
#define MASK_PROMISES_H

#include "any_volume.h"

enum { COUNTED_PARTS = 64 };

static inline void check_parts(const deeptepp_mask *mask, const int32_t *voxels, int64_t count, bool largest_alone)
{
    int64_t seen[COUNTED_PARTS + 2] = {0}, parts = deeptepp_mask_part_count(mask), inside = 0;
    for (int64_t n = 0; n < count; n++) {
        require(voxels[n] >= 0 && voxels[n] <= COUNTED_PARTS + 1);
        seen[voxels[n]]++;
        inside += voxels[n] > 0;
    }
    require(parts > 0 && deeptepp_mask_part_voxels(mask, 0) == seen[1] && deeptepp_mask_part_distance(mask, 0) == 0);
    require(deeptepp_mask_voxels(mask) == (largest_alone ? seen[1] : inside));
    for (int64_t i = 0; i < COUNTED_PARTS; i++) {
        require(deeptepp_mask_part_voxels(mask, i) == (i < parts ? seen[i + 1] : 0));
        require(i == 0 || i >= parts || seen[i + 1] <= seen[i]);
        require((deeptepp_mask_part_distance(mask, i) >= 0) == (i < parts));
    }
}

static inline void check_mask(deeptepp_volume *volume, const deeptepp_mask_options *options)
{
    static int32_t voxels[MOST_VOXELS];
    deeptepp_mask *mask;
    deeptepp_error error = {0};
    int64_t dims[3], ras[3], low[3], high[3];
    deeptepp_status status = deeptepp_mask_new(&mask, volume, options, &error);
    require_sound(status, &error);
    require((status == DEEPTEPP_OK) == (mask != NULL));
    if (!mask)
        return;
    deeptepp_volume_dims(volume, dims);
    deeptepp_mask_box(mask, low, high);
    for (int axis = 0; axis < 3; axis++)
        require(low[axis] >= 0 && low[axis] <= high[axis] && high[axis] < dims[axis]);
    size_t count = (size_t)(dims[0] * dims[1] * dims[2]);
    require(deeptepp_mask_copy_ras(mask, voxels, count, ras, NULL, NULL) == DEEPTEPP_OK);
    require(ras[0] * ras[1] * ras[2] == (int64_t)count);
    require(deeptepp_mask_label(mask) > 0 && deeptepp_mask_rounding(mask) >= 0 && deeptepp_mask_rounding(mask) < 0.5);
    check_parts(mask, voxels, (int64_t)count, options->largest_part != 0);
    deeptepp_mask_free(mask);
}

#endif
