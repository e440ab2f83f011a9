/* What is said of a mask. */
#ifndef DEEPTEPP_CLI_MASK_H
#define DEEPTEPP_CLI_MASK_H

#include "cli.h"

enum { CLI_MASK_TEXT = 160 };

/* Its voxels and parts, in one line; largest_part: the largest alone is the tumour. */
void cli_mask_text(const deeptepp_mask *mask, bool largest_part, char out[CLI_MASK_TEXT]);

#endif
