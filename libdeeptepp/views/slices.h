/* Slices of a volume rotated about axis 1, as the published pipeline makes them (docs/model-format.md, "mosaic"). */
#ifndef DTP_SLICES_H
#define DTP_SLICES_H

#include "raster.h"

enum { DTP_SLICE_EDGE = 512 };

/* A plane of axes 0 (rows) and 2 (columns), rotated; every column is a slice of the rotated volume. */
typedef struct dtp_canvas {
    int64_t rows, columns;
    double forward[2][3]; /* row and column on the canvas = forward * (row, column, 1) of the plane */
    double back[2][3];    /* and the other way round */
} dtp_canvas;

/* Clockwise for a positive angle; as large as it takes to hold a plane of frame dims. */
void dtp_canvas_make(dtp_canvas *out, const int64_t dims[3], double degrees);

/* The first and the last column that the raster can reach; first > last when there is none. */
void dtp_canvas_reach(const dtp_canvas *canvas, const dtp_raster *raster, int64_t *first, int64_t *last);

/* One slice, resized to DTP_SLICE_EDGE x DTP_SLICE_EDGE. */
typedef struct dtp_slice {
    float *values;              /* [column][row]: columns run along axis 1, rows along the canvas's rows */
    int64_t begin[2], end[2];   /* rows and columns outside of which all values are 0 */
    float low, high;            /* of all values */
    bool touched;               /* some value before resizing is not 0 */
    int64_t near_low[2],
        near_high[2]; /* where all values are 0 though touched: the rows and columns nearest to those */
    void *memory;
} dtp_slice;

/* y_dim: of the frame along axis 1. Stops early, with any values, once cancelled. False without memory. */
bool dtp_slice_make(dtp_slice *out, const dtp_raster *raster, const dtp_canvas *canvas, int64_t column, int64_t y_dim,
                    const dtp_watch *watch);
void dtp_slice_free(dtp_slice *slice);

/* A rectangle of a slice; ends exclusive. */
typedef struct dtp_crop {
    int16_t row, row_end, column, column_end;
} dtp_crop;

/* Around the cells of a mask's slice, with the published margins, within the slice. Cells are those of 1 (with
 * any_weight those of more than 0 or, where a slice is touched without any, the nearest). False when there is none. */
bool dtp_slice_crop(dtp_crop *out, const dtp_slice *mask, bool any_weight);

enum { DTP_TILE_EDGE = 64, DTP_TILE_SIZE = DTP_TILE_EDGE * DTP_TILE_EDGE };

/* The crop, scaled so that the slice's values run from 0 to 255, resized, rounded: [row][column]; 0 in a constant
 * slice. False when a value is not finite. */
bool dtp_slice_tile(const dtp_slice *image, const dtp_crop *crop, uint8_t tile[DTP_TILE_SIZE]);

#endif
