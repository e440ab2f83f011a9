/* bfloat16 beside float32: how far it moves a model's scores, and which scores are computed in float32 again. */
#ifndef DTP_PRECISION_H
#define DTP_PRECISION_H

#include "model.h"

/* Whether the caller may have it. Errors: ARGUMENT, PRECISION. */
deeptepp_status dtp_precision_check(int32_t precision, deeptepp_error *error);

/* Whether noise can be made that is like what the parsed model takes. Errors: PRECISION. */
deeptepp_status dtp_precision_measurable(const deeptepp_model *model, deeptepp_error *error);

/* "f32", "bf16". */
const char *dtp_precision_name(deeptepp_precision precision);

/* The packed model's shift and margin, from inputs of its own making. On a compute thread; allocates a net for each
 * precision, one after the other. Errors: MEMORY, CANCELLED, BACKEND, SCORE_NONFINITE. */
deeptepp_status dtp_precision_measure(deeptepp_model *model, dtp_watch *watch, deeptepp_error *error);

/* Whether a case's score, from logits in bfloat16, may have another tier or NEAR_CUTPOINT in float32. */
bool dtp_precision_doubtful(const deeptepp_model *model, const float *logits, const dtp_covariate_use *covariates);

#endif
