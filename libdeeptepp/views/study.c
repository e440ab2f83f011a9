#include "study.h"

#include <math.h>

static const dtp_channel *find_channel(const deeptepp_case *patient, const char *name, bool only)
{
    for (size_t i = 0; i < patient->n_channels; i++)
        if (strcmp(patient->channels[i].name, name) == 0 || (only && !*patient->channels[i].name))
            return &patient->channels[i];
    return NULL;
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
        if (*name ? !dtp_recipe_has_channel(recipe, name) : recipe->n_channels > 1)
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

/* The tumour's box along the frame's axes. */
static void turn_box(dtp_study *study)
{
    for (int f = 0; f < 3; f++) {
        int v = study->mask_frame.axis[f];
        int64_t low = study->tumour.low[v], high = study->tumour.high[v], last = study->mask_frame.dims[f] - 1;
        study->low[f] = study->mask_frame.flip[f] ? last - high : low;
        study->high[f] = study->mask_frame.flip[f] ? last - low : high;
    }
}

static void warn_of_parts(const deeptepp_mask *tumour, dtp_warnings *warnings)
{
    const dtp_parts *parts = &tumour->parts;
    double farthest = 0;
    if (parts->count < 2)
        return;
    for (int p = 1; p < dtp_parts_told(parts); p++)
        farthest = fmax(farthest, parts->told[p].distance);
    dtp_warn(warnings, DEEPTEPP_WARN_MASK_PARTS,
             "mask: %lld parts that do not touch, the largest of %lld voxels, the next of %lld, the farthest %.4g mm "
             "away from the largest; %s",
             (long long)parts->count, (long long)parts->told[0].voxels, (long long)parts->told[1].voxels, farthest,
             tumour->largest_only ? "the largest alone was taken, at the caller's word"
                                  : "all count as the tumour (the option: the largest part alone)");
}

static void warn_of_mask(const deeptepp_mask *tumour, dtp_warnings *warnings)
{
    if (tumour->rounding > 0)
        dtp_warn(warnings, DEEPTEPP_WARN_MASK_ROUNDED,
                 "mask: values up to %.3g away from whole numbers, as float32 rounds them, were taken for those",
                 tumour->rounding);
    warn_of_parts(tumour, warnings);
}

static deeptepp_status check_mask(dtp_study *study, const deeptepp_mask_options *options, dtp_warnings *warnings,
                                  dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status =
        dtp_mask_read(&study->tumour, study->mask, study->images[0], options, watch, error);
    if (status != DEEPTEPP_OK)
        return status;
    turn_box(study);
    warn_of_mask(&study->tumour, warnings);
    if (study->tumour.voxels < study->recipe->min_mask_voxels)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_SMALL, "mask: %lld voxels, the model wants at least %lld",
                        (long long)study->tumour.voxels, (long long)study->recipe->min_mask_voxels);
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

static void warn_of_twins(const dtp_study *study, dtp_warnings *warnings)
{
    for (int b = 1; b < study->recipe->n_channels; b++) {
        int a = 0;
        while (a < b && (strcmp(study->images[a]->sha256, study->images[b]->sha256) != 0 ||
                         study->images[a]->number != study->images[b]->number))
            a++;
        if (a < b)
            dtp_warn(warnings, DEEPTEPP_WARN_IMAGE_TWICE,
                     "channels \"%.100s\" and \"%.100s\": the same volume (SHA-256 %.8s...), given twice",
                     study->recipe->channels[a], study->recipe->channels[b], study->images[a]->sha256);
    }
}

deeptepp_status dtp_study_make(dtp_study *out, const deeptepp_case *patient, const dtp_recipe *recipe,
                               dtp_warnings *warnings, dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status;
    *out = (dtp_study){.recipe = recipe};
    DTP_TRY(collect_channels(out, patient, error));
    DTP_TRY(dtp_study_check_grid(out, (deeptepp_mask_grid)patient->mask_options.grid, warnings, error));
    DTP_TRY(check_spacing(out, warnings, error));
    warn_of_twins(out, warnings);
    for (int c = 0; c < recipe->n_channels; c++)
        warn_of_headers(out->images[c], recipe->channels[c], warnings);
    warn_of_headers(out->mask, "mask", warnings);
    warn_of_order(out, warnings);
    DTP_TRY(dtp_about(check_mask(out, &patient->mask_options, warnings, watch, error), DEEPTEPP_MASK_VOLUME,
                      DEEPTEPP_NO_VOLUME, error));
    return dtp_study_warn_of_unusual(out, warnings, watch, error);
fail:
    return status;
}

void dtp_study_free(dtp_study *study)
{
    dtp_mask_drop_voxels(&study->tumour);
}
