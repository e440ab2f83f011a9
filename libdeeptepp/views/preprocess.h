/* From a checked case to the network's tensor. */
#ifndef DTP_PREPROCESS_H
#define DTP_PREPROCESS_H

#include "mosaic.h"
#include "cube.h"

/* What was done, for the result: for a cube, or for mosaics. */
typedef struct dtp_actions {
    dtp_cube cube;
    double centre_ras[3];           /* of the cube, mm */
    int64_t outside[DTP_MAX_VIEWS]; /* samples of each view outside the image (of one channel) */
    double share;                   /* of the tumour's voxels that lie in the unrotated region: 0 to 1 */
    double view_shares[DTP_MAX_VIEWS];
    dtp_mosaic_counts mosaic;
} dtp_actions;

/* Fills out[views][channels][d][h][w]. Runs on a compute thread; the last reader of the caller's voxels.
 * Errors: MASK_OUTSIDE_REGION, REGION_OUTSIDE, IMAGE_CONSTANT, MASK_SMALL, VOLUME_NONFINITE, SCORE_NONFINITE,
 * MEMORY, CANCELLED. */
deeptepp_status dtp_preprocess(const dtp_study *study, float *out, dtp_actions *actions, dtp_warnings *warnings,
                               dtp_watch *watch, deeptepp_error *error);

#endif
