#include "recipe.h"

#include <math.h>

#include "../volume/axes.h"

bool dtp_recipe_has_channel(const dtp_recipe *recipe, const char *name)
{
    for (int i = 0; i < recipe->n_channels; i++)
        if (strcmp(recipe->channels[i], name) == 0)
            return true;
    return false;
}

static void parse_channels(dtp_recipe *out, dtp_json *json, int most)
{
    const dtp_json_value *array = dtp_json_array(json, "channels", 1, most);
    if (!array)
        return;
    DTP_JSON_EACH(name, array) {
        bool fresh = name->kind == DTP_JSON_TEXT && *name->text && !dtp_recipe_has_channel(out, name->text);
        char *copy = fresh ? strdup(name->text) : NULL;
        if (!fresh)
            dtp_json_fail(json, "channels", DEEPTEPP_ERR_MODEL_VALUE,
                          "element %d is not a name different from those before it", out->n_channels);
        else if (!copy)
            dtp_json_fail(json, "channels", DEEPTEPP_ERR_MEMORY, "out of memory: a channel's name");
        if (!copy)
            return;
        out->channels[out->n_channels++] = copy;
    }
}

static void parse_axes(dtp_recipe *out, dtp_json *json)
{
    const char *axes = dtp_json_text(json, "axes");
    if (dtp_axes_valid(axes))
        memcpy(out->axes, axes, sizeof out->axes);
    else
        dtp_json_fail(json, "axes", DEEPTEPP_ERR_MODEL_VALUE,
                      "is \"%.20s\", wanted 3 letters of R L A P S I, one of each pair%s", axes,
                      out->kind == DTP_RECIPE_CUBE ? "" : ", or \"stored\"");
}

static void parse_region(dtp_recipe *out, dtp_json region)
{
    static const char *const rules[] = {"fixed", "box", NULL}, *const lattices[] = {"first_voxel", "monai", NULL};
    out->region = (dtp_region_rule)dtp_json_choice(&region, "rule", rules);
    if (out->region == DTP_REGION_FIXED) {
        dtp_json_numbers(&region, "spacing_mm", out->spacing_mm, 3, 3, 0.05, 50);
        if (dtp_json_has(&region, "lattice"))
            out->lattice = (dtp_lattice_rule)dtp_json_choice(&region, "lattice", lattices);
    } else {
        out->margin_mm = dtp_json_number(&region, "margin_mm", 0, 500);
        out->keep_aspect = dtp_json_bool(&region, "keep_aspect");
    }
    dtp_json_close(&region);
}

static void parse_outside(dtp_recipe *out, dtp_json outside)
{
    static const char *const rules[] = {"warn", "error", NULL}, *const fills[] = {"edge", "constant", NULL};
    out->outside_error = dtp_json_choice(&outside, "rule", rules) == 1;
    out->fill_edge = dtp_json_choice(&outside, "fill", fills) == 0;
    if (!out->fill_edge)
        out->fill_value = dtp_json_number(&outside, "value", -1e30, 1e30);
    dtp_json_close(&outside);
}

static void check_rising(dtp_json *json, const char *key, const double pair[2])
{
    if (json->object && !(pair[0] < pair[1]))
        dtp_json_fail(json, key, DEEPTEPP_ERR_MODEL_VALUE, "is [%g, %g], wanted rising", pair[0], pair[1]);
}

static void parse_rising_pair(dtp_json *json, const char *key, double out[2], double low, double high)
{
    dtp_json_numbers(json, key, out, 2, 2, low, high);
    check_rising(json, key, out);
}

static void parse_intensity(dtp_recipe *out, dtp_json intensity)
{
    static const char *const rules[] = {"none", "zscore", "minmax", "percentile", NULL};
    static const char *const overs[] = {"view", "view_together", "image", "images_together", NULL};
    out->intensity = (dtp_intensity_rule)dtp_json_choice(&intensity, "rule", rules);
    if (out->intensity != DTP_INTENSITY_NONE)
        out->over = (dtp_over)dtp_json_choice(&intensity, "over", overs);
    if (out->intensity == DTP_INTENSITY_MINMAX || out->intensity == DTP_INTENSITY_PERCENTILE)
        parse_rising_pair(&intensity, "range", out->range, -1e6, 1e6);
    out->percentiles[1] = 100;
    if (out->intensity == DTP_INTENSITY_PERCENTILE)
        parse_rising_pair(&intensity, "percentiles", out->percentiles, 0, 100);
    dtp_json_close(&intensity);
}

static void parse_spacing(dtp_recipe *out, dtp_json *json)
{
    out->hard_mm[0] = out->usual_mm[0] = 0;
    out->hard_mm[1] = out->usual_mm[1] = INFINITY;
    if (!dtp_json_has(json, "spacing_mm"))
        return;
    dtp_json spacing = dtp_json_child(json, "spacing_mm");
    parse_rising_pair(&spacing, "hard", out->hard_mm, 0, 1000);
    parse_rising_pair(&spacing, "usual", out->usual_mm, 0, 1000);
    dtp_json_close(&spacing);
}

static void parse_usual_intensity(dtp_recipe *out, dtp_json *usual)
{
    char name[24];
    int pairs = dtp_json_pairs(usual, "intensity", out->usual_intensity, 1, DTP_MAX_CHANNELS, -1e30, 1e30);
    if (usual->object && pairs != out->n_channels)
        dtp_json_fail(usual, "intensity", DEEPTEPP_ERR_MODEL_VALUE, "has %d pairs for %d channels, wanted one each",
                      pairs, out->n_channels);
    for (int c = 0; c < pairs; c++) {
        dtp_format(name, sizeof name, "intensity[%d]", c);
        check_rising(usual, name, out->usual_intensity[c]);
    }
    out->has_usual_intensity = true;
}

static void parse_usual(dtp_recipe *out, dtp_json *json)
{
    out->usual_ml[1] = INFINITY;
    if (!dtp_json_has(json, "usual"))
        return;
    dtp_json usual = dtp_json_child(json, "usual");
    if (dtp_json_has(&usual, "mask_ml"))
        parse_rising_pair(&usual, "mask_ml", out->usual_ml, 0, 1e5);
    if (dtp_json_has(&usual, "intensity"))
        parse_usual_intensity(out, &usual);
    dtp_json_close(&usual);
}

static void parse_cube(dtp_recipe *out, dtp_json *json)
{
    static const char *const axes[] = {"LR", "AP", "SI", NULL};
    parse_channels(out, json, DTP_MAX_CHANNELS);
    parse_axes(out, json);
    dtp_json_integers(json, "size", out->size, 3, 3, 8, 512);
    if (dtp_json_has(json, "rotation_axis"))
        out->rotation_axis = dtp_json_choice(json, "rotation_axis", axes);
    parse_region(out, dtp_json_child(json, "region"));
    parse_outside(out, dtp_json_child(json, "outside"));
    parse_intensity(out, dtp_json_child(json, "intensity"));
}

/* The published sizes are no choice; they are written so that the file says what its network gets. */
static void parse_mosaic_size(dtp_recipe *out, dtp_json *json)
{
    static const int64_t mosaic[3] = {1, 512, 512}, cube[3] = {64, 64, 64};
    const int64_t *wanted = out->kind == DTP_RECIPE_MOSAIC ? mosaic : cube;
    dtp_json_integers(json, "size", out->size, 3, 3, 1, 512);
    if (json->object && memcmp(out->size, wanted, sizeof out->size) != 0)
        dtp_json_fail(json, "size", DEEPTEPP_ERR_MODEL_VALUE,
                      "is [%lld, %lld, %lld], this recipe's is [%lld, %lld, %lld]", (long long)out->size[0],
                      (long long)out->size[1], (long long)out->size[2], (long long)wanted[0], (long long)wanted[1],
                      (long long)wanted[2]);
}

static void parse_mosaic(dtp_recipe *out, dtp_json *json)
{
    static const char *const slices[] = {"first", "spaced", NULL};
    parse_channels(out, json, 1);
    out->stored_order = strcmp(dtp_json_text(json, "axes"), "stored") == 0;
    if (!out->stored_order)
        parse_axes(out, json);
    parse_mosaic_size(out, json);
    out->spaced = dtp_json_choice(json, "slices", slices) == 1;
}

void dtp_recipe_parse(dtp_recipe *out, dtp_json *json)
{
    static const char *const kinds[] = {"cube", "mosaic", "mosaic_cube", NULL};
    *out = (dtp_recipe){.rotation_axis = 1, .min_mask_voxels = 1};
    if (dtp_json_has(json, "recipe"))
        out->kind = (dtp_recipe_kind)dtp_json_choice(json, "recipe", kinds);
    if (out->kind == DTP_RECIPE_CUBE)
        parse_cube(out, json);
    else
        parse_mosaic(out, json);
    out->n_views = dtp_json_numbers(json, "angles_deg", out->angles_deg, 1, DTP_MAX_VIEWS, -3600, 3600);
    if (dtp_json_has(json, "min_mask_voxels"))
        out->min_mask_voxels = dtp_json_integer(json, "min_mask_voxels", 1, INT32_MAX);
    parse_spacing(out, json);
    parse_usual(out, json);
    dtp_json_close(json);
}

void dtp_recipe_free(dtp_recipe *recipe)
{
    for (int i = 0; i < recipe->n_channels; i++)
        free(recipe->channels[i]);
    recipe->n_channels = 0;
}
