/* The tumour mask: which label, which voxels, how many parts. Also the public handle's struct. */
#ifndef DTP_MASK_H
#define DTP_MASK_H

#include "parts.h"

/* 2^53: beyond it a double tells whole numbers apart no longer, and soon an int64_t cannot hold them. */
#define DTP_LABEL_MAX (INT64_C(1) << 53)

struct deeptepp_mask {
    int64_t label;
    int64_t voxels;          /* of the tumour: of the largest part alone where the options say so */
    int64_t low[3], high[3]; /* its first and last voxel along the grid's i, j, k */
    double rounding;         /* the largest distance of a value from a whole number */
    bool largest_only;
    deeptepp_mask_grid grid;
    dtp_parts parts;
    int64_t dims[3]; /* of the grid it lies on: the mask's own, or the image's */
    double spacing[3];
    char orientation[4];
    dtp_spans spans;  /* all parts; none once they were dropped */
    uint8_t *part_of; /* of each span, from 0; DTP_PARTS_TOLD: beyond the parts that are told */
};

/* Fills in `out`, of zeros. image: whose grid it shall lie on where the options say so, or NULL. watch: NULL, or
 * asked meanwhile. Errors: MASK_EMPTY, MASK_LABEL, MASK_LABELS, MASK_FRACTIONAL, VOLUME_DIMS, MEMORY, CANCELLED; give
 * back with dtp_mask_drop_voxels then too. */
deeptepp_status dtp_mask_read(deeptepp_mask *out, const deeptepp_volume *volume, const deeptepp_volume *image,
                              const deeptepp_mask_options *options, dtp_watch *watch,
                              deeptepp_error *error);

/* Gives the voxels back; what was found of them stays. */
void dtp_mask_drop_voxels(deeptepp_mask *mask);

/* Whether span s belongs to the tumour. */
static inline bool dtp_mask_counts(const deeptepp_mask *mask, size_t s)
{
    return !mask->largest_only || mask->part_of[s] == 0;
}

/* Checks the options and fills in defaults. Errors: STRUCT_SIZE, ARGUMENT. */
deeptepp_status dtp_mask_options_read(deeptepp_mask_options *out, const deeptepp_mask_options *options,
                                      deeptepp_error *error);

/* The spans of label `label` (0: the only one) in the volume's own i, j, k; the label, and how far values are from
 * whole numbers. Part of dtp_mask_read. */
deeptepp_status dtp_mask_survey(deeptepp_mask *out, const deeptepp_volume *volume, int64_t label,
                                dtp_watch *watch, deeptepp_error *error);

/* Puts spans of one grid onto another: each voxel of `to` whose nearest voxel of `from` is one of theirs. Errors:
 * VOLUME_DIMS, MEMORY, CANCELLED. */
deeptepp_status dtp_spans_regrid(dtp_spans *spans, const deeptepp_volume *from, const deeptepp_volume *to,
                                 dtp_watch *watch, deeptepp_error *error);

#endif
