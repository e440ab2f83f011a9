#include "plane.h"

#include <math.h>
#include <stdlib.h>

#include "../report.h"

/* Subpixels along each edge of a pixel for the outline, its width in pixels, and its colour. */
enum { SUB = 4 };
static const double outline_width = 1.5;
static const cli_colour outline_colour = {255, 196, 46};

int cli_plane_across(cli_orientation orientation)
{
    return orientation == CLI_SAGITTAL ? 1 : 0;
}

int cli_plane_down(cli_orientation orientation)
{
    return orientation == CLI_AXIAL ? 1 : 2;
}

int cli_plane_through(cli_orientation orientation)
{
    return orientation == CLI_AXIAL ? 2 : orientation == CLI_CORONAL ? 1 : 0;
}

typedef struct view {
    const cli_scan *scan;
    const cli_plane *plane;
    cli_rectangle where;
    int axes[3]; /* across, down, through */
} view;

/* Voxel coordinates along `across` and `down` of a point of the rectangle, in pixels from its top left. */
static void locate(const view *v, double x, double y, double at[2])
{
    const double from_middle[2] = {x - v->where.width / 2.0, y - v->where.height / 2.0};
    for (int i = 0; i < 2; i++)
        at[i] = (v->plane->centre[i] - from_middle[i] * v->plane->mm_per_pixel) / v->scan->spacing[v->axes[i]];
}

static bool in_image(const view *v, const double at[2])
{
    for (int i = 0; i < 2; i++)
        if (at[i] < -0.5 || at[i] > (double)v->scan->dims[v->axes[i]] - 0.5)
            return false;
    return true;
}

static void voxel_of(const view *v, int64_t across, int64_t down, int64_t voxel[3])
{
    voxel[v->axes[0]] = across;
    voxel[v->axes[1]] = down;
    voxel[v->axes[2]] = v->plane->slice;
}

/* Catmull-Rom: passes through the voxels, smooth between them. */
static void cubic_weights(double t, double weights[4])
{
    weights[0] = t * (-0.5 + t * (1 - 0.5 * t));
    weights[1] = 1 + t * t * (-2.5 + 1.5 * t);
    weights[2] = t * (0.5 + t * (2 - 1.5 * t));
    weights[3] = t * t * (-0.5 + 0.5 * t);
}

static double sample(const view *v, const double at[2])
{
    double weights[2][4], sum = 0;
    int64_t first[2], voxel[3];
    for (int i = 0; i < 2; i++) {
        first[i] = (int64_t)floor(at[i]) - 1;
        cubic_weights(at[i] - floor(at[i]), weights[i]);
    }
    for (int b = 0; b < 4; b++)
        for (int a = 0; a < 4; a++) {
            voxel_of(v, first[0] + a, first[1] + b, voxel);
            sum += weights[0][a] * weights[1][b] * cli_scan_image_at(v->scan, voxel);
        }
    return sum;
}

/* Where voxels are smaller than pixels, the mean of several samples, so that nothing is skipped. */
static int samples_per_edge(const view *v)
{
    const double voxel = fmin(v->scan->spacing[v->axes[0]], v->scan->spacing[v->axes[1]]);
    const double ratio = ceil(v->plane->mm_per_pixel / voxel - 1e-9);
    return ratio < 1 ? 1 : ratio > 8 ? 8 : (int)ratio;
}

static void draw_pixel(cli_canvas *canvas, const view *v, int x, int y, int n)
{
    double sum = 0, at[2];
    int inside = 0;
    for (int i = 0; i < n * n; i++) {
        locate(v, x + (i % n + 0.5) / n, y + (i / n + 0.5) / n, at);
        if (!in_image(v, at))
            continue;
        sum += sample(v, at);
        inside++;
    }
    if (!inside)
        return;
    const double *window = v->plane->window, grey = (sum / inside - window[0]) / (window[1] - window[0]);
    const uint8_t level = (uint8_t)(255 * fmax(0, fmin(1, grey)) + 0.5);
    const cli_colour colour = {level, level, level};
    cli_canvas_blend(canvas, v->where.x + x, v->where.y + y, colour, (double)inside / (n * n));
}

/* Most of the rectangle is far from the mask. */
static bool near_mask(const view *v, const double at[2])
{
    for (int i = 0; i < 2; i++)
        if (at[i] < (double)v->scan->low[v->axes[i]] - 1 || at[i] > (double)v->scan->high[v->axes[i]] + 1)
            return false;
    return in_image(v, at);
}

/* Linear between the voxels, and beyond the border as on it; inside from one half up. */
static bool in_mask(const view *v, const double at[2])
{
    double sum = 0;
    int64_t first[2], voxel[3];
    if (!near_mask(v, at))
        return false;
    for (int i = 0; i < 2; i++)
        first[i] = (int64_t)floor(at[i]);
    for (int which = 0; which < 4; which++) {
        const int a = which & 1, b = which >> 1;
        const double fa = at[0] - (double)first[0], fb = at[1] - (double)first[1];
        voxel_of(v, first[0] + a, first[1] + b, voxel);
        sum += cli_scan_mask_at(v->scan, voxel) ? (a ? fa : 1 - fa) * (b ? fb : 1 - fb) : 0;
    }
    return sum >= 0.5;
}

/* The rectangle in subpixels: bit 0 inside the mask, bit 1 within the outline's width of it. */
typedef struct stencil {
    int width, height;
    uint8_t *cells;
} stencil;

static void fill_stencil(stencil *s, const view *v)
{
    double at[2];
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++) {
            locate(v, (x + 0.5) / (double)SUB, (y + 0.5) / (double)SUB, at);
            s->cells[(size_t)y * (size_t)s->width + (size_t)x] = in_mask(v, at);
        }
}

static bool stencil_inside(const stencil *s, int x, int y)
{
    return x >= 0 && y >= 0 && x < s->width && y < s->height && s->cells[(size_t)y * (size_t)s->width + (size_t)x] & 1;
}

static void stamp_disc(stencil *s, int x, int y)
{
    const double radius = outline_width * (double)SUB;
    const int reach = (int)radius;
    for (int dy = -reach; dy <= reach; dy++)
        for (int dx = -reach; dx <= reach; dx++) {
            const int px = x + dx, py = y + dy;
            if (dx * dx + dy * dy <= radius * radius && px >= 0 && py >= 0 && px < s->width && py < s->height)
                s->cells[(size_t)py * (size_t)s->width + (size_t)px] |= 2;
        }
}

/* Discs about the mask's outermost subpixels reach as far out as discs about all of them. */
static void widen(stencil *s)
{
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++)
            if (stencil_inside(s, x, y) && !(stencil_inside(s, x - 1, y) && stencil_inside(s, x + 1, y) &&
                                             stencil_inside(s, x, y - 1) && stencil_inside(s, x, y + 1)))
                stamp_disc(s, x, y);
}

static double coverage(const stencil *s, int x, int y)
{
    int covered = 0;
    for (int i = 0; i < SUB * SUB; i++) {
        const size_t row = (size_t)(y * SUB + i / SUB), column = (size_t)(x * SUB + i % SUB);
        covered += s->cells[row * (size_t)s->width + column] == 2;
    }
    return (double)covered / (SUB * SUB);
}

static int draw_outline(cli_canvas *canvas, const view *v)
{
    stencil s = {v->where.width * SUB, v->where.height * SUB, NULL};
    s.cells = malloc((size_t)s.width * (size_t)s.height);
    if (!s.cells)
        return cli_fail_memory("the outline");
    fill_stencil(&s, v);
    widen(&s);
    for (int y = 0; y < v->where.height; y++)
        for (int x = 0; x < v->where.width; x++)
            cli_canvas_blend(canvas, v->where.x + x, v->where.y + y, outline_colour, coverage(&s, x, y));
    free(s.cells);
    return CLI_OK;
}

int cli_plane_draw(cli_canvas *canvas, cli_rectangle where, const cli_scan *scan, const cli_plane *plane)
{
    const view v = {scan, plane, where, {cli_plane_across(plane->orientation), cli_plane_down(plane->orientation),
                                         cli_plane_through(plane->orientation)}};
    const int n = samples_per_edge(&v);
    for (int y = 0; y < where.height; y++)
        for (int x = 0; x < where.width; x++)
            draw_pixel(canvas, &v, x, y, n);
    return plane->outline ? draw_outline(canvas, &v) : CLI_OK;
}
