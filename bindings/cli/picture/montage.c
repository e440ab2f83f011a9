#include "montage.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "font.h"
#include "layout.h"
#include "../progress.h"
#include "../report.h"

static const cli_colour page_colour = {24, 26, 30}, panel_colour = {12, 13, 15}, bright = {236, 238, 242},
                        dim = {150, 156, 166}, accent = {92, 200, 250}, white = {255, 255, 255},
                        warning = {255, 170, 60};
/* Black and white; and of the tumour itself, so that what is bright does not hide its texture. */
static const double percentiles[2] = {1, 99.7}, tumour_percentile = 98;

enum { PAD = 7, TEXT = 160 };

typedef struct drawing {
    cli_canvas *canvas;
    const cli_scan *scan;
    double near_window[2], whole_window[2];
} drawing;

/* As radiologists read it: "S 12.5 mm" or "I 3.0 mm". */
static void position_text(const cli_scan *scan, cli_orientation orientation, int64_t slice, char text[TEXT])
{
    const int axis = cli_plane_through(orientation);
    int64_t voxel[3];
    for (int i = 0; i < 3; i++)
        voxel[i] = (scan->low[i] + scan->high[i]) / 2;
    voxel[axis] = slice;
    const double at = floor(cli_scan_position(scan, voxel, axis) * 10 + 0.5) / 10;
    snprintf(text, TEXT, "%c %.1f mm", at < 0 ? "LPI"[axis] : "RAS"[axis], fabs(at));
}

static void draw_letters(const drawing *d, cli_rectangle where, cli_orientation orientation)
{
    const int across = cli_plane_across(orientation), down = cli_plane_down(orientation);
    const char text[4][2] = {{"RAS"[across], 0}, {"LPI"[across], 0}, {"RAS"[down], 0}, {"LPI"[down], 0}};
    const int x = where.x + (where.width - CLI_FONT_WIDTH) / 2, y = where.y + (where.height - CLI_FONT_HEIGHT) / 2;
    cli_canvas_text(d->canvas, where.x + PAD, y, text[0], accent);
    cli_canvas_text(d->canvas, where.x + where.width - PAD - CLI_FONT_WIDTH, y, text[1], accent);
    cli_canvas_text(d->canvas, x, where.y + PAD, text[2], accent);
    cli_canvas_text(d->canvas, x, where.y + where.height - PAD - CLI_FONT_HEIGHT, text[3], accent);
}

/* 10 mm, unless that would be too short to see or too long to fit; 0: no length suits. */
static double scale_length(cli_rectangle where, double mm_per_pixel)
{
    static const double lengths[] = {10, 20, 50, 100, 200, 500, 5, 2, 1, 0.5, 0.2, 0.1};
    for (size_t i = 0; i < CLI_COUNT(lengths); i++)
        if (lengths[i] / mm_per_pixel >= 12 && lengths[i] / mm_per_pixel < 0.6 * where.width)
            return lengths[i];
    return 0;
}

static void draw_scale(const drawing *d, cli_rectangle where, double mm_per_pixel)
{
    char text[TEXT];
    const double length = scale_length(where, mm_per_pixel);
    const int pixels = (int)(length / mm_per_pixel + 0.5);
    const cli_rectangle bar = {where.x + PAD + 1, where.y + where.height - PAD - 4, pixels, 3};
    if (!pixels)
        return;
    snprintf(text, sizeof text, "%.4g mm", length);
    cli_canvas_fill(d->canvas, (cli_rectangle){bar.x - 1, bar.y - 1, bar.width + 2, bar.height + 2}, panel_colour, 0.8);
    cli_canvas_fill(d->canvas, bar, white, 1);
    cli_canvas_text(d->canvas, bar.x, bar.y - CLI_FONT_HEIGHT - 3, text, bright);
}

static int draw_panel(const drawing *d, cli_rectangle where, const cli_plane *plane, const char *title)
{
    char position[TEXT], number[TEXT];
    const int axis = cli_plane_through(plane->orientation);
    cli_canvas_fill(d->canvas, where, panel_colour, 1);
    const int code = cli_plane_draw(d->canvas, where, d->scan, plane);
    position_text(d->scan, plane->orientation, plane->slice, position);
    snprintf(number, sizeof number, "%lld/%lld", (long long)plane->slice + 1, (long long)d->scan->dims[axis]);
    cli_canvas_text(d->canvas, where.x + PAD, where.y + PAD, position, bright);
    cli_canvas_text(d->canvas, where.x + where.width - PAD - cli_canvas_text_width(number), where.y + PAD, number, dim);
    cli_canvas_text(d->canvas, where.x + where.width - PAD - cli_canvas_text_width(title),
                    where.y + where.height - PAD - CLI_FONT_HEIGHT, title, dim);
    draw_letters(d, where, plane->orientation);
    draw_scale(d, where, plane->mm_per_pixel);
    return code;
}

static int pixel_of(double centre, double at, double mm_per_pixel, int size)
{
    return (int)floor(size / 2.0 + (centre - at) / mm_per_pixel);
}

/* What lies within `half` mm of a middle, and in the image, as pixels: where it begins and how long it is. */
static void pixel_span(const drawing *d, const cli_plane *whole, int i, int size, double middle, double half,
                       int out[2])
{
    const int axis = i ? cli_plane_down(whole->orientation) : cli_plane_across(whole->orientation);
    const double edge = 0.5 * d->scan->spacing[axis];
    const double low = fmax(middle - half, -edge);
    const double high = fmin(middle + half, (double)d->scan->dims[axis] * 2 * edge - edge);
    out[0] = pixel_of(whole->centre[i], high, whole->mm_per_pixel, size);
    out[1] = pixel_of(whole->centre[i], low, whole->mm_per_pixel, size) - out[0];
}

/* What the zoomed tiles show of the whole slice. */
static void draw_box(const drawing *d, cli_rectangle where, const cli_plane *whole, cli_rectangle tile)
{
    const cli_plane zoom = cli_layout_zoom(d->scan, CLI_AXIAL, tile);
    int x[2], y[2];
    pixel_span(d, whole, 0, where.width, zoom.centre[0], tile.width * zoom.mm_per_pixel / 2, x);
    pixel_span(d, whole, 1, where.height, zoom.centre[1], tile.height * zoom.mm_per_pixel / 2, y);
    cli_canvas_frame(d->canvas, (cli_rectangle){where.x + x[0], where.y + y[0], x[1], y[1]}, accent, 0.8);
}

/* Marks at the right edge where the axial tiles lie. */
static void draw_ticks(const drawing *d, cli_rectangle where, const cli_plane *plane, const cli_layout *layout)
{
    for (int i = 0; i < layout->tiles; i++) {
        const double at = (double)layout->slice[i] * d->scan->spacing[2];
        const int y = pixel_of(plane->centre[1], at, plane->mm_per_pixel, where.height);
        if (y >= 0 && y < where.height)
            cli_canvas_fill(d->canvas, (cli_rectangle){where.x + where.width - 5, where.y + y, 5, 1}, accent, 1);
    }
}

static int draw_side(const drawing *d, const cli_layout *layout)
{
    cli_plane whole = cli_layout_whole(d->scan, CLI_AXIAL, layout->panels[0]);
    whole.slice = d->scan->fullest[2];
    memcpy(whole.window, d->whole_window, sizeof whole.window);
    int code = draw_panel(d, layout->panels[0], &whole, "whole slice");
    draw_box(d, layout->panels[0], &whole, layout->tile[0]);
    for (int i = 1; !code && i < 3; i++) {
        cli_plane plane = cli_layout_zoom(d->scan, i == 1 ? CLI_CORONAL : CLI_SAGITTAL, layout->panels[i]);
        memcpy(plane.window, d->near_window, sizeof plane.window);
        code = draw_panel(d, layout->panels[i], &plane, i == 1 ? "coronal" : "sagittal");
        draw_ticks(d, layout->panels[i], &plane, layout);
    }
    return code;
}

static int draw_tiles(const drawing *d, const cli_layout *layout)
{
    int code = CLI_OK;
    for (int i = 0; !code && i < layout->tiles; i++) {
        cli_progress_show("drawing", (double)i / layout->tiles);
        cli_plane plane = cli_layout_zoom(d->scan, CLI_AXIAL, layout->tile[i]);
        plane.slice = layout->slice[i];
        memcpy(plane.window, d->near_window, sizeof plane.window);
        code = draw_panel(d, layout->tile[i], &plane, "");
        code = code ? code : cli_check_interrupt();
    }
    cli_progress_clear();
    return code;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static bool is_oblique(const cli_scan *scan)
{
    double off = 0;
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            off += row == column ? 0 : fabs(scan->affine[4 * row + column]) / scan->spacing[column];
    return off > 1e-3;
}

/* Of a few voxels, hundredths of a millilitre and whole millimetres would say nothing. */
static void measures_text(const drawing *d, char text[TEXT])
{
    const cli_scan *scan = d->scan;
    const double *s = scan->spacing, ml = (double)scan->mask_voxels * s[0] * s[1] * s[2] / 1000;
    double size[3];
    for (int axis = 0; axis < 3; axis++)
        size[axis] = (double)(scan->high[axis] - scan->low[axis] + 1) * s[axis];
    const int decimals = fmin(size[0], fmin(size[1], size[2])) < 10 ? 1 : 0;
    const int used = snprintf(text, TEXT, ml < 0.1 ? "tumour %.2g ml, " : "tumour %.2f ml, ", ml);
    snprintf(text + used, (size_t)(TEXT - used),
             "%.*f x %.*f x %.*f mm (R-L x A-P x S-I), %lld voxel%s of %.2f x %.2f x %.2f mm   grey %.4g to %.4g",
             decimals, size[0], decimals, size[1], decimals, size[2], (long long)scan->mask_voxels,
             scan->mask_voxels > 1 ? "s" : "", s[0], s[1], s[2], d->near_window[0], d->near_window[1]);
}

static bool touches_border(const cli_scan *scan)
{
    bool touches = false;
    for (int axis = 0; axis < 3; axis++)
        touches = touches || scan->low[axis] == 0 || scan->high[axis] == scan->dims[axis] - 1;
    return touches;
}

/* What a reader might not see in the tiles. */
static void remark_text(const cli_scan *scan, char text[TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    if (scan->parts > 1)
        used = (size_t)snprintf(text, TEXT, scan->largest_alone ? "the largest of the mask's %lld parts"
                                                                : "the mask has %lld parts that do not touch",
                                (long long)scan->parts);
    if (touches_border(scan))
        snprintf(text + used, TEXT - used, "%s", used ? "; it touches the image's border"
                                                      : "the mask touches the image's border");
}

static void draw_right(const drawing *d, const cli_layout *layout, int y, const char *text, cli_colour colour)
{
    const int right = layout->page.width - layout->panels[0].x;
    cli_canvas_text(d->canvas, right - cli_canvas_text_width(text), y, text, colour);
}

static void draw_words(const drawing *d, const cli_layout *layout, const char *image, const char *mask)
{
    char text[TEXT];
    const int left = layout->panels[0].x, bottom = layout->page.height - CLI_FONT_HEIGHT - 10;
    snprintf(text, sizeof text, "%.60s   mask %.60s", base_name(image), base_name(mask));
    cli_canvas_text(d->canvas, left, 11, text, white);
    remark_text(d->scan, text);
    draw_right(d, layout, 11, text, warning);
    measures_text(d, text);
    cli_canvas_text(d->canvas, left, 33, text, dim);
    snprintf(text, sizeof text, "the patient's right is on the left%s",
             is_oblique(d->scan) ? "; oblique image: letters and positions are the nearest" : "");
    cli_canvas_text(d->canvas, left, bottom, text, dim);
    snprintf(text, sizeof text, "deeptepp %s, research use only", deeptepp_version());
    draw_right(d, layout, bottom, text, dim);
}

static bool set_windows(drawing *d)
{
    const cli_scan *scan = d->scan;
    const int64_t first[3] = {0, 0, scan->fullest[2]}, last[3] = {scan->dims[0] - 1, scan->dims[1] - 1, first[2]};
    int64_t low[3], high[3];
    double brightest = 0;
    cli_layout_box(scan, low, high);
    if (!cli_scan_window(scan, low, high, percentiles, d->near_window) ||
        !cli_scan_window(scan, first, last, percentiles, d->whole_window) ||
        !cli_scan_tumour_percentile(scan, tumour_percentile, &brightest))
        return false;
    d->near_window[1] = fmax(d->near_window[1], brightest);
    return true;
}

int cli_montage_draw(cli_canvas *canvas, const cli_scan *scan, const char *image_name, const char *mask_name)
{
    cli_layout layout;
    drawing d = {.canvas = canvas, .scan = scan};
    cli_layout_make(&layout, scan);
    if (!cli_canvas_init(canvas, layout.page.width, layout.page.height, page_colour) || !set_windows(&d))
        return cli_fail_memory("the picture");
    draw_words(&d, &layout, image_name, mask_name);
    const int code = draw_side(&d, &layout);
    return code ? code : draw_tiles(&d, &layout);
}
