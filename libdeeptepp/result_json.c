/* A result as JSON; the keys are described in docs/result.md. */
#include <math.h>

#include "guidance.h"
#include "result.h"

/* JSON has no NaN: what is not there is null. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *numbers(const double *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, number(values[i]));
    return array;
}

static json_t *integers(const int64_t *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_integer(values[i]));
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
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", name, "sha256", volume->sha256, "orientation",
                     volume->orientation, "dims", integers(volume->dims, 3), "spacing_mm", numbers(volume->spacing, 3));
}

static json_t *images_json(const dtp_study *study)
{
    json_t *array = json_array();
    for (int c = 0; c < study->recipe->n_channels; c++)
        json_array_append_new(array, volume_json(study->recipe->channels[c], study->images[c]));
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
    json_object_set_new(json, "label", json_integer(study->label));
    json_object_set_new(json, "voxels", json_integer(study->mask_voxels));
    json_object_set_new(json, "volume_mm3", number((double)study->mask_voxels * voxel));
    json_object_set_new(json, "extent_mm", numbers(extent, 3));
    return json;
}

static json_t *mosaic_json(const dtp_recipe *recipe, const dtp_mosaic_counts *counts)
{
    json_t *vanished = json_array();
    for (int v = 0; v < recipe->n_views; v++)
        json_array_append_new(vanished, json_boolean(counts->vanished[v]));
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
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "recipe", "cube", "axes", recipe->axes, "size", integers(recipe->size, 3),
                     "centre_ras_mm", numbers(run->actions->centre_ras, 3), "spacing_mm",
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

static json_t *warnings_json(const dtp_warnings *warnings)
{
    json_t *array = json_array();
    for (int i = 0; i < warnings->count; i++)
        json_array_append_new(array, json_pack("{s:i, s:s}", "code", (int)warnings->items[i].code, "message",
                                               warnings->items[i].message));
    return array;
}

char *dtp_result_json(const deeptepp_result *result, const dtp_run *run)
{
    json_t *guidance = result->guidance ? dtp_guidance_json(result->tier) : json_null();
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "score", number(result->score),
        "score_sd", number(result->sd), "view_scores", numbers(result->views, result->n_views), "member_scores",
        numbers(result->members, result->n_members), "covariates_term", number(result->term), "tier",
        tier_json(result, &run->model->risk), "survival", survival_json(result, run->model->description), "guidance",
        guidance, "warnings", warnings_json(&result->warnings), "model", model_json(run->model), "images",
        images_json(run->study), "mask", mask_json(run->study), "geometry", geometry_json(run), "software",
        software_json(run), "use", "research use only");
    char *text = dtp_json_print(json);
    json_decref(json);
    return text;
}
