#include "share.h"

#include <math.h>
#include <stdatomic.h>

#include "affine.h"

/* Voxel centres on the cube's very face are common: rounding must not decide them. In samples. */
static const double FACE = 1e-6;

/* Sample indices of a voxel: the grid turned round. */
static dtp_affine samples_of(const dtp_grid *grid)
{
    dtp_affine voxel;
    for (int v = 0; v < 3; v++) {
        for (int t = 0; t < 3; t++)
            voxel.m[v][t] = grid->step[t][v];
        voxel.t[v] = grid->origin[v];
    }
    return dtp_affine_invert(&voxel);
}

/* How many of a span's voxels have all three sample indices within the cube: along a span they rise evenly. */
static int64_t clip(const dtp_span *span, const dtp_affine *sample, const int64_t size[3])
{
    const double at[3] = {span->first, span->j, span->k};
    double from = 0, to = (double)dtp_span_voxels(span) - 1, first[3];
    dtp_affine_apply(sample, at, first);
    for (int t = 0; t < 3; t++) {
        double low = -0.5 - FACE - first[t], high = (double)size[t] - 0.5 + FACE - first[t], step = sample->m[t][0];
        if (fabs(step) * (to + 1) < FACE) {
            from = low <= 0 && high >= 0 ? from : to + 1;
            continue;
        }
        from = fmax(from, ceil((step > 0 ? low : high) / step));
        to = fmin(to, floor((step > 0 ? high : low) / step));
    }
    return from <= to ? (int64_t)(to - from) + 1 : 0;
}

int64_t dtp_share_of_grid(const dtp_study *study, const dtp_grid *grid)
{
    int64_t inside = 0;
    const dtp_affine sample = samples_of(grid);
    for (size_t s = 0; s < study->tumour.spans.count; s++)
        if (dtp_mask_counts(&study->tumour, s))
            inside += clip(&study->tumour.spans.items[s], &sample, study->recipe->size);
    return inside;
}

double dtp_share_distance(const dtp_study *study, const dtp_grid *grid)
{
    double middle[3], best = INFINITY;
    for (int v = 0; v < 3; v++) {
        middle[v] = grid->origin[v];
        for (int t = 0; t < 3; t++)
            middle[v] += 0.5 * (double)(study->recipe->size[t] - 1) * grid->step[t][v];
    }
    for (size_t s = 0; s < study->tumour.spans.count; s++) {
        const dtp_span *span = &study->tumour.spans.items[s];
        if (!dtp_mask_counts(&study->tumour, s))
            continue;
        double apart[3] = {fmax(fmax((double)span->first - middle[0], middle[0] - (double)(span->end - 1)), 0),
                           middle[1] - span->j, middle[2] - span->k};
        double squares = 0;
        for (int v = 0; v < 3; v++)
            squares += apart[v] * study->tumour.spacing[v] * apart[v] * study->tumour.spacing[v];
        best = fmin(best, squares);
    }
    return sqrt(best);
}

/* The index along a frame's axis of a span's first voxel, and the step from voxel to voxel. */
static int64_t along(const dtp_frame *frame, int f, const dtp_span *span, int *step)
{
    const int64_t at[3] = {span->first, span->j, span->k};
    int64_t place = at[frame->axis[f]];
    *step = frame->axis[f] != 0 ? 0 : frame->flip[f] ? -1 : 1;
    return frame->flip[f] ? frame->dims[f] - 1 - place : place;
}

static int64_t count_seen(const dtp_frame *frame, const dtp_span *span, const double m[3], const uint8_t *seen,
                          int64_t columns)
{
    int row_step, plane_step;
    int64_t row = along(frame, 0, span, &row_step), plane = along(frame, 2, span, &plane_step), inside = 0;
    double first = m[0] * (double)row + m[1] * (double)plane + m[2], step = m[0] * row_step + m[1] * plane_step;
    for (int64_t n = 0; n < dtp_span_voxels(span); n++) {
        int64_t column = (int64_t)floor(first + step * (double)n + 0.5);
        inside += seen[dtp_max_i64(0, dtp_min_i64(column, columns - 1))];
    }
    return inside;
}

typedef struct counting {
    const dtp_study *study;
    const double *m;
    const uint8_t *seen;
    int64_t columns;
    atomic_llong inside;
} counting;

static void count_spans(void *argument, int lane, int64_t first, int64_t last)
{
    counting *c = argument;
    const dtp_study *study = c->study;
    int64_t inside = 0;
    (void)lane;
    for (int64_t s = first; s < last; s++)
        if (dtp_mask_counts(&study->tumour, (size_t)s))
            inside += count_seen(&study->mask_frame, &study->tumour.spans.items[s], c->m, c->seen, c->columns);
    atomic_fetch_add(&c->inside, inside);
}

int64_t dtp_share_of_columns(const dtp_study *study, const double m[3], const uint8_t *seen, int64_t columns,
                             dtp_team *team)
{
    enum { GRAIN = 256 };
    counting c = {study, m, seen, columns, 0};
    dtp_team_for(team, (int64_t)study->tumour.spans.count, GRAIN, count_spans, &c);
    return atomic_load(&c.inside);
}

void dtp_share_of_planes(const dtp_study *study, int64_t *counts)
{
    for (size_t s = 0; s < study->tumour.spans.count; s++) {
        const dtp_span *span = &study->tumour.spans.items[s];
        int step;
        int64_t plane = along(&study->mask_frame, 2, span, &step) - study->low[2];
        if (!dtp_mask_counts(&study->tumour, s))
            continue;
        for (int64_t n = 0; step && n < dtp_span_voxels(span); n++)
            counts[plane + step * n]++;
        counts[plane] += step ? 0 : dtp_span_voxels(span);
    }
}
