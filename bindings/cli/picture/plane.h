/* One slice of a scan drawn into a rectangle: physical proportions, radiological convention (the patient's right and
 * front are on the left of the picture, her head and front at the top), outline of the mask. */
#ifndef DEEPTEPP_CLI_PLANE_H
#define DEEPTEPP_CLI_PLANE_H

#include "canvas.h"
#include "scan.h"

typedef enum cli_orientation { CLI_AXIAL, CLI_CORONAL, CLI_SAGITTAL } cli_orientation;

typedef struct cli_plane {
    cli_orientation orientation;
    int64_t slice;
    double centre[2];    /* what lies in the rectangle's middle: mm from the first voxel along `across` and `down` */
    double mm_per_pixel;
    double window[2];    /* black and white */
    bool outline;
} cli_plane;

/* The patient's axes (0 R, 1 A, 2 S) that run, backwards, across, down and through the picture. */
int cli_plane_across(cli_orientation orientation);
int cli_plane_down(cli_orientation orientation);
int cli_plane_through(cli_orientation orientation);

/* Draws image and outline; what lies outside the image stays as it is. Returns an exit code. */
int cli_plane_draw(cli_canvas *canvas, cli_rectangle where, const cli_scan *scan, const cli_plane *plane);

#endif
