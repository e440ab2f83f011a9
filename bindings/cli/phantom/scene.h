/* The phantom on a grid of voxels: anatomy, vessels and tumour drawn once, then seen at any time after the contrast
 * agent. */
#ifndef DEEPTEPP_CLI_SCENE_H
#define DEEPTEPP_CLI_SCENE_H

#include "tumour.h"

typedef struct cli_scene {
    uint64_t seed;
    int64_t dims[3];
    double spacing[3];
    bool centred; /* on the tumour, wherever the usual field of view lies */
    double origin[3]; /* RAS mm of the first voxel's centre */
    size_t count;
    cli_anatomy anatomy;
    cli_tumour tumour;
    float (*signal)[3]; /* each voxel's cli_signal, coil sensitivity included */
    uint8_t *mask;
    int64_t mask_voxels;
    bool mask_at_border;
} cli_scene;

/* Draws a scene whose seed, dims, spacing and centred are set. Returns an exit code. Either way it needs
 * cli_scene_free. */
int cli_scene_draw(cli_scene *scene, const cli_tumour_options *options);
void cli_scene_free(cli_scene *scene);

/* The image at a time point, with noise: 0 before the contrast agent, 1 and up after it. Returns an exit code. */
int cli_scene_image(const cli_scene *scene, int64_t time_point, int16_t *out);

#endif
