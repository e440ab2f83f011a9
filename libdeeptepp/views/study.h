/* A case checked against a recipe: channels in the network's order, one grid, the tumour's place. */
#ifndef DTP_STUDY_H
#define DTP_STUDY_H

#include "../base/warnings.h"
#include "case.h"
#include "frame.h"

typedef struct dtp_study {
    const dtp_recipe *recipe;
    char axes[4]; /* where the frames' axes run to: the recipe's, or the first image's own */
    const deeptepp_volume *images[DTP_MAX_CHANNELS];
    int32_t numbers[DTP_MAX_CHANNELS];  /* of each image in the case, from 1: what an error's volumes say */
    dtp_frame frames[DTP_MAX_CHANNELS]; /* each image's own storage order; all the same grid */
    const deeptepp_volume *mask;
    dtp_frame mask_frame;
    int64_t label;       /* the mask's value that marks the tumour */
    int64_t mask_voxels;
    int64_t low[3], high[3]; /* the tumour's bounding box, first and last voxel along the frame's axes */
} dtp_study;

/* Errors: CHANNEL_*, MASK_*, GEOMETRY_*, SPACING_RANGE, REGION_OUTSIDE, CANCELLED. */
deeptepp_status dtp_study_make(dtp_study *out, const deeptepp_case *patient, const dtp_recipe *recipe,
                               dtp_warnings *warnings, dtp_watch *watch, deeptepp_error *error);

/* Finds the tumour in the mask: label (0: the only one), count, box. Part of dtp_study_make. */
deeptepp_status dtp_mask_find(dtp_study *study, int64_t label, dtp_watch *watch, deeptepp_error *error);

#endif
