/* Where a sample lies, computed another way than the library's: in RAS mm, by 4x4 matrices, a rotation by Rodrigues'
 * formula, and the inverse of the image's affine by elimination. */
#ifndef VIEWS_REFERENCE_H
#define VIEWS_REFERENCE_H

#include "../libdeeptepp/views/recipe.h"
#include "picture_maker.h"

/* Gauss-Jordan with pivoting. */
static inline void invert(const double in[16], double out[16])
{
    double a[4][8];
    for (int r = 0; r < 4; r++)
        for (int c = 0; c < 8; c++)
            a[r][c] = c < 4 ? in[4 * r + c] : c - 4 == r;
    for (int c = 0; c < 4; c++) {
        int best = c;
        for (int r = c; r < 4; r++)
            best = fabs(a[r][c]) > fabs(a[best][c]) ? r : best;
        for (int n = 0; n < 8; n++) {
            double swap = a[c][n];
            a[c][n] = a[best][n];
            a[best][n] = swap;
        }
        for (int r = 0; r < 4; r++) {
            double factor = r == c ? 1 - 1 / a[c][c] : a[r][c] / a[c][c];
            for (int n = 0; n < 8; n++)
                a[r][n] -= factor * a[c][n];
        }
    }
    for (int r = 0; r < 4; r++)
        memcpy(out + 4 * r, a[r] + 4, 4 * sizeof(double));
}

static inline void transform(const double matrix[16], const double in[3], double out[3])
{
    double result[3];
    for (int r = 0; r < 3; r++)
        result[r] = matrix[4 * r] * in[0] + matrix[4 * r + 1] * in[1] + matrix[4 * r + 2] * in[2] + matrix[4 * r + 3];
    memcpy(out, result, sizeof result);
}

static inline double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Turns v about the unit vector k, right-handed. */
static inline void rodrigues(const double k[3], double degrees, const double v[3], double out[3])
{
    double t = degrees * 3.14159265358979323846 / 180, along = dot(k, v);
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        out[a] = v[a] * cos(t) + (k[b] * v[c] - k[c] * v[b]) * sin(t) + k[a] * along * (1 - cos(t));
    }
}

/* The unit vector of the voxel axis that runs nearest to `letter`, turned to run that way, and the edge along it. */
static inline double nearest_axis(const picture *p, char letter, double out[3])
{
    int row = letter == 'R' || letter == 'L' ? 0 : letter == 'A' || letter == 'P' ? 1 : 2, best = 0;
    double edge[3], cosine[3];
    for (int v = 0; v < 3; v++) {
        edge[v] = sqrt(p->affine[v] * p->affine[v] + p->affine[4 + v] * p->affine[4 + v] +
                       p->affine[8 + v] * p->affine[8 + v]);
        cosine[v] = p->affine[4 * row + v] / edge[v];
        best = fabs(cosine[v]) > fabs(cosine[best]) ? v : best;
    }
    bool towards = (cosine[best] > 0) == (letter == 'R' || letter == 'A' || letter == 'S');
    for (int w = 0; w < 3; w++)
        out[w] = p->affine[4 * w + best] / edge[best] * (towards ? 1 : -1);
    return edge[best];
}

/* Low and high corner voxels of the tumour, as the picture stores it. */
typedef struct tumour {
    int64_t low[3], high[3];
} tumour;

/* Along axis `unit` (edge mm long): mm from the image's first voxel centre in that sense to the tumour's middle, and
 * the tumour's size from outer edge to outer edge. */
static inline void project(const picture *p, const tumour *t, const double unit[3], double edge, double *middle,
                           double *size)
{
    double first = INFINITY, low = INFINITY, high = -INFINITY, ras[3];
    for (int corner = 0; corner < 8; corner++) {
        double image[3], box[3];
        for (int a = 0; a < 3; a++) {
            bool far = corner >> a & 1;
            image[a] = far ? (double)(p->dims[a] - 1) : 0;
            box[a] = (double)(far ? t->high[a] : t->low[a]);
        }
        transform(p->affine, image, ras);
        first = fmin(first, dot(ras, unit));
        transform(p->affine, box, ras);
        low = fmin(low, dot(ras, unit));
        high = fmax(high, dot(ras, unit));
    }
    *middle = 0.5 * (low + high) - first;
    *size = high - low + edge;
}

/* The middle of a cube of `size` samples on the lattice, nearest to `middle`; of two as near, the later. */
static inline double on_lattice(double middle, double step, int64_t size)
{
    double best = INFINITY;
    for (int start = -2000; start < 2000; start++) {
        double candidate = ((double)start + 0.5 * (double)(size - 1)) * step;
        if (fabs(candidate - middle) <= fabs(best - middle) + 1e-7 * step)
            best = candidate;
    }
    return best;
}

typedef struct expected {
    double unit[3][3], step[3], centre[3]; /* centre: RAS mm */
} expected;

static inline expected expect_cube(const picture *p, const tumour *t, const dtp_recipe *r)
{
    expected e;
    double middles[3], ends[2][3];
    for (int a = 0; a < 3; a++) {
        ends[0][a] = (double)t->low[a];
        ends[1][a] = (double)t->high[a];
    }
    transform(p->affine, ends[0], ends[0]);
    transform(p->affine, ends[1], ends[1]);
    for (int w = 0; w < 3; w++)
        e.centre[w] = 0.5 * (ends[0][w] + ends[1][w]);
    for (int f = 0; f < 3; f++) {
        double size, edge = nearest_axis(p, r->axes[f], e.unit[f]);
        project(p, t, e.unit[f], edge, &middles[f], &size);
        e.step[f] = r->region == DTP_REGION_FIXED ? r->spacing_mm[f] : (size + 2 * r->margin_mm) / (double)r->size[f];
    }
    for (int f = 0; f < 3; f++) {
        double move = r->region == DTP_REGION_FIXED ? on_lattice(middles[f], e.step[f], r->size[f]) - middles[f] : 0;
        for (int w = 0; w < 3; w++)
            e.centre[w] += move * e.unit[f][w];
    }
    if (r->region == DTP_REGION_BOX && r->keep_aspect)
        e.step[0] = e.step[1] = e.step[2] = fmax(e.step[0], fmax(e.step[1], e.step[2]));
    return e;
}

static inline void expect_voxel(const picture *p, const expected *e, const dtp_recipe *r, int view, const int64_t at[3],
                         double out[3])
{
    double offset[3] = {0}, turned[3], about[3], inverse[16];
    for (int f = 0; f < 3; f++)
        for (int w = 0; w < 3; w++)
            offset[w] += ((double)at[f] - 0.5 * (double)(r->size[f] - 1)) * e->step[f] * e->unit[f][w];
    nearest_axis(p, "RAS"[r->rotation_axis], about);
    rodrigues(about, r->angles_deg[view], offset, turned);
    for (int w = 0; w < 3; w++)
        turned[w] += e->centre[w];
    invert(p->affine, inverse);
    transform(inverse, turned, out);
}

#endif
