/* NIfTI-1 and NIfTI-2 in memory; the only door to libnifti. */
#ifndef DTP_NIFTI_H
#define DTP_NIFTI_H

#include "volume.h"

/* Where the voxel axes of an affine (row-major 4x4, invertible) run to, as 3 letters and a NUL. */
void dtp_nifti_orientation(const double affine[16], char letters[4]);

#endif
