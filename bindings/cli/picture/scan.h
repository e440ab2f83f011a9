/* An image and its mask, ready to be looked at: RAS order, checked to lie on one grid. */
#ifndef DEEPTEPP_CLI_SCAN_H
#define DEEPTEPP_CLI_SCAN_H

#include "../mask.h"
#include "../volume.h"

enum { CLI_MOST_PARTS = 12 };

/* A part of the mask lies in every axial slice from `low` to `high`. */
typedef struct cli_part {
    int64_t low, high;
} cli_part;

typedef struct cli_scan {
    int64_t dims[3]; /* x to the right fastest, y anterior, z superior */
    double spacing[3];
    double affine[16]; /* row-major: indices in that order to RAS mm */
    float *image;
    uint8_t *mask;
    int64_t low[3], high[3]; /* the mask's bounding box, inclusive */
    int64_t mask_voxels;
    int64_t parts; /* how many that do not touch */
    cli_part part[CLI_MOST_PARTS]; /* of those that are drawn, from the largest; high below low beyond the last */
    char mask_text[CLI_MASK_TEXT];
    bool largest_alone;          /* the others are not drawn */
    int64_t fullest[3];      /* along each axis the plane with most of the mask; the middle one of several */
} cli_scan;

/* Opens both files. Returns an exit code; either way it needs cli_scan_free. */
int cli_scan_open(cli_scan *scan, const char *image, const char *mask, const deeptepp_mask_options *options,
                  const cli_volume_options *volumes);
void cli_scan_free(cli_scan *scan);

/* The value of the voxel, coordinates beyond the border counting as on it. */
double cli_scan_image_at(const cli_scan *scan, const int64_t voxel[3]);
bool cli_scan_mask_at(const cli_scan *scan, const int64_t voxel[3]);

/* The patient's coordinate along `axis` of the given voxel, mm. */
double cli_scan_position(const cli_scan *scan, const int64_t voxel[3], int axis);

/* The two percentiles (0 to 100) of the image within a box (inclusive; clipped to the image). High is above low. */
bool cli_scan_window(const cli_scan *scan, const int64_t low[3], const int64_t high[3], const double percentiles[2],
                     double window[2]);

/* The percentile of the image within the mask. */
bool cli_scan_tumour_percentile(const cli_scan *scan, double percentile, double *value);

#endif
