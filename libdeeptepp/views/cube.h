/* Where the network looks: the cube around the tumour, and for each view and image the grid of points to sample. */
#ifndef DTP_CUBE_H
#define DTP_CUBE_H

#include "study.h"

/* The unrotated cube in frame mm. */
typedef struct dtp_cube {
    double centre[3]; /* of the middle of the cube, mm from the first voxel */
    double step[3];   /* mm from sample to sample */
} dtp_cube;

/* Voxel index of sample (d, h, w), along the volume's own i, j, k: origin + d step[0] + h step[1] + w step[2]. */
typedef struct dtp_grid {
    double origin[3];
    double step[3][3];
} dtp_grid;

/* Exact for quarter turns. */
void dtp_sine_cosine(double degrees, double *s, double *c);

void dtp_cube_place(dtp_cube *out, const dtp_study *study);

/* For a view, or for the unrotated region. */
enum { DTP_UNROTATED = -1 };
void dtp_grid_make(dtp_grid *out, const dtp_cube *cube, const dtp_recipe *recipe, int view, const dtp_frame *frame);

#endif
