/* Sixteen channels or tiles side by side, for the loops that the compiler is to make vectors of. Private to nn/. */
#ifndef DTP_LANES_H
#define DTP_LANES_H

#include <stdint.h>
#include <string.h>

#include "../../base/widest.h"

enum { LANES = 16 };

/* The compiler splits them into the registers the machine has. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lane_mask __attribute__((vector_size(LANES * sizeof(int32_t))));

#endif
