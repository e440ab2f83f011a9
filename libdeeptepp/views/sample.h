/* Trilinear sampling of a volume on a grid, on the watch's team. */
#ifndef DTP_SAMPLE_H
#define DTP_SAMPLE_H

#include "cube.h"

/* Fills out[size[0]][size[1]][size[2]] with scaled values. Points further than half a voxel beyond the last voxel's
 * centre are outside: they get the recipe's fill. Returns how many. Stops early, with any values, once cancelled. */
int64_t dtp_sample(const deeptepp_volume *volume, const dtp_grid *grid, const dtp_recipe *recipe,
                   float *out, const dtp_watch *watch);

#endif
