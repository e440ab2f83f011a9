#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "print.h"
#include "progress.h"
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
static double nearest_cutpoint(const deeptepp_result *result, const json_t *cutpoints)
{
    const double wanted = deeptepp_result_score(result) - deeptepp_result_cutpoint_distance(result);
    double found = NAN;
    for (size_t i = 0; i < json_array_size(cutpoints); i++) {
        const double cutpoint = json_number_value(json_array_get(cutpoints, i));
        if (!(fabs(cutpoint - wanted) >= fabs(found - wanted)))
            found = cutpoint;
    }
    return found;
}

static void tell_cutpoint(const deeptepp_result *result, const json_t *tiers)
{
    const json_t *cutpoints = json_object_get(tiers, "cutpoints");
    const double distance = deeptepp_result_cutpoint_distance(result), cutpoint = nearest_cutpoint(result, cutpoints);
    const char *which = json_array_size(cutpoints) > 1 ? " (the nearest)" : "";
    if (distance == 0)
        cli_text_line("cut-point", "%.6f%s, the score equals it and belongs to the lower tier", cutpoint, which);
    else
        cli_text_line("cut-point", "%.6f, the score is %.6f %s%s", cutpoint, fabs(distance),
                      distance > 0 ? "above" : "below", which);
    cli_text_line("", "chosen: %s", cli_json_text(tiers, "source"));
}

/* A score that equals a cut-point belongs to the lower tier. */
static size_t tier_of(const json_t *cutpoints, double score)
{
    size_t tier = 0;
    while (tier < json_array_size(cutpoints) && score > json_number_value(json_array_get(cutpoints, tier)))
        tier++;
    return tier;
}

static long long views_in(const deeptepp_result *result, const json_t *cutpoints, size_t tier)
{
    long long count = 0;
    for (int64_t i = 0; i < deeptepp_result_view_count(result); i++)
        count += tier_of(cutpoints, deeptepp_result_view_score(result, i)) == tier;
    return count;
}

static void tell_views_in_tiers(const deeptepp_result *result, const json_t *tiers)
{
    char list[LIST] = "";
    size_t used = 0, index;
    const json_t *cutpoints = json_object_get(tiers, "cutpoints"), *name;
    if (!tiers || deeptepp_result_view_count(result) < 2)
        return;
    json_array_foreach(json_object_get(tiers, "names"), index, name)
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%lld %s", index ? ", " : "",
                                     views_in(result, cutpoints, index), json_string_value(name));
    cli_text_paragraph("views in tiers", list);
}

static void tell_tier(const deeptepp_result *result, const json_t *description)
{
    const json_t *tiers = json_object_get(description, "tiers");
    if (deeptepp_result_tier(result) < 0) {
        cli_text_line("tier", "none: the model has no cut-points");
        return;
    }
    cli_text_line("tier", "%s  (%d of %d from the lowest)", deeptepp_result_tier_name(result),
                  deeptepp_result_tier(result) + 1, (int)json_array_size(json_object_get(tiers, "names")));
    tell_cutpoint(result, tiers);
}

/* As the result has them: what was filled in stands there too. */
static void tell_covariates(const deeptepp_result *result)
{
    size_t index;
    json_t *whole = json_loads(deeptepp_result_json(result), 0, NULL);
    const json_t *covariate;
    json_array_foreach(json_object_get(whole, "covariates"), index, covariate)
        cli_text_line(index ? "" : "covariates", "%s %.9g %s, adds %.6f%s", cli_json_text(covariate, "name"),
                      cli_json_number(covariate, "value"), cli_json_text(covariate, "unit"),
                      cli_json_number(covariate, "term"),
                      json_is_true(json_object_get(covariate, "filled")) ? "  (not given, filled in)" : "");
    json_decref(whole);
}

static void tell_survival(const deeptepp_result *result, const json_t *description)
{
    const json_t *calibration = json_object_get(description, "calibration");
    for (int64_t i = 0; i < deeptepp_result_survival_count(result); i++)
        cli_text_line(i ? "" : "survival", "%.4f at %.6g %s  (%s)", deeptepp_result_survival(result, i),
                      deeptepp_result_survival_time(result, i), cli_json_text(calibration, "unit"),
                      cli_json_text(calibration, "endpoint"));
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

static void tell_members(const deeptepp_result *result, const json_t *description)
{
    const json_t *names = json_object_get(json_object_get(description, "network"), "members");
    const int64_t count = deeptepp_result_member_count(result);
    for (int64_t i = 0; count > 1 && i < count; i++) {
        const char *name = json_string_value(json_array_get(names, (size_t)i));
        cli_text_line(i ? "" : "members", "% .4f  %s", deeptepp_result_member_score(result, i), name ? name : "");
    }
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
    const json_t *description = engine->description;
    cli_print_lines(stdout, "RESEARCH USE ONLY: not a medical device.\n\n");
    cli_text_line("model", "%s, version %s", deeptepp_model_name(engine->model), cli_json_text(description, "version"));
    tell_score(result);
    tell_tier(result, description);
    tell_survival(result, description);
    tell_covariates(result);
    tell_views(result);
    tell_views_in_tiers(result, json_object_get(description, "tiers"));
    tell_members(result, description);
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
    int code = cli_patient_open(&patient, &given->patient);
    if (!code)
        code = cli_engine_open(&engine, &given->engine, "scoring");
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
        CLI_ENGINE_OPTIONS(given.engine), CLI_PATIENT_OPTIONS(given.patient),
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
