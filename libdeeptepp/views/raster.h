/* What the published views interpolate: an image, or the mask's box, indexed in the order of the frame's axes. */
#ifndef DTP_RASTER_H
#define DTP_RASTER_H

#include "study.h"

/* What an array's type does to an interpolated value: the published pipeline keeps the type. */
typedef enum dtp_rounding {
    DTP_ROUND_NONE,     /* floating point */
    DTP_ROUND_HALF_UP,  /* 8 bits, in fixed point */
    DTP_ROUND_HALF_EVEN /* all other integers */
} dtp_rounding;

typedef struct dtp_raster {
    const uint8_t *data;        /* its first voxel */
    int64_t stride[3];          /* bytes along the frame's axes */
    int64_t first[3], dims[3];  /* where in the frame it lies; all around is 0 */
    deeptepp_type type;
    double slope, inter;
    dtp_rounding rounding;
    void *owned;
} dtp_raster;

/* Bilinear interpolation in a plane of axes 0 and 2: four voxels and their weights, 0 for those outside the raster. */
typedef struct dtp_quad {
    int64_t offset[4]; /* bytes from the first voxel of the raster's plane */
    float weight[4];
} dtp_quad;

/* Weights are multiples of 1 / DTP_QUAD_STEPS along each axis. */
enum { DTP_QUAD_STEPS = 32 };

void dtp_raster_of_image(dtp_raster *out, const deeptepp_volume *volume, const dtp_frame *frame);

/* 1 in the tumour, 0 elsewhere in its bounding box; one byte a voxel. Errors: MEMORY. */
deeptepp_status dtp_raster_of_mask(dtp_raster *out, const dtp_study *study, deeptepp_error *error);

/* Accepts an empty raster. */
void dtp_raster_free(dtp_raster *raster);

/* The quad at `row` and `column` steps of 1 / DTP_QUAD_STEPS along axes 0 and 2; false when it sees nothing of the
 * raster. */
bool dtp_quad_make(dtp_quad *out, const dtp_raster *raster, int64_t row, int64_t column);

/* Plane y (of the frame; within the raster) at n quads, scaled, rounded by the raster's rule. */
void dtp_raster_gather(const dtp_raster *raster, int64_t y, const dtp_quad *quads, int64_t n, float *out);

#endif
