/* A result as JSON; the keys are described in docs/result.md. */
#include <math.h>

#include "guidance.h"
#include "result.h"

/* JSON has no NaN: what is not there is null. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* Takes over both; NULL, and nothing left, when there was no memory for one of them or for this. */
static json_t *append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *numbers(const double *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        array = append(array, number(values[i]));
    return array;
}

static json_t *integers(const int64_t *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        array = append(array, json_integer(values[i]));
    return array;
}

static json_t *tier_json(const deeptepp_result *result, const dtp_risk *risk)
{
    if (result->tier < 0)
        return json_null();
    return json_pack("{s:i, s:s, s:o, s:o}", "index", result->tier, "name", result->tier_name, "cutpoints",
                     numbers(risk->cutpoints, risk->n_tiers - 1), "distance_to_nearest", number(result->distance));
}

static json_t *survival_json(const deeptepp_result *result, const json_t *description)
{
    if (!result->n_times)
        return json_null();
    const json_t *calibration = json_object_get(description, "calibration");
    return json_pack("{s:O, s:O, s:o, s:o}", "endpoint", json_object_get(calibration, "endpoint"), "unit",
                     json_object_get(calibration, "unit"), "times", numbers(result->times, result->n_times),
                     "probability", numbers(result->survival, result->n_times));
}

static json_t *volume_json(const char *name, const deeptepp_volume *volume)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:o, s:o}", "name", name, "sha256", volume->sha256, "volume_number",
                     (json_int_t)volume->number, "orientation", volume->orientation, "dims", integers(volume->dims, 3),
                     "spacing_mm", numbers(volume->spacing, 3));
}

static json_t *images_json(const dtp_study *study)
{
    json_t *array = json_array();
    for (int c = 0; c < study->recipe->n_channels; c++)
        array = append(array, volume_json(study->recipe->channels[c], study->images[c]));
    return array;
}

static json_t *mask_json(const dtp_study *study)
{
    double extent[3], voxel = 1;
    for (int f = 0; f < 3; f++) {
        extent[f] = (double)(study->high[f] - study->low[f] + 1) * study->mask_frame.spacing[f];
        voxel *= study->mask_frame.spacing[f];
    }
    json_t *json = volume_json("mask", study->mask);
    json_t *more = json_pack("{s:I, s:I, s:o, s:o}", "label", (json_int_t)study->label, "voxels",
                             (json_int_t)study->mask_voxels, "volume_mm3", number((double)study->mask_voxels * voxel),
                             "extent_mm", numbers(extent, 3));
    bool whole = json && more && json_object_update(json, more) == 0;
    json_decref(more);
    if (!whole)
        json_decref(json);
    return whole ? json : NULL;
}

static json_t *mosaic_json(const dtp_recipe *recipe, const dtp_mosaic_counts *counts)
{
    json_t *vanished = json_array();
    for (int v = 0; v < recipe->n_views; v++)
        vanished = append(vanished, json_boolean(counts->vanished[v]));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "recipe",
                     recipe->kind == DTP_RECIPE_MOSAIC ? "mosaic" : "mosaic_cube", "axes",
                     recipe->stored_order ? "stored" : recipe->axes, "size", integers(recipe->size, 3), "angles_deg",
                     numbers(recipe->angles_deg, recipe->n_views), "slices", integers(counts->slices, recipe->n_views),
                     "slices_dropped", integers(counts->dropped, recipe->n_views), "slices_constant",
                     integers(counts->constant, recipe->n_views), "slices_faded",
                     integers(counts->faded, recipe->n_views), "mask_vanished", vanished);
}

/* What was done to the images before the network saw them. */
static json_t *geometry_json(const dtp_run *run)
{
    const dtp_recipe *recipe = &run->model->recipe;
    if (recipe->kind != DTP_RECIPE_CUBE)
        return mosaic_json(recipe, &run->actions->mosaic);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "recipe", "cube", "axes", recipe->axes, "size",
                     integers(recipe->size, 3), "centre_ras_mm", numbers(run->actions->centre_ras, 3), "spacing_mm",
                     numbers(run->actions->cube.step, 3), "angles_deg", numbers(recipe->angles_deg, recipe->n_views),
                     "samples_outside", integers(run->actions->outside, recipe->n_views));
}

static json_t *software_json(const dtp_run *run)
{
    char backend[64];
    dtp_backend_version(backend, sizeof backend);
    return json_pack("{s:s, s:s, s:s, s:i}", "libdeeptepp", deeptepp_version(), "backend", backend, "instruction_set",
                     dtp_backend_isa(), "threads", run->threads);
}

static json_t *model_json(const deeptepp_model *model)
{
    return json_pack("{s:s, s:O, s:s, s:O}", "name", model->name, "version",
                     json_object_get(model->description, "version"), "sha256", model->sha256, "weights",
                     json_object_get(model->description, "weights"));
}

static json_t *warnings_json(const deeptepp_result *result)
{
    json_t *array = json_array();
    for (int i = 0; i < result->n_warnings; i++)
        array = append(array, json_pack("{s:i, s:s}", "code", (int)result->warnings[i].code, "message",
                                        result->warnings[i].message));
    return array;
}

static json_t *covariates_json(const dtp_run *run)
{
    json_t *array = json_array();
    for (int i = 0; i < run->model->risk.n_covariates; i++) {
        const dtp_covariate *covariate = &run->model->risk.covariates[i];
        const dtp_covariate_use *use = &run->covariates[i];
        array = append(array,
                       json_pack("{s:s, s:s, s:o, s:b, s:o}", "name", covariate->name, "unit", covariate->unit, "value",
                                 number(use->value), "filled", (int)use->filled, "term", number(use->term)));
    }
    return array;
}

char *dtp_result_json(const deeptepp_result *result, const dtp_run *run)
{
    json_t *guidance = result->guidance ? dtp_guidance_json(result->tier) : json_null();
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "score",
        number(result->score), "score_sd", number(result->sd), "view_scores", numbers(result->views, result->n_views),
        "member_scores", numbers(result->members, result->n_members), "covariates", covariates_json(run),
        "covariates_term", number(result->term), "tier", tier_json(result, &run->model->risk), "survival",
        survival_json(result, run->model->description), "guidance", guidance, "warnings", warnings_json(result),
        "model", model_json(run->model), "images", images_json(run->study), "mask", mask_json(run->study), "geometry",
        geometry_json(run), "software", software_json(run), "use", "research use only");
    char *text = dtp_json_print(json);
    json_decref(json);
    return text;
}
