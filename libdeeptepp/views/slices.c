#include "slices.h"

#include <math.h>

#include "cube.h"

/* ---- The rotated plane ---- */

void dtp_canvas_make(dtp_canvas *out, const int64_t dims[3], double degrees)
{
    double s, c, h = (double)dims[0], w = (double)dims[2];
    double middle[2] = {(double)(dims[0] / 2), (double)(dims[2] / 2)};
    dtp_sine_cosine(degrees, &s, &c);
    out->rows = (int64_t)(h * fabs(c) + w * fabs(s));
    out->columns = (int64_t)(h * fabs(s) + w * fabs(c));
    const double turn[2][2] = {{c, s}, {-s, c}};
    const double target[2] = {(double)out->rows / 2, (double)out->columns / 2};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            out->forward[i][j] = turn[i][j];
            out->back[i][j] = turn[j][i];
        }
        out->forward[i][2] = target[i] - turn[i][0] * middle[0] - turn[i][1] * middle[1];
        out->back[i][2] = middle[i] - turn[0][i] * target[0] - turn[1][i] * target[1];
    }
}

/* From the corners of the raster's box. A cell further, for its weight reaches there; another for the steps of
 * quads. */
void dtp_canvas_reach(const dtp_canvas *canvas, const dtp_raster *raster, int64_t *first, int64_t *last)
{
    const double *m = canvas->forward[1];
    double low = INFINITY, high = -INFINITY;
    for (int corner = 0; corner < 4; corner++) {
        int64_t row = raster->first[0] + (corner / 2 ? raster->dims[0] - 1 : 0);
        int64_t column = raster->first[2] + (corner % 2 ? raster->dims[2] - 1 : 0);
        double at = m[0] * (double)row + m[1] * (double)column + m[2];
        low = fmin(low, at);
        high = fmax(high, at);
    }
    *first = dtp_max_i64((int64_t)floor(low) - 2, 0);
    *last = dtp_min_i64((int64_t)ceil(high) + 2, canvas->columns - 1);
}

/* Where a cell of the canvas lies in the plane, in steps of quads: OpenCV 4's fixed-point sum of a rounded offset for
 * the column and one for the row, each of 10 fractional bits, so that ties fall as they fall there. */
static int64_t plane_steps(const double m[3], int64_t row, int64_t column)
{
    const double unit = 1024, step = unit / (double)DTP_QUAD_STEPS;
    double sum = rint((m[0] * (double)row + m[2]) * unit) + rint(m[1] * (double)column * unit) + step / 2;
    return (int64_t)floor(sum / step);
}

/* Taps for a column's rows; *begin to *end are the rows that see the raster. */
static void make_quads(dtp_quad *quads, const dtp_raster *raster, const dtp_canvas *canvas, int64_t column,
                       int64_t *begin, int64_t *end)
{
    *begin = *end = 0;
    for (int64_t row = 0; row < canvas->rows; row++) {
        if (!dtp_quad_make(&quads[row], raster, plane_steps(canvas->back[0], row, column),
                           plane_steps(canvas->back[1], row, column)))
            continue;
        if (*end == 0)
            *begin = row;
        *end = row + 1;
    }
}

/* ---- Resizing ---- */

/* One axis of a bilinear sample. */
typedef struct lerp {
    int64_t at[2];
    float weight[2];
} lerp;

/* Half-pixel centres. At the edges both are the last value: `plain` gives it weight 1, otherwise it is summed of two
 * parts, which is not the same in 8 bits. */
static lerp make_lerp(int64_t index, int64_t from, int64_t to, bool plain)
{
    double at = ((double)index + 0.5) * (double)from / (double)to - 0.5;
    int64_t low = (int64_t)floor(at);
    float weight = plain && (low < 0 || low >= from - 1) ? 0 : (float)(at - (double)low);
    return (lerp){{dtp_max_i64(low, 0), dtp_min_i64(low + 1, from - 1)}, {1 - weight, weight}};
}

/* The indices whose lerp touches begin to end. */
static void window(int64_t from, int64_t begin, int64_t end, int64_t *first, int64_t *last)
{
    *first = *last = 0;
    for (int64_t i = 0; i < DTP_SLICE_EDGE; i++) {
        lerp p = make_lerp(i, from, DTP_SLICE_EDGE, false);
        if (p.at[1] < begin || p.at[0] >= end)
            continue;
        if (*last == 0)
            *first = i;
        *last = i + 1;
    }
}

/* Both steps of OpenCV's 8-bit resize have weights of 1 / 2048 (exact here: 512 is a power of 2); between them it drops
 * 4 bits, and after the products 16. */
static void blend_8_bits(const float *line, const lerp *lerps, int64_t begin, int64_t end, float *out)
{
    for (int64_t i = begin; i < end; i++) {
        const lerp *p = &lerps[i];
        int32_t a = (int32_t)(line[p->at[0]] * 128), b = (int32_t)(line[p->at[1]] * 128);
        int32_t sum = ((int32_t)(p->weight[0] * 2048) * a >> 16) + ((int32_t)(p->weight[1] * 2048) * b >> 16);
        out[i] = (float)((sum + 2) >> 2);
    }
}

static void blend(const float *line, const lerp *lerps, int64_t begin, int64_t end, bool whole, float *out)
{
    static const double shift = 6755399441055744.0; /* as in raster.c: halves to even */
    for (int64_t i = begin; i < end; i++) {
        const lerp *p = &lerps[i];
        float value = line[p->at[0]] * p->weight[0] + line[p->at[1]] * p->weight[1];
        out[i] = whole ? (float)((double)value + shift - shift) : value;
    }
}

/* What one slice is made with. Rows of the canvas before `begin` and from `end` on are 0. */
typedef struct workshop {
    const dtp_raster *raster;
    dtp_quad *quads;
    int64_t begin, end;
    float *planes[2]; /* the rotated rows of two neighbouring y-planes */
    int64_t held[2];
    float *line;
    lerp lerps[DTP_SLICE_EDGE];
} workshop;

static const float *load_plane(workshop *w, int64_t y)
{
    float *plane = w->planes[y & 1];
    if (w->held[y & 1] == y)
        return plane;
    w->held[y & 1] = y;
    memset(plane + w->begin, 0, (size_t)(w->end - w->begin) * sizeof *plane);
    if (y < w->raster->first[1] || y >= w->raster->first[1] + w->raster->dims[1])
        return plane;
    dtp_raster_gather(w->raster, y, w->quads + w->begin, w->end - w->begin, plane + w->begin);
    return plane;
}

static void make_column(workshop *w, int64_t y_dim, int64_t column, const dtp_slice *slice)
{
    lerp p = make_lerp(column, y_dim, DTP_SLICE_EDGE, true);
    const float *a = load_plane(w, p.at[0]), *b = load_plane(w, p.at[1]);
    float *out = slice->values + column * DTP_SLICE_EDGE;
    for (int64_t r = w->begin; r < w->end; r++)
        w->line[r] = a[r] * p.weight[0] + b[r] * p.weight[1];
    if (w->raster->rounding == DTP_ROUND_HALF_UP)
        blend_8_bits(w->line, w->lerps, slice->begin[0], slice->end[0], out);
    else
        blend(w->line, w->lerps, slice->begin[0], slice->end[0], w->raster->rounding == DTP_ROUND_HALF_EVEN, out);
}

static void find_range(dtp_slice *slice)
{
    int64_t all = (int64_t)DTP_SLICE_EDGE * DTP_SLICE_EDGE;
    bool full = (slice->end[0] - slice->begin[0]) * (slice->end[1] - slice->begin[1]) == all;
    float low = full ? slice->values[0] : 0, high = low;
    for (int64_t column = slice->begin[1]; column < slice->end[1]; column++) {
        const float *values = slice->values + column * DTP_SLICE_EDGE;
        for (int64_t row = slice->begin[0]; row < slice->end[0]; row++) {
            low = values[row] < low ? values[row] : low;
            high = values[row] > high ? values[row] : high;
        }
    }
    slice->low = low;
    slice->high = high;
}

/* ---- What resizing leaves nothing of: weights that round to 0; of more than 1024 cells the ones it passes over
 * ---- */

/* Rows and planes that are not 0 before resizing; false when there are none. */
static bool find_extent(workshop *w, int64_t low[2], int64_t high[2], const dtp_watch *watch)
{
    const int64_t first = w->raster->first[1], end = first + w->raster->dims[1];
    low[0] = low[1] = INT64_MAX;
    high[0] = high[1] = -1;
    for (int64_t y = first; y < end && !dtp_watch_cancelled(watch); y++) {
        const float *plane = load_plane(w, y);
        for (int64_t r = w->begin; r < w->end; r++) {
            if (plane[r] == 0)
                continue;
            low[0] = dtp_min_i64(low[0], r);
            high[0] = dtp_max_i64(high[0], r);
            low[1] = dtp_min_i64(low[1], y);
            high[1] = y;
        }
    }
    return high[1] >= 0;
}

static bool reads(const lerp *p, int64_t low, int64_t high)
{
    for (int i = 0; i < 2; i++)
        if (p->weight[i] > 0 && p->at[i] >= low && p->at[i] <= high)
            return true;
    return false;
}

/* From indices before resizing to the cells that read them or, where none does, that hold their middles. */
static void find_cells(int64_t from, int64_t *low, int64_t *high)
{
    const int64_t indices[2] = {*low, *high};
    *low = (2 * indices[0] + 1) * DTP_SLICE_EDGE / (2 * from);
    *high = (2 * indices[1] + 1) * DTP_SLICE_EDGE / (2 * from);
    bool any = false;
    for (int64_t i = 0; i < DTP_SLICE_EDGE; i++) {
        lerp p = make_lerp(i, from, DTP_SLICE_EDGE, true);
        if (!reads(&p, indices[0], indices[1]))
            continue;
        *low = any ? *low : i;
        *high = i;
        any = true;
    }
}

static void find_touched(dtp_slice *slice, workshop *w, int64_t rows, int64_t y_dim, const dtp_watch *watch)
{
    slice->touched = slice->low != 0 || slice->high != 0;
    if (slice->touched || !find_extent(w, slice->near_low, slice->near_high, watch))
        return;
    slice->touched = true;
    find_cells(rows, &slice->near_low[0], &slice->near_high[0]);
    find_cells(y_dim, &slice->near_low[1], &slice->near_high[1]);
}

/* One block for all; zeroed, for what no window covers is 0. */
static bool allocate(dtp_slice *slice, workshop *w, int64_t rows)
{
    size_t lines, size, square = sizeof(float) * DTP_SLICE_EDGE * DTP_SLICE_EDGE;
    if (dtp_mul_overflows((size_t)rows, sizeof(dtp_quad) + 3 * sizeof(float), &lines) ||
        dtp_add_overflows(lines, square, &size) || !(slice->memory = calloc(1, size)))
        return false;
    w->quads = slice->memory;
    slice->values = (float *)(w->quads + rows);
    w->line = slice->values + DTP_SLICE_EDGE * DTP_SLICE_EDGE;
    w->planes[0] = w->line + rows;
    w->planes[1] = w->planes[0] + rows;
    return true;
}

bool dtp_slice_make(dtp_slice *out, const dtp_raster *raster, const dtp_canvas *canvas, int64_t column, int64_t y_dim,
                    const dtp_watch *watch)
{
    workshop w = {.raster = raster, .held = {-1, -1}};
    *out = (dtp_slice){.memory = NULL};
    if (!allocate(out, &w, canvas->rows))
        return false;
    make_quads(w.quads, raster, canvas, column, &w.begin, &w.end);
    window(canvas->rows, w.begin, w.end, &out->begin[0], &out->end[0]);
    window(y_dim, raster->first[1], raster->first[1] + raster->dims[1], &out->begin[1], &out->end[1]);
    for (int64_t i = 0; i < DTP_SLICE_EDGE; i++)
        w.lerps[i] = make_lerp(i, canvas->rows, DTP_SLICE_EDGE, false);
    for (int64_t c = out->begin[1]; c < out->end[1] && out->end[0] > out->begin[0]; c++) {
        if (dtp_watch_cancelled(watch))
            break;
        make_column(&w, y_dim, c, out);
    }
    find_range(out);
    find_touched(out, &w, canvas->rows, y_dim, watch);
    return true;
}

void dtp_slice_free(dtp_slice *slice)
{
    free(slice->memory);
    slice->memory = NULL;
}

/* ---- From a slice to a tile ---- */

enum { MARGIN_BEFORE = 5, MARGIN_AFTER = 10 };

static void bounds(const dtp_slice *mask, float above, int64_t low[2], int64_t high[2])
{
    low[0] = low[1] = DTP_SLICE_EDGE;
    high[0] = high[1] = -1;
    for (int64_t column = mask->begin[1]; column < mask->end[1]; column++) {
        for (int64_t row = mask->begin[0]; row < mask->end[0]; row++) {
            if (!(mask->values[column * DTP_SLICE_EDGE + row] > above))
                continue;
            low[0] = dtp_min_i64(low[0], row);
            high[0] = dtp_max_i64(high[0], row);
            low[1] = dtp_min_i64(low[1], column);
            high[1] = column;
        }
    }
}

bool dtp_slice_crop(dtp_crop *out, const dtp_slice *mask, bool any_weight)
{
    int64_t low[2], high[2];
    bounds(mask, any_weight ? 0 : nextafterf(1, 0), low, high);
    if (high[1] < 0 && !(any_weight && mask->touched))
        return false;
    if (high[1] < 0) {
        memcpy(low, mask->near_low, sizeof low);
        memcpy(high, mask->near_high, sizeof high);
    }
    for (int i = 0; i < 2; i++) {
        low[i] = dtp_max_i64(low[i] - MARGIN_BEFORE, 0);
        high[i] = dtp_min_i64(high[i] + 1 + MARGIN_AFTER, DTP_SLICE_EDGE);
    }
    *out = (dtp_crop){(int16_t)low[0], (int16_t)high[0], (int16_t)low[1], (int16_t)high[1]};
    return true;
}

static double sample(const dtp_slice *image, const lerp *row, const lerp *column)
{
    const float *a = image->values + column->at[0] * DTP_SLICE_EDGE,
                *b = image->values + column->at[1] * DTP_SLICE_EDGE;
    double first =
        (double)a[row->at[0]] * (double)column->weight[0] + (double)b[row->at[0]] * (double)column->weight[1];
    double second =
        (double)a[row->at[1]] * (double)column->weight[0] + (double)b[row->at[1]] * (double)column->weight[1];
    return first * (double)row->weight[0] + second * (double)row->weight[1];
}

static lerp crop_lerp(int64_t index, int64_t begin, int64_t end)
{
    lerp p = make_lerp(index, end - begin, DTP_TILE_EDGE, true);
    p.at[0] += begin;
    p.at[1] += begin;
    return p;
}

bool dtp_slice_tile(const dtp_slice *image, const dtp_crop *crop, uint8_t tile[DTP_TILE_SIZE])
{
    lerp columns[DTP_TILE_EDGE];
    double low = (double)image->low, range = (double)image->high - low;
    bool finite = isfinite(image->low) && isfinite(image->high);
    memset(tile, 0, DTP_TILE_SIZE);
    if (!finite || range == 0)
        return finite;
    for (int c = 0; c < DTP_TILE_EDGE; c++)
        columns[c] = crop_lerp(c, crop->column, crop->column_end);
    for (int r = 0; r < DTP_TILE_EDGE; r++) {
        lerp row = crop_lerp(r, crop->row, crop->row_end);
        for (int c = 0; c < DTP_TILE_EDGE; c++) {
            double grey = (sample(image, &row, &columns[c]) - low) / range * 255;
            finite &= isfinite(grey);
            tile[r * DTP_TILE_EDGE + c] = grey > 0 ? (uint8_t)rint(fmin(grey, 255)) : 0;
        }
    }
    return finite;
}
