#include "cube.h"

#include <math.h>

#include "../volume/axes.h"
#include "lattice.h"

/* Halves are common (a box of even size on the image's own lattice, or one in the middle of an image that has MONAI's):
 * rounding noise must not decide them, in the latter that of a float32 affine. */
static const double TIE[] = {[DTP_LATTICE_FIRST_VOXEL] = 1e-6, [DTP_LATTICE_MONAI] = 1e-4};

/* A crop of the lattice. */
static void place_fixed(dtp_cube *out, const dtp_study *study)
{
    const double tie = TIE[study->recipe->lattice];
    dtp_lattice lattice;
    dtp_lattice_of(&lattice, &study->frames[0], study->recipe);
    for (int f = 0; f < 3; f++) {
        double size = (double)study->recipe->size[f], step = lattice.step[f];
        double middle = 0.5 * (double)(study->low[f] + study->high[f]) * study->mask_frame.spacing[f];
        double start = floor((middle - lattice.origin[f]) / step - 0.5 * (size - 1) + 0.5 + tie);
        out->step[f] = step;
        out->centre[f] = lattice.origin[f] + (start + 0.5 * (size - 1)) * step;
    }
}

static void place_box(dtp_cube *out, const dtp_study *study)
{
    for (int f = 0; f < 3; f++) {
        double spacing = study->mask_frame.spacing[f];
        double extent = (double)(study->high[f] - study->low[f] + 1) * spacing + 2 * study->recipe->margin_mm;
        out->centre[f] = 0.5 * (double)(study->low[f] + study->high[f]) * spacing;
        out->step[f] = extent / (double)study->recipe->size[f];
    }
    if (study->recipe->keep_aspect)
        out->step[0] = out->step[1] = out->step[2] = fmax(out->step[0], fmax(out->step[1], out->step[2]));
}

void dtp_cube_place(dtp_cube *out, const dtp_study *study)
{
    if (study->recipe->region == DTP_REGION_FIXED)
        place_fixed(out, study);
    else
        place_box(out, study);
}

/* Quarter turns exactly, so that they map voxels onto voxels. */
void dtp_sine_cosine(double degrees, double *s, double *c)
{
    static const double sines[] = {0, 1, 0, -1};
    double turn = fmod(degrees, 360.0);
    if (turn < 0)
        turn += 360.0;
    double quarter = turn / 90.0;
    if (quarter == floor(quarter)) {
        *s = sines[(int)quarter % 4];
        *c = sines[((int)quarter + 1) % 4];
        return;
    }
    const double pi = 3.14159265358979323846;
    *s = sin(turn * pi / 180.0);
    *c = cos(turn * pi / 180.0);
}

/* Right-handed rotation about an RAS axis, expressed between frame axes. */
static void frame_rotation(double out[3][3], const dtp_recipe *recipe, int view)
{
    double s, c, ras[3][3] = {{0}};
    int k = recipe->rotation_axis, i = (k + 1) % 3, j = (k + 2) % 3;
    dtp_sine_cosine(view == DTP_UNROTATED ? 0 : recipe->angles_deg[view], &s, &c);
    ras[k][k] = 1;
    ras[i][i] = ras[j][j] = c;
    ras[i][j] = -s;
    ras[j][i] = s;
    for (int f = 0; f < 3; f++) {
        for (int g = 0; g < 3; g++) {
            int sign_f, sign_g;
            int axis_f = dtp_axis_of(recipe->axes[f], &sign_f), axis_g = dtp_axis_of(recipe->axes[g], &sign_g);
            out[f][g] = sign_f * sign_g * ras[axis_f][axis_g];
        }
    }
}

void dtp_grid_make(dtp_grid *out, const dtp_cube *cube, const dtp_recipe *recipe, int view, const dtp_frame *frame)
{
    double rotation[3][3];
    frame_rotation(rotation, recipe, view);
    for (int f = 0; f < 3; f++) {
        int v = frame->axis[f];
        double sign = frame->flip[f] ? -1 : 1, first = cube->centre[f];
        for (int t = 0; t < 3; t++) {
            double mm = rotation[f][t] * cube->step[t];
            out->step[t][v] = sign * mm / frame->spacing[f];
            first -= mm * 0.5 * (double)(recipe->size[t] - 1);
        }
        out->origin[v] = (frame->flip[f] ? (double)(frame->dims[f] - 1) : 0) + sign * first / frame->spacing[f];
    }
}
