#include "spans.h"

#include "../volume/axes.h"

bool dtp_spans_add(dtp_spans *spans, dtp_span span)
{
    dtp_span *last = spans->count ? &spans->items[spans->count - 1] : NULL;
    if (last && last->k == span.k && last->j == span.j && last->end == span.first) {
        last->end = span.end;
        return true;
    }
    if (spans->count == spans->room) {
        size_t room = spans->room ? 2 * spans->room : 1024;
        void *larger = room > DTP_SPANS_MAX ? NULL : realloc(spans->items, room * sizeof *spans->items);
        if (!larger)
            return false;
        spans->items = larger;
        spans->room = room;
    }
    spans->items[spans->count++] = span;
    return true;
}

void dtp_spans_free(dtp_spans *spans)
{
    free(spans->items);
    *spans = (dtp_spans){.items = NULL};
}

void dtp_span_extend(const dtp_span *span, bool any, int64_t low[3], int64_t high[3])
{
    const int64_t first[3] = {span->first, span->j, span->k}, last[3] = {span->end - 1, span->j, span->k};
    for (int v = 0; v < 3; v++) {
        low[v] = any ? dtp_min_i64(low[v], first[v]) : first[v];
        high[v] = any ? dtp_max_i64(high[v], last[v]) : last[v];
    }
}

void dtp_spans_box(const dtp_spans *spans, int64_t low[3], int64_t high[3])
{
    for (size_t s = 0; s < spans->count; s++)
        dtp_span_extend(&spans->items[s], s > 0, low, high);
}

void dtp_ras_index_of(dtp_ras_index *out, const int64_t dims[3], const char *orientation)
{
    int64_t along[3] = {1, 1, 1}; /* voxels along R, A, S */
    int sign, axis;
    for (int v = 0; v < 3; v++)
        if ((axis = dtp_axis_of(orientation[v], &sign)) >= 0)
            along[axis] = dims[v];
    const int64_t step[3] = {1, along[0], along[0] * along[1]};
    *out = (dtp_ras_index){.base = 0};
    for (int v = 0; v < 3; v++) {
        if ((axis = dtp_axis_of(orientation[v], &sign)) < 0)
            continue; /* never: an orientation has letters of directions only */
        out->weight[v] = sign * step[axis];
        out->base += sign < 0 ? step[axis] * (dims[v] - 1) : 0;
    }
}
