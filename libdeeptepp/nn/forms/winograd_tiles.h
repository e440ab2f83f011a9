/* Winograd's transforms of tiles and weights; no backend. Matrices: Lavin and Gray, "Fast algorithms for convolutional
 * neural networks", 2016. Private to nn/. */
#ifndef DTP_WINOGRAD_TILES_H
#define DTP_WINOGRAD_TILES_H

#include "../../base/watch.h"
#include "../graph.h"

/* Channels transformed together: lanes.h. */
enum { DTP_TILE_CHANNELS = 16 };

/* One axis: `alpha` input cells make `m` output cells. m 1: the axis is not filtered, 2: F(2, 3), 4: F(4, 3). */
typedef struct dtp_tile_axis {
    int64_t m, alpha, pad;
    int64_t in, out; /* cells of the map */
    int64_t tiles;
} dtp_tile_axis;

typedef struct dtp_tiling {
    dtp_tile_axis axis[3];
    int64_t ic, oc;
    int64_t points; /* the product of the alphas */
    int64_t tiles;  /* of all images */
    int64_t block;  /* tiles multiplied at once: V is (points, block, ic), M is (points, block, oc) */
} dtp_tiling;

/* All but the block. */
void dtp_tiling_make(dtp_tiling *out, const dtp_graph *graph, int layer, int64_t images);

/* Of the block that begins with a tile, tiles first .. last - 1: input, transformed, to V; the transformed products in
 * M to output. */
void dtp_tiles_gather(const dtp_tiling *tiling, const float *src, int64_t tile, int64_t first, int64_t last, float *v);
void dtp_tiles_scatter(const dtp_tiling *tiling, const float *m, int64_t tile, int64_t first, int64_t last,
                       const float *bias, bool add, dtp_activation activation, float *dst);

/* dtp_form_kind's transform. */
void dtp_tiles_weights(const dtp_graph *graph, int layer, const float *plain, int64_t first, int64_t count, float *out,
                       const dtp_watch *watch);

#endif
