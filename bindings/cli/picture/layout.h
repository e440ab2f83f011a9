/* Which slices a montage shows, how large, and where. */
#ifndef DEEPTEPP_CLI_LAYOUT_H
#define DEEPTEPP_CLI_LAYOUT_H

#include "plane.h"

enum { CLI_MOST_TILES = 12 };

typedef struct cli_layout {
    cli_rectangle page;      /* all of it */
    cli_rectangle panels[3]; /* whole slice, coronal, sagittal */
    int tiles;
    cli_rectangle tile[CLI_MOST_TILES];
    int64_t slice[CLI_MOST_TILES]; /* from the head down */
} cli_layout;

void cli_layout_make(cli_layout *layout, const cli_scan *scan);

/* The plane with most of the tumour and its surroundings (at least 60 mm, 2.2 times the tumour's size, unless the
 * image is smaller) for a rectangle of that size; the window is left to be set. */
cli_plane cli_layout_zoom(const cli_scan *scan, cli_orientation orientation, cli_rectangle where);

/* The plane's whole slice. */
cli_plane cli_layout_whole(const cli_scan *scan, cli_orientation orientation, cli_rectangle where);

/* The voxels, inclusive, that the zoomed planes show. */
void cli_layout_box(const cli_scan *scan, int64_t low[3], int64_t high[3]);

#endif
