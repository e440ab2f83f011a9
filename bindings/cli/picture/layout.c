#include "layout.h"

#include <math.h>
#include <stdlib.h>

enum {
    WIDTH = 1600,
    MARGIN = 16,
    GAP = 8,
    HEADER = 60,
    FOOTER = 34,
    SIDE = 372, /* width of the panels beside the tiles */
    TILES_WIDTH = WIDTH - 2 * MARGIN - SIDE - 2 * GAP,
    TILES_HEIGHT = 886,
    MOST_COLUMNS = 4,
    MOST_ROWS = 3,
    CONTEXT = 2 /* slices beyond the tumour, where there is room for them */
};

static const double least_mm = 60, times_tumour = 2.2;

static double extent_mm(const cli_scan *scan, int axis)
{
    return (double)scan->dims[axis] * scan->spacing[axis];
}

/* How much of an axis is shown. */
static double shown_mm(const cli_scan *scan, int axis)
{
    const double tumour = (double)(scan->high[axis] - scan->low[axis] + 1) * scan->spacing[axis];
    return fmin(extent_mm(scan, axis), fmax(least_mm, times_tumour * tumour));
}

static double middle_mm(const cli_scan *scan, int axis)
{
    return (double)(scan->low[axis] + scan->high[axis]) / 2 * scan->spacing[axis];
}

static double scale(const cli_scan *scan, cli_orientation orientation, cli_rectangle where)
{
    return fmax(shown_mm(scan, cli_plane_across(orientation)) / where.width,
                shown_mm(scan, cli_plane_down(orientation)) / where.height);
}

/* The middle of a view of `size` mm, moved so that it shows as little as possible of what is not image. */
static double keep_inside(const cli_scan *scan, int axis, double middle, double size)
{
    const double first = -0.5 * scan->spacing[axis], last = first + extent_mm(scan, axis);
    if (size >= last - first)
        return (first + last) / 2;
    return fmin(fmax(middle, first + size / 2), last - size / 2);
}

cli_plane cli_layout_zoom(const cli_scan *scan, cli_orientation orientation, cli_rectangle where)
{
    const int across = cli_plane_across(orientation), down = cli_plane_down(orientation);
    const int through = cli_plane_through(orientation);
    cli_plane plane = {.orientation = orientation, .outline = true};
    plane.mm_per_pixel = scale(scan, orientation, where);
    plane.centre[0] = keep_inside(scan, across, middle_mm(scan, across), where.width * plane.mm_per_pixel);
    plane.centre[1] = keep_inside(scan, down, middle_mm(scan, down), where.height * plane.mm_per_pixel);
    plane.slice = scan->fullest[through];
    return plane;
}

cli_plane cli_layout_whole(const cli_scan *scan, cli_orientation orientation, cli_rectangle where)
{
    const int across = cli_plane_across(orientation), down = cli_plane_down(orientation);
    cli_plane plane = {.orientation = orientation, .outline = true};
    plane.mm_per_pixel = fmax(extent_mm(scan, across) / where.width, extent_mm(scan, down) / where.height);
    plane.centre[0] = (double)(scan->dims[across] - 1) / 2 * scan->spacing[across];
    plane.centre[1] = (double)(scan->dims[down] - 1) / 2 * scan->spacing[down];
    return plane;
}

void cli_layout_box(const cli_scan *scan, int64_t low[3], int64_t high[3])
{
    for (int axis = 0; axis < 3; axis++) {
        const double half = shown_mm(scan, axis) / 2;
        const double middle = keep_inside(scan, axis, middle_mm(scan, axis), 2 * half);
        low[axis] = (int64_t)ceil((middle - half) / scan->spacing[axis]);
        high[axis] = (int64_t)floor((middle + half) / scan->spacing[axis]);
    }
}

static cli_rectangle tile_of(int columns, int rows, int index)
{
    const int width = (TILES_WIDTH - GAP * (columns - 1)) / columns;
    const int height = (TILES_HEIGHT - GAP * (rows - 1)) / rows;
    return (cli_rectangle){MARGIN + SIDE + 2 * GAP + index % columns * (width + GAP),
                           HEADER + index / columns * (height + GAP), width, height};
}

/* The columns and rows, for at least `wanted` tiles, that show the tumour largest; the fewest among equals. */
static void choose_grid(const cli_scan *scan, int wanted, int *columns, int *rows)
{
    double best = INFINITY;
    for (int r = 1; r <= MOST_ROWS; r++)
        for (int c = 1; c <= MOST_COLUMNS; c++) {
            const double found = scale(scan, CLI_AXIAL, tile_of(c, r, 0));
            const bool better = found < best * (1 - 1e-9), equal = found < best * (1 + 1e-9);
            if (c * r < wanted || !(better || (equal && c * r < *columns * *rows)))
                continue;
            best = found;
            *columns = c;
            *rows = r;
        }
}

/* A slice that shows the part, and is then kept for it; else one of its own in the place of the nearest that may go. */
static void show_part(cli_layout *layout, const cli_part *part, bool kept[CLI_MOST_TILES])
{
    const int64_t middle = (part->low + part->high) / 2;
    int nearest = -1;
    for (int i = 0; i < layout->tiles; i++) {
        if (layout->slice[i] >= part->low && layout->slice[i] <= part->high)
            return (void)(kept[i] = true);
        if (!kept[i] && (nearest < 0 || llabs(layout->slice[i] - middle) < llabs(layout->slice[nearest] - middle)))
            nearest = i;
    }
    if (nearest < 0)
        return;
    layout->slice[nearest] = middle;
    kept[nearest] = true;
}

static int from_the_head(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Evenly chosen slices may leave out a small part of the mask. */
static void show_parts(cli_layout *layout, const cli_scan *scan)
{
    bool kept[CLI_MOST_TILES] = {false};
    for (int i = 0; i < CLI_MOST_PARTS && scan->part[i].high >= scan->part[i].low; i++)
        show_part(layout, &scan->part[i], kept);
    qsort(layout->slice, (size_t)layout->tiles, sizeof *layout->slice, from_the_head);
}

/* All the tumour's slices and as many around them as there are tiles, or evenly chosen ones. */
static void choose_slices(cli_layout *layout, const cli_scan *scan)
{
    const int64_t count = scan->high[2] - scan->low[2] + 1;
    if (count > layout->tiles) {
        for (int i = 0; i < layout->tiles; i++)
            layout->slice[i] = scan->high[2] - (2 * i + 1) * count / (2 * layout->tiles);
        show_parts(layout, scan);
        return;
    }
    int64_t top = scan->high[2] + (layout->tiles - count + 1) / 2;
    if (top - layout->tiles + 1 < 0)
        top = layout->tiles - 1;
    if (top > scan->dims[2] - 1)
        top = scan->dims[2] - 1;
    for (int i = 0; i < layout->tiles; i++)
        layout->slice[i] = top - i;
}

void cli_layout_make(cli_layout *layout, const cli_scan *scan)
{
    const int64_t count = scan->high[2] - scan->low[2] + 1 + CONTEXT;
    int64_t wanted = count < scan->dims[2] ? count : scan->dims[2];
    wanted = wanted < CLI_MOST_TILES ? wanted : CLI_MOST_TILES;
    int columns = MOST_COLUMNS, rows = MOST_ROWS;
    choose_grid(scan, (int)wanted, &columns, &rows);
    layout->page = (cli_rectangle){0, 0, WIDTH, HEADER + TILES_HEIGHT + FOOTER};
    layout->tiles = columns * rows < scan->dims[2] ? columns * rows : (int)scan->dims[2];
    for (int i = 0; i < layout->tiles; i++)
        layout->tile[i] = tile_of(columns, rows, i);
    for (int i = 0; i < 3; i++) {
        const int height = (TILES_HEIGHT - 2 * GAP) / 3;
        layout->panels[i] = (cli_rectangle){MARGIN, HEADER + i * (height + GAP), SIDE, height};
    }
    choose_slices(layout, scan);
}
