/* Sixteen channels or tiles side by side, for the loops that the compiler is to make vectors of. Private to nn/. */
#ifndef DTP_LANES_H
#define DTP_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../../base/widest.h"

enum { LANES = 16 };

/* The compiler splits them into the registers the machine has. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lane_mask __attribute__((vector_size(LANES * sizeof(int32_t))));

/* NaN is not below 0 and stays: as in the backend's own ReLU, and no wrong number looks like a right one. */
DTP_INLINE void dtp_activate(lanes *x, float slope)
{
    lane_mask negative = *x < 0, low = slope == 0 ? negative & 0 : negative & (lane_mask)(slope * *x);
    *x = (lanes)((~negative & (lane_mask)*x) | low);
}

DTP_INLINE bool dtp_inside(int64_t at, int64_t size)
{
    return at >= 0 && at < size;
}

#endif
