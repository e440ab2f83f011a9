/* Voxels in memory, of any type and stride: reading them, and checking every one. */
#ifndef DTP_VOXELS_H
#define DTP_VOXELS_H

#include "volume.h"

/* Every voxel type, for all that is made of one function or row a type: the name that its constants end with, here
 * (DEEPTEPP_) and in NIfTI (DT_); what it is in C; whether it is real; and which function of voxels.c counts those of
 * its voxels that are refused. */
#define DTP_VOXEL_TYPES(X)                                                                                             \
    X(UINT8, uint8_t, false, count_none)                                                                               \
    X(INT8, int8_t, false, count_none)                                                                                 \
    X(UINT16, uint16_t, false, count_none)                                                                             \
    X(INT16, int16_t, false, count_none)                                                                               \
    X(UINT32, uint32_t, false, count_none)                                                                             \
    X(INT32, int32_t, false, count_none)                                                                               \
    X(UINT64, uint64_t, false, count_u64)                                                                              \
    X(INT64, int64_t, false, count_i64)                                                                                \
    X(FLOAT32, float, true, count_f32)                                                                                 \
    X(FLOAT64, double, true, count_f64)

/* A volume's voxels in the order of memory: axes by rising step, all steps positive, joined where one run goes on in
 * the next. */
typedef struct dtp_layout {
    const uint8_t *start;
    int64_t count[3], step[3];
} dtp_layout;

/* Checks type, dims and strides. Errors: VOLUME_TYPE, VOLUME_DIMS, VOLUME_STRIDES. */
deeptepp_status dtp_voxels_layout(const deeptepp_volume *draft, dtp_layout *out, deeptepp_error *error);

/* Every voxel finite, 64-bit integers exact. Errors: VOLUME_NONFINITE, VOLUME_INEXACT,
 * CANCELLED. */
deeptepp_status dtp_voxels_check(const deeptepp_volume *draft, const dtp_layout *in, dtp_watch *watch,
                                 deeptepp_error *error);

/* Adds the voxels, i fastest, whatever their strides. Errors: MEMORY. */
deeptepp_status dtp_voxels_digest(dtp_digest *digest, const deeptepp_volume *draft, deeptepp_error *error);

const uint8_t *dtp_voxels_at(const deeptepp_volume *volume, int64_t i, int64_t j, int64_t k);

/* n voxels from `at`, `step` bytes apart, scaled. */
void dtp_voxels_take(const uint8_t *at, deeptepp_type type, int64_t n, int64_t step, double slope, double inter,
                     double *out);

#endif
