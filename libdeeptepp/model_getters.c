/* What a model says of itself. */
#include <math.h>

#include "model.h"

const char *deeptepp_model_name(const deeptepp_model *model)
{
    return model ? model->name : NULL;
}

const char *deeptepp_model_sha256(const deeptepp_model *model)
{
    return model ? model->sha256 : NULL;
}

const char *deeptepp_model_json(const deeptepp_model *model)
{
    return model ? model->json : NULL;
}

uint64_t deeptepp_model_memory(const deeptepp_model *model)
{
    return model ? model->memory : 0;
}

void deeptepp_model_input_shape(const deeptepp_model *model, int64_t shape[5])
{
    if (!model || !shape)
        return;
    shape[0] = model->recipe.n_views;
    shape[1] = model->recipe.n_channels;
    memcpy(shape + 2, model->recipe.size, sizeof model->recipe.size);
}

/* ---- Members and channels ---- */

int64_t deeptepp_model_member_count(const deeptepp_model *model)
{
    return model ? model->network.n_members : 0;
}

const char *deeptepp_model_member_name(const deeptepp_model *model, int64_t member)
{
    return member >= 0 && member < deeptepp_model_member_count(model) ? model->network.members[member] : NULL;
}

int64_t deeptepp_model_channel_count(const deeptepp_model *model)
{
    return model ? model->recipe.n_channels : 0;
}

const char *deeptepp_model_channel_name(const deeptepp_model *model, int64_t channel)
{
    return channel >= 0 && channel < deeptepp_model_channel_count(model) ? model->recipe.channels[channel] : NULL;
}

/* ---- Covariates ---- */

int64_t deeptepp_model_covariate_count(const deeptepp_model *model)
{
    return model ? model->risk.n_covariates : 0;
}

/* NULL out of range. */
static const dtp_covariate *covariate_at(const deeptepp_model *model, int64_t index)
{
    return index >= 0 && index < deeptepp_model_covariate_count(model) ? &model->risk.covariates[index] : NULL;
}

const char *deeptepp_model_covariate_name(const deeptepp_model *model, int64_t covariate)
{
    const dtp_covariate *c = covariate_at(model, covariate);
    return c ? c->name : NULL;
}

const char *deeptepp_model_covariate_unit(const deeptepp_model *model, int64_t covariate)
{
    const dtp_covariate *c = covariate_at(model, covariate);
    return c ? c->unit : NULL;
}

void deeptepp_model_covariate_range(const deeptepp_model *model, int64_t covariate, double range[2])
{
    const dtp_covariate *c = covariate_at(model, covariate);
    if (!c || !range)
        return;
    range[0] = c->n_levels ? NAN : c->range[0];
    range[1] = c->n_levels ? NAN : c->range[1];
}

double deeptepp_model_covariate_substitute(const deeptepp_model *model, int64_t covariate)
{
    const dtp_covariate *c = covariate_at(model, covariate);
    return c && c->has_substitute ? c->substitute : NAN;
}

int64_t deeptepp_model_covariate_level_count(const deeptepp_model *model, int64_t covariate)
{
    const dtp_covariate *c = covariate_at(model, covariate);
    return c ? c->n_levels : 0;
}

double deeptepp_model_covariate_level(const deeptepp_model *model, int64_t covariate, int64_t level)
{
    const dtp_covariate *c = covariate_at(model, covariate);
    return c && level >= 0 && level < c->n_levels ? c->values[level] : NAN;
}

const char *deeptepp_model_covariate_level_name(const deeptepp_model *model, int64_t covariate, int64_t level)
{
    const dtp_covariate *c = covariate_at(model, covariate);
    return c && level >= 0 && level < c->n_levels ? c->level_names[level] : NULL;
}

/* ---- Precision ---- */

deeptepp_precision deeptepp_model_precision(const deeptepp_model *model)
{
    return model ? model->precision : DEEPTEPP_PRECISION_F32;
}

double deeptepp_model_precision_shift(const deeptepp_model *model)
{
    return model ? model->shift : NAN;
}

double deeptepp_model_precision_margin(const deeptepp_model *model)
{
    return model ? model->margin : NAN;
}

/* ---- Tiers and survival ---- */

int64_t deeptepp_model_tier_count(const deeptepp_model *model)
{
    return model ? model->risk.n_tiers : 0;
}

const char *deeptepp_model_tier_name(const deeptepp_model *model, int64_t tier)
{
    return tier >= 0 && tier < deeptepp_model_tier_count(model) ? model->risk.tiers[tier] : NULL;
}

double deeptepp_model_cutpoint(const deeptepp_model *model, int64_t cutpoint)
{
    return cutpoint >= 0 && cutpoint < deeptepp_model_tier_count(model) - 1 ? model->risk.cutpoints[cutpoint] : NAN;
}

int64_t deeptepp_model_survival_count(const deeptepp_model *model)
{
    return model ? model->risk.n_times : 0;
}

double deeptepp_model_survival_time(const deeptepp_model *model, int64_t index)
{
    return index >= 0 && index < deeptepp_model_survival_count(model) ? model->risk.times[index] : NAN;
}

/* ---- Properties ---- */

int64_t deeptepp_model_property_count(const deeptepp_model *model)
{
    return model ? (int64_t)model->properties.count : 0;
}

static const dtp_property *property_at(const deeptepp_model *model, int64_t index)
{
    return index >= 0 && index < deeptepp_model_property_count(model) ? &model->properties.items[index] : NULL;
}

const char *deeptepp_model_property_key(const deeptepp_model *model, int64_t property)
{
    const dtp_property *found = property_at(model, property);
    return found ? found->key : NULL;
}

const char *deeptepp_model_property_value(const deeptepp_model *model, int64_t property)
{
    const dtp_property *found = property_at(model, property);
    return found ? found->value : NULL;
}

const char *deeptepp_model_property(const deeptepp_model *model, const char *key)
{
    for (int64_t i = 0; key && i < deeptepp_model_property_count(model); i++)
        if (strcmp(model->properties.items[i].key, key) == 0)
            return model->properties.items[i].value;
    return NULL;
}
