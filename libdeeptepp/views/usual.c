/* The tumour's volume, and each image's mean within it, against what the model knows. */
#include "study.h"

#include "../volume/voxels.h"

double dtp_study_tumour_mm3(const dtp_study *study)
{
    const double *mm = study->mask_frame.spacing;
    return (double)study->tumour.voxels * mm[0] * mm[1] * mm[2];
}

/* An image, read by the mask's voxels: it may be stored in another order. */
typedef struct reader {
    const deeptepp_volume *image;
    const uint8_t *first; /* where the mask has its voxel (0, 0, 0) */
    int64_t step[3];      /* bytes from voxel to voxel along the mask's i, j, k */
} reader;

static reader reader_of(const dtp_study *study, int c)
{
    const dtp_frame *mask = &study->mask_frame, *frame = &study->frames[c];
    reader r = {.image = study->images[c], .first = study->images[c]->data};
    for (int f = 0; f < 3; f++) {
        const int64_t stride = r.image->strides[frame->axis[f]];
        const bool against = mask->flip[f] != frame->flip[f];
        r.step[mask->axis[f]] = against ? -stride : stride;
        r.first += against ? (frame->dims[f] - 1) * stride : 0;
    }
    return r;
}

static double sum_of_span(const reader *r, const dtp_span *span)
{
    double block[DTP_BLOCK], sum = 0;
    for (int64_t i = span->first; i < span->end; i += DTP_BLOCK) {
        const int64_t n = dtp_min_i64(DTP_BLOCK, span->end - i);
        dtp_voxels_take(r->first + i * r->step[0] + span->j * r->step[1] + span->k * r->step[2], r->image->type, n,
                        r->step[0], r->image->slope, r->image->inter, block);
        for (int64_t b = 0; b < n; b++)
            sum += block[b];
    }
    return sum;
}

/* Errors: CANCELLED. */
static deeptepp_status mean_within(double *out, const dtp_study *study, int c, dtp_watch *watch, deeptepp_error *error)
{
    const reader r = reader_of(study, c);
    double sum = 0;
    for (size_t s = 0; s < study->tumour.spans.count; s++) {
        if (dtp_watch_cancelled(watch))
            return dtp_watch_ask(watch, error);
        if (dtp_mask_counts(&study->tumour, s))
            sum += sum_of_span(&r, &study->tumour.spans.items[s]);
    }
    *out = sum / (double)study->tumour.voxels;
    return DEEPTEPP_OK;
}

/* Both ends belong to the range; what is no number does not. */
static bool is_usual(double value, const double range[2])
{
    return value >= range[0] && value <= range[1];
}

deeptepp_status dtp_study_warn_of_unusual(const dtp_study *study, dtp_warnings *warnings, dtp_watch *watch,
                                          deeptepp_error *error)
{
    const dtp_recipe *recipe = study->recipe;
    const double ml = dtp_study_tumour_mm3(study) / 1000;
    if (!is_usual(ml, recipe->usual_ml))
        dtp_warn(warnings, DEEPTEPP_WARN_MASK_UNUSUAL,
                 "mask: a tumour of %.6g ml: the model's usual ones have %.6g to %.6g ml", ml, recipe->usual_ml[0],
                 recipe->usual_ml[1]);
    for (int c = 0; recipe->has_usual_intensity && c < recipe->n_channels; c++) {
        const double *usual = recipe->usual_intensity[c];
        double mean = 0;
        deeptepp_status status = mean_within(&mean, study, c, watch, error);
        if (status != DEEPTEPP_OK)
            return status;
        if (!is_usual(mean, usual))
            dtp_warn(warnings, DEEPTEPP_WARN_INTENSITY_UNUSUAL,
                     "image \"%.100s\": a mean of %.6g within the mask: the model's usual ones are %.6g to %.6g",
                     recipe->channels[c], mean, usual[0], usual[1]);
    }
    return DEEPTEPP_OK;
}
