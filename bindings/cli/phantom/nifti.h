/* Writing NIfTI-1: one volume, millimetres, little-endian, sform and qform both set. */
#ifndef DEEPTEPP_CLI_NIFTI_H
#define DEEPTEPP_CLI_NIFTI_H

#include "../output.h"

typedef struct cli_nifti {
    int64_t dims[3];
    double spacing[3];
    double origin[3];        /* RAS mm of the first voxel's centre; the axes run to R, A, S */
    const char *description; /* up to 79 characters */
} cli_nifti;

/* Writes to an open output, gzip-compressed when its path ends in ".gz". Returns an exit code. */
int cli_nifti_write_int16(cli_output *output, const cli_nifti *header, const int16_t *voxels);
int cli_nifti_write_uint8(cli_output *output, const cli_nifti *header, const uint8_t *voxels);

#endif
