/* Whether the volumes of a case lie on one grid. */
#include <math.h>

#include "../volume/nifti.h"
#include "study.h"

/* Differences up to a thousandth of a voxel come from rounding in headers; up to a tenth from converters that print a
 * voxel's size in few digits, tolerated with a warning; beyond, the one was not drawn on the other. */
static const double SILENT = 1e-3, TOLERATED = 0.1;

/* Two volumes of a case that shall lie on one grid. */
typedef struct pair {
    const deeptepp_volume *volumes[2];
    const dtp_frame *frames[2];
    char name[300];
    const char *axes;
    bool mask; /* the second is the mask, for which there are options */
} pair;

/* The largest difference of each field, as mm of displacement within the image, and the frame axis it is on. */
typedef struct gap {
    double spacing, direction, origin, worst;
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
    g.worst = fmax(g.spacing, fmax(g.direction, g.origin));
    return g;
}

static double smallest_edge(const dtp_frame *frame)
{
    return fmin(frame->spacing[0], fmin(frame->spacing[1], frame->spacing[2]));
}

static bool same_size(const dtp_frame *a, const dtp_frame *b)
{
    return memcmp(a->dims, b->dims, sizeof a->dims) == 0;
}

static bool fits(const dtp_frame *a, const dtp_frame *b)
{
    return same_size(a, b) && measure(a, b).worst <= TOLERATED * smallest_edge(a);
}

/* ---- What to do ---- */

/* The frame by the form (qform, sform) that was not used; false where the file has none that is sound. */
static bool other_frame(dtp_frame *out, const deeptepp_volume *volume, const char *axes)
{
    deeptepp_volume other;
    memcpy(&other, volume, sizeof other);
    memcpy(other.affine, volume->other_affine, sizeof other.affine);
    if (!volume->has_other_affine || dtp_volume_check_affine(other.affine, other.spacing, NULL) != DEEPTEPP_OK)
        return false;
    dtp_nifti_orientation(other.affine, other.orientation);
    dtp_frame_of(out, &other, axes);
    return true;
}

/* Whose other form makes the two fit: whoever resampled then would move the mask off the tumour. NULL: no one's. */
static const char *other_form(const pair *p)
{
    dtp_frame others[2];
    bool first = other_frame(&others[0], p->volumes[0], p->axes);
    bool second = other_frame(&others[1], p->volumes[1], p->axes);
    if (first && fits(&others[0], p->frames[1]))
        return "the first file's qform";
    if (second && fits(p->frames[0], &others[1]))
        return "the second file's qform";
    return first && second && fits(&others[0], &others[1]) ? "each other's qform" : NULL;
}

/* Puts what to do behind the message. */
static deeptepp_status advise(const pair *p, deeptepp_error *error)
{
    deeptepp_error plain;
    if (!error)
        return DEEPTEPP_OK;
    plain = *error;
    const char *form = other_form(p);
    bool size = plain.status == DEEPTEPP_ERR_GEOMETRY_SIZE;
    if (form)
        return dtp_fail(error, plain.status,
                        "%s; but %s fits: do not resample, make sform and qform of both files alike%s", plain.message,
                        form, p->mask ? ", or take mask grid \"image\" if the mask was drawn on this image" : "");
    if (p->mask)
        return dtp_fail(error, plain.status, "%s; take %smask grid \"nearest\" if it lies right in the patient",
                        plain.message,
                        size ? "" : "mask grid \"image\" if the mask was drawn on this image voxel by voxel, or ");
    return dtp_fail(error, plain.status, "%s; put them onto one grid first", plain.message);
}

/* ---- Comparing ---- */

static void describe_size(const int64_t dims[3], const double mm[3], char *text, size_t size)
{
    dtp_format(text, size, "%lld x %lld x %lld voxels (%.4g x %.4g x %.4g mm)", (long long)dims[0], (long long)dims[1],
               (long long)dims[2], mm[0] * (double)dims[0], mm[1] * (double)dims[1], mm[2] * (double)dims[2]);
}

static deeptepp_status fail_size(const char *name, const char *first, const char *second, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_GEOMETRY_SIZE, "%s differ in size: %s and %s, wanted one grid", name, first,
                    second);
}

static deeptepp_status compare_sizes(const pair *p, deeptepp_error *error)
{
    char text[2][160];
    if (same_size(p->frames[0], p->frames[1]))
        return DEEPTEPP_OK;
    for (int n = 0; n < 2; n++)
        describe_size(p->frames[n]->dims, p->frames[n]->spacing, text[n], sizeof text[n]);
    return fail_size(p->name, text[0], text[1], error);
}

/* Along i, j, k, for a mask whose voxels are the image's. */
static deeptepp_status compare_stored_sizes(const pair *p, deeptepp_error *error)
{
    char text[2][160];
    if (memcmp(p->volumes[0]->dims, p->volumes[1]->dims, sizeof p->volumes[0]->dims) == 0)
        return DEEPTEPP_OK;
    for (int n = 0; n < 2; n++)
        describe_size(p->volumes[n]->dims, p->volumes[n]->spacing, text[n], sizeof text[n]);
    return fail_size(p->name, text[0], text[1], error);
}

static deeptepp_status compare_fields(const pair *p, const gap *g, double limit, deeptepp_error *error)
{
    const dtp_frame *a = p->frames[0], *b = p->frames[1];
    const bool assumed = p->volumes[0]->orientation_assumed != p->volumes[1]->orientation_assumed;
    int s = g->spacing_axis, d = g->direction_axis;
    if (g->spacing > limit)
        return dtp_fail(
            error, DEEPTEPP_ERR_GEOMETRY_SPACING,
            "%s differ in spacing: %.6g mm and %.6g mm along one axis, %.4g mm apart at its end, wanted at most %.4g",
            p->name, a->spacing[s], b->spacing[s], g->spacing, limit);
    if (g->direction > limit)
        return dtp_fail(error, DEEPTEPP_ERR_GEOMETRY_DIRECTION,
                        "%s differ in direction: an axis runs along (%.5f, %.5f, %.5f) and (%.5f, %.5f, %.5f), %.4g mm "
                        "apart at its end, wanted at most %.4g",
                        p->name, a->direction[d][0], a->direction[d][1], a->direction[d][2], b->direction[d][0],
                        b->direction[d][1], b->direction[d][2], g->direction, limit);
    if (g->origin > limit)
        return dtp_fail(error, DEEPTEPP_ERR_GEOMETRY_ORIGIN,
                        "%s differ in origin: (%.4f, %.4f, %.4f) mm and (%.4f, %.4f, %.4f) mm, %.4g mm apart, wanted "
                        "at most %.4g%s",
                        p->name, a->origin[0], a->origin[1], a->origin[2], b->origin[0], b->origin[1], b->origin[2],
                        g->origin, limit,
                        assumed ? " (one of them states no orientation, so its centre was put at 0)" : "");
    return DEEPTEPP_OK;
}

static deeptepp_status compare(const pair *p, dtp_warnings *warnings, deeptepp_error *error)
{
    double voxel = smallest_edge(p->frames[0]);
    gap g = measure(p->frames[0], p->frames[1]);
    deeptepp_status status = compare_sizes(p, error);
    if (status == DEEPTEPP_OK)
        status = compare_fields(p, &g, TOLERATED * voxel, error);
    if (status != DEEPTEPP_OK)
        advise(p, error);
    else if (g.worst > SILENT * voxel)
        dtp_warn(warnings, DEEPTEPP_WARN_GEOMETRY_TOLERATED, "%s differ in geometry by up to %.3g mm, within %.3g mm",
                 p->name, g.worst, TOLERATED * voxel);
    return status;
}

/* ---- A mask whose place is the caller's word ---- */

static void warn_of_grid(const pair *p, deeptepp_mask_grid grid, dtp_warnings *warnings)
{
    const gap g = measure(p->frames[0], p->frames[1]);
    if (same_size(p->frames[0], p->frames[1]) && g.worst <= SILENT * smallest_edge(p->frames[0]))
        return;
    if (grid == DEEPTEPP_MASK_GRID_IMAGE)
        dtp_warn(warnings, DEEPTEPP_WARN_MASK_REGRIDDED,
                 "mask: its voxels were taken for the image's at the caller's word; by its header they lie elsewhere, "
                 "up to %.4g mm (spacing), %.4g mm (direction) and %.4g mm (origin) away",
                 g.spacing, g.direction, g.origin);
    else
        dtp_warn(warnings, DEEPTEPP_WARN_MASK_REGRIDDED,
                 "mask: put onto the image's grid by nearest neighbour at the caller's word");
}

static deeptepp_status check_mask_grid(dtp_study *study, const pair *p, deeptepp_mask_grid grid, dtp_warnings *warnings,
                                       deeptepp_error *error)
{
    if (grid == DEEPTEPP_MASK_GRID_SAME)
        return compare(p, warnings, error);
    deeptepp_status status = grid == DEEPTEPP_MASK_GRID_IMAGE ? compare_stored_sizes(p, error) : DEEPTEPP_OK;
    if (status != DEEPTEPP_OK)
        return status;
    warn_of_grid(p, grid, warnings);
    study->mask_frame = study->frames[0];
    return DEEPTEPP_OK;
}

deeptepp_status dtp_study_check_grid(dtp_study *study, deeptepp_mask_grid grid, dtp_warnings *warnings,
                                     deeptepp_error *error)
{
    const char *first = study->recipe->channels[0];
    const dtp_frame mask_frame = study->mask_frame;
    pair p = {{study->images[0], study->mask}, {&study->frames[0], &mask_frame}, .axes = study->axes, .mask = true};
    dtp_format(p.name, sizeof p.name, "image \"%.100s\" and mask", first);
    deeptepp_status status = check_mask_grid(study, &p, grid, warnings, error);
    dtp_about(status, study->numbers[0], DEEPTEPP_MASK_VOLUME, error);
    p.mask = false;
    for (int c = 1; c < study->recipe->n_channels && status == DEEPTEPP_OK; c++) {
        p.volumes[1] = study->images[c];
        p.frames[1] = &study->frames[c];
        dtp_format(p.name, sizeof p.name, "images \"%.100s\" and \"%.100s\"", first, study->recipe->channels[c]);
        status = compare(&p, warnings, error);
        dtp_about(status, study->numbers[0], study->numbers[c], error);
    }
    return status;
}
