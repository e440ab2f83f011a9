#include "preprocess.h"

#include <math.h>

#include "intensity.h"
#include "sample.h"
#include "share.h"

/* Thousandths of making views: sampling; after it, the passes over whole images; the rest is normalising. */
enum { SAMPLING = 600, SURVEYED = 800 };

static size_t cube_size(const dtp_recipe *recipe)
{
    return (size_t)(recipe->size[0] * recipe->size[1] * recipe->size[2]);
}

/* Image by image: its voxels are still in the cache when the next view needs them. */
static deeptepp_status sample_views(const dtp_study *study, float *out, dtp_actions *actions, dtp_watch *watch,
                                    deeptepp_error *error)
{
    const dtp_recipe *recipe = study->recipe;
    const int cubes = recipe->n_views * recipe->n_channels;
    for (int n = 0; n < cubes; n++) {
        const int c = n / recipe->n_views, v = n % recipe->n_views;
        dtp_grid grid;
        dtp_grid_make(&grid, &actions->cube, recipe, v, &study->frames[c]);
        float *cube = out + cube_size(recipe) * (size_t)(v * recipe->n_channels + c);
        actions->outside[v] = dtp_sample(study->images[c], &grid, recipe, cube, watch);
        deeptepp_status status = dtp_watch_ask(watch, error);
        if (status != DEEPTEPP_OK)
            return status;
        dtp_watch_tell(watch, SAMPLING * (n + 1) / cubes);
    }
    return DEEPTEPP_OK;
}

/* ---- How much of the tumour is seen ---- */

/* The two breasts, or a stray voxel: the middle of the box around all parts can be far from any of them. */
static deeptepp_status refuse_region(const dtp_study *study, int64_t inside, double distance, deeptepp_error *error)
{
    const deeptepp_mask *tumour = &study->tumour;
    char parts[200] = "the mask is too large or too hollow for this model's region";
    if (tumour->parts.count > 1 && !tumour->largest_only)
        dtp_format(parts, sizeof parts,
                   "the mask has %lld parts, the largest of %lld and %lld voxels, %.4g mm apart: take the largest part "
                   "alone, or mend the mask",
                   (long long)tumour->parts.count, (long long)tumour->parts.told[0].voxels,
                   (long long)tumour->parts.told[1].voxels, tumour->parts.told[1].distance);
    return dtp_about(dtp_fail(error, DEEPTEPP_ERR_MASK_OUTSIDE_REGION,
                              "region: %lld of the mask's %lld voxels (%.3g %%) lie in it, and its middle is %.4g mm "
                              "from the nearest: %s",
                              (long long)inside, (long long)tumour->voxels,
                              100 * (double)inside / (double)tumour->voxels, distance, parts),
                     DEEPTEPP_MASK_VOLUME, DEEPTEPP_NO_VOLUME, error);
}

static deeptepp_status judge_region(const dtp_study *study, dtp_actions *actions, deeptepp_error *error)
{
    const dtp_recipe *recipe = study->recipe;
    const double *step = actions->cube.step;
    double edge = INFINITY, voxels = (double)study->tumour.voxels;
    dtp_grid grid;
    dtp_grid_make(&grid, &actions->cube, recipe, DTP_UNROTATED, &study->mask_frame);
    int64_t inside = dtp_share_of_grid(study, &grid);
    double distance = dtp_share_distance(study, &grid);
    for (int t = 0; t < 3; t++)
        edge = fmin(edge, step[t] * (double)recipe->size[t]);
    bool several = study->tumour.parts.count > 1 && !study->tumour.largest_only;
    if (inside == 0 || (several && distance > edge / 4))
        return refuse_region(study, inside, distance, error);
    actions->share = (double)inside / voxels;
    for (int v = 0; v < recipe->n_views; v++) {
        dtp_grid_make(&grid, &actions->cube, recipe, v, &study->mask_frame);
        actions->view_shares[v] = (double)dtp_share_of_grid(study, &grid) / voxels;
    }
    return DEEPTEPP_OK;
}

/* Percent, cut and not rounded: 100 is all of it. */
static double percent(double share)
{
    return floor(share * 10000) / 100;
}

static void warn_of_share(const dtp_study *study, const dtp_actions *actions, dtp_warnings *warnings)
{
    int worst = 0;
    for (int v = 1; v < study->recipe->n_views; v++)
        worst = actions->view_shares[v] < actions->view_shares[worst] ? v : worst;
    if (actions->share >= 1 && actions->view_shares[worst] >= 1)
        return;
    dtp_warn(warnings, DEEPTEPP_WARN_MASK_OUTSIDE_REGION,
             "region: %.2f %% of the mask's voxels lie in it, in view %d %.2f %%: the network does not see the rest",
             percent(actions->share), worst + 1, percent(actions->view_shares[worst]));
}

static deeptepp_status judge_outside(const dtp_study *study, const dtp_actions *actions, dtp_warnings *warnings,
                                     deeptepp_error *error)
{
    const dtp_recipe *recipe = study->recipe;
    int64_t total = 0, worst = 0;
    for (int v = 0; v < recipe->n_views; v++) {
        total += actions->outside[v];
        worst = dtp_max_i64(worst, actions->outside[v]);
    }
    if (!total)
        return DEEPTEPP_OK;
    double all = (double)cube_size(recipe) * recipe->n_views, view = (double)cube_size(recipe);
    if (recipe->outside_error)
        return dtp_about(dtp_fail(error, DEEPTEPP_ERR_REGION_OUTSIDE,
                                  "region: %.2f %% of its samples lie outside the image, the model allows none",
                                  100.0 * (double)total / all),
                         study->numbers[0], DEEPTEPP_MASK_VOLUME, error);
    dtp_warn(warnings, DEEPTEPP_WARN_PADDED,
             "region: %lld samples (%.2f %%, in one view %.2f %%) lie outside the image and were filled",
             (long long)total, 100.0 * (double)total / all, 100.0 * (double)worst / view);
    return DEEPTEPP_OK;
}

/* Mappings over whole images are the same for every view: made once. */
static deeptepp_status image_mappings(const dtp_study *study, dtp_mapping *mappings, dtp_watch *watch,
                                      deeptepp_error *error)
{
    int last = study->recipe->n_channels - 1;
    if (study->recipe->over == DTP_OVER_IMAGES_TOGETHER) {
        deeptepp_status status = dtp_mapping_of_images(&mappings[0], study, 0, last, watch, error);
        for (int c = 1; c <= last; c++)
            mappings[c] = mappings[0];
        return dtp_about(status, study->numbers[0], DEEPTEPP_NO_VOLUME, error);
    }
    for (int c = 0; c <= last; c++) {
        deeptepp_status status = dtp_mapping_of_images(&mappings[c], study, c, c, watch, error);
        if (status != DEEPTEPP_OK)
            return dtp_about(status, study->numbers[c], DEEPTEPP_NO_VOLUME, error);
    }
    return DEEPTEPP_OK;
}

/* Of one channel of a view; what all channels have together is the first one's. */
static deeptepp_status view_mapping(const dtp_study *study, const float *view, int index, int c, dtp_mapping *mappings,
                                    dtp_watch *watch, deeptepp_error *error)
{
    char what[160];
    const dtp_recipe *recipe = study->recipe;
    const bool together = recipe->over == DTP_OVER_VIEW_TOGETHER;
    const size_t size = cube_size(recipe), channels = together ? (size_t)recipe->n_channels : 1;
    if (recipe->over != DTP_OVER_VIEW && !together)
        return DEEPTEPP_OK;
    if (together && c > 0) {
        mappings[c] = mappings[0];
        return DEEPTEPP_OK;
    }
    dtp_format(what, sizeof what, "crop of channel \"%.100s\", view %d", recipe->channels[c], index + 1);
    return dtp_about(dtp_mapping_of_values(&mappings[c], recipe, view + (size_t)c * size, channels * size, what, watch,
                                           error),
                     study->numbers[c], DEEPTEPP_NO_VOLUME, error);
}

/* Within the network ReLU turns NaN and minus infinity into 0, so that after an overflow the score can look fine. Half
 * of float32's exponents are the input's, half the weights'. */
static const float INPUT_MAX = 1e18f;

/* Values `first` to `last` of `count`. */
static deeptepp_status check_range(const float *values, size_t first, size_t last, size_t count, deeptepp_error *error)
{
    for (size_t i = first; i < last; i++) {
        if (fabsf(values[i]) <= INPUT_MAX)
            continue;
        if (isfinite(values[i]))
            return dtp_fail(error, DEEPTEPP_ERR_SCORE_NONFINITE,
                            "network input: value %zu of %zu is %g, wanted %g either way at most: the network would "
                            "overflow",
                            i, count, (double)values[i], (double)INPUT_MAX);
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_NONFINITE,
                        "network input: value %zu of %zu is not finite: voxels beyond float32, or changed while "
                        "they were read",
                        i, count);
    }
    return DEEPTEPP_OK;
}

static deeptepp_status normalise_channel(const dtp_study *study, float *view, int c, const dtp_mapping *mapping,
                                         dtp_watch *watch, deeptepp_error *error)
{
    enum { SLAB = 1 << 16 };
    const size_t size = cube_size(study->recipe), last = ((size_t)c + 1) * size;
    deeptepp_status status = DEEPTEPP_OK;
    for (size_t at = last - size, end; at < last && status == DEEPTEPP_OK; at = end) {
        end = at + (last - at < SLAB ? last - at : SLAB);
        if (dtp_watch_cancelled(watch))
            return dtp_watch_ask(watch, error);
        dtp_mapping_apply(mapping, view + at, end - at);
        status = check_range(view, at, end, size * (size_t)study->recipe->n_channels, error);
    }
    return dtp_about(status, study->numbers[c], DEEPTEPP_NO_VOLUME, error);
}

/* Channel by channel: one is still in the cache when its mapping is known. A crop that has none is told of before
 * values that the network would overflow on. */
static deeptepp_status normalise_view(const dtp_study *study, float *view, int index, dtp_mapping *mappings,
                                      dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    for (int c = 0; c < study->recipe->n_channels; c++) {
        deeptepp_status mapped = view_mapping(study, view, index, c, mappings, watch, error);
        if (mapped != DEEPTEPP_OK)
            return mapped;
        if (status == DEEPTEPP_OK)
            status = normalise_channel(study, view, c, &mappings[c], watch, error);
    }
    return status;
}

/* All views, each with a message of its own. */
typedef struct normalising {
    const dtp_study *study;
    float *out;
    const dtp_mapping *mappings;
    dtp_watch *watch;
    deeptepp_status *results;
    deeptepp_error *errors;
} normalising;

static void normalise_views(void *argument, int lane, int64_t first, int64_t last)
{
    const normalising *n = argument;
    const dtp_recipe *recipe = n->study->recipe;
    size_t view = cube_size(recipe) * (size_t)recipe->n_channels;
    (void)lane;
    for (int64_t v = first; v < last; v++) {
        dtp_mapping mappings[DTP_MAX_CHANNELS];
        memcpy(mappings, n->mappings, sizeof mappings);
        n->results[v] =
            normalise_view(n->study, n->out + view * (size_t)v, (int)v, mappings, n->watch, &n->errors[v]);
    }
}

static deeptepp_status normalise(const dtp_study *study, float *out, dtp_watch *watch, deeptepp_error *error)
{
    const dtp_recipe *recipe = study->recipe;
    dtp_mapping mappings[DTP_MAX_CHANNELS] = {0};
    deeptepp_status results[DTP_MAX_VIEWS], status = DEEPTEPP_OK;
    deeptepp_error *errors = calloc((size_t)recipe->n_views, sizeof *errors);
    if (!errors)
        return dtp_fail_memory(error, "messages", (size_t)recipe->n_views * sizeof *errors);
    if (recipe->intensity != DTP_INTENSITY_NONE && recipe->over >= DTP_OVER_IMAGE)
        status = image_mappings(study, mappings, watch, error);
    dtp_watch_tell(watch, SURVEYED);
    normalising n = {study, out, mappings, watch, results, errors};
    if (status == DEEPTEPP_OK)
        dtp_team_for(dtp_watch_team(watch), recipe->n_views, 1, normalise_views, &n);
    for (int v = 0; v < recipe->n_views && status == DEEPTEPP_OK; v++) {
        status = results[v];
        if (status != DEEPTEPP_OK && error)
            *error = errors[v];
    }
    free(errors);
    dtp_watch_tell(watch, 1000);
    return status;
}

static deeptepp_status make_cubes(const dtp_study *study, float *out, dtp_actions *actions, dtp_warnings *warnings,
                                  dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status;
    dtp_cube_place(&actions->cube, study);
    dtp_frame_to_ras(&study->mask_frame, actions->cube.centre, actions->centre_ras);
    DTP_TRY(judge_region(study, actions, error));
    warn_of_share(study, actions, warnings);
    DTP_TRY(sample_views(study, out, actions, watch, error));
    DTP_TRY(judge_outside(study, actions, warnings, error));
    DTP_TRY(normalise(study, out, watch, error));
    return DEEPTEPP_OK;
fail:
    return status;
}

static deeptepp_status make_mosaics(const dtp_study *study, float *out, dtp_actions *actions, dtp_warnings *warnings,
                                    dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status = dtp_mosaic_make(study, out, &actions->mosaic, warnings, watch, error);
    if (status != DEEPTEPP_OK)
        return status;
    actions->share = (double)actions->mosaic.inside_unrotated / (double)study->tumour.voxels;
    for (int v = 0; v < study->recipe->n_views; v++)
        actions->view_shares[v] = (double)actions->mosaic.inside[v] / (double)study->tumour.voxels;
    warn_of_share(study, actions, warnings);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_preprocess(const dtp_study *study, float *out, dtp_actions *actions, dtp_warnings *warnings,
                               dtp_watch *watch, deeptepp_error *error)
{
    *actions = (dtp_actions){0};
    if (study->recipe->kind == DTP_RECIPE_CUBE)
        return make_cubes(study, out, actions, warnings, watch, error);
    return make_mosaics(study, out, actions, warnings, watch, error);
}
