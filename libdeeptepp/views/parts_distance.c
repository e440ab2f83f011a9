/* How far each part is from the largest: a tree of boxes over the largest part's spans, and each other span's nearest
 * box in it. Neighbours in the order of storage lie close enough together to share a box. */
#include <math.h>

#include "parts.h"

/* The centres of voxels low to high, both inclusive, along i, j, k. */
typedef struct box {
    int32_t low[3], high[3];
} box;

enum { LEAF = 8, ASK_EVERY = 1 << 10 };

typedef struct tree {
    box *nodes; /* from 1; the children of n are 2 n and 2 n + 1; the last `leaves` are groups of LEAF items */
    box *items;
    size_t count, leaves;
    const double *spacing;
} tree;

static box box_of(const dtp_span *span)
{
    return (box){{span->first, span->j, span->k}, {span->end - 1, span->j, span->k}};
}

static void include(box *b, const box *other)
{
    for (int v = 0; v < 3; v++) {
        b->low[v] = other->low[v] < b->low[v] ? other->low[v] : b->low[v];
        b->high[v] = other->high[v] > b->high[v] ? other->high[v] : b->high[v];
    }
}

/* Squared mm between the nearest voxels; of an empty box (low above high) more than of any other. */
static double gap(const tree *t, const box *a, const box *b)
{
    double squares = 0;
    for (int v = 0; v < 3; v++) {
        double apart = fmax(fmax((double)a->low[v] - b->high[v], (double)b->low[v] - a->high[v]), 0) * t->spacing[v];
        squares += apart * apart;
    }
    return squares;
}

static double nearest(const tree *t, size_t node, const box *from, double best)
{
    if (node >= t->leaves) {
        size_t begin = (node - t->leaves) * LEAF, end = begin + LEAF < t->count ? begin + LEAF : t->count;
        for (size_t n = begin; n < end; n++)
            best = fmin(best, gap(t, &t->items[n], from));
        return best;
    }
    size_t near = 2 * node, far = near + 1;
    if (gap(t, &t->nodes[far], from) < gap(t, &t->nodes[near], from)) {
        near = far;
        far = 2 * node;
    }
    if (gap(t, &t->nodes[near], from) < best)
        best = nearest(t, near, from, best);
    if (gap(t, &t->nodes[far], from) < best)
        best = nearest(t, far, from, best);
    return best;
}

/* False without memory. */
static bool plant(tree *t, const dtp_spans *spans, const uint8_t *part_of)
{
    size_t count = 0;
    for (size_t s = 0; s < spans->count; s++)
        count += part_of[s] == 0;
    for (t->leaves = 1; t->leaves * LEAF < count; t->leaves *= 2)
        ;
    t->items = malloc((count + 2 * t->leaves) * sizeof *t->items);
    if (!t->items)
        return false;
    t->nodes = t->items + count;
    for (size_t s = 0; s < spans->count; s++)
        if (part_of[s] == 0)
            t->items[t->count++] = box_of(&spans->items[s]);
    const box none = {{INT32_MAX, INT32_MAX, INT32_MAX}, {INT32_MIN, INT32_MIN, INT32_MIN}};
    for (size_t n = 0; n < 2 * t->leaves; n++)
        t->nodes[n] = none;
    for (size_t n = 0; n < count; n++)
        include(&t->nodes[t->leaves + n / LEAF], &t->items[n]);
    for (size_t n = 2 * t->leaves - 1; n > 1; n--)
        include(&t->nodes[n / 2], &t->nodes[n]);
    return true;
}

deeptepp_status dtp_parts_measure(dtp_parts *parts, const uint8_t *part_of, const dtp_spans *spans,
                                  const double spacing[3], dtp_watch *watch, deeptepp_error *error)
{
    tree t = {.spacing = spacing};
    double best[DTP_PARTS_TOLD + 1];
    deeptepp_status status = DEEPTEPP_OK;
    if (parts->count < 2)
        return DEEPTEPP_OK;
    if (!plant(&t, spans, part_of))
        return dtp_fail_memory(error, "the mask's parts", 0);
    for (int p = 0; p <= DTP_PARTS_TOLD; p++)
        best[p] = INFINITY;
    for (size_t s = 0; s < spans->count && status == DEEPTEPP_OK; s++) {
        if (s % ASK_EVERY == 0)
            status = dtp_watch_ask(watch, error);
        if (part_of[s] == 0 || part_of[s] == DTP_PARTS_TOLD)
            continue;
        const box from = box_of(&spans->items[s]);
        best[part_of[s]] = nearest(&t, 1, &from, best[part_of[s]]);
    }
    for (int p = 1; p < dtp_parts_told(parts); p++)
        parts->told[p].distance = sqrt(best[p]);
    free(t.items);
    return status;
}
