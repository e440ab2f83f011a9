/* The connected parts of a set of voxels: those that touch by a face, an edge or a corner (26 neighbours). */
#ifndef DTP_PARTS_H
#define DTP_PARTS_H

#include "spans.h"

/* As many parts are told one by one, the largest; all are counted. */
enum { DTP_PARTS_TOLD = 64 };

typedef struct dtp_part {
    int64_t voxels;
    double distance; /* mm from the largest part, between the nearest voxels' centres */
} dtp_part;

typedef struct dtp_parts {
    int64_t count;
    dtp_part told[DTP_PARTS_TOLD]; /* by voxels, the most first; of equal ones by the first voxel in RAS order */
} dtp_parts;

static inline int dtp_parts_told(const dtp_parts *parts)
{
    return parts->count < DTP_PARTS_TOLD ? (int)parts->count : DTP_PARTS_TOLD;
}

/* part_of (as long as the spans) gets each span's part, from 0 by size, DTP_PARTS_TOLD for those beyond. spacing: mm
 * along i, j, k, which are taken to be at right angles. watch: NULL, or asked meanwhile. Errors: MEMORY, CANCELLED. */
deeptepp_status dtp_parts_find(dtp_parts *out, uint8_t *part_of, const dtp_spans *spans, const double spacing[3],
                               const dtp_ras_index *order, dtp_watch *watch, deeptepp_error *error);

/* Fills in the distances. Part of dtp_parts_find. */
deeptepp_status dtp_parts_measure(dtp_parts *parts, const uint8_t *part_of, const dtp_spans *spans,
                                  const double spacing[3], dtp_watch *watch, deeptepp_error *error);

#endif
