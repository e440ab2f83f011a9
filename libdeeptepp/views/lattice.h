/* The points that the samples of an unrotated fixed region fall on. */
#ifndef DTP_LATTICE_H
#define DTP_LATTICE_H

#include "frame.h"

typedef struct dtp_lattice {
    double origin[3]; /* of its point 0, mm from the frame's first voxel */
    double step[3];   /* mm */
} dtp_lattice;

/* frame: of the image that is sampled. */
void dtp_lattice_of(dtp_lattice *out, const dtp_frame *frame, const dtp_recipe *recipe);

#endif
