/* A set of voxels as spans along i: as much memory as its surface takes, and no more than its volume. */
#ifndef DTP_SPANS_H
#define DTP_SPANS_H

#include "../volume/volume.h"

/* Voxels first to end - 1 of row (j, k). */
typedef struct dtp_span {
    int32_t k, j, first, end;
} dtp_span;

/* In the order of storage: by k, then j, then first; none touches the next of its row. */
typedef struct dtp_spans {
    dtp_span *items;
    size_t count, room;
} dtp_spans;

/* So many take a gigabyte: noise, not a tumour. */
enum { DTP_SPANS_MAX = 1 << 26 };

/* Adds voxels behind all others; joined with the last span where they go on with it. False without memory, and past
 * DTP_SPANS_MAX. */
bool dtp_spans_add(dtp_spans *spans, dtp_span span);

/* Accepts what was never filled. */
void dtp_spans_free(dtp_spans *spans);

static inline int64_t dtp_span_voxels(const dtp_span *span)
{
    return (int64_t)span->end - span->first;
}

/* Puts it into a box of first and last voxels along i, j, k; `any`: the box has something already. */
void dtp_span_extend(const dtp_span *span, bool any, int64_t low[3], int64_t high[3]);

/* The box of all spans, of which there must be one. */
void dtp_spans_box(const dtp_spans *spans, int64_t low[3], int64_t high[3]);

/* A voxel's place in nearest RAS order, x fastest: base + i weight[0] + j weight[1] + k weight[2]. */
typedef struct dtp_ras_index {
    int64_t base, weight[3];
} dtp_ras_index;

void dtp_ras_index_of(dtp_ras_index *out, const int64_t dims[3], const char *orientation);

static inline int64_t dtp_ras_place(const dtp_ras_index *index, int64_t i, int64_t j, int64_t k)
{
    return index->base + i * index->weight[0] + j * index->weight[1] + k * index->weight[2];
}

#endif
