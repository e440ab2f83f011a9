#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "mask.h"
#include "print.h"
#include "progress.h"
#include "property.h"
#include "report.h"
#include "text.h"

typedef struct arguments {
    cli_engine_options engine;
    cli_patient_options patient;
    bool json;
} arguments;

static const cli_usage usage = {
    "score",
    "--model M --image [NAME=]PATH ... --mask K [options]",
    "Scores a case: the score and its spread over the views, the tier and how far the next one is, and all that a\n"
    "reader should know before using them. RESEARCH USE ONLY: not a medical device. `deeptepp info` tells which\n"
    "channels and covariates a model wants, and whom it was trained on.\n",
    "  deeptepp score --model m.safetensors --image post.nii.gz --mask mask.nii.gz --covariate age=52\n"
    "  deeptepp score --model m.safetensors --image pre=dce.nii#1 --image post=dce.nii#2 --mask k.nii --json\n"};

enum { LIST = 4096 };

static void tell_score(const deeptepp_result *result)
{
    const double sd = deeptepp_result_score_sd(result);
    const long long views = (long long)deeptepp_result_view_count(result);
    cli_text_line("score", "%.6f%s", deeptepp_result_score(result), isnan(sd) ? "  (one view)" : "");
    if (!isnan(sd))
        cli_text_line("", "sd %.6f: spread over %lld rotated views, not an uncertainty of the score", sd, views);
}

/* The cut-point that the result's distance is to. */
static double nearest_cutpoint(const deeptepp_result *result, const deeptepp_model *model)
{
    const double wanted = deeptepp_result_score(result) - deeptepp_result_cutpoint_distance(result);
    double found = NAN;
    for (int64_t i = 0; i < deeptepp_model_tier_count(model) - 1; i++) {
        const double cutpoint = deeptepp_model_cutpoint(model, i);
        if (!(fabs(cutpoint - wanted) >= fabs(found - wanted)))
            found = cutpoint;
    }
    return found;
}

static void tell_cutpoint(const deeptepp_result *result, const deeptepp_model *model)
{
    const double distance = deeptepp_result_cutpoint_distance(result), cutpoint = nearest_cutpoint(result, model);
    const char *which = deeptepp_model_tier_count(model) > 2 ? " (the nearest)" : "";
    if (distance == 0)
        cli_text_line("cut-point", "%.6f%s, the score equals it and belongs to the lower tier", cutpoint, which);
    else
        cli_text_line("cut-point", "%.6f, the score is %.6f %s%s", cutpoint, fabs(distance),
                      distance > 0 ? "above" : "below", which);
    cli_text_line("", "chosen: %s", cli_property(model, "tiers.source"));
}

/* A score that equals a cut-point belongs to the lower tier. */
static int64_t tier_of(const deeptepp_model *model, double score)
{
    int64_t tier = 0;
    while (tier < deeptepp_model_tier_count(model) - 1 && score > deeptepp_model_cutpoint(model, tier))
        tier++;
    return tier;
}

static long long views_in(const deeptepp_result *result, const deeptepp_model *model, int64_t tier)
{
    long long count = 0;
    for (int64_t i = 0; i < deeptepp_result_view_count(result); i++)
        count += tier_of(model, deeptepp_result_view_score(result, i)) == tier;
    return count;
}

static void tell_views_in_tiers(const deeptepp_result *result, const deeptepp_model *model)
{
    char list[LIST] = "";
    size_t used = 0;
    if (!deeptepp_model_tier_count(model) || deeptepp_result_view_count(result) < 2)
        return;
    for (int64_t i = 0; i < deeptepp_model_tier_count(model) && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%lld %s", i ? ", " : "",
                                 views_in(result, model, i), deeptepp_model_tier_name(model, i));
    cli_text_paragraph("views in tiers", list);
}

static void tell_tier(const deeptepp_result *result, const deeptepp_model *model)
{
    if (deeptepp_result_tier(result) < 0) {
        cli_text_line("tier", "none: the model has no cut-points");
        return;
    }
    cli_text_line("tier", "%s  (%d of %d from the lowest)", deeptepp_result_tier_name(result),
                  deeptepp_result_tier(result) + 1, (int)deeptepp_model_tier_count(model));
    tell_cutpoint(result, model);
}

/* Cut and not rounded: 100 is all of it. */
static double percent(double share)
{
    return floor(share * 10000) / 100;
}

static void tell_mask(const deeptepp_result *result, bool largest_part)
{
    char text[CLI_MASK_TEXT];
    const double share = deeptepp_result_mask_share(result);
    double least = share;
    cli_mask_text(deeptepp_result_mask(result), largest_part, text);
    cli_text_line("mask", "%s", text);
    for (int64_t i = 0; i < deeptepp_result_view_count(result); i++)
        least = fmin(least, deeptepp_result_view_mask_share(result, i));
    if (least < 1)
        cli_text_line("", "%.4g %% of it inside the region, in one view %.4g %%", percent(share),
                      percent(least));
}

/* What was filled in stands there too. */
static void tell_covariates(const deeptepp_result *result)
{
    for (int64_t i = 0; i < deeptepp_result_covariate_count(result); i++)
        cli_text_line(i ? "" : "covariates", "%s %.9g %s, adds %.6f%s", deeptepp_result_covariate_name(result, i),
                      deeptepp_result_covariate_value(result, i), deeptepp_result_covariate_unit(result, i),
                      deeptepp_result_covariate_term(result, i),
                      deeptepp_result_covariate_filled(result, i) ? "  (not given, filled in)" : "");
}
static void tell_survival(const deeptepp_result *result, const deeptepp_model *model)
{
    for (int64_t i = 0; i < deeptepp_result_survival_count(result); i++)
        cli_text_line(i ? "" : "survival", "%.4f at %.6g %s  (%s)", deeptepp_result_survival(result, i),
                      deeptepp_result_survival_time(result, i), cli_property(model, "calibration.unit"),
                      cli_property(model, "calibration.endpoint"));
}

/* Of a model in float32 there is nothing to say. */
static void tell_precision(const deeptepp_result *result, const deeptepp_model *model)
{
    if (deeptepp_model_precision(model) == DEEPTEPP_PRECISION_F32)
        return;
    if (deeptepp_result_precision(result) == DEEPTEPP_PRECISION_F32)
        cli_text_line("precision", "f32: in bf16 the score was within %.3g of a cut-point",
                      deeptepp_model_precision_margin(model));
    else
        cli_text_line("precision", "bf16: it moved scores by up to %.3g when it was tried on noise",
                      deeptepp_model_precision_shift(model));
}

static void tell_views(const deeptepp_result *result)
{
    char list[LIST] = "";
    size_t used = 0;
    for (int64_t i = 0; i < deeptepp_result_view_count(result) && used < sizeof list - 32; i++)
        used += (size_t)snprintf(list + used, 32, "%s% .4f", i ? "  " : "", deeptepp_result_view_score(result, i));
    if (deeptepp_result_view_count(result) > 1)
        cli_text_paragraph("views", list);
}

static void tell_members(const deeptepp_result *result, const deeptepp_model *model)
{
    const int64_t count = deeptepp_result_member_count(result);
    for (int64_t i = 0; count > 1 && i < count; i++)
        cli_text_line(i ? "" : "members", "% .4f  %s", deeptepp_result_member_score(result, i),
                      deeptepp_model_member_name(model, i));
}

static void tell_provenance(const cli_engine *engine, const cli_patient *patient, const arguments *given)
{
    cli_text_whole("sha-256", deeptepp_model_sha256(engine->model), given->engine.model);
    for (size_t i = 0; i < given->patient.images.count; i++)
        cli_text_whole("", deeptepp_volume_sha256(patient->images[i]), given->patient.images.items[i]);
    cli_text_whole("", deeptepp_volume_sha256(patient->mask), given->patient.mask);
    cli_text_line("library", "deeptepp %s", deeptepp_version());
}

static void tell(const deeptepp_result *result, const cli_engine *engine, const cli_patient *patient,
                 const arguments *given)
{
    const deeptepp_model *model = engine->model;
    cli_print_lines(stdout, "RESEARCH USE ONLY: not a medical device.\n\n");
    cli_text_line("model", "%s, version %s", deeptepp_model_name(model), cli_property(model, "version"));
    tell_score(result);
    tell_precision(result, model);
    tell_tier(result, model);
    tell_survival(result, model);
    tell_covariates(result);
    tell_mask(result, given->patient.largest_part);
    tell_views(result);
    tell_views_in_tiers(result, model);
    tell_members(result, model);
    for (int64_t i = 0; i < deeptepp_result_warning_count(result); i++)
        cli_text_paragraph(i ? "" : "warnings", deeptepp_result_warning_message(result, i));
    if (deeptepp_result_guidance(result))
        cli_text_paragraph("guidance", deeptepp_result_guidance(result));
    tell_provenance(engine, patient, given);
}

static int score(const arguments *given)
{
    cli_engine engine = {0};
    cli_patient patient = {0};
    deeptepp_result *result = NULL;
    deeptepp_error error;
    int code = cli_open_both(&engine, &given->engine, &patient, &given->patient, "scoring");
    if (!code && deeptepp_session_score(engine.session, patient.record, &result, &error))
        code = cli_patient_fail(&given->patient, &error);
    cli_progress_clear();
    if (!code && given->json)
        cli_print_json(deeptepp_result_json(result));
    else if (!code)
        tell(result, &engine, &patient, given);
    deeptepp_result_free(result);
    cli_engine_close(&engine);
    cli_patient_close(&patient, &given->patient);
    return code;
}

int cli_score(int argc, char **argv)
{
    arguments given;
    memset(&given, 0, sizeof given);
    const cli_option options[] = {
        CLI_ENGINE_OPTIONS(given.engine), CLI_PRECISION_OPTION(given.engine), CLI_PATIENT_OPTIONS(given.patient),
        {"covariate", "NAME=VALUE", "a clinical value the model asks for; once each", cli_take_list,
         &given.patient.covariates, .required = false},
        {"json", NULL, "everything, and the provenance, as one JSON object", cli_take_switch, &given.json,
         .required = false},
        {"no-guidance", NULL, "no word about treatment", cli_take_switch, &given.engine.no_guidance,
         .required = false}};
    bool done = false;
    int code = cli_args_parse(&usage, options, CLI_COUNT(options), argc, argv, &done);
    if (!done)
        code = score(&given);
    cli_patient_options_free(&given.patient);
    return code;
}
