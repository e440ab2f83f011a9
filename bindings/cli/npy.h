/* Writing NumPy's .npy format, version 1.0. */
#ifndef DEEPTEPP_CLI_NPY_H
#define DEEPTEPP_CLI_NPY_H

#include "output.h"

/* float32 in C order, little-endian, to an open output. Returns an exit code. */
int cli_npy_write(cli_output *output, const float *values, const int64_t *shape, int rank);

#endif
