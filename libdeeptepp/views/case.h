/* What is known of one patient. */
#ifndef DTP_CASE_H
#define DTP_CASE_H

#include "../volume/volume.h"

typedef struct dtp_channel {
    char *name; /* "" when the caller gave none */
    deeptepp_volume *image;
} dtp_channel;

typedef struct dtp_covariate_value {
    char *name;
    double value;
} dtp_covariate_value;

struct deeptepp_case {
    dtp_channel *channels;
    size_t n_channels;
    deeptepp_volume *mask;
    deeptepp_mask_options mask_options;
    dtp_covariate_value *covariates;
    size_t n_covariates;
};

#endif
