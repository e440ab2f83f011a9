/* How voxels become the network's tensor: section "input" of the description (docs/model-format.md). */
#ifndef DTP_RECIPE_H
#define DTP_RECIPE_H

#include "../base/json.h"

enum { DTP_MAX_CHANNELS = 16, DTP_MAX_VIEWS = 64 };

typedef enum dtp_recipe_kind { DTP_RECIPE_CUBE, DTP_RECIPE_MOSAIC, DTP_RECIPE_MOSAIC_CUBE } dtp_recipe_kind;
typedef enum dtp_region_rule { DTP_REGION_FIXED, DTP_REGION_BOX } dtp_region_rule;
typedef enum dtp_lattice_rule { DTP_LATTICE_FIRST_VOXEL, DTP_LATTICE_MONAI } dtp_lattice_rule;
typedef enum dtp_intensity_rule {
    DTP_INTENSITY_NONE,
    DTP_INTENSITY_ZSCORE,
    DTP_INTENSITY_MINMAX,
    DTP_INTENSITY_PERCENTILE
} dtp_intensity_rule;
typedef enum dtp_over { DTP_OVER_VIEW, DTP_OVER_VIEW_TOGETHER, DTP_OVER_IMAGE, DTP_OVER_IMAGES_TOGETHER } dtp_over;

typedef struct dtp_recipe {
    dtp_recipe_kind kind;
    char *channels[DTP_MAX_CHANNELS];
    int n_channels;
    char axes[4];      /* where depth, height, width run to; a mosaic's index axes 0, 1, 2 */
    bool stored_order; /* mosaics: whatever order the file has, axes is "" */
    bool spaced;       /* mosaics: of too many slices evenly spaced ones, else the first */
    int64_t size[3];
    double angles_deg[DTP_MAX_VIEWS];
    int n_views;
    int rotation_axis; /* of RAS: 0 right, 1 anterior, 2 superior */
    dtp_region_rule region;
    double spacing_mm[3]; /* fixed */
    dtp_lattice_rule lattice; /* fixed */
    double margin_mm;     /* box */
    bool keep_aspect;     /* box */
    bool outside_error;   /* else a warning */
    bool fill_edge;       /* else fill_value */
    double fill_value;
    dtp_intensity_rule intensity;
    dtp_over over;
    double range[2];
    double percentiles[2];
    int64_t min_mask_voxels;
    double hard_mm[2], usual_mm[2]; /* voxel sizes; 0 to infinity when the file says nothing */
    double usual_ml[2];             /* of the tumour; the same */
    bool has_usual_intensity;
    double usual_intensity[DTP_MAX_CHANNELS][2]; /* each channel's mean within the tumour */
} dtp_recipe;

/* Reads the section; out owns copies of the channel names. Errors stick to the JSON's check. */
void dtp_recipe_parse(dtp_recipe *out, dtp_json *json);
void dtp_recipe_free(dtp_recipe *recipe);

bool dtp_recipe_has_channel(const dtp_recipe *recipe, const char *name);

#endif
