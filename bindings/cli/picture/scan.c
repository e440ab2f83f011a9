#include "scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../report.h"
#include "../volume.h"

static size_t voxel_index(const cli_scan *scan, const int64_t voxel[3])
{
    int64_t at[3];
    for (int axis = 0; axis < 3; axis++)
        at[axis] = voxel[axis] < 0 ? 0 : voxel[axis] >= scan->dims[axis] ? scan->dims[axis] - 1 : voxel[axis];
    return (size_t)((at[2] * scan->dims[1] + at[1]) * scan->dims[0] + at[0]);
}

double cli_scan_image_at(const cli_scan *scan, const int64_t voxel[3])
{
    return (double)scan->image[voxel_index(scan, voxel)];
}

bool cli_scan_mask_at(const cli_scan *scan, const int64_t voxel[3])
{
    return scan->mask[voxel_index(scan, voxel)];
}

double cli_scan_position(const cli_scan *scan, const int64_t voxel[3], int axis)
{
    const double *row = scan->affine + 4 * axis;
    return row[0] * (double)voxel[0] + row[1] * (double)voxel[1] + row[2] * (double)voxel[2] + row[3];
}

/* The affine with its columns in the order R, A, S, each running that way. */
static void ras_affine(const deeptepp_volume *volume, double out[16])
{
    static const char letters[] = "RASLPI";
    const char *orientation = deeptepp_volume_orientation(volume);
    int64_t dims[3];
    double stored[16];
    deeptepp_volume_dims(volume, dims);
    deeptepp_volume_affine(volume, stored);
    memcpy(out, stored, sizeof stored);
    for (int axis = 0; axis < 3; axis++) {
        const int place = (int)(strchr(letters, orientation[axis]) - letters);
        const double sign = place < 3 ? 1 : -1, shift = place < 3 ? 0 : (double)(dims[axis] - 1);
        for (int row = 0; row < 3; row++) {
            out[4 * row + place % 3] = sign * stored[4 * row + axis];
            out[4 * row + 3] += shift * stored[4 * row + axis];
        }
    }
}

typedef struct grid {
    int64_t dims[3];
    double spacing[3], affine[16];
} grid;

/* No overflow: the voxels are there. */
static size_t voxel_count(const int64_t dims[3])
{
    return (size_t)(dims[0] * dims[1] * dims[2]);
}

/* The order of copy_ras, without the voxels. */
static void read_grid(grid *out, const deeptepp_volume *volume)
{
    deeptepp_volume_copy_ras(volume, NULL, 0, out->dims, out->spacing, NULL);
    ras_affine(volume, out->affine);
}

static int copy_image(cli_scan *scan, const deeptepp_volume *volume, const char *path)
{
    deeptepp_error error;
    const size_t count = voxel_count(scan->dims);
    scan->image = count > SIZE_MAX / sizeof *scan->image ? NULL : malloc(count * sizeof *scan->image);
    if (!scan->image)
        return cli_fail_memory("the voxels of a volume");
    if (deeptepp_volume_copy_ras(volume, scan->image, count, NULL, NULL, &error))
        return cli_fail_library(path, NULL, &error);
    return CLI_OK;
}

static double corner_gap(const grid *a, const grid *b, int which)
{
    double square = 0;
    for (int row = 0; row < 3; row++) {
        const double *p = a->affine + 4 * row, *q = b->affine + 4 * row;
        double gap = p[3] - q[3];
        for (int axis = 0; axis < 3; axis++)
            gap += (which >> axis & 1) ? (p[axis] - q[axis]) * (double)(a->dims[axis] - 1) : 0;
        square += gap * gap;
    }
    return sqrt(square);
}

/* As the library has it for a case: a tenth of a voxel is tolerated. */
static int check_grid(const grid *image, const grid *mask, const char *path)
{
    double worst = 0, edge = image->spacing[0];
    for (int axis = 0; axis < 3; axis++) {
        edge = fmin(edge, image->spacing[axis]);
        if (image->dims[axis] != mask->dims[axis])
            return cli_fail(CLI_INPUT, "%s: %lld x %lld x %lld voxels, wanted the image's %lld x %lld x %lld", path,
                            (long long)mask->dims[0], (long long)mask->dims[1], (long long)mask->dims[2],
                            (long long)image->dims[0], (long long)image->dims[1], (long long)image->dims[2]);
    }
    for (int which = 0; which < 8; which++)
        worst = fmax(worst, corner_gap(image, mask, which));
    if (worst > 0.1 * edge)
        return cli_fail(CLI_INPUT, "%s: a corner lies %.4g mm from the image's, wanted one grid for both", path, worst);
    return CLI_OK;
}

static void include_voxel(cli_scan *scan, const int64_t voxel[3])
{
    for (int axis = 0; axis < 3; axis++) {
        scan->low[axis] = voxel[axis] < scan->low[axis] ? voxel[axis] : scan->low[axis];
        scan->high[axis] = voxel[axis] > scan->high[axis] ? voxel[axis] : scan->high[axis];
    }
    scan->mask_voxels++;
}

/* The bounding box and the number of voxels. */
static void measure(cli_scan *scan)
{
    int64_t voxel[3];
    memcpy(scan->low, scan->dims, sizeof scan->low);
    memset(scan->high, 0, sizeof scan->high);
    for (voxel[2] = 0; voxel[2] < scan->dims[2]; voxel[2]++)
        for (voxel[1] = 0; voxel[1] < scan->dims[1]; voxel[1]++)
            for (voxel[0] = 0; voxel[0] < scan->dims[0]; voxel[0]++)
                if (cli_scan_mask_at(scan, voxel))
                    include_voxel(scan, voxel);
}

/* Of the mask, the voxels in one plane. */
static int64_t plane_voxels(const cli_scan *scan, int axis, int64_t plane)
{
    const int a = (axis + 1) % 3, b = (axis + 2) % 3;
    int64_t voxel[3], count = 0;
    voxel[axis] = plane;
    for (voxel[b] = scan->low[b]; voxel[b] <= scan->high[b]; voxel[b]++)
        for (voxel[a] = scan->low[a]; voxel[a] <= scan->high[a]; voxel[a]++)
            count += cli_scan_mask_at(scan, voxel);
    return count;
}

static void find_fullest(cli_scan *scan, int axis)
{
    const int64_t middle = (scan->low[axis] + scan->high[axis]) / 2;
    int64_t most = 0;
    for (int64_t plane = scan->low[axis]; plane <= scan->high[axis]; plane++) {
        const int64_t count = plane_voxels(scan, axis, plane);
        const bool nearer = llabs(plane - middle) < llabs(scan->fullest[axis] - middle);
        if (count < most || (count == most && !nearer))
            continue;
        most = count;
        scan->fullest[axis] = plane;
    }
}

static void count_parts(cli_scan *scan, const deeptepp_mask *mask, const deeptepp_mask_options *options)
{
    scan->parts = deeptepp_mask_part_count(mask);
    scan->largest_alone = options->largest_part != 0;
    cli_mask_text(mask, scan->largest_alone, scan->mask_text);
}

static void include_part(cli_scan *scan, int32_t number, int64_t slice)
{
    if (number < 1 || number > CLI_MOST_PARTS)
        return;
    cli_part *part = &scan->part[number - 1];
    part->low = part->high < part->low ? slice : part->low;
    part->high = slice;
}

/* The voxels of all its parts, or of the largest. */
static void take_parts(cli_scan *scan, const int32_t *parts)
{
    const int64_t count = (int64_t)voxel_count(scan->dims), plane = scan->dims[0] * scan->dims[1];
    for (int i = 0; i < CLI_MOST_PARTS; i++)
        scan->part[i] = (cli_part){0, -1};
    for (int64_t i = 0; i < count; i++) {
        scan->mask[i] = scan->largest_alone ? parts[i] == 1 : parts[i] > 0;
        include_part(scan, scan->mask[i] ? parts[i] : 0, i / plane);
    }
}

static int copy_mask(cli_scan *scan, const deeptepp_mask *mask, const char *path)
{
    deeptepp_error error;
    const size_t count = voxel_count(scan->dims);
    int32_t *parts = count > SIZE_MAX / sizeof *parts ? NULL : malloc(count * sizeof *parts);
    int code = CLI_OK;
    scan->mask = malloc(count);
    if (!parts || !scan->mask)
        code = cli_fail_memory("the mask");
    else if (deeptepp_mask_copy_ras(mask, parts, count, NULL, NULL, &error))
        code = cli_fail_library(path, NULL, &error);
    if (!code)
        take_parts(scan, parts);
    free(parts);
    return code;
}

static int take_mask(cli_scan *scan, deeptepp_volume *volume, const deeptepp_mask_options *options, const char *path)
{
    deeptepp_error error;
    deeptepp_mask *mask = NULL;
    if (deeptepp_mask_new(&mask, volume, options, &error))
        return cli_fail_library(path, NULL, &error);
    count_parts(scan, mask, options);
    const int code = copy_mask(scan, mask, path);
    if (deeptepp_mask_rounding(mask) > 0)
        cli_note("%s: values of the mask are up to %.3g from whole numbers, and were rounded", path,
                 deeptepp_mask_rounding(mask));
    deeptepp_mask_free(mask);
    if (code)
        return code;
    measure(scan);
    for (int axis = 0; axis < 3; axis++)
        find_fullest(scan, axis);
    return CLI_OK;
}

static int take_image(cli_scan *scan, const char *path, const cli_volume_options *volumes, grid *of_image)
{
    deeptepp_volume *volume = NULL;
    int code = cli_volume_open(&volume, path, volumes);
    if (code)
        return code;
    read_grid(of_image, volume);
    memcpy(scan->dims, of_image->dims, sizeof scan->dims);
    memcpy(scan->spacing, of_image->spacing, sizeof scan->spacing);
    memcpy(scan->affine, of_image->affine, sizeof scan->affine);
    code = copy_image(scan, volume, path);
    deeptepp_volume_free(volume);
    return code;
}

int cli_scan_open(cli_scan *scan, const char *image, const char *mask, const deeptepp_mask_options *options,
                  const cli_volume_options *volumes)
{
    grid of_image = {0}, of_mask = {0};
    deeptepp_volume *volume = NULL;
    memset(scan, 0, sizeof *scan);
    int code = take_image(scan, image, volumes, &of_image);
    if (!code)
        code = cli_volume_open(&volume, mask, volumes);
    if (!code) {
        read_grid(&of_mask, volume);
        code = check_grid(&of_image, &of_mask, mask);
    }
    if (!code)
        code = take_mask(scan, volume, options, mask);
    deeptepp_volume_free(volume);
    return code;
}

void cli_scan_free(cli_scan *scan)
{
    free(scan->image);
    free(scan->mask);
    scan->image = NULL;
    scan->mask = NULL;
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double sorted_percentile(const float *values, size_t count, double percentile)
{
    return count ? (double)values[(size_t)((double)(count - 1) * percentile / 100)] : 0;
}

/* Every voxel of a small box, every n-th along each axis of a large one. */
static size_t sample_box(const cli_scan *scan, const int64_t low[3], const int64_t high[3], int64_t step, float *out)
{
    int64_t voxel[3];
    size_t count = 0;
    for (voxel[2] = low[2]; voxel[2] <= high[2]; voxel[2] += step)
        for (voxel[1] = low[1]; voxel[1] <= high[1]; voxel[1] += step)
            for (voxel[0] = low[0]; voxel[0] <= high[0]; voxel[0] += step, count++)
                if (out)
                    out[count] = (float)cli_scan_image_at(scan, voxel);
    return count;
}

bool cli_scan_window(const cli_scan *scan, const int64_t low[3], const int64_t high[3], const double percentiles[2],
                     double window[2])
{
    const size_t enough = 1 << 19;
    int64_t from[3], to[3], step = 1;
    for (int axis = 0; axis < 3; axis++) {
        from[axis] = low[axis] < 0 ? 0 : low[axis];
        to[axis] = high[axis] >= scan->dims[axis] ? scan->dims[axis] - 1 : high[axis];
    }
    while (sample_box(scan, from, to, step, NULL) > enough)
        step++;
    const size_t count = sample_box(scan, from, to, step, NULL);
    float *values = malloc((count ? count : 1) * sizeof *values);
    if (!values)
        return false;
    sample_box(scan, from, to, step, values);
    qsort(values, count, sizeof *values, compare_floats);
    for (int i = 0; i < 2; i++)
        window[i] = sorted_percentile(values, count, percentiles[i]);
    if (window[1] <= window[0])
        window[1] = window[0] + fmax(1, fabs(window[0]));
    free(values);
    return true;
}

bool cli_scan_tumour_percentile(const cli_scan *scan, double percentile, double *value)
{
    const size_t total = (size_t)(scan->dims[0] * scan->dims[1] * scan->dims[2]);
    size_t count = 0;
    float *values = malloc(((size_t)scan->mask_voxels + 1) * sizeof *values);
    if (!values)
        return false;
    for (size_t i = 0; i < total; i++)
        if (scan->mask[i])
            values[count++] = scan->image[i];
    qsort(values, count, sizeof *values, compare_floats);
    *value = sorted_percentile(values, count, percentile);
    free(values);
    return true;
}
