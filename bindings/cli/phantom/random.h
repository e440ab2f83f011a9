/* Numbers for the phantom that are the same on every machine: integers of 64 bits, and floating point that uses only
 * what IEEE 754 rounds exactly (+ - * / and the square root; no function of the C library's mathematics). */
#ifndef DEEPTEPP_CLI_RANDOM_H
#define DEEPTEPP_CLI_RANDOM_H

#include "../cli.h"

/* A fused multiply-add rounds once where two operations round twice. GCC obeys -ffp-contract=off, set by the build. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* SplitMix64 (Steele, Lea, Flood 2014): the next number of the stream whose state this is. */
uint64_t cli_random_next(uint64_t *state);

/* A stream of its own for each purpose. */
uint64_t cli_random_stream(uint64_t seed, uint64_t purpose);

double cli_random_unit(uint64_t *state);                           /* in [0, 1) */
double cli_random_between(uint64_t *state, double low, double high);
double cli_random_normal(uint64_t *state);                         /* nearly: the sum of 12 uniform numbers */
void cli_random_direction(uint64_t *state, double direction[3]);   /* of length 1 */

/* Gradient noise (Perlin 2002) over points in mm: smooth, mean 0, about -1 to 1, features of `size_mm`. */
double cli_noise(uint64_t seed, const double point[3], double size_mm);

/* The sum of `octaves` of it, each of half the size and half the weight of the one before; about -1 to 1. */
double cli_noise_fractal(uint64_t seed, const double point[3], double size_mm, int octaves);

/* 0 below `low`, 1 above `high`, smooth between. */
double cli_smooth_step(double low, double high, double x);

#endif
