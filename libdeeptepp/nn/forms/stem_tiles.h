/* The arithmetic of a stem: sixteen tiles of a row at a time. No backend. Private to nn/. */
#ifndef DTP_STEM_TILES_H
#define DTP_STEM_TILES_H

#include "six_points.h"
#include "stem_shape.h"

enum { DTP_STEM_TILES = LANES };

/* Where one thread works; arrays of lanes. The first two hold 16 tiles in a lane each, the others 16 channels. */
typedef struct dtp_stem_bench {
    lanes *ring;    /* (row % window, ic, depth pair, width pair): transformed along depth and width */
    lanes *v;       /* (depth pair, height pair, ic, width pair) */
    lanes *columns; /* (height point, tile, width cell): products of one point of depth */
    lanes *slabs;   /* (depth point, height cell, tile, width cell): products */
    lanes *box;     /* (depth cell, height cell, tile, width cell): output cells */
    lanes *maxima;  /* (depth cell, height cell, pooled width cell) */
} dtp_stem_bench;

/* Lays a bench out in memory aligned to 64 bytes; how many bytes it takes. NULL, NULL: only that. */
size_t dtp_stem_bench_lay(const dtp_stem *stem, dtp_stem_bench *bench, void *memory);

/* Which output cells are in hand: those of up to 16 tiles from `tile[2]` on along the width. */
typedef struct dtp_stem_place {
    int64_t image, tile[3], tiles;
} dtp_stem_place;

/* Rows first to last - 1 of the padded input's height, of the tiles' depth and width, to the ring. */
void dtp_stem_read(const dtp_stem *stem, const dtp_stem_bench *bench, const float *src, const dtp_stem_place *place,
                   int64_t first, int64_t last);

/* The ring's rows of the tiles' height to v. */
void dtp_stem_gather(const dtp_stem *stem, const dtp_stem_bench *bench, const dtp_stem_place *place);

/* v times a block's weights: output cells of 16 channels, bias added, activated, to the box. */
void dtp_stem_multiply(const dtp_stem *stem, const dtp_stem_bench *bench, int64_t tiles, const float *weights,
                       const float *bias);

/* The box's cells to the map, or into the pooled map's running maxima, of 16 channels from `channel` on. */
void dtp_stem_write(const dtp_stem *stem, const dtp_stem_bench *bench, const dtp_stem_place *place, float *dst,
                    int64_t channel);

#endif
