#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "print.h"
#include "report.h"
#include "text.h"

enum { LIST = 2048 };

static const cli_usage usage = {
    "info",
    "--model M [--json]",
    "Describes a model: what it is for and on whom it was trained, its network, the input it wants, its score, tiers\n"
    "and where they come from.\n",
    "  deeptepp info --model m.safetensors\n"
    "  deeptepp info --model m.safetensors --json | jq .input.channels\n"};

static bool is(const json_t *object, const char *key, const char *value)
{
    return strcmp(cli_json_text(object, key), value) == 0;
}

static void tell_identity(const json_t *model, const char *path)
{
    cli_text_line("name", "%s, version %s", cli_json_text(model, "name"), cli_json_text(model, "version"));
    cli_text_paragraph("authors", cli_json_text(model, "authors"));
    cli_text_paragraph("licence", cli_json_text(model, "licence"));
    cli_text_whole("sha-256", cli_json_text(model, "sha256"), path);
    cli_text_paragraph("trained on", cli_json_text(model, "training_cohort"));
    cli_text_paragraph("intended use", cli_json_text(model, "intended_use"));
    cli_text_paragraph("limitations", cli_json_text(model, "limitations"));
    if (is(model, "weights", "seeded"))
        cli_text_line("weights", "SEEDED: random numbers, not trained. Its scores mean nothing.");
}

static void tell_architecture(const json_t *network)
{
    char strides[LIST], dilations[LIST];
    const char *stem = json_string_value(json_object_get(network, "stem_activation"));
    if (is(network, "architecture", "pmg2d"))
        cli_text_paragraph("", "the published network: a 2-D ResNet of bottlenecks with progressive multi-granularity "
                           "heads, one on each of its maps of stride 8, 16 and 32 and one on all three; the four "
                           "heads' logits are added");
    if (is(network, "architecture", "resnet3d"))
        cli_text_line("", "layer strides %s; dilations %s; shortcut %s; %s%s%s",
                      cli_json_list(json_object_get(network, "layer_strides"), strides, sizeof strides),
                      cli_json_list(json_object_get(network, "layer_dilations"), dilations, sizeof dilations),
                      cli_json_text(network, "shortcut"), cli_json_text(network, "activation"), stem ? ", stem " : "",
                      stem ? stem : "");
}

static void tell_network(const json_t *model, const deeptepp_model *handle)
{
    char members[LIST];
    int64_t shape[5];
    const json_t *network = json_object_get(model, "network"), *names = json_object_get(network, "members");
    const double count = cli_json_number(model, "members");
    deeptepp_model_input_shape(handle, shape);
    cli_text_line("network", "%s, %.0f member%s of %.0f parameters", cli_json_text(network, "architecture"), count,
                  count > 1 ? "s" : "", cli_json_number(model, "parameters"));
    tell_architecture(network);
    if (names)
        cli_text_line("members", "%s", cli_json_list(names, members, sizeof members));
    cli_text_line("tensor", "%lld view%s x %lld channel%s x %lld x %lld x %lld, float32", (long long)shape[0],
                  shape[0] > 1 ? "s" : "", (long long)shape[1], shape[1] > 1 ? "s" : "", (long long)shape[2],
                  (long long)shape[3], (long long)shape[4]);
}

static void tell_region(const json_t *input)
{
    char spacing[LIST];
    const json_t *region = json_object_get(input, "region"), *outside = json_object_get(input, "outside");
    if (is(region, "rule", "fixed"))
        cli_text_line("region", "about the mask's middle, in steps of %s mm%s",
                      cli_json_list(json_object_get(region, "spacing_mm"), spacing, sizeof spacing),
                      is(region, "lattice", "monai") ? " where MONAI's Spacing puts them" : "");
    else
        cli_text_line("region", "the mask's box and %.6g mm around it%s", cli_json_number(region, "margin_mm"),
                      json_is_true(json_object_get(region, "keep_aspect")) ? ", one step along all axes" : "");
    cli_text_line("outside", "a region that leaves the image is %s",
                  is(outside, "rule", "error") ? "refused" : "filled, with a warning");
}

static double low_of(const json_t *pair)
{
    return json_number_value(json_array_get(pair, 0));
}

static double high_of(const json_t *pair)
{
    return json_number_value(json_array_get(pair, 1));
}

static void tell_limits(const json_t *input)
{
    const json_t *spacing = json_object_get(input, "spacing_mm");
    const json_t *usual = json_object_get(spacing, "usual"), *hard = json_object_get(spacing, "hard");
    if (json_object_get(input, "min_mask_voxels"))
        cli_text_line("mask", "at least %.0f voxels", cli_json_number(input, "min_mask_voxels"));
    if (spacing)
        cli_text_line("voxel edges", "usually %.6g to %.6g mm; refused outside %.6g to %.6g mm", low_of(usual),
                      high_of(usual), low_of(hard), high_of(hard));
}

static void tell_views(const json_t *input, const char *axis)
{
    char angles[LIST];
    cli_text_line("views", "rotated about %s by %s degrees", axis,
                  cli_json_list(json_object_get(input, "angles_deg"), angles, sizeof angles));
}

static void tell_cube(const json_t *input)
{
    const json_t *intensity = json_object_get(input, "intensity");
    const char *axis = cli_json_text(input, "rotation_axis");
    cli_text_line("recipe", "cube: around the tumour, in millimetres");
    tell_views(input, *axis ? axis : "AP");
    cli_text_line("axes", "%s (depth, height, width run to)", cli_json_text(input, "axes"));
    tell_region(input);
    cli_text_line("intensity", "%s%s%s", cli_json_text(intensity, "rule"),
                  json_object_get(intensity, "over") ? " over " : "", cli_json_text(intensity, "over"));
}

/* What the recipe itself fixes (docs/model-format.md), and the few things that a model may choose. */
static void tell_mosaic(const json_t *input)
{
    cli_text_line("recipe", "%s: tiles of 64 x 64 around the tumour, one a slice of the rotated image, %s",
                  cli_json_text(input, "recipe"),
                  is(input, "recipe", "mosaic") ? "8 x 8 in one picture" : "64 one behind the other");
    tell_views(input, "index axis 1");
    cli_text_line("slices", "%s: of more than 64, %s", cli_json_text(input, "slices"),
                  is(input, "slices", "first") ? "the first 64 are taken, with a warning" : "64 evenly spaced ones");
    if (is(input, "axes", "stored"))
        cli_text_paragraph("axes", "stored: index axes 0, 1, 2 are the image file's own, wherever they run to; every "
                           "result warns that the score depends on how the file is stored");
    else
        cli_text_line("axes", "%s (index axes 0, 1, 2 run to)", cli_json_text(input, "axes"));
    cli_text_line("intensity", "each slice from its minimum to its maximum, in 256 grey levels");
}

static void tell_input(const json_t *model)
{
    char channels[LIST];
    const json_t *input = json_object_get(model, "input");
    cli_text_line("channels", "%s", cli_json_list(json_object_get(input, "channels"), channels, sizeof channels));
    if (is(input, "recipe", "mosaic") || is(input, "recipe", "mosaic_cube"))
        tell_mosaic(input);
    else
        tell_cube(input);
    tell_limits(input);
}

static void tell_covariate(const json_t *covariate, const char *label)
{
    size_t index;
    const json_t *levels = json_object_get(covariate, "levels"), *range = json_object_get(covariate, "range"), *level;
    const char *name = cli_json_text(covariate, "name"), *unit = cli_json_text(covariate, "unit");
    if (range)
        cli_text_line(label, "%s (%s), %.6g to %.6g: adds %.9g * (%s - %.9g)", name, unit, low_of(range),
                      high_of(range), cli_json_number(covariate, "coefficient"), name,
                      cli_json_number(covariate, "centre"));
    else
        cli_text_line(label, "%s (%s)", name, unit);
    json_array_foreach(levels, index, level)
        cli_text_line("", "%.6g: %s, adds %.9g", cli_json_number(level, "value"), cli_json_text(level, "name"),
                      cli_json_number(level, "coefficient"));
    if (json_object_get(covariate, "missing"))
        cli_text_line("", "where it is missing: %.6g, with a warning", cli_json_number(covariate, "missing"));
}

static void tell_score(const json_t *model)
{
    size_t index;
    const json_t *score = json_object_get(model, "score"), *covariate;
    cli_text_line("score", "%s of class %.0f, mean over views and members", cli_json_text(score, "rule"),
                  cli_json_number(score, "class"));
    json_array_foreach(json_object_get(model, "covariates"), index, covariate)
        tell_covariate(covariate, index ? "" : "covariates");
}

static void tell_tiers(const json_t *model)
{
    char names[LIST], cuts[LIST];
    const json_t *tiers = json_object_get(model, "tiers"), *calibration = json_object_get(model, "calibration");
    if (!tiers)
        cli_text_line("tiers", "none");
    if (tiers) {
        cli_text_line("tiers", "%s; cut at %s",
                      cli_json_list(json_object_get(tiers, "names"), names, sizeof names),
                      cli_json_list(json_object_get(tiers, "cutpoints"), cuts, sizeof cuts));
        cli_text_line("cut-points", "%s", cli_json_text(tiers, "source"));
    }
    if (!calibration)
        return;
    cli_text_line("calibration", "%s at %s %s", cli_json_text(calibration, "endpoint"),
                  cli_json_list(json_object_get(calibration, "times"), cuts, sizeof cuts),
                  cli_json_text(calibration, "unit"));
    cli_text_line("", "from: %s", cli_json_text(calibration, "source"));
}

static void tell(const cli_engine *engine, const char *path)
{
    const json_t *model = engine->description, *test = json_object_get(model, "self_test");
    tell_identity(model, path);
    tell_network(model, engine->model);
    tell_input(model);
    tell_score(model);
    tell_tiers(model);
    if (test)
        cli_text_line("self-test", "must give %.9g; `deeptepp selftest` tries it", cli_json_number(test, "score"));
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
        {"json", NULL, "the whole description as one JSON object", cli_take_switch, &json, .required = false}};
    int code = cli_args_parse(&usage, options, CLI_COUNT(options), argc, argv, &done);
    if (done)
        return code;
    code = cli_engine_open_model(&engine, &given);
    if (!code && json)
        cli_print_json(deeptepp_model_json(engine.model));
    else if (!code)
        tell(&engine, given.model);
    cli_engine_close(&engine);
    return code;
}
