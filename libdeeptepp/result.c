#include "result.h"

#include <math.h>

#include "guidance.h"

/* Each view's mean over members and each member's mean over views, covariates' term included. */
static void average(deeptepp_result *r, const dtp_run *run)
{
    const dtp_arch *arch = &run->model->arch;
    for (int m = 0; m < r->n_members; m++) {
        for (int v = 0; v < r->n_views; v++) {
            double value = dtp_risk_rule(&run->model->risk, run->logits + (m * r->n_views + v) * dtp_arch_outputs(arch),
                                         arch->heads, arch->classes);
            r->views[v] += value / r->n_members;
            r->members[m] += value / r->n_views;
        }
    }
    for (int m = 0; m < r->n_members; m++)
        r->members[m] += r->term;
    for (int v = 0; v < r->n_views; v++) {
        r->views[v] += r->term;
        r->score += r->views[v] / r->n_views;
    }
}

static double deviation(const double *values, int count, double mean)
{
    double squares = 0;
    for (int i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return count > 1 ? sqrt(squares / (count - 1)) : NAN;
}

static deeptepp_status judge(deeptepp_result *r, const dtp_run *run, deeptepp_error *error)
{
    const dtp_risk *risk = &run->model->risk;
    r->tier = dtp_risk_tier(risk, r->score, &r->distance, run->warnings);
    if (r->tier >= 0) {
        r->tier_name = strdup(risk->tiers[r->tier]);
        if (!r->tier_name)
            return dtp_fail_memory(error, "a result", strlen(risk->tiers[r->tier]));
    }
    /* No word about treatment on the strength of random numbers. */
    bool guided = r->tier >= 0 && risk->guidance && run->guidance && !run->model->seeded;
    r->guidance = guided ? dtp_guidance_text(r->tier) : NULL;
    r->n_times = risk->n_times;
    for (int i = 0; i < r->n_times; i++) {
        r->times[i] = risk->times[i];
        r->survival[i] = dtp_risk_survival(risk, r->score, i);
    }
    if (run->model->seeded)
        dtp_warn(run->warnings, DEEPTEPP_WARN_SEEDED_WEIGHTS,
                 "model \"%.100s\": its weights are random, not trained: the score means nothing", run->model->name);
    return DEEPTEPP_OK;
}

static deeptepp_status keep_warnings(deeptepp_result *r, const dtp_warnings *warnings, deeptepp_error *error)
{
    size_t bytes = (size_t)warnings->count * sizeof *r->warnings;
    r->warnings = malloc(bytes + 1);
    if (!r->warnings)
        return dtp_fail_memory(error, "a result's warnings", bytes);
    memcpy(r->warnings, warnings->items, bytes);
    r->n_warnings = warnings->count;
    return DEEPTEPP_OK;
}

/* The mask, and how much of it the network saw. */
static deeptepp_status keep_mask(deeptepp_result *r, const dtp_run *run, deeptepp_error *error)
{
    r->mask = run->study->tumour;
    r->mask.spans = (dtp_spans){.items = NULL};
    r->mask.part_of = NULL;
    r->share = run->actions->share;
    r->view_shares = malloc((size_t)r->n_views * sizeof *r->view_shares);
    if (!r->view_shares)
        return dtp_fail_memory(error, "a result", (size_t)r->n_views * sizeof *r->view_shares);
    memcpy(r->view_shares, run->actions->view_shares, (size_t)r->n_views * sizeof *r->view_shares);
    return DEEPTEPP_OK;
}

static deeptepp_status keep_covariates(deeptepp_result *r, const dtp_run *run, deeptepp_error *error)
{
    const dtp_risk *risk = &run->model->risk;
    r->covariates = calloc((size_t)risk->n_covariates + 1, sizeof *r->covariates);
    bool fine = r->covariates != NULL;
    for (int i = 0; fine && i < risk->n_covariates; i++) {
        dtp_result_covariate *kept = &r->covariates[r->n_covariates++];
        *kept = (dtp_result_covariate){strdup(risk->covariates[i].name), strdup(risk->covariates[i].unit),
                                       run->covariates[i]};
        r->term += kept->use.term;
        fine = kept->name && kept->unit;
    }
    return fine ? DEEPTEPP_OK : dtp_fail_memory(error, "a result's covariates", 0);
}

deeptepp_status dtp_result_make(deeptepp_result **out, const dtp_run *run, deeptepp_error *error)
{
    deeptepp_status status;
    *out = NULL;
    deeptepp_result *r = calloc(1, sizeof *r);
    if (!r)
        return dtp_fail_memory(error, "a result", sizeof *r);
    r->n_views = run->model->recipe.n_views;
    r->n_members = run->model->network.n_members;
    r->precision = run->precision;
    DTP_TRY(keep_covariates(r, run, error));
    r->views = calloc((size_t)r->n_views, sizeof *r->views);
    r->members = calloc((size_t)r->n_members, sizeof *r->members);
    if (!r->views || !r->members) {
        status = dtp_fail_memory(error, "a result", sizeof *r);
        goto fail;
    }
    average(r, run);
    r->sd = deviation(r->views, r->n_views, r->score);
    DTP_TRY(keep_mask(r, run, error));
    DTP_TRY(judge(r, run, error));
    DTP_TRY(keep_warnings(r, run->warnings, error));
    r->json = dtp_result_json(r, run);
    if (!r->json) {
        status = dtp_fail_memory(error, "a result's JSON", 0);
        goto fail;
    }
    *out = r;
    return DEEPTEPP_OK;
fail:
    deeptepp_result_free(r);
    return status;
}

void deeptepp_result_free(deeptepp_result *result)
{
    if (!result)
        return;
    for (int i = 0; i < result->n_covariates; i++) {
        free(result->covariates[i].name);
        free(result->covariates[i].unit);
    }
    free(result->covariates);
    free(result->views);
    free(result->members);
    free(result->view_shares);
    free(result->tier_name);
    free(result->warnings);
    free(result->json);
    free(result);
}

double deeptepp_result_score(const deeptepp_result *result)
{
    return result ? result->score : NAN;
}

double deeptepp_result_score_sd(const deeptepp_result *result)
{
    return result ? result->sd : NAN;
}

deeptepp_precision deeptepp_result_precision(const deeptepp_result *result)
{
    return result ? result->precision : DEEPTEPP_PRECISION_F32;
}

int64_t deeptepp_result_view_count(const deeptepp_result *result)
{
    return result ? result->n_views : 0;
}

double deeptepp_result_view_score(const deeptepp_result *result, int64_t view)
{
    return result && view >= 0 && view < result->n_views ? result->views[view] : NAN;
}

int64_t deeptepp_result_member_count(const deeptepp_result *result)
{
    return result ? result->n_members : 0;
}

double deeptepp_result_member_score(const deeptepp_result *result, int64_t member)
{
    return result && member >= 0 && member < result->n_members ? result->members[member] : NAN;
}

/* ---- Mask ---- */

const deeptepp_mask *deeptepp_result_mask(const deeptepp_result *result)
{
    return result ? &result->mask : NULL;
}

double deeptepp_result_mask_share(const deeptepp_result *result)
{
    return result ? result->share : NAN;
}

double deeptepp_result_view_mask_share(const deeptepp_result *result, int64_t view)
{
    return result && view >= 0 && view < result->n_views ? result->view_shares[view] : NAN;
}

/* ---- Covariates ---- */

int64_t deeptepp_result_covariate_count(const deeptepp_result *result)
{
    return result ? result->n_covariates : 0;
}

/* NULL out of range. */
static const dtp_result_covariate *covariate_at(const deeptepp_result *result, int64_t index)
{
    return index >= 0 && index < deeptepp_result_covariate_count(result) ? &result->covariates[index] : NULL;
}

const char *deeptepp_result_covariate_name(const deeptepp_result *result, int64_t index)
{
    const dtp_result_covariate *covariate = covariate_at(result, index);
    return covariate ? covariate->name : NULL;
}

const char *deeptepp_result_covariate_unit(const deeptepp_result *result, int64_t index)
{
    const dtp_result_covariate *covariate = covariate_at(result, index);
    return covariate ? covariate->unit : NULL;
}

double deeptepp_result_covariate_value(const deeptepp_result *result, int64_t index)
{
    const dtp_result_covariate *covariate = covariate_at(result, index);
    return covariate ? covariate->use.value : NAN;
}

int deeptepp_result_covariate_filled(const deeptepp_result *result, int64_t index)
{
    const dtp_result_covariate *covariate = covariate_at(result, index);
    return covariate && covariate->use.filled;
}

double deeptepp_result_covariate_term(const deeptepp_result *result, int64_t index)
{
    const dtp_result_covariate *covariate = covariate_at(result, index);
    return covariate ? covariate->use.term : NAN;
}

/* ---- Tier and survival ---- */

int deeptepp_result_tier(const deeptepp_result *result)
{
    return result ? result->tier : -1;
}

const char *deeptepp_result_tier_name(const deeptepp_result *result)
{
    return result ? result->tier_name : NULL;
}

double deeptepp_result_cutpoint_distance(const deeptepp_result *result)
{
    return result ? result->distance : NAN;
}

int64_t deeptepp_result_survival_count(const deeptepp_result *result)
{
    return result ? result->n_times : 0;
}

double deeptepp_result_survival_time(const deeptepp_result *result, int64_t index)
{
    return result && index >= 0 && index < result->n_times ? result->times[index] : NAN;
}

double deeptepp_result_survival(const deeptepp_result *result, int64_t index)
{
    return result && index >= 0 && index < result->n_times ? result->survival[index] : NAN;
}

const char *deeptepp_result_guidance(const deeptepp_result *result)
{
    return result ? result->guidance : NULL;
}

int64_t deeptepp_result_warning_count(const deeptepp_result *result)
{
    return result ? result->n_warnings : 0;
}

deeptepp_warning deeptepp_result_warning_code(const deeptepp_result *result, int64_t index)
{
    bool inside = result && index >= 0 && index < result->n_warnings;
    return inside ? result->warnings[index].code : (deeptepp_warning)0;
}

const char *deeptepp_result_warning_message(const deeptepp_result *result, int64_t index)
{
    bool inside = result && index >= 0 && index < result->n_warnings;
    return inside ? result->warnings[index].message : NULL;
}

const char *deeptepp_result_json(const deeptepp_result *result)
{
    return result ? result->json : NULL;
}
