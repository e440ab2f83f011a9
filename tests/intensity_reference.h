/* Intensity rules by their formulas in docs/model-format.md, over sorted and centred plain arrays. */
#ifndef INTENSITY_REFERENCE_H
#define INTENSITY_REFERENCE_H

#include <math.h>

#include "../libdeeptepp/views/recipe.h"

static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Hyndman and Fan's type 7, from sorted values. */
static inline double quantile(const double *sorted, size_t count, double percent)
{
    double rank = (double)(count - 1) * (percent / 100), below = floor(rank);
    size_t at = (size_t)below;
    double next = at + 1 < count ? sorted[at + 1] : sorted[at];
    return sorted[at] * (1 - (rank - below)) + next * (rank - below);
}

static inline double *sorted_copy(const double *values, size_t count)
{
    double *copy = malloc(count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, values, count * sizeof *copy);
    qsort(copy, count, sizeof *copy, by_value);
    return copy;
}

static inline double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i] - values[count / 2];
    return values[count / 2] + sum / (double)count;
}

/* With divisor n, about the mean. */
static inline double sd_of(const double *values, size_t count)
{
    double mean = mean_of(values, count), sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return sqrt(sum / (double)count);
}

static inline double expected(const dtp_recipe *r, const double *values, size_t count, double x)
{
    double *sorted = sorted_copy(values, count), result = x;
    bool whole = r->intensity == DTP_INTENSITY_MINMAX;
    double low = quantile(sorted, count, whole ? 0 : r->percentiles[0]);
    double high = quantile(sorted, count, whole ? 100 : r->percentiles[1]);
    if (r->intensity == DTP_INTENSITY_ZSCORE)
        result = (x - mean_of(values, count)) / sd_of(values, count);
    else if (r->intensity != DTP_INTENSITY_NONE)
        result =
            r->range[0] + (r->range[1] - r->range[0]) * ((whole ? x : fmin(fmax(x, low), high)) - low) / (high - low);
    free(sorted);
    return result;
}

#endif
