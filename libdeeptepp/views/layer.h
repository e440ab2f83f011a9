/* What the published views interpolate: an image, or the mask's box, indexed in the order of the frame's axes. */
#ifndef DTP_LAYER_H
#define DTP_LAYER_H

#include "study.h"

/* What an array's type does to an interpolated value: the published pipeline keeps the type. */
typedef enum dtp_rounding {
    DTP_ROUND_NONE,     /* floating point */
    DTP_ROUND_HALF_UP,  /* 8 bits, in fixed point */
    DTP_ROUND_HALF_EVEN /* all other integers */
} dtp_rounding;

typedef struct dtp_layer {
    const uint8_t *data;        /* its first voxel */
    int64_t stride[3];          /* bytes along the frame's axes */
    int64_t first[3], dims[3];  /* where in the frame it lies; all around is 0 */
    deeptepp_type type;
    double slope, inter;
    dtp_rounding rounding;
    void *owned;
} dtp_layer;

/* Bilinear interpolation in a plane of axes 0 and 2: four voxels and their weights, 0 for those outside the layer. */
typedef struct dtp_tap {
    int64_t offset[4]; /* bytes from the first voxel of the layer's plane */
    float weight[4];
} dtp_tap;

/* Weights are multiples of 1 / DTP_TAP_STEPS along each axis. */
enum { DTP_TAP_STEPS = 32 };

void dtp_layer_of_image(dtp_layer *out, const deeptepp_volume *volume, const dtp_frame *frame);

/* 1 in the tumour, 0 elsewhere in its bounding box; one byte a voxel. Errors: MEMORY. */
deeptepp_status dtp_layer_of_mask(dtp_layer *out, const dtp_study *study, deeptepp_error *error);

/* Accepts an empty layer. */
void dtp_layer_free(dtp_layer *layer);

/* The tap at `row` and `column` steps of 1 / DTP_TAP_STEPS along axes 0 and 2; false when it sees nothing of the
 * layer. */
bool dtp_tap_make(dtp_tap *out, const dtp_layer *layer, int64_t row, int64_t column);

/* Plane y (of the frame; within the layer) at n taps, scaled, rounded by the layer's rule. */
void dtp_layer_gather(const dtp_layer *layer, int64_t y, const dtp_tap *taps, int64_t n, float *out);

#endif
