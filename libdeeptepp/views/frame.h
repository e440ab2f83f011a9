/* A volume seen in the order of the network's axes: which voxel axis runs nearest to each, and how. */
#ifndef DTP_FRAME_H
#define DTP_FRAME_H

#include "recipe.h"
#include "../volume/volume.h"

typedef struct dtp_frame {
    int axis[3];            /* the voxel axis that runs along frame axis 0, 1, 2 */
    bool flip[3];           /* backwards */
    int64_t dims[3];        /* voxels along each frame axis */
    double spacing[3];      /* mm */
    double direction[3][3]; /* unit vector of each frame axis, RAS */
    double origin[3];       /* the frame's first voxel, RAS mm */
} dtp_frame;

/* axes: where frame axes 0, 1, 2 run to, e.g. "RAS". */
void dtp_frame_of(dtp_frame *out, const deeptepp_volume *volume, const char *axes);

/* RAS mm of a point given in frame mm from the first voxel. */
void dtp_frame_to_ras(const dtp_frame *frame, const double mm[3], double ras[3]);

#endif
