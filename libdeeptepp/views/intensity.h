/* Intensity rules: from image units to the network's. */
#ifndef DTP_INTENSITY_H
#define DTP_INTENSITY_H

#include "study.h"

/* y = gain * (clip(x) - shift) + base */
typedef struct dtp_mapping {
    double low, high; /* clip */
    double shift, gain, base;
} dtp_mapping;

/* The mapping that the recipe's rule gives for these values. what: for the message.
 * Errors: IMAGE_CONSTANT, CANCELLED, MEMORY. */
deeptepp_status dtp_mapping_of_values(dtp_mapping *out, const dtp_recipe *recipe, const float *values, size_t count,
                                      const char *what, dtp_watch *watch, deeptepp_error *error);

/* The same over all voxels of images first to last of a study. */
deeptepp_status dtp_mapping_of_images(dtp_mapping *out, const dtp_study *study, int first, int last,
                                      dtp_watch *watch, deeptepp_error *error);

void dtp_mapping_apply(const dtp_mapping *mapping, float *values, size_t count);

#endif
