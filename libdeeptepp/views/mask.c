#include "mask.h"

#include <math.h>

#include "../base/floats.h"
#include "../volume/axes.h"

deeptepp_status dtp_mask_options_read(deeptepp_mask_options *out, const deeptepp_mask_options *options,
                                      deeptepp_error *error)
{
    deeptepp_status status = DTP_OPTIONS_READ(out, deeptepp_mask_options, grid, options, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (out->label < 0 || out->label > DTP_LABEL_MAX)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "label: %lld, wanted 1 to 2^53, or 0 for the only one",
                        (long long)out->label);
    if (out->grid < DEEPTEPP_MASK_GRID_SAME || out->grid > DEEPTEPP_MASK_GRID_NEAREST)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "grid: %d, wanted a deeptepp_mask_grid", (int)out->grid);
    return DEEPTEPP_OK;
}

static deeptepp_status put_on(deeptepp_mask *mask, const deeptepp_volume *volume, const deeptepp_volume *image,
                              dtp_watch *watch, deeptepp_error *error)
{
    size_t before = mask->spans.count;
    deeptepp_status status = dtp_spans_regrid(&mask->spans, volume, image, watch, error);
    if (status == DEEPTEPP_OK && mask->spans.count == 0 && before)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_EMPTY,
                        "mask: no voxel of the image is nearest to one of its tumour: it lies outside the image, or is "
                        "smaller than a voxel");
    return status;
}

static deeptepp_status find_parts(deeptepp_mask *mask, dtp_watch *watch, deeptepp_error *error)
{
    dtp_ras_index order;
    dtp_ras_index_of(&order, mask->dims, mask->orientation);
    mask->part_of = malloc(mask->spans.count);
    if (!mask->part_of)
        return dtp_fail_memory(error, "the mask's parts", mask->spans.count);
    return dtp_parts_find(&mask->parts, mask->part_of, &mask->spans, mask->spacing, &order, watch, error);
}

/* Its voxels and box. */
static void measure(deeptepp_mask *mask)
{
    bool any = false;
    for (size_t s = 0; s < mask->spans.count; s++) {
        if (!dtp_mask_counts(mask, s))
            continue;
        dtp_span_extend(&mask->spans.items[s], any, mask->low, mask->high);
        mask->voxels += dtp_span_voxels(&mask->spans.items[s]);
        any = true;
    }
}

deeptepp_status dtp_mask_read(deeptepp_mask *out, const deeptepp_volume *volume, const deeptepp_volume *image,
                              const deeptepp_mask_options *options, dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status;
    const deeptepp_volume *grid = image && options->grid != DEEPTEPP_MASK_GRID_SAME ? image : volume;
    out->grid = (deeptepp_mask_grid)options->grid;
    out->largest_only = options->largest_part != 0;
    memcpy(out->dims, grid->dims, sizeof out->dims);
    memcpy(out->spacing, grid->spacing, sizeof out->spacing);
    memcpy(out->orientation, grid->orientation, sizeof out->orientation);
    DTP_TRY(dtp_mask_survey(out, volume, options->label, watch, error));
    if (image && options->grid == DEEPTEPP_MASK_GRID_NEAREST)
        DTP_TRY(put_on(out, volume, image, watch, error));
    DTP_TRY(find_parts(out, watch, error));
    measure(out);
    return DEEPTEPP_OK;
fail:
    return status;
}

void dtp_mask_drop_voxels(deeptepp_mask *mask)
{
    dtp_spans_free(&mask->spans);
    free(mask->part_of);
    mask->part_of = NULL;
}

/* ---- The public handle ---- */

deeptepp_status deeptepp_mask_new(deeptepp_mask **out, deeptepp_volume *volume, const deeptepp_mask_options *options,
                                  deeptepp_error *error)
{
    fenv_t host;
    deeptepp_mask_options read;
    if (out)
        *out = NULL;
    if (!out || !volume)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s: NULL, wanted a volume and a place for the mask",
                        out ? "volume" : "out");
    deeptepp_status status = dtp_mask_options_read(&read, options, error);
    if (status != DEEPTEPP_OK)
        return status;
    deeptepp_mask *mask = calloc(1, sizeof *mask);
    if (!mask)
        return dtp_fail_memory(error, "a mask", sizeof *mask);
    dtp_floats_enter(&host);
    status = dtp_mask_read(mask, volume, NULL, &read, NULL, error);
    dtp_floats_leave(&host);
    if (status == DEEPTEPP_OK)
        *out = mask;
    else
        deeptepp_mask_free(mask);
    return status;
}

void deeptepp_mask_free(deeptepp_mask *mask)
{
    if (!mask)
        return;
    dtp_mask_drop_voxels(mask);
    free(mask);
}

int64_t deeptepp_mask_label(const deeptepp_mask *mask)
{
    return mask ? mask->label : 0;
}

int64_t deeptepp_mask_voxels(const deeptepp_mask *mask)
{
    return mask ? mask->voxels : 0;
}

int64_t deeptepp_mask_part_count(const deeptepp_mask *mask)
{
    return mask ? mask->parts.count : 0;
}

static const dtp_part *part_at(const deeptepp_mask *mask, int64_t index)
{
    return mask && index >= 0 && index < dtp_parts_told(&mask->parts) ? &mask->parts.told[index] : NULL;
}

int64_t deeptepp_mask_part_voxels(const deeptepp_mask *mask, int64_t index)
{
    const dtp_part *part = part_at(mask, index);
    return part ? part->voxels : 0;
}

double deeptepp_mask_part_distance(const deeptepp_mask *mask, int64_t index)
{
    const dtp_part *part = part_at(mask, index);
    return part ? part->distance : (double)NAN;
}

double deeptepp_mask_rounding(const deeptepp_mask *mask)
{
    return mask ? mask->rounding : (double)NAN;
}

void deeptepp_mask_box(const deeptepp_mask *mask, int64_t low[3], int64_t high[3])
{
    if (mask && low)
        memcpy(low, mask->low, sizeof mask->low);
    if (mask && high)
        memcpy(high, mask->high, sizeof mask->high);
}

/* Voxels and spacing along R, A, S. */
static void turn_to_ras(const deeptepp_mask *mask, int64_t dims[3], double spacing[3])
{
    for (int v = 0; v < 3; v++) {
        int sign, axis = dtp_axis_of(mask->orientation[v], &sign);
        if (axis >= 0 && dims)
            dims[axis] = mask->dims[v];
        if (axis >= 0 && spacing)
            spacing[axis] = mask->spacing[v];
    }
}

static void copy_parts(const deeptepp_mask *mask, int32_t *out)
{
    dtp_ras_index place;
    dtp_ras_index_of(&place, mask->dims, mask->orientation);
    for (size_t s = 0; s < mask->spans.count; s++) {
        const dtp_span *span = &mask->spans.items[s];
        for (int64_t i = span->first; i < span->end; i++)
            out[dtp_ras_place(&place, i, span->j, span->k)] = mask->part_of[s] + 1;
    }
}

deeptepp_status deeptepp_mask_copy_ras(const deeptepp_mask *mask, int32_t *out, size_t count, int64_t dims[3],
                                       double spacing[3], deeptepp_error *error)
{
    if (!mask)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "mask: NULL, wanted a mask");
    size_t voxels = (size_t)(mask->dims[0] * mask->dims[1] * mask->dims[2]);
    if (out && !mask->part_of)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT,
                        "mask: a result's, which has no voxels; wanted deeptepp_mask_new's");
    if (out && count != voxels)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "count: %zu numbers, wanted %zu", count, voxels);
    if (out) {
        memset(out, 0, count * sizeof *out);
        copy_parts(mask, out);
    }
    turn_to_ras(mask, dims, spacing);
    return DEEPTEPP_OK;
}
