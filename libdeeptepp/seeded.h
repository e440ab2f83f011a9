/* Numbers that a seed alone decides: the self-test's input, and those that precision is measured on. */
#ifndef DTP_SEEDED_H
#define DTP_SEEDED_H

#include <stdint.h>

/* The index-th number of SplitMix64 (Steele et al. 2014) from a seed, its top 24 bits as a float in [-1, 1). */
static inline float dtp_seeded(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + (index + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (float)(z >> 40) / 8388608.0f - 1.0f;
}

#endif
