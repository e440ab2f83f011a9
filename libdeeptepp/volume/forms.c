#include "forms.h"

#include <math.h>

#include "axes.h"

/* float32 header fields carry 7 digits, DICOM's decimal strings often 4. */
static const double PIXDIM_TOLERANCE = 1e-3, AFFINE_GAP_MM = 1e-3;

/* One of the two, and what is wrong with it. */
typedef struct form {
    const char *name;
    bool stated; /* its code is above 0 */
    double affine[16], spacing[3];
    deeptepp_status status; /* OK: usable and sound */
    deeptepp_error why;
} form;

static void read_sform(form *f, const dtp_nifti *h)
{
    *f = (form){.name = "sform", .stated = h->sform_code > 0};
    if (!f->stated)
        return;
    dtp_nifti_sform(h, f->affine);
    f->status = dtp_volume_check_affine(f->affine, f->spacing, &f->why);
}

static void read_qform(form *f, const dtp_nifti *h)
{
    *f = (form){.name = "qform", .stated = h->qform_code > 0};
    if (!f->stated)
        return;
    f->status = dtp_nifti_qform(h, f->affine, &f->why);
    if (f->status == DEEPTEPP_OK)
        f->status = dtp_volume_check_affine(f->affine, f->spacing, &f->why);
}

/* A shear says something, if nothing that this library takes: the other form does not stand in for it. */
static bool is_usable(const form *f)
{
    return f->stated && (f->status == DEEPTEPP_OK || f->status == DEEPTEPP_ERR_VOLUME_SHEAR);
}

/* How far apart two affines put the volume's corners, at most. */
static double corner_gap(const double a[16], const double b[16], const int64_t dims[3])
{
    double most = 0;
    for (int corner = 0; corner < 8; corner++) {
        double at[4] = {0, 0, 0, 1}, square = 0;
        for (int d = 0; d < 3; d++)
            at[d] = corner >> d & 1 ? (double)(dims[d] - 1) : 0;
        for (int row = 0; row < 3; row++) {
            double apart = 0;
            for (int column = 0; column < 4; column++)
                apart += (a[4 * row + column] - b[4 * row + column]) * at[column];
            square += apart * apart;
        }
        most = fmax(most, square);
    }
    return sqrt(most);
}

/* The caller's axes, the header's voxel sizes, and the volume's centre at 0. */
static deeptepp_status assume_affine(deeptepp_volume *draft, const dtp_nifti *h, const char axes[4],
                                     deeptepp_error *error)
{
    double spacing[3];
    if (!axes[0])
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_ORIENTATION,
                        "sform_code, qform_code: %d, %d, wanted one of them above 0: the file states no orientation",
                        (int)h->sform_code, (int)h->qform_code);
    for (int a = 0; a < 3; a++) {
        int sign, world = dtp_axis_of(axes[a], &sign);
        double step = sign * h->pixdim[a + 1];
        draft->affine[4 * world + a] = step;
        draft->affine[4 * world + 3] = -step * (double)(draft->dims[a] - 1) / 2;
    }
    draft->affine[15] = 1;
    draft->orientation_assumed = true;
    return dtp_volume_check_affine(draft->affine, spacing, error);
}

static deeptepp_status check_pixdim(deeptepp_volume *draft, const dtp_nifti *h, const form *chosen,
                                    deeptepp_error *error)
{
    for (int a = 0; a < 3; a++) {
        double found = h->pixdim[a + 1], wanted = chosen->spacing[a];
        if (fabs(wanted - found) <= PIXDIM_TOLERANCE * found)
            continue;
        draft->pixdim_ignored = h->pixdim_ones && h->qform_code == 0;
        if (!draft->pixdim_ignored)
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_SPACING,
                            "pixdim[%d]: %.7g mm, wanted the %s's %.7g mm: if the %s is right, nibabel's "
                            "image.set_qform(image.affine) mends pixdim",
                            a + 1, found, chosen->name, wanted, chosen->name);
    }
    return DEEPTEPP_OK;
}

/* What a volume of both forms remembers of the one that does not count. */
static void note_other(deeptepp_volume *draft, const form *chosen, const form *other)
{
    if (!is_usable(other)) {
        dtp_format(draft->form_unusable, sizeof draft->form_unusable, "%s unusable (%.150s); the %s was used",
                   other->name, other->why.message, chosen->name);
        return;
    }
    double gap = corner_gap(chosen->affine, other->affine, draft->dims);
    draft->affine_gap_mm = gap > AFFINE_GAP_MM ? gap : 0;
    draft->has_other_affine = true;
    memcpy(draft->other_affine, other->affine, sizeof draft->other_affine);
}

deeptepp_status dtp_forms_choose(deeptepp_volume *draft, const dtp_nifti *h, const char axes[4], deeptepp_error *error)
{
    form sform, qform;
    read_sform(&sform, h);
    read_qform(&qform, h);
    if (!sform.stated && !qform.stated)
        return assume_affine(draft, h, axes, error);
    const bool first = is_usable(&sform) || (sform.stated && !is_usable(&qform));
    const form *chosen = first ? &sform : &qform, *other = first ? &qform : &sform;
    if (chosen->status != DEEPTEPP_OK) {
        if (error)
            *error = chosen->why;
        return chosen->status;
    }
    memcpy(draft->affine, chosen->affine, sizeof draft->affine);
    if (other->stated)
        note_other(draft, chosen, other);
    return check_pixdim(draft, h, chosen, error);
}
