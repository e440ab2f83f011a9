/* How the first convolution of a network, of few channels, is cut for Winograd's filtering (stem.c): axes, splits,
 * points, tiles. No backend. Private to nn/.
 *
 * A kernel of up to eight cells along an axis is one or two kernels of at most four, its splits: each on every second
 * cell of the input where the stride is two, one beside the other where it is one. Each split is filtered by F(3, 4)
 * or F(4, 3): rounding errors are twice the direct form's. A split one tap shorter than the longest has no weight at
 * infinity, so five points do. */
#ifndef DTP_STEM_SHAPE_H
#define DTP_STEM_SHAPE_H

#include "../../base/watch.h"
#include "../graph.h"

enum {
    DTP_STEM_POINTS = 6, /* six_points.h */
    DTP_STEM_KERNEL = 8,  /* cells of a kernel along an axis, at most */
    DTP_STEM_PAIRS = 12,  /* (split, point) along an axis, at most */
    DTP_STEM_WINDOW = 12, /* input cells that a tile sees along an axis, at most */
    DTP_STEM_CHANNELS = 8 /* of the input, at most */
};

/* One axis. A tile makes m output cells; the next begins `step` input cells further. */
typedef struct dtp_stem_axis {
    int64_t in, out, pad, kernel, stride; /* in, out: cells of the maps */
    int64_t m, tiles, step, window;
    int splits, pairs;
    struct {
        int64_t first, taps; /* its first cell within the window */
        int points;
    } split[2];
} dtp_stem_axis;

/* What one point of depth and height adds up over channels and splits: places in V (depth pair, height pair, ic, width
 * pair) and in the weights (depth pair, height pair, width pair, ic), at the first width pair. */
typedef struct dtp_stem_sum {
    int count;
    int32_t at[4 * DTP_STEM_CHANNELS], weights[4 * DTP_STEM_CHANNELS];
} dtp_stem_sum;

typedef struct dtp_stem {
    dtp_stem_axis axis[3];
    dtp_stem_sum sums[DTP_STEM_POINTS][DTP_STEM_POINTS];
    int64_t ic, oc, images;
    dtp_activation activation;
    const dtp_layer *pool; /* NULL: the map itself is written */
    dtp_shape pooled;
} dtp_stem;

/* False: the layer is no such stem. pool: the layer after it, or NULL. */
bool dtp_stem_make(dtp_stem *out, const dtp_graph *graph, int layer, bool pool, int64_t images);

/* Pairs of all three axes: one matrix (ic, oc) of weights each. They lie by blocks of 16 output channels: (block, pair,
 * ic, 16). */
int64_t dtp_stem_matrices(const dtp_stem *stem);

/* dtp_form_kind's transform. */
void dtp_stem_weights(const dtp_stem *stem, const float *plain, int64_t first, int64_t count, float *out,
                      const dtp_watch *watch);

#endif
