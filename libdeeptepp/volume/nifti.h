/* NIfTI-1 and NIfTI-2 headers; the only door to libnifti. */
#ifndef DTP_NIFTI_H
#define DTP_NIFTI_H

#include "stream.h"
#include "volume.h"

/* Header and extensions may take this much before the voxels: far more than any known writer uses. */
enum { DTP_NIFTI_BEGIN_MAX = 1 << 28 };

typedef struct dtp_nifti {
    bool second; /* NIfTI-2 */
    bool swapped; /* header and voxels are not in this machine's byte order */
    int64_t dim[8];
    int32_t datatype, bitpix, units, qform_code, sform_code;
    double pixdim[8];
    double vox_offset, slope, inter;
    double quatern[3], qoffset[3], srow[12];

    deeptepp_type type; /* This and the rest follow from the above. */
    int volume_dim;     /* which dim counts the file's volumes: 4, or the one of 5 to 7 that is not 1 */
    bool pixdim_ones;   /* pixdim[1..3] are exactly 1, as a header is made */
} dtp_nifti;

/* Reads a header and checks every field that is used, but for the two forms; lengths are millimetres then, no scaling
 * is slope 1. Errors: those of dtp_stream_read, FILE_FORMAT, FILE_POINTER, NIFTI_*. */
deeptepp_status dtp_nifti_read(dtp_nifti *h, dtp_stream *stream, deeptepp_error *error);

/* How many volumes the file holds. */
int64_t dtp_nifti_volumes(const dtp_nifti *h);

/* What each form says, row-major 4x4, to RAS mm; of a sform nothing is checked. Errors: VOLUME_AFFINE, NIFTI_PIXDIM
 * (qfac). */
void dtp_nifti_sform(const dtp_nifti *h, double affine[16]);
deeptepp_status dtp_nifti_qform(const dtp_nifti *h, double affine[16], deeptepp_error *error);

/* Where the voxel axes of an affine (row-major 4x4, invertible) run to, as 3 letters and a NUL. */
void dtp_nifti_orientation(const double affine[16], char letters[4]);

#endif
