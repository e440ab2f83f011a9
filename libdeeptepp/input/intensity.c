#include "intensity.h"

#include <math.h>
#include <stdio.h>

/* One pass over values, in doubles, so that the order of the voxels in memory does not show. */
typedef struct moments {
    double count, sum, squares, low, high;
} moments;

static void add_value(moments *m, double value, double pivot)
{
    m->count++;
    m->sum += value - pivot;
    m->squares += (value - pivot) * (value - pivot);
    m->low = value < m->low ? value : m->low;
    m->high = value > m->high ? value : m->high;
}

/* Hoare's selection: afterwards values[k] is what sorting would put there, smaller ones before it. */
static float select_value(float *values, size_t count, size_t k)
{
    size_t low = 0, high = count - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i >= j)
                break;
            float swap = values[i];
            values[i++] = values[j];
            values[j--] = swap;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return values[k];
}

/* Linear interpolation between order statistics: type 7, the default of R and NumPy. Reorders the values. */
static double percentile(float *values, size_t count, double percent)
{
    double rank = (double)(count - 1) * percent / 100.0;
    size_t below = (size_t)rank;
    double a = select_value(values, count, below);
    double b = below + 1 < count ? select_value(values, count, below + 1) : a;
    return a + (b - a) * (rank - (double)below);
}

static deeptepp_status refuse_constant(const char *what, double value, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_IMAGE_CONSTANT, "%s: every value is %.9g, nothing to normalise", what, value);
}

static deeptepp_status between(dtp_mapping *out, const dtp_recipe *recipe, double low, double high, const char *what,
                               deeptepp_error *error)
{
    if (!(high > low))
        return refuse_constant(what, low, error);
    bool clip = recipe->intensity == DTP_INTENSITY_PERCENTILE;
    *out = (dtp_mapping){clip ? low : -INFINITY, clip ? high : INFINITY, low, (recipe->range[1] - recipe->range[0]) / (high - low), recipe->range[0]};
    return DEEPTEPP_OK;
}

static deeptepp_status from_moments(dtp_mapping *out, const dtp_recipe *recipe, const moments *m, double pivot,
                                    const char *what, deeptepp_error *error)
{
    if (!(m->high > m->low))
        return refuse_constant(what, m->low, error);
    if (recipe->intensity == DTP_INTENSITY_MINMAX)
        return between(out, recipe, m->low, m->high, what, error);
    double mean = m->sum / m->count;
    double variance = m->squares / m->count - mean * mean;
    if (!(variance > 0))
        return refuse_constant(what, m->low, error);
    *out = (dtp_mapping){-INFINITY, INFINITY, mean + pivot, 1 / sqrt(variance), 0};
    return DEEPTEPP_OK;
}

static deeptepp_status from_percentiles(dtp_mapping *out, const dtp_recipe *recipe, float *values, size_t count,
                                        const char *what, deeptepp_error *error)
{
    double low = percentile(values, count, recipe->percentiles[0]);
    double high = percentile(values, count, recipe->percentiles[1]);
    return between(out, recipe, low, high, what, error);
}

deeptepp_status dtp_mapping_of_values(dtp_mapping *out, const dtp_recipe *recipe, const float *values, size_t count,
                                      const char *what, deeptepp_error *error)
{
    *out = (dtp_mapping){-INFINITY, INFINITY, 0, 1, 0};
    if (recipe->intensity == DTP_INTENSITY_NONE)
        return DEEPTEPP_OK;
    if (recipe->intensity != DTP_INTENSITY_PERCENTILE) {
        moments m = {.low = INFINITY, .high = -INFINITY};
        for (size_t i = 0; i < count; i++)
            add_value(&m, values[i], values[0]);
        return from_moments(out, recipe, &m, values[0], what, error);
    }
    float *copy = malloc(count * sizeof *copy);
    if (!copy)
        return dtp_fail_memory(error, "percentiles", count * sizeof *copy);
    memcpy(copy, values, count * sizeof *copy);
    deeptepp_status status = from_percentiles(out, recipe, copy, count, what, error);
    free(copy);
    return status;
}

/* Every voxel of an image, row by row: into moments or, where `values` is not NULL, into memory. */
static deeptepp_status walk(const deeptepp_volume *image, double pivot, moments *m, float *values,
                            const atomic_bool *cancelled, deeptepp_error *error)
{
    int64_t ni = image->dims[0], nj = image->dims[1], nk = image->dims[2];
    double *row = malloc((size_t)ni * sizeof *row);
    if (!row)
        return dtp_fail_memory(error, "a row of the image", (size_t)ni * sizeof *row);
    for (int64_t jk = 0; jk < nj * nk && !atomic_load_explicit(cancelled, memory_order_relaxed); jk++) {
        dtp_volume_row(image, 0, jk % nj, jk / nj, ni, row);
        for (int64_t i = 0; i < ni; i++) {
            if (values)
                values[jk * ni + i] = (float)row[i];
            else
                add_value(m, row[i], pivot);
        }
    }
    free(row);
    return DEEPTEPP_OK;
}

static size_t voxels(const deeptepp_volume *image)
{
    return (size_t)(image->dims[0] * image->dims[1] * image->dims[2]);
}

static deeptepp_status percentiles_of_images(dtp_mapping *out, const dtp_study *study, int first, int last,
                                             const char *what, const atomic_bool *cancelled, deeptepp_error *error)
{
    size_t count = (size_t)(last - first + 1) * voxels(study->images[first]);
    float *values = malloc(count * sizeof *values);
    deeptepp_status status = values ? DEEPTEPP_OK : dtp_fail_memory(error, "percentiles", count * sizeof *values);
    for (int c = first; c <= last && status == DEEPTEPP_OK; c++)
        status = walk(study->images[c], 0, NULL, values + (size_t)(c - first) * voxels(study->images[first]), cancelled,
                      error);
    if (status == DEEPTEPP_OK && atomic_load(cancelled))
        status = dtp_fail(error, DEEPTEPP_ERR_CANCELLED, "cancelled");
    if (status == DEEPTEPP_OK)
        status = from_percentiles(out, study->recipe, values, count, what, error);
    free(values);
    return status;
}

deeptepp_status dtp_mapping_of_images(dtp_mapping *out, const dtp_study *study, int first, int last,
                                      const atomic_bool *cancelled, deeptepp_error *error)
{
    char what[160];
    snprintf(what, sizeof what, "image \"%.100s\"%s", study->recipe->channels[first], last > first ? " and the others" : "");
    if (study->recipe->intensity == DTP_INTENSITY_PERCENTILE)
        return percentiles_of_images(out, study, first, last, what, cancelled, error);
    moments m = {.low = INFINITY, .high = -INFINITY};
    double pivot;
    dtp_volume_row(study->images[first], 0, 0, 0, 1, &pivot);
    for (int c = first; c <= last; c++) {
        deeptepp_status status = walk(study->images[c], pivot, &m, NULL, cancelled, error);
        if (status != DEEPTEPP_OK)
            return status;
    }
    if (atomic_load(cancelled))
        return dtp_fail(error, DEEPTEPP_ERR_CANCELLED, "cancelled");
    return from_moments(out, study->recipe, &m, pivot, what, error);
}

void dtp_mapping_apply(const dtp_mapping *mapping, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double x = values[i] < mapping->low ? mapping->low : values[i] > mapping->high ? mapping->high : values[i];
        values[i] = (float)((x - mapping->shift) * mapping->gain + mapping->base);
    }
}
