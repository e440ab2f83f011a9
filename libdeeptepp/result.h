/* A result: what the session found, owned. */
#ifndef DTP_RESULT_H
#define DTP_RESULT_H

#include "views/preprocess.h"
#include "model.h"

/* What a run leaves behind. */
typedef struct dtp_run {
    const deeptepp_model *model;
    const dtp_study *study;
    const dtp_actions *actions;
    const float *logits; /* members x views x heads x classes */
    const dtp_covariate_use *covariates; /* one for each of the model's */
    dtp_warnings *warnings;              /* the result adds its own and takes a copy */
    deeptepp_precision precision; /* of the logits */
    int threads;
    bool guidance;
} dtp_run;

/* Errors: MEMORY. */
deeptepp_status dtp_result_make(deeptepp_result **out, const dtp_run *run, deeptepp_error *error);

/* A covariate as it was used; the texts are owned. */
typedef struct dtp_result_covariate {
    char *name, *unit;
    dtp_covariate_use use;
} dtp_result_covariate;

struct deeptepp_result {
    double score, sd, distance, term;
    deeptepp_precision precision;
    double *views, *members;
    int n_views, n_members;
    int tier;
    char *tier_name;
    dtp_result_covariate *covariates;
    int n_covariates;
    double times[DTP_MAX_TIMES], survival[DTP_MAX_TIMES];
    int n_times;
    const char *guidance; /* static text or NULL */
    dtp_warning *warnings;
    int n_warnings;
    deeptepp_mask mask; /* without voxels */
    double share, *view_shares;
    char *json;
};

/* The result as JSON text, from the run it came from; NULL without memory. */
char *dtp_result_json(const deeptepp_result *result, const dtp_run *run);

#endif
