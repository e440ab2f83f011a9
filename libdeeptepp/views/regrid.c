/* A mask's voxels on another grid, by nearest neighbour. */
#include <math.h>

#include "../volume/axes.h"
#include "affine.h"
#include "mask.h"

/* Halves are common (grids whose steps are multiples of one another): they fall to the patient's right, front and head,
 * whatever the order of storage and the rounding. */
static const double TIE = 1e-6;

/* The spans' voxels as bytes of 1, within their bounding box; i fastest. */
typedef struct bytes {
    int64_t low[3], high[3];
    uint8_t *at;
    bool positive[3]; /* along R, A or S */
} bytes;

static deeptepp_status unfold(bytes *out, const dtp_spans *spans, const char *orientation, deeptepp_error *error)
{
    int64_t n[3];
    size_t size = 0;
    dtp_spans_box(spans, out->low, out->high);
    for (int v = 0; v < 3; v++) {
        int sign;
        dtp_axis_of(orientation[v], &sign);
        out->positive[v] = sign > 0;
        n[v] = out->high[v] - out->low[v] + 1;
    }
    if (!dtp_product(n, 3, PTRDIFF_MAX, &size) || !(out->at = calloc(size, 1)))
        return dtp_fail_memory(error, "the mask's box", size);
    for (size_t s = 0; s < spans->count; s++) {
        const dtp_span *span = &spans->items[s];
        int64_t row = (span->k - out->low[2]) * n[1] + span->j - out->low[1];
        memset(out->at + row * n[0] + span->first - out->low[0], 1, (size_t)dtp_span_voxels(span));
    }
    return DEEPTEPP_OK;
}

static bool is_set(const bytes *b, const double place[3])
{
    int64_t at[3];
    for (int v = 0; v < 3; v++) {
        double nearest = b->positive[v] ? floor(place[v] + 0.5 + TIE) : ceil(place[v] - 0.5 - TIE);
        if (!(nearest >= (double)b->low[v] && nearest <= (double)b->high[v]))
            return false;
        at[v] = (int64_t)nearest - b->low[v];
    }
    return b->at[(at[2] * (b->high[1] - b->low[1] + 1) + at[1]) * (b->high[0] - b->low[0] + 1) + at[0]];
}

/* The voxels of `dims` that can be nearest to one of the box; first > last where there are none. */
static void reach(const bytes *b, const dtp_affine *back, const int64_t dims[3], int64_t first[3], int64_t last[3])
{
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int corner = 0; corner < 8; corner++) {
        double from[3], to[3];
        for (int v = 0; v < 3; v++)
            from[v] = corner >> v & 1 ? (double)b->high[v] + 0.5 + TIE : (double)b->low[v] - 0.5 - TIE;
        dtp_affine_apply(back, from, to);
        for (int v = 0; v < 3; v++) {
            low[v] = fmin(low[v], to[v]);
            high[v] = fmax(high[v], to[v]);
        }
    }
    for (int v = 0; v < 3; v++) {
        first[v] = (int64_t)fmin(fmax(floor(low[v]), 0), (double)dims[v]);
        last[v] = (int64_t)fmax(fmin(ceil(high[v]), (double)(dims[v] - 1)), -1);
    }
}

/* False without memory. */
static bool take_piece(dtp_spans *out, const bytes *b, const dtp_affine *map, int64_t first, int64_t last, int64_t j,
                       int64_t k)
{
    for (int64_t i = first; i <= last; i++) {
        const double at[3] = {(double)i, (double)j, (double)k};
        double place[3];
        dtp_affine_apply(map, at, place);
        const dtp_span voxel = {(int32_t)k, (int32_t)j, (int32_t)i, (int32_t)i + 1};
        if (is_set(b, place) && !dtp_spans_add(out, voxel))
            return false;
    }
    return true;
}

/* A row may be as long as memory is: the watch is asked on the way. */
static deeptepp_status take_row(dtp_spans *out, const bytes *b, const dtp_affine *map, int64_t first, int64_t last,
                                int64_t j, int64_t k, dtp_watch *watch, deeptepp_error *error)
{
    enum { PIECE = 1 << 16 };
    for (int64_t i = first; i <= last; i += PIECE) {
        deeptepp_status status = dtp_watch_ask(watch, error);
        if (status != DEEPTEPP_OK)
            return status;
        if (!take_piece(out, b, map, i, dtp_min_i64(last, i + PIECE - 1), j, k))
            return dtp_fail_memory(error, "the mask on the image's grid", 0);
    }
    return DEEPTEPP_OK;
}

static deeptepp_status take_rows(dtp_spans *out, const bytes *b, const dtp_affine *map, const int64_t dims[3],
                                 dtp_watch *watch, deeptepp_error *error)
{
    int64_t first[3], last[3];
    const dtp_affine back = dtp_affine_invert(map);
    deeptepp_status status = DEEPTEPP_OK;
    reach(b, &back, dims, first, last);
    for (int64_t k = first[2]; k <= last[2]; k++)
        for (int64_t j = first[1]; j <= last[1] && status == DEEPTEPP_OK; j++)
            status = take_row(out, b, map, first[0], last[0], j, k, watch, error);
    return status;
}

deeptepp_status dtp_spans_regrid(dtp_spans *spans, const deeptepp_volume *from, const deeptepp_volume *to,
                                 dtp_watch *watch, deeptepp_error *error)
{
    bytes b = {.at = NULL};
    for (int v = 0; v < 3; v++)
        if (to->dims[v] >= INT32_MAX)
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_DIMS, "image: %lld voxels along %c, wanted below %d",
                            (long long)to->dims[v], "ijk"[v], (int)INT32_MAX);
    dtp_spans moved = {.items = NULL};
    const dtp_affine voxel_of = dtp_affine_of(from->affine), place_of = dtp_affine_of(to->affine);
    const dtp_affine index_of = dtp_affine_invert(&voxel_of), map = dtp_affine_after(&index_of, &place_of);
    deeptepp_status status = unfold(&b, spans, from->orientation, error);
    if (status == DEEPTEPP_OK)
        status = take_rows(&moved, &b, &map, to->dims, watch, error);
    free(b.at);
    dtp_spans_free(spans);
    *spans = moved;
    return status;
}
