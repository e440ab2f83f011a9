/* The published views: tiles cut out of the slices that the mask touches, 64 a view (docs/model-format.md,
 * "mosaic"). */
#ifndef DTP_MOSAIC_H
#define DTP_MOSAIC_H

#include "study.h"

enum { DTP_TILES = 64 };

/* What was met on the way, a number a view. */
typedef struct dtp_mosaic_counts {
    int64_t slices[DTP_MAX_VIEWS];   /* that carry the mask */
    int64_t dropped[DTP_MAX_VIEWS];  /* of these: for which there was no tile */
    int64_t constant[DTP_MAX_VIEWS]; /* of the tiles: of one value only */
    int64_t faded[DTP_MAX_VIEWS];    /* slices of which interpolation left nothing of the mask */
    bool vanished[DTP_MAX_VIEWS];    /* so in all slices: cells of any weight were taken */
    int64_t inside[DTP_MAX_VIEWS];   /* voxels of the tumour whose slice has a tile */
    int64_t inside_unrotated;
} dtp_mosaic_counts;

/* Fills out[views][512][512], or [views][64][64][64] for a mosaic's cube.
 * Errors: MASK_SMALL, VOLUME_NONFINITE, MEMORY, CANCELLED. */
deeptepp_status dtp_mosaic_make(const dtp_study *study, float *out, dtp_mosaic_counts *counts, dtp_warnings *warnings,
                                dtp_watch *watch, deeptepp_error *error);

#endif
