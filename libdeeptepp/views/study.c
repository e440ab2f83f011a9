#include "study.h"

#include <math.h>

/* Differences up to a thousandth of a voxel come from rounding in headers; up to a hundredth they are tolerated with a
 * warning; beyond, mask and image were not drawn on one another. */
static const double SILENT = 1e-3, TOLERATED = 1e-2;

static const dtp_channel *find_channel(const deeptepp_case *patient, const char *name, bool only)
{
    for (size_t i = 0; i < patient->n_channels; i++)
        if (strcmp(patient->channels[i].name, name) == 0 || (only && !*patient->channels[i].name))
            return &patient->channels[i];
    return NULL;
}

static bool is_known(const dtp_recipe *recipe, const char *name)
{
    for (int i = 0; i < recipe->n_channels; i++)
        if (strcmp(recipe->channels[i], name) == 0)
            return true;
    return false;
}

static deeptepp_status fail_unknown(const dtp_recipe *recipe, const char *name, deeptepp_error *error)
{
    char known[700];
    size_t used = 0;
    for (int i = 0; i < recipe->n_channels && used < sizeof known; i++)
        used += (size_t)dtp_format(known + used, sizeof known - used, "%s\"%s\"", i ? ", " : "", recipe->channels[i]);
    if (!*name)
        return dtp_fail(error, DEEPTEPP_ERR_CHANNEL_UNKNOWN, "image without a channel name: name it one of %s", known);
    return dtp_fail(error, DEEPTEPP_ERR_CHANNEL_UNKNOWN, "channel \"%.100s\": the model wants %s", name, known);
}

static deeptepp_status refuse_unknown(const deeptepp_case *patient, const dtp_recipe *recipe, deeptepp_error *error)
{
    for (size_t i = 0; i < patient->n_channels; i++) {
        const char *name = patient->channels[i].name;
        if (*name ? !is_known(recipe, name) : recipe->n_channels > 1)
            return dtp_about(fail_unknown(recipe, name, error), (int32_t)i + 1, DEEPTEPP_NO_VOLUME, error);
    }
    return DEEPTEPP_OK;
}

static deeptepp_status collect_channels(dtp_study *out, const deeptepp_case *patient, deeptepp_error *error)
{
    const dtp_recipe *recipe = out->recipe;
    deeptepp_status status = refuse_unknown(patient, recipe, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (recipe->n_channels == 1 && patient->n_channels > 1)
        return dtp_about(dtp_fail(error, DEEPTEPP_ERR_CHANNEL_DUPLICATE,
                                  "%zu images for the model's only channel \"%s\", wanted one", patient->n_channels,
                                  recipe->channels[0]),
                         1, 2, error);
    for (int c = 0; c < recipe->n_channels; c++) {
        const dtp_channel *channel = find_channel(patient, recipe->channels[c], recipe->n_channels == 1);
        if (!channel)
            return dtp_fail(error, DEEPTEPP_ERR_CHANNEL_MISSING,
                            "channel \"%s\": the model wants it, the case has none", recipe->channels[c]);
        out->images[c] = channel->image;
        out->numbers[c] = (int32_t)(channel - patient->channels) + 1;
        if (c == 0)
            memcpy(out->axes, recipe->stored_order ? channel->image->orientation : recipe->axes, sizeof out->axes);
        dtp_frame_of(&out->frames[c], channel->image, out->axes);
    }
    if (!patient->mask)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_MISSING, "mask: the case has none, wanted one");
    out->mask = patient->mask;
    dtp_frame_of(&out->mask_frame, patient->mask, out->axes);
    return DEEPTEPP_OK;
}

/* The largest difference of each field, as mm of displacement within the image, and the frame axis it is on. */
typedef struct gap {
    double spacing, direction, origin;
    int spacing_axis, direction_axis;
} gap;

static double distance(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

static gap measure(const dtp_frame *a, const dtp_frame *b)
{
    gap g = {.origin = distance(a->origin, b->origin)};
    for (int f = 0; f < 3; f++) {
        double extent = a->spacing[f] * (double)a->dims[f];
        double spacing = fabs(a->spacing[f] - b->spacing[f]) * (double)a->dims[f];
        double direction = distance(a->direction[f], b->direction[f]) * extent;
        if (spacing > g.spacing) {
            g.spacing = spacing;
            g.spacing_axis = f;
        }
        if (direction > g.direction) {
            g.direction = direction;
            g.direction_axis = f;
        }
    }
    return g;
}

static deeptepp_status compare_fields(const dtp_frame *a, const dtp_frame *b, const char *pair, const gap *g,
                                      double limit, bool assumed, deeptepp_error *error)
{
    int s = g->spacing_axis, d = g->direction_axis;
    if (g->spacing > limit)
        return dtp_fail(
            error, DEEPTEPP_ERR_GEOMETRY_SPACING,
            "%s differ in spacing: %.6g mm and %.6g mm along one axis, %.4g mm apart at its end, wanted at most %.4g",
            pair, a->spacing[s], b->spacing[s], g->spacing, limit);
    if (g->direction > limit)
        return dtp_fail(error, DEEPTEPP_ERR_GEOMETRY_DIRECTION,
                        "%s differ in direction: an axis runs along (%.5f, %.5f, %.5f) and (%.5f, %.5f, %.5f), %.4g mm "
                        "apart at its end, wanted at most %.4g",
                        pair, a->direction[d][0], a->direction[d][1], a->direction[d][2], b->direction[d][0],
                        b->direction[d][1], b->direction[d][2], g->direction, limit);
    if (g->origin > limit)
        return dtp_fail(error, DEEPTEPP_ERR_GEOMETRY_ORIGIN,
                        "%s differ in origin: (%.4f, %.4f, %.4f) mm and (%.4f, %.4f, %.4f) mm, %.4g mm apart, wanted "
                        "at most %.4g%s",
                        pair, a->origin[0], a->origin[1], a->origin[2], b->origin[0], b->origin[1], b->origin[2],
                        g->origin, limit,
                        assumed ? " (one of them states no orientation, so its centre was put at 0)" : "");
    return DEEPTEPP_OK;
}

static deeptepp_status compare(const dtp_frame *a, const dtp_frame *b, const char *pair, bool assumed,
                               dtp_warnings *warnings, deeptepp_error *error)
{
    for (int f = 0; f < 3; f++)
        if (a->dims[f] != b->dims[f])
            return dtp_fail(error, DEEPTEPP_ERR_GEOMETRY_SIZE,
                            "%s differ in size: %lld x %lld x %lld voxels (%.4g x %.4g x %.4g mm) and %lld x %lld x "
                            "%lld (%.4g x %.4g x %.4g mm), wanted one grid",
                            pair, (long long)a->dims[0], (long long)a->dims[1], (long long)a->dims[2],
                            a->spacing[0] * (double)a->dims[0], a->spacing[1] * (double)a->dims[1],
                            a->spacing[2] * (double)a->dims[2], (long long)b->dims[0], (long long)b->dims[1],
                            (long long)b->dims[2], b->spacing[0] * (double)b->dims[0],
                            b->spacing[1] * (double)b->dims[1], b->spacing[2] * (double)b->dims[2]);
    gap g = measure(a, b);
    double voxel = fmin(a->spacing[0], fmin(a->spacing[1], a->spacing[2]));
    double worst = fmax(g.spacing, fmax(g.direction, g.origin));
    deeptepp_status status = compare_fields(a, b, pair, &g, TOLERATED * voxel, assumed, error);
    if (status == DEEPTEPP_OK && worst > SILENT * voxel)
        dtp_warn(warnings, DEEPTEPP_WARN_GEOMETRY_TOLERATED, "%s differ in geometry by up to %.3g mm, within %.3g mm",
                 pair, worst, TOLERATED * voxel);
    return status;
}

static deeptepp_status check_grid(const dtp_study *study, dtp_warnings *warnings, deeptepp_error *error)
{
    char pair[300];
    dtp_format(pair, sizeof pair, "image \"%.100s\" and mask", study->recipe->channels[0]);
    const bool first = study->images[0]->orientation_assumed;
    deeptepp_status status = compare(&study->frames[0], &study->mask_frame, pair,
                                     first != study->mask->orientation_assumed, warnings, error);
    dtp_about(status, study->numbers[0], DEEPTEPP_MASK_VOLUME, error);
    for (int c = 1; c < study->recipe->n_channels && status == DEEPTEPP_OK; c++) {
        dtp_format(pair, sizeof pair, "images \"%.100s\" and \"%.100s\"", study->recipe->channels[0],
                   study->recipe->channels[c]);
        status = compare(&study->frames[0], &study->frames[c], pair, first != study->images[c]->orientation_assumed,
                         warnings, error);
        dtp_about(status, study->numbers[0], study->numbers[c], error);
    }
    return status;
}

static deeptepp_status check_spacing(const dtp_study *study, dtp_warnings *warnings, deeptepp_error *error)
{
    const dtp_recipe *r = study->recipe;
    const double *mm = study->frames[0].spacing;
    double low = fmin(mm[0], fmin(mm[1], mm[2])), high = fmax(mm[0], fmax(mm[1], mm[2]));
    if (low < r->hard_mm[0] || high > r->hard_mm[1])
        return dtp_about(dtp_fail(error, DEEPTEPP_ERR_SPACING_RANGE,
                                  "voxels of %.4g x %.4g x %.4g mm: the model takes edges of %.4g to %.4g mm", mm[0],
                                  mm[1], mm[2], r->hard_mm[0], r->hard_mm[1]),
                         study->numbers[0], DEEPTEPP_NO_VOLUME, error);
    if (low < r->usual_mm[0] || high > r->usual_mm[1])
        dtp_warn(warnings, DEEPTEPP_WARN_SPACING,
                 "voxels of %.4g x %.4g x %.4g mm: the model's usual edges are %.4g to %.4g mm", mm[0], mm[1], mm[2],
                 r->usual_mm[0], r->usual_mm[1]);
    return DEEPTEPP_OK;
}

static void warn_of_headers(const deeptepp_volume *volume, const char *name,
                            dtp_warnings *warnings)
{
    if (volume->affine_gap_mm > 0)
        dtp_warn(warnings, DEEPTEPP_WARN_AFFINES_DISAGREE,
                 "%s: sform and qform place a corner %.4g mm apart; the sform was used", name, volume->affine_gap_mm);
    if (volume->form_unusable[0])
        dtp_warn(warnings, DEEPTEPP_WARN_FORM_UNUSABLE, "%s: %s", name, volume->form_unusable);
    if (volume->pixdim_ignored)
        dtp_warn(warnings, DEEPTEPP_WARN_PIXDIM_IGNORED,
                 "%s: pixdim was left at 1, 1, 1; the sform's voxels of %.6g x %.6g x %.6g mm were used", name,
                 volume->spacing[0], volume->spacing[1], volume->spacing[2]);
    if (volume->orientation_assumed)
        dtp_warn(warnings, DEEPTEPP_WARN_ORIENTATION_ASSUMED,
                 "%s: the file states no orientation; \"%s\" was assumed at the caller's word", name,
                 volume->orientation);
}

static void warn_of_order(const dtp_study *study, dtp_warnings *warnings)
{
    if (study->recipe->stored_order)
        dtp_warn(
            warnings, DEEPTEPP_WARN_STORED_ORDER,
            "axes: the model takes them as the file stores them (here %s), whatever they mean: the same patient stored "
            "otherwise gets another score",
            study->axes);
}

/* The sides of the image that the mask touches, by the patient's directions: "L, S". */
static bool touched_borders(const dtp_study *study, char borders[32])
{
    size_t used = 0;
    for (int f = 0; f < 3; f++) {
        static const char other[] = {['R'] = 'L', ['L'] = 'R', ['A'] = 'P', ['P'] = 'A', ['S'] = 'I', ['I'] = 'S'};
        const char ends[2] = {other[(int)study->axes[f]], study->axes[f]};
        const bool touched[2] = {study->low[f] == 0, study->high[f] == study->mask_frame.dims[f] - 1};
        for (int end = 0; end < 2; end++)
            if (touched[end])
                used += (size_t)dtp_format(borders + used, 32 - used, "%s%c", used ? ", " : "", ends[end]);
    }
    return used > 0;
}

static deeptepp_status check_mask(dtp_study *study, int64_t label, dtp_warnings *warnings,
                                  dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status = dtp_mask_find(study, label, watch, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (study->mask_voxels < study->recipe->min_mask_voxels)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_SMALL, "mask: %lld voxels, the model wants at least %lld",
                        (long long)study->mask_voxels, (long long)study->recipe->min_mask_voxels);
    char borders[32] = "";
    if (!touched_borders(study, borders))
        return DEEPTEPP_OK;
    if (study->recipe->outside_error)
        return dtp_fail(error, DEEPTEPP_ERR_REGION_OUTSIDE,
                        "mask: it touches the image's border (%s side): the model forbids a cut tumour", borders);
    dtp_warn(warnings, DEEPTEPP_WARN_MASK_AT_BORDER,
             "mask: it touches the image's border (%s side): the tumour may be cut", borders);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_study_make(dtp_study *out, const deeptepp_case *patient, const dtp_recipe *recipe,
                               dtp_warnings *warnings, dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status;
    *out = (dtp_study){.recipe = recipe};
    DTP_TRY(collect_channels(out, patient, error));
    DTP_TRY(check_grid(out, warnings, error));
    DTP_TRY(check_spacing(out, warnings, error));
    for (int c = 0; c < recipe->n_channels; c++)
        warn_of_headers(out->images[c], recipe->channels[c], warnings);
    warn_of_headers(out->mask, "mask", warnings);
    warn_of_order(out, warnings);
    DTP_TRY(dtp_about(check_mask(out, patient->mask_options.label, warnings, watch, error), DEEPTEPP_MASK_VOLUME,
                      DEEPTEPP_NO_VOLUME, error));
fail:
    return status;
}
