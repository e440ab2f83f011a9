#include "mask.h"

#include <math.h>
#include <stdio.h>

/* mm, of those parts that the library tells. */
static double furthest_part(const deeptepp_mask *mask)
{
    double furthest = 0;
    for (int64_t i = 1; deeptepp_mask_part_voxels(mask, i) > 0; i++)
        furthest = fmax(furthest, deeptepp_mask_part_distance(mask, i));
    return furthest;
}

void cli_mask_text(const deeptepp_mask *mask, bool largest_part, char out[CLI_MASK_TEXT])
{
    const long long voxels = deeptepp_mask_voxels(mask), parts = deeptepp_mask_part_count(mask);
    const char *s = voxels > 1 ? "s" : "";
    if (parts == 1)
        snprintf(out, CLI_MASK_TEXT, "%lld voxel%s, one part", voxels, s);
    else if (largest_part)
        snprintf(out, CLI_MASK_TEXT, "%lld voxel%s, the largest of %lld parts", voxels, s, parts);
    else
        snprintf(out, CLI_MASK_TEXT, "%lld voxels in %lld parts, the largest of %lld, the furthest %.4g mm from it",
                 voxels, parts, (long long)deeptepp_mask_part_voxels(mask, 0), furthest_part(mask));
}
