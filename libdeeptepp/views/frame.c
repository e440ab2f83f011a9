#include "frame.h"

#include "../volume/axes.h"

static int voxel_axis_along(const deeptepp_volume *volume, int ras_axis, int *sign)
{
    for (int v = 0; v < 3; v++)
        if (dtp_axis_of(volume->orientation[v], sign) == ras_axis)
            return v;
    return 0;
}

void dtp_frame_of(dtp_frame *out, const deeptepp_volume *volume, const char *axes)
{
    const double *affine = volume->affine;
    for (int row = 0; row < 3; row++)
        out->origin[row] = affine[4 * row + 3];
    for (int f = 0; f < 3; f++) {
        int wanted, found;
        int v = voxel_axis_along(volume, dtp_axis_of(axes[f], &wanted), &found);
        out->axis[f] = v;
        out->flip[f] = wanted != found;
        out->dims[f] = volume->dims[v];
        out->spacing[f] = volume->spacing[v];
        for (int row = 0; row < 3; row++) {
            double step = affine[4 * row + v];
            out->direction[f][row] = (out->flip[f] ? -step : step) / volume->spacing[v];
            if (out->flip[f])
                out->origin[row] += step * (double)(volume->dims[v] - 1);
        }
    }
}

void dtp_frame_to_ras(const dtp_frame *frame, const double mm[3], double ras[3])
{
    for (int row = 0; row < 3; row++) {
        ras[row] = frame->origin[row];
        for (int f = 0; f < 3; f++)
            ras[row] += frame->direction[f][row] * mm[f];
    }
}
