/* A result as JSON; the keys are described in docs/result.md. */
#include "guidance.h"
#include "precision.h"
#include "result.h"

static void write_tier(dtp_json_writer *json, const deeptepp_result *result, const dtp_risk *risk)
{
    if (result->tier < 0) {
        dtp_write_null(json, "tier");
        return;
    }
    dtp_write_object(json, "tier");
    dtp_write_integer(json, "index", result->tier);
    dtp_write_text(json, "name", result->tier_name);
    dtp_write_numbers(json, "cutpoints", risk->cutpoints, risk->n_tiers - 1);
    dtp_write_number(json, "distance_to_nearest", result->distance);
    dtp_write_object_end(json);
}

static void write_survival(dtp_json_writer *json, const deeptepp_result *result, const dtp_json_value *description)
{
    if (!result->n_times) {
        dtp_write_null(json, "survival");
        return;
    }
    const dtp_json_value *calibration = dtp_json_find(description, "calibration");
    dtp_write_object(json, "survival");
    dtp_write_value(json, "endpoint", dtp_json_find(calibration, "endpoint"));
    dtp_write_value(json, "unit", dtp_json_find(calibration, "unit"));
    dtp_write_numbers(json, "times", result->times, result->n_times);
    dtp_write_numbers(json, "probability", result->survival, result->n_times);
    dtp_write_object_end(json);
}

static void write_volume(dtp_json_writer *json, const char *name, const deeptepp_volume *volume)
{
    dtp_write_text(json, "name", name);
    dtp_write_text(json, "sha256", volume->sha256);
    dtp_write_integer(json, "volume_number", volume->number);
    dtp_write_text(json, "orientation", volume->orientation);
    dtp_write_integers(json, "dims", volume->dims, 3);
    dtp_write_numbers(json, "spacing_mm", volume->spacing, 3);
}

static void write_images(dtp_json_writer *json, const dtp_study *study)
{
    dtp_write_array(json, "images");
    for (int c = 0; c < study->recipe->n_channels; c++) {
        dtp_write_object(json, NULL);
        write_volume(json, study->recipe->channels[c], study->images[c]);
        dtp_write_object_end(json);
    }
    dtp_write_array_end(json);
}

/* Where the tumour lies, its parts, and what the options did. */
static void write_tumour(dtp_json_writer *json, const deeptepp_mask *tumour)
{
    static const char *const grids[] = {"same", "image", "nearest"};
    dtp_write_array(json, "box");
    dtp_write_integers(json, NULL, tumour->low, 3);
    dtp_write_integers(json, NULL, tumour->high, 3);
    dtp_write_array_end(json);
    dtp_write_integer(json, "part_count", tumour->parts.count);
    dtp_write_array(json, "parts");
    for (int p = 0; p < dtp_parts_told(&tumour->parts); p++) {
        dtp_write_object(json, NULL);
        dtp_write_integer(json, "voxels", tumour->parts.told[p].voxels);
        dtp_write_number(json, "distance_mm", tumour->parts.told[p].distance);
        dtp_write_object_end(json);
    }
    dtp_write_array_end(json);
    dtp_write_bool(json, "largest_part_only", tumour->largest_only);
    dtp_write_text(json, "grid", grids[tumour->grid]);
    dtp_write_number(json, "rounding", tumour->rounding);
}

static void write_mask(dtp_json_writer *json, const dtp_study *study)
{
    double extent[3];
    for (int f = 0; f < 3; f++)
        extent[f] = (double)(study->high[f] - study->low[f] + 1) * study->mask_frame.spacing[f];
    dtp_write_object(json, "mask");
    write_volume(json, "mask", study->mask);
    dtp_write_integer(json, "label", study->tumour.label);
    dtp_write_integer(json, "voxels", study->tumour.voxels);
    dtp_write_number(json, "volume_mm3", dtp_study_tumour_mm3(study));
    dtp_write_numbers(json, "extent_mm", extent, 3);
    write_tumour(json, &study->tumour);
    dtp_write_object_end(json);
}

static void write_mosaic(dtp_json_writer *json, const dtp_recipe *recipe, const dtp_mosaic_counts *counts)
{
    dtp_write_text(json, "recipe", recipe->kind == DTP_RECIPE_MOSAIC ? "mosaic" : "mosaic_cube");
    dtp_write_text(json, "axes", recipe->stored_order ? "stored" : recipe->axes);
    dtp_write_integers(json, "size", recipe->size, 3);
    dtp_write_numbers(json, "angles_deg", recipe->angles_deg, recipe->n_views);
    dtp_write_integers(json, "slices", counts->slices, recipe->n_views);
    dtp_write_integers(json, "slices_dropped", counts->dropped, recipe->n_views);
    dtp_write_integers(json, "slices_constant", counts->constant, recipe->n_views);
    dtp_write_integers(json, "slices_faded", counts->faded, recipe->n_views);
    dtp_write_array(json, "mask_vanished");
    for (int v = 0; v < recipe->n_views; v++)
        dtp_write_bool(json, NULL, counts->vanished[v]);
    dtp_write_array_end(json);
}

static void write_cube(dtp_json_writer *json, const dtp_recipe *recipe, const dtp_actions *actions)
{
    dtp_write_text(json, "recipe", "cube");
    dtp_write_text(json, "axes", recipe->axes);
    dtp_write_integers(json, "size", recipe->size, 3);
    dtp_write_numbers(json, "centre_ras_mm", actions->centre_ras, 3);
    dtp_write_numbers(json, "spacing_mm", actions->cube.step, 3);
    dtp_write_numbers(json, "angles_deg", recipe->angles_deg, recipe->n_views);
    dtp_write_integers(json, "samples_outside", actions->outside, recipe->n_views);
}

/* What was done to the images before the network saw them. */
static void write_geometry(dtp_json_writer *json, const dtp_run *run)
{
    const dtp_recipe *recipe = &run->model->recipe;
    dtp_write_object(json, "geometry");
    if (recipe->kind == DTP_RECIPE_CUBE)
        write_cube(json, recipe, run->actions);
    else
        write_mosaic(json, recipe, &run->actions->mosaic);
    dtp_write_number(json, "share_inside", run->actions->share);
    dtp_write_numbers(json, "view_share_inside", run->actions->view_shares, recipe->n_views);
    dtp_write_object_end(json);
}

static void write_software(dtp_json_writer *json, const dtp_run *run)
{
    char backend[64];
    dtp_backend_version(backend, sizeof backend);
    dtp_write_object(json, "software");
    dtp_write_text(json, "libdeeptepp", deeptepp_version());
    dtp_write_text(json, "backend", backend);
    dtp_write_text(json, "instruction_set", dtp_backend_isa());
    dtp_write_integer(json, "threads", run->threads);
    dtp_write_text(json, "precision", dtp_precision_name(run->precision));
    if (run->model->precision == DEEPTEPP_PRECISION_BF16) {
        dtp_write_text(json, "precision_asked", "bf16");
        dtp_write_number(json, "precision_shift", run->model->shift);
        dtp_write_number(json, "precision_margin", run->model->margin);
    }
    dtp_write_object_end(json);
}

static void write_model(dtp_json_writer *json, const deeptepp_model *model)
{
    dtp_write_object(json, "model");
    dtp_write_text(json, "name", model->name);
    dtp_write_value(json, "version", dtp_json_find(model->description, "version"));
    dtp_write_text(json, "sha256", model->sha256);
    dtp_write_value(json, "weights", dtp_json_find(model->description, "weights"));
    dtp_write_object_end(json);
}

static void write_warnings(dtp_json_writer *json, const deeptepp_result *result)
{
    dtp_write_array(json, "warnings");
    for (int i = 0; i < result->n_warnings; i++) {
        dtp_write_object(json, NULL);
        dtp_write_integer(json, "code", result->warnings[i].code);
        dtp_write_text(json, "message", result->warnings[i].message);
        dtp_write_object_end(json);
    }
    dtp_write_array_end(json);
}

static void write_covariates(dtp_json_writer *json, const dtp_run *run)
{
    dtp_write_array(json, "covariates");
    for (int i = 0; i < run->model->risk.n_covariates; i++) {
        const dtp_covariate *covariate = &run->model->risk.covariates[i];
        const dtp_covariate_use *use = &run->covariates[i];
        dtp_write_object(json, NULL);
        dtp_write_text(json, "name", covariate->name);
        dtp_write_text(json, "unit", covariate->unit);
        dtp_write_number(json, "value", use->value);
        dtp_write_bool(json, "filled", use->filled);
        dtp_write_number(json, "term", use->term);
        dtp_write_object_end(json);
    }
    dtp_write_array_end(json);
}

static void write_numbers(dtp_json_writer *json, const deeptepp_result *result, const dtp_run *run)
{
    dtp_write_number(json, "score", result->score);
    dtp_write_number(json, "score_sd", result->sd);
    dtp_write_numbers(json, "view_scores", result->views, result->n_views);
    dtp_write_numbers(json, "member_scores", result->members, result->n_members);
    write_covariates(json, run);
    dtp_write_number(json, "covariates_term", result->term);
    write_tier(json, result, &run->model->risk);
    write_survival(json, result, run->model->description);
}

char *dtp_result_json(const deeptepp_result *result, const dtp_run *run)
{
    dtp_json_writer json = {0};
    dtp_write_object(&json, NULL);
    write_numbers(&json, result, run);
    if (result->guidance)
        dtp_guidance_write(&json, result->tier);
    else
        dtp_write_null(&json, "guidance");
    write_warnings(&json, result);
    write_model(&json, run->model);
    write_images(&json, run->study);
    write_mask(&json, run->study);
    write_geometry(&json, run);
    write_software(&json, run);
    dtp_write_text(&json, "use", "research use only");
    dtp_write_object_end(&json);
    return dtp_write_finish(&json);
}
