/* The picture of a scan: axial slices through the tumour, the middle coronal and sagittal plane, the whole slice. */
#ifndef DEEPTEPP_CLI_MONTAGE_H
#define DEEPTEPP_CLI_MONTAGE_H

#include "canvas.h"
#include "scan.h"

/* Draws onto an empty canvas, which needs cli_canvas_free either way. The names are for the title. Returns an exit
 * code. */
int cli_montage_draw(cli_canvas *canvas, const cli_scan *scan, const char *image_name, const char *mask_name);

#endif
