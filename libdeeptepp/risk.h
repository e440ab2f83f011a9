/* From logits to score, tier and survival: sections "score", "covariates", "tiers", "calibration" and "self_test" of
 * the description. Texts belong to the JSON tree. */
#ifndef DTP_RISK_H
#define DTP_RISK_H

#include "base/json.h"
#include "base/warnings.h"
#include "views/case.h"

enum { DTP_MAX_COVARIATES = 64, DTP_MAX_LEVELS = 64, DTP_MAX_TIERS = 16, DTP_MAX_TIMES = 32 };

typedef struct dtp_covariate {
    const char *name, *unit;
    double range[2], coefficient, centre;                    /* without levels */
    const char *level_names[DTP_MAX_LEVELS];
    double values[DTP_MAX_LEVELS], effects[DTP_MAX_LEVELS]; /* with levels */
    int n_levels;
    bool has_substitute;
    double substitute;
} dtp_covariate;

typedef struct dtp_risk {
    bool softmax; /* else the logit itself */
    int64_t class_index;
    dtp_covariate *covariates;
    int n_covariates;
    const char *tiers[DTP_MAX_TIERS];
    double cutpoints[DTP_MAX_TIERS];
    int n_tiers;      /* 0: the file has none */
    double tolerance; /* NaN: the default */
    bool guidance;
    double times[DTP_MAX_TIMES], baseline[DTP_MAX_TIMES], slope, centre;
    int n_times;
    bool has_self_test;
    int64_t self_test_seed;
    double self_test_score, self_test_tolerance;
} dtp_risk;

/* Reads its sections of the root object. Errors stick to the JSON's check. out->covariates is owned. */
void dtp_risk_parse(dtp_risk *out, dtp_json *root);
void dtp_risk_free(dtp_risk *risk);

/* One view's value from its logits, heads x classes, which are first summed over heads. */
double dtp_risk_rule(const dtp_risk *risk, const float *logits, int64_t heads, int64_t classes);

/* The same for the logit itself; of a softmax the logarithm of its odds, which, unlike it, does not saturate. */
double dtp_risk_log_odds(const dtp_risk *risk, const float *logits, int64_t heads, int64_t classes);

/* A covariate as it was used. */
typedef struct dtp_covariate_use {
    double value, term;
    bool filled; /* the model's substitute for a missing value */
} dtp_covariate_use;

/* The covariates of a case, one use for each of the model's; their terms add to the score. Errors: COVARIATE_*. */
deeptepp_status dtp_risk_covariates(const dtp_risk *risk, const deeptepp_case *patient, dtp_covariate_use *uses,
                                    dtp_warnings *warnings, deeptepp_error *error);

/* The tier (-1 without cut-points); the signed distance to the nearest cut-point (NaN); the warning when it is near. */
int dtp_risk_tier(const dtp_risk *risk, double score, double *distance, dtp_warnings *warnings);

/* Whether a cut-point's tolerance and `slack` reach as far as the score. */
bool dtp_risk_near(const dtp_risk *risk, double score, double slack);

/* Event-free probability at the calibration's time `index`. */
double dtp_risk_survival(const dtp_risk *risk, double score, int index);

#endif
