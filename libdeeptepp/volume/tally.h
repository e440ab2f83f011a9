/* How often each stored value of a small integer type occurs: of an image's order statistics all there is to know, in
 * one pass over its voxels. */
#ifndef DTP_TALLY_H
#define DTP_TALLY_H

#include "volume.h"

/* A cell for each value of two bytes. */
enum { DTP_TALLY = 1 << 16 };

/* Integers of one or two bytes. */
bool dtp_tally_suits(deeptepp_type type);

/* Adds all voxels of a volume that suits, on the watch's team. Errors: CANCELLED, MEMORY. */
deeptepp_status dtp_tally_add(uint64_t counts[DTP_TALLY], const deeptepp_volume *volume, dtp_watch *watch,
                              deeptepp_error *error);

/* What the voxels in cells first to first + n - 1 are worth, scaled; anything for cells that are none of the type's. */
void dtp_tally_values(const deeptepp_volume *volume, int64_t first, int64_t n, double *out);

#endif
