#include "parts.h"

/* One part while it is gathered. */
typedef struct gathered {
    int64_t voxels, first; /* first: its voxel that comes first in RAS order */
    int rank;
} gathered;

enum { ASK_EVERY = 1 << 14 }; /* spans */

/* ---- Which spans belong together: union-find, the root is a part's first span ---- */

static int32_t root_of(int32_t *parent, int32_t s)
{
    while (parent[s] != s)
        s = parent[s] = parent[parent[s]];
    return s;
}

static void join(int32_t *parent, int32_t a, int32_t b)
{
    a = root_of(parent, a);
    b = root_of(parent, b);
    parent[a < b ? b : a] = a < b ? a : b;
}

/* The row whose offset to that of `span` is (dj, dk) comes before, equal or behind that of `other`. */
static int compare_rows(const dtp_span *span, int dj, int dk, const dtp_span *other)
{
    int64_t k = (int64_t)span->k + dk - other->k, j = (int64_t)span->j + dj - other->j;
    return k ? (k < 0 ? -1 : 1) : j ? (j < 0 ? -1 : 1) : 0;
}

/* Joins span s with those of one earlier row that it touches. *from only rises: to that row's first span that this one
 * or a later one of its row can touch. */
static void join_row(int32_t *parent, const dtp_spans *spans, int32_t s, int dj, int dk, int32_t *from)
{
    const dtp_span *span = &spans->items[s];
    int32_t n = *from;
    while (n < s && (compare_rows(span, dj, dk, &spans->items[n]) > 0 ||
                     (compare_rows(span, dj, dk, &spans->items[n]) == 0 && spans->items[n].end < span->first)))
        n++;
    *from = n;
    for (; n < s && compare_rows(span, dj, dk, &spans->items[n]) == 0 && spans->items[n].first <= span->end; n++)
        join(parent, n, s);
}

static deeptepp_status join_spans(int32_t *parent, const dtp_spans *spans, dtp_watch *watch,
                                  deeptepp_error *error)
{
    static const int rows[4][2] = {{-1, -1}, {0, -1}, {1, -1}, {-1, 0}}; /* dj, dk */
    int32_t from[4] = {0};
    deeptepp_status status = DEEPTEPP_OK;
    for (int32_t s = 0; s < (int32_t)spans->count && status == DEEPTEPP_OK; s++) {
        if (s % ASK_EVERY == 0)
            status = dtp_watch_ask(watch, error);
        parent[s] = s;
        for (int r = 0; r < 4; r++)
            join_row(parent, spans, s, rows[r][0], rows[r][1], &from[r]);
    }
    return status;
}

/* ---- Their sizes and order ---- */

/* From roots to numbers of parts, in the order of their first spans. */
static int64_t number_parts(int32_t *parent, size_t count)
{
    int32_t parts = 0;
    for (size_t s = 0; s < count; s++)
        parent[s] = parent[s] == (int32_t)s ? parts++ : parent[parent[s]];
    return parts;
}

static void gather(gathered *parts, const int32_t *number, const dtp_spans *spans, const dtp_ras_index *order)
{
    for (size_t s = 0; s < spans->count; s++) {
        const dtp_span *span = &spans->items[s];
        gathered *part = &parts[number[s]];
        int64_t first = dtp_min_i64(dtp_ras_place(order, span->first, span->j, span->k),
                                    dtp_ras_place(order, span->end - 1, span->j, span->k));
        part->first = part->voxels ? dtp_min_i64(part->first, first) : first;
        part->voxels += dtp_span_voxels(span);
    }
}

static bool comes_before(const gathered *a, const gathered *b)
{
    return a->voxels != b->voxels ? a->voxels > b->voxels : a->first < b->first;
}

/* The largest, in order; ranks of all. */
static void rank_parts(dtp_parts *out, gathered *parts)
{
    gathered *best[DTP_PARTS_TOLD];
    int told = 0;
    for (int64_t p = 0; p < out->count; p++) {
        int at = told;
        while (at > 0 && comes_before(&parts[p], best[at - 1]))
            at--;
        parts[p].rank = DTP_PARTS_TOLD;
        if (at == DTP_PARTS_TOLD)
            continue;
        told += told < DTP_PARTS_TOLD;
        memmove(&best[at + 1], &best[at], (size_t)(told - at - 1) * sizeof(gathered *));
        best[at] = &parts[p];
    }
    for (int r = 0; r < told; r++) {
        best[r]->rank = r;
        out->told[r] = (dtp_part){.voxels = best[r]->voxels};
    }
}

deeptepp_status dtp_parts_find(dtp_parts *out, uint8_t *part_of, const dtp_spans *spans, const double spacing[3],
                               const dtp_ras_index *order, dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status;
    gathered *parts = NULL;
    *out = (dtp_parts){.count = 0};
    int32_t *number = malloc(spans->count * sizeof *number + 1);
    if (!number)
        return dtp_fail_memory(error, "the mask's parts", spans->count * sizeof *number);
    status = join_spans(number, spans, watch, error);
    if (status == DEEPTEPP_OK) {
        for (size_t s = 0; s < spans->count; s++)
            number[s] = root_of(number, (int32_t)s);
        out->count = number_parts(number, spans->count);
        parts = calloc((size_t)out->count + 1, sizeof *parts);
        status = parts ? DEEPTEPP_OK : dtp_fail_memory(error, "the mask's parts", (size_t)out->count * sizeof *parts);
    }
    if (status == DEEPTEPP_OK) {
        gather(parts, number, spans, order);
        rank_parts(out, parts);
        for (size_t s = 0; s < spans->count; s++)
            part_of[s] = (uint8_t)parts[number[s]].rank;
    }
    free(parts);
    free(number);
    return status == DEEPTEPP_OK ? dtp_parts_measure(out, part_of, spans, spacing, watch, error) : status;
}
