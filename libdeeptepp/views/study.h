/* A case checked against a recipe: channels in the network's order, one grid, the tumour's place. */
#ifndef DTP_STUDY_H
#define DTP_STUDY_H

#include "../base/warnings.h"
#include "case.h"
#include "frame.h"
#include "mask.h"

typedef struct dtp_study {
    const dtp_recipe *recipe;
    char axes[4]; /* where the frames' axes run to: the recipe's, or the first image's own */
    const deeptepp_volume *images[DTP_MAX_CHANNELS];
    int32_t numbers[DTP_MAX_CHANNELS];  /* of each image in the case, from 1: what an error's volumes say */
    dtp_frame frames[DTP_MAX_CHANNELS]; /* each image's own storage order; all the same grid */
    const deeptepp_volume *mask;
    dtp_frame mask_frame;    /* the mask's own; the first image's where the mask was put on its grid */
    deeptepp_mask tumour;
    int64_t low[3], high[3]; /* the tumour's bounding box, first and last voxel along the frame's axes */
} dtp_study;

/* Its voxels are given back with dtp_study_free, after a failure too. Errors: CHANNEL_*, MASK_*, GEOMETRY_*,
 * SPACING_RANGE, REGION_OUTSIDE, VOLUME_DIMS, MEMORY, CANCELLED. */
deeptepp_status dtp_study_make(dtp_study *out, const deeptepp_case *patient, const dtp_recipe *recipe,
                               dtp_warnings *warnings, dtp_watch *watch, deeptepp_error *error);

/* Accepts what was never made. */
void dtp_study_free(dtp_study *study);

double dtp_study_tumour_mm3(const dtp_study *study);

/* Warns where the tumour's volume, or an image's mean within it, is not as the model knows them. Part of
 * dtp_study_make. Errors: CANCELLED. */
deeptepp_status dtp_study_warn_of_unusual(const dtp_study *study, dtp_warnings *warnings, dtp_watch *watch,
                                          deeptepp_error *error);

/* Whether the volumes lie on one grid, and where the mask does; sets mask_frame. Part of dtp_study_make. */
deeptepp_status dtp_study_check_grid(dtp_study *study, deeptepp_mask_grid grid, dtp_warnings *warnings,
                                     deeptepp_error *error);

#endif
