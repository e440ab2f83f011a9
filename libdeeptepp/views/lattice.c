#include "lattice.h"

#include <math.h>

/* MONAI's: a step this near to the voxels' is theirs, and an image that this would hardly move stays as it is (mm, or
 * voxels); corners this little before the first voxel, in steps, are not before it. */
static const double NEAR = 1e-3, NEAR_RELATIVE = 1e-5, CORNER = 1e-8;

/* The frame's axes as unit vectors at exact right angles, and how far each step from voxel to voxel goes along them,
 * mm: step f is the sum of along[i][f] axes[i]. A file's float32 affine leans by some 1e-8. */
typedef struct right_angles {
    double axes[3][3];
    double along[3][3];
} right_angles;

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Gram and Schmidt's: the first axis as it is, the second in its plane with the first. */
static void straighten(right_angles *out, const dtp_frame *frame)
{
    *out = (right_angles){0};
    for (int f = 0; f < 3; f++) {
        double *axis = out->axes[f];
        memcpy(axis, frame->direction[f], sizeof out->axes[f]);
        for (int i = 0; i < f; i++) {
            double lean = dot(out->axes[i], frame->direction[f]);
            out->along[i][f] = lean * frame->spacing[f];
            for (int row = 0; row < 3; row++)
                axis[row] -= lean * out->axes[i][row];
        }
        double length = sqrt(dot(axis, axis));
        out->along[f][f] = length * frame->spacing[f];
        for (int row = 0; row < 3; row++)
            axis[row] /= length;
    }
}

/* Where the image's corners lie along axis i, mm from the first voxel. */
static void corners(double *low, double *high, const right_angles *right, const dtp_frame *frame, int i)
{
    *low = *high = 0;
    for (int f = i; f < 3; f++) {
        double end = right->along[i][f] * (double)(frame->dims[f] - 1);
        *low += fmin(end, 0);
        *high += fmax(end, 0);
    }
}

/* Where a corner lies before the first voxel, the lattice's middle is put on the image's. */
static void place_origin(dtp_lattice *out, double counts[3], const right_angles *right, const dtp_frame *frame)
{
    bool centred = false;
    for (int i = 0; i < 3; i++) {
        double low, high, middle = 0;
        corners(&low, &high, right, frame, i);
        counts[i] = rint((high - low) / out->step[i] + 1);
        for (int f = i; f < 3; f++)
            middle += 0.5 * right->along[i][f] * (double)frame->dims[f];
        out->origin[i] = middle - 0.5 * counts[i] * out->step[i];
        centred = centred || low / out->step[i] < -CORNER;
    }
    if (!centred)
        memset(out->origin, 0, sizeof out->origin);
}

static bool is_near(double value, double wanted)
{
    return fabs(value - wanted) <= NEAR + NEAR_RELATIVE * fabs(wanted);
}

static bool moves_no_voxel(const dtp_lattice *lattice, const dtp_frame *frame)
{
    bool same = true;
    for (int f = 0; f < 3; f++)
        same = same && is_near(lattice->step[f] / frame->spacing[f], 1) &&
               is_near(lattice->origin[f] / frame->spacing[f], 0);
    return same;
}

static bool has_the_same_affine(const dtp_lattice *lattice, const right_angles *right, const dtp_frame *frame)
{
    bool same = true;
    for (int row = 0; row < 3; row++) {
        double origin = frame->origin[row];
        for (int f = 0; f < 3; f++) {
            const double axis = right->axes[f][row];
            same = same && is_near(frame->direction[f][row] * frame->spacing[f], axis * lattice->step[f]);
            origin += axis * lattice->origin[f];
        }
        same = same && is_near(frame->origin[row], origin);
    }
    return same;
}

static void first_voxel(dtp_lattice *out, const double step[3])
{
    memset(out->origin, 0, sizeof out->origin);
    memcpy(out->step, step, sizeof out->step);
}

/* As Spacing of MONAI 1.0.1 to 1.6.1, after Orientation. */
static void monai(dtp_lattice *out, const dtp_frame *frame, const double wanted[3])
{
    right_angles right;
    double counts[3];
    bool same_size = true;
    for (int f = 0; f < 3; f++) {
        double own = frame->spacing[f];
        out->step[f] = wanted[f] - NEAR <= own && own <= wanted[f] + NEAR ? own : wanted[f];
    }
    straighten(&right, frame);
    place_origin(out, counts, &right, frame);
    for (int f = 0; f < 3; f++)
        same_size = same_size && counts[f] == (double)frame->dims[f];
    if (same_size && (moves_no_voxel(out, frame) || has_the_same_affine(out, &right, frame)))
        first_voxel(out, frame->spacing);
}

void dtp_lattice_of(dtp_lattice *out, const dtp_frame *frame, const dtp_recipe *recipe)
{
    if (recipe->lattice == DTP_LATTICE_MONAI)
        monai(out, frame, recipe->spacing_mm);
    else
        first_voxel(out, recipe->spacing_mm);
}
