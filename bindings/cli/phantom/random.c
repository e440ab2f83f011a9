#include "random.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t cli_random_next(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    return mix(*state);
}

uint64_t cli_random_stream(uint64_t seed, uint64_t purpose)
{
    return mix(mix(seed + UINT64_C(0x9E3779B97F4A7C15)) + purpose);
}

double cli_random_unit(uint64_t *state)
{
    return (double)(cli_random_next(state) >> 11) * 0x1p-53;
}

double cli_random_between(uint64_t *state, double low, double high)
{
    return low + (high - low) * cli_random_unit(state);
}

/* Twelve uniform 16-bit numbers have the sum's mean 12 * 32767.5 and its standard deviation 65536 (to 1e-10). */
double cli_random_normal(uint64_t *state)
{
    int64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t bits = cli_random_next(state);
        for (int part = 0; part < 4; part++)
            sum += (int64_t)(bits >> 16 * part & 0xffff);
    }
    return (double)(sum - 393210) * 0x1p-16;
}

void cli_random_direction(uint64_t *state, double direction[3])
{
    double square = 0;
    do {
        square = 0;
        for (int i = 0; i < 3; i++) {
            direction[i] = cli_random_between(state, -1, 1);
            square += direction[i] * direction[i];
        }
    } while (square > 1 || square < 0.01);
    const double length = sqrt(square);
    for (int i = 0; i < 3; i++)
        direction[i] /= length;
}

/* The slope at a lattice point: one of the 12 edge directions of a cube, 4 of them twice, as in Perlin's paper. */
static double slope(uint64_t hash, double x, double y, double z)
{
    const unsigned edge = (unsigned)(hash >> 60);
    const double u = edge < 8 ? x : y;
    const double v = edge < 4 ? y : edge == 12 || edge == 14 ? x : z;
    return (edge & 1 ? -u : u) + (edge & 2 ? -v : v);
}

static double corner(uint64_t seed, const int64_t cell[3], const double inside[3], int which)
{
    const int dx = which & 1, dy = which >> 1 & 1, dz = which >> 2;
    const uint64_t hash = mix(seed + (uint64_t)(cell[0] + dx) * UINT64_C(0x8CB92BA72F3D8DD7) +
                              (uint64_t)(cell[1] + dy) * UINT64_C(0xD6E8FEB86659FD93) +
                              (uint64_t)(cell[2] + dz) * UINT64_C(0xA0761D6478BD642F));
    return slope(hash, inside[0] - dx, inside[1] - dy, inside[2] - dz);
}

static double between(double low, double high, double weight)
{
    return low + (high - low) * weight;
}

double cli_noise(uint64_t seed, const double point[3], double size_mm)
{
    int64_t cell[3];
    double inside[3], weight[3], value[8];
    for (int i = 0; i < 3; i++) {
        const double at = point[i] / size_mm, whole = floor(at), t = at - whole;
        cell[i] = (int64_t)whole;
        inside[i] = t;
        weight[i] = t * t * t * (t * (t * 6 - 15) + 10);
    }
    for (int which = 0; which < 8; which++)
        value[which] = corner(seed, cell, inside, which);
    for (int axis = 0; axis < 3; axis++)
        for (int which = 0; which < 4 >> axis; which++)
            value[which] = between(value[2 * which], value[2 * which + 1], weight[axis]);
    return value[0];
}

double cli_noise_fractal(uint64_t seed, const double point[3], double size_mm, int octaves)
{
    double sum = 0, weight = 1, size = size_mm;
    for (int octave = 0; octave < octaves; octave++, weight /= 2, size /= 2)
        sum += weight * cli_noise(seed + (uint64_t)octave, point, size);
    return sum;
}

double cli_smooth_step(double low, double high, double x)
{
    const double t = (x - low) / (high - low);
    return t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t);
}
