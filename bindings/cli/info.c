#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "print.h"
#include "property.h"
#include "report.h"
#include "text.h"

enum { LIST = 2048 };

static const cli_usage usage = {
    "info",
    "--model M [--precision P] [--json]",
    "Describes a model: what it is for and on whom it was trained, its network, the input it wants, its score, tiers\n"
    "and where they come from.\n",
    "  deeptepp info --model m.safetensors\n"
    "  deeptepp info --model m.safetensors --json | jq .input.channels\n"};

/* What the training recorded, in the file's order. */
static void tell_provenance(const deeptepp_model *model)
{
    static const char section[] = "provenance.";
    const char *label = "provenance";
    for (int64_t i = 0; i < deeptepp_model_property_count(model); i++) {
        const char *key = deeptepp_model_property_key(model, i);
        if (strncmp(key, section, strlen(section)) != 0)
            continue;
        cli_text_named(label, key + strlen(section), deeptepp_model_property_value(model, i));
        label = "";
    }
}

static void tell_identity(const deeptepp_model *model, const char *path)
{
    cli_text_line("name", "%s, version %s", deeptepp_model_name(model), cli_property(model, "version"));
    cli_text_paragraph("authors", cli_property(model, "authors"));
    cli_text_paragraph("licence", cli_property(model, "licence"));
    cli_text_whole("sha-256", deeptepp_model_sha256(model), path);
    cli_text_paragraph("trained on", cli_property(model, "training_cohort"));
    cli_text_paragraph("intended use", cli_property(model, "intended_use"));
    cli_text_paragraph("limitations", cli_property(model, "limitations"));
    if (cli_property_is(model, "weights", "seeded"))
        cli_text_line("weights", "SEEDED: random numbers, not trained. Its scores mean nothing.");
    tell_provenance(model);
}

static void tell_architecture(const deeptepp_model *model)
{
    char strides[LIST], dilations[LIST];
    const char *stem = cli_property(model, "network.stem_activation");
    if (cli_property_is(model, "network.architecture", "pmg2d"))
        cli_text_paragraph("", "the published network: a 2-D ResNet of bottlenecks with progressive multi-granularity "
                           "heads, one on each of its maps of stride 8, 16 and 32 and one on all three; the four "
                           "heads' logits are added");
    if (cli_property_is(model, "network.architecture", "resnet3d"))
        cli_text_line("", "layer strides %s; dilations %s; shortcut %s; %s%s%s",
                      cli_property_numbers(model, "network.layer_strides", strides, sizeof strides),
                      cli_property_numbers(model, "network.layer_dilations", dilations, sizeof dilations),
                      cli_property(model, "network.shortcut"), cli_property(model, "network.activation"),
                      *stem ? ", stem " : "", stem);
}

static void tell_network(const deeptepp_model *model)
{
    int64_t shape[5];
    const double count = cli_property_number(model, "members");
    const char *names = cli_property(model, "network.members");
    deeptepp_model_input_shape(model, shape);
    cli_text_line("network", "%s, %.0f member%s of %.0f parameters", cli_property(model, "network.architecture"),
                  count, count > 1 ? "s" : "", cli_property_number(model, "parameters"));
    tell_architecture(model);
    if (*names)
        cli_text_line("members", "%s", names);
    cli_text_line("tensor", "%lld view%s x %lld channel%s x %lld x %lld x %lld, float32", (long long)shape[0],
                  shape[0] > 1 ? "s" : "", (long long)shape[1], shape[1] > 1 ? "s" : "", (long long)shape[2],
                  (long long)shape[3], (long long)shape[4]);
}

static void tell_region(const deeptepp_model *model)
{
    char spacing[LIST];
    if (cli_property_is(model, "input.region.rule", "fixed"))
        cli_text_line("region", "about the mask's middle, in steps of %s mm%s",
                      cli_property_numbers(model, "input.region.spacing_mm", spacing, sizeof spacing),
                      cli_property_is(model, "input.region.lattice", "monai") ? " where MONAI's Spacing puts them"
                                                                              : "");
    else
        cli_text_line("region", "the mask's box and %.6g mm around it%s",
                      cli_property_number(model, "input.region.margin_mm"),
                      cli_property_is(model, "input.region.keep_aspect", "true") ? ", one step along all axes" : "");
    cli_text_line("outside", "a region that leaves the image is %s",
                  cli_property_is(model, "input.outside.rule", "error") ? "refused" : "filled, with a warning");
}

static void tell_limits(const deeptepp_model *model)
{
    double usual[2], hard[2];
    cli_property_pair(model, "input.spacing_mm.usual", usual);
    cli_property_pair(model, "input.spacing_mm.hard", hard);
    if (*cli_property(model, "input.min_mask_voxels"))
        cli_text_line("mask", "at least %.0f voxels", cli_property_number(model, "input.min_mask_voxels"));
    if (*cli_property(model, "input.spacing_mm.usual"))
        cli_text_line("voxel edges", "usually %.6g to %.6g mm; refused outside %.6g to %.6g mm", usual[0], usual[1],
                      hard[0], hard[1]);
}

/* What a result warns of. */
static void tell_usual(const deeptepp_model *model)
{
    double usual[2];
    char key[64];
    cli_property_pair(model, "input.usual.mask_ml", usual);
    if (*cli_property(model, "input.usual.mask_ml"))
        cli_text_line("tumour", "usually %.6g to %.6g ml", usual[0], usual[1]);
    for (int64_t c = 0; c < deeptepp_model_channel_count(model); c++) {
        snprintf(key, sizeof key, "input.usual.intensity.%lld", (long long)c);
        if (!*cli_property(model, "%s", key))
            return;
        cli_property_pair(model, key, usual);
        cli_text_line(c ? "" : "means", "of %s within the mask usually %.6g to %.6g",
                      deeptepp_model_channel_name(model, c), usual[0], usual[1]);
    }
}

static void tell_views(const deeptepp_model *model, const char *axis)
{
    char angles[LIST];
    cli_text_line("views", "rotated about %s by %s degrees", axis,
                  cli_property_numbers(model, "input.angles_deg", angles, sizeof angles));
}

static void tell_cube(const deeptepp_model *model)
{
    const char *axis = cli_property(model, "input.rotation_axis"), *over = cli_property(model, "input.intensity.over");
    cli_text_line("recipe", "cube: around the tumour, in millimetres");
    tell_views(model, *axis ? axis : "AP");
    cli_text_line("axes", "%s (depth, height, width run to)", cli_property(model, "input.axes"));
    tell_region(model);
    cli_text_line("intensity", "%s%s%s", cli_property(model, "input.intensity.rule"), *over ? " over " : "", over);
}

/* What the recipe itself fixes (docs/model-format.md), and the few things that a model may choose. */
static void tell_mosaic(const deeptepp_model *model)
{
    cli_text_line("recipe", "%s: tiles of 64 x 64 around the tumour, one a slice of the rotated image, %s",
                  cli_property(model, "input.recipe"),
                  cli_property_is(model, "input.recipe", "mosaic") ? "8 x 8 in one picture"
                                                                   : "64 one behind the other");
    tell_views(model, "index axis 1");
    cli_text_line("slices", "%s: of more than 64, %s", cli_property(model, "input.slices"),
                  cli_property_is(model, "input.slices", "first") ? "the first 64 are taken, with a warning"
                                                                  : "64 evenly spaced ones");
    if (cli_property_is(model, "input.axes", "stored"))
        cli_text_paragraph("axes", "stored: index axes 0, 1, 2 are the image file's own, wherever they run to; every "
                           "result warns that the score depends on how the file is stored");
    else
        cli_text_line("axes", "%s (index axes 0, 1, 2 run to)", cli_property(model, "input.axes"));
    cli_text_line("intensity", "each slice from its minimum to its maximum, in 256 grey levels");
}

static void tell_input(const deeptepp_model *model)
{
    cli_text_line("channels", "%s", cli_property(model, "input.channels"));
    if (cli_property_is(model, "input.recipe", "mosaic") || cli_property_is(model, "input.recipe", "mosaic_cube"))
        tell_mosaic(model);
    else
        tell_cube(model);
    tell_limits(model);
    tell_usual(model);
}

static void tell_covariate(const deeptepp_model *model, int64_t index, const char *label)
{
    double range[2];
    const long long i = index;
    const char *name = deeptepp_model_covariate_name(model, index), *unit = deeptepp_model_covariate_unit(model, index);
    deeptepp_model_covariate_range(model, index, range);
    if (!isnan(range[0]))
        cli_text_line(label, "%s (%s), %.6g to %.6g: adds %.9g * (%s - %.9g)", name, unit, range[0], range[1],
                      cli_property_number(model, "covariates.%lld.coefficient", i), name,
                      cli_property_number(model, "covariates.%lld.centre", i));
    else
        cli_text_line(label, "%s (%s)", name, unit);
    for (int64_t l = 0; l < deeptepp_model_covariate_level_count(model, index); l++)
        cli_text_line("", "%.6g: %s, adds %.9g", deeptepp_model_covariate_level(model, index, l),
                      deeptepp_model_covariate_level_name(model, index, l),
                      cli_property_number(model, "covariates.%lld.levels.%lld.coefficient", i, (long long)l));
    if (!isnan(deeptepp_model_covariate_substitute(model, index)))
        cli_text_line("", "where it is missing: %.6g, with a warning",
                      deeptepp_model_covariate_substitute(model, index));
}

static void tell_score(const deeptepp_model *model)
{
    cli_text_line("score", "%s of class %.0f, mean over views and members", cli_property(model, "score.rule"),
                  cli_property_number(model, "score.class"));
    for (int64_t i = 0; i < deeptepp_model_covariate_count(model); i++)
        tell_covariate(model, i, i ? "" : "covariates");
}

static void tell_tiers(const deeptepp_model *model)
{
    char cutpoints[LIST];
    if (!deeptepp_model_tier_count(model)) {
        cli_text_line("tiers", "none");
        return;
    }
    cli_text_line("tiers", "%s; cut at %s", cli_property(model, "tiers.names"),
                  cli_property_numbers(model, "tiers.cutpoints", cutpoints, sizeof cutpoints));
    cli_text_line("cut-points", "%s", cli_property(model, "tiers.source"));
}

static void tell_calibration(const deeptepp_model *model)
{
    char times[LIST];
    if (!deeptepp_model_survival_count(model))
        return;
    cli_text_line("calibration", "%s at %s %s", cli_property(model, "calibration.endpoint"),
                  cli_property_numbers(model, "calibration.times", times, sizeof times),
                  cli_property(model, "calibration.unit"));
    cli_text_line("", "from: %s", cli_property(model, "calibration.source"));
}

static void tell(const deeptepp_model *model, const char *path)
{
    tell_identity(model, path);
    tell_network(model);
    tell_input(model);
    tell_score(model);
    tell_tiers(model);
    tell_calibration(model);
    cli_engine_tell_precision(model);
    if (*cli_property(model, "self_test.score"))
        cli_text_line("self-test", "must give %.9g; `deeptepp selftest` tries it",
                      cli_property_number(model, "self_test.score"));
    else
        cli_text_line("self-test", "none");
    cli_print_lines(stdout, "\nRESEARCH USE ONLY: not a medical device.\n");
}

int cli_info(int argc, char **argv)
{
    cli_engine_options given;
    cli_engine engine = {0};
    bool json = false, done = false;
    memset(&given, 0, sizeof given);
    const cli_option options[] = {
        {"model", "M", "the model file (.safetensors)", cli_take_text, &given.model, .required = true},
        CLI_PRECISION_OPTION(given),
        {"json", NULL, "the whole description as one JSON object", cli_take_switch, &json, .required = false}};
    int code = cli_args_parse(&usage, options, CLI_COUNT(options), argc, argv, &done);
    if (done)
        return code;
    if (json && given.precision != DEEPTEPP_PRECISION_F32)
        return cli_fail(CLI_USAGE,
                        "--json with --precision bf16: the JSON is the file's own description; leave out one of them");
    code = cli_engine_open_model(&engine, &given);
    if (!code && json)
        cli_print_json(deeptepp_model_json(engine.model));
    else if (!code)
        tell(engine.model, given.model);
    cli_engine_close(&engine);
    return code;
}
