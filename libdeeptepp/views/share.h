/* How much of the tumour lies where the network looks. */
#ifndef DTP_SHARE_H
#define DTP_SHARE_H

#include "../base/team.h"
#include "cube.h"

/* The tumour's voxels whose centres lie in a cube of samples, each of which stands for as much as lies between it and
 * its neighbours. grid: of the mask's frame. */
int64_t dtp_share_of_grid(const dtp_study *study, const dtp_grid *grid);

/* Mm from the middle of the cube to the nearest of the tumour's voxels. */
double dtp_share_distance(const dtp_study *study, const dtp_grid *grid);

/* The tumour's voxels whose nearest column is seen: column = m[0] row + m[1] plane + m[2], of frame axes 0 and 2. */
int64_t dtp_share_of_columns(const dtp_study *study, const double m[3], const uint8_t *seen, int64_t columns,
                             dtp_team *team);

/* Of each plane along frame axis 2, from the first of the tumour's box, the tumour's voxels; counts: of zeros. */
void dtp_share_of_planes(const dtp_study *study, int64_t *counts);

#endif
