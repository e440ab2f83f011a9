#include "mosaic.h"

#include "share.h"
#include "slices.h"

/* A slice of the rotated volume that the mask touches. */
typedef struct touched {
    int64_t column;
    dtp_crop crop;
    bool found, memory;
    bool faded; /* touched, but nothing is left in the crop's resolution */
} touched;

/* One view in the making. */
typedef struct view {
    const dtp_study *study;
    const dtp_raster *image, *mask;
    dtp_watch *watch;
    dtp_canvas canvas;
    touched *slices;
    int64_t n_slices;
    uint8_t *tiles; /* DTP_TILES of DTP_TILE_SIZE */
    bool constant[DTP_TILES], finite[DTP_TILES], memory[DTP_TILES];
} view;

/* ---- Which slices, and where in them ---- */

static void find_crop(const view *v, const dtp_raster *mask, bool any_weight, touched *out)
{
    dtp_slice slice;
    out->memory = dtp_slice_make(&slice, mask, &v->canvas, out->column, v->study->mask_frame.dims[1], v->watch);
    if (!out->memory)
        return;
    out->found = dtp_slice_crop(&out->crop, &slice, any_weight);
    out->faded = slice.touched && !out->found;
    dtp_slice_free(&slice);
}

typedef struct finding {
    view *view;
    const dtp_raster *mask;
    bool any_weight;
    int64_t first; /* column */
} finding;

static void find_crops(void *argument, int lane, int64_t first, int64_t last)
{
    const finding *f = argument;
    view *v = f->view;
    (void)lane;
    for (int64_t i = first; i < last; i++) {
        v->slices[i] = (touched){.column = f->first + i, .memory = true};
        if (!dtp_watch_cancelled(v->watch))
            find_crop(v, f->mask, f->any_weight, &v->slices[i]);
    }
}

/* Leaves only those with a crop in v->slices. */
static bool keep_found(view *v, int64_t count, int64_t *faded)
{
    bool memory = true;
    v->n_slices = *faded = 0;
    for (int64_t i = 0; i < count; i++) {
        memory &= v->slices[i].memory;
        *faded += v->slices[i].faded;
        if (v->slices[i].found)
            v->slices[v->n_slices++] = v->slices[i];
    }
    return memory;
}

static deeptepp_status find_slices(view *v, bool any_weight, int64_t *faded, deeptepp_error *error)
{
    int64_t first, last;
    dtp_raster mask = *v->mask;
    if (any_weight)
        mask.rounding = DTP_ROUND_NONE;
    dtp_canvas_reach(&v->canvas, &mask, &first, &last);
    int64_t count = dtp_max_i64(last - first + 1, 0);
    free(v->slices);
    v->slices = calloc((size_t)count + 1, sizeof *v->slices);
    if (!v->slices)
        return dtp_fail_memory(error, "a view's slices", (size_t)count * sizeof *v->slices);
    finding f = {v, &mask, any_weight, first};
    dtp_team_for(dtp_watch_team(v->watch), count, 1, find_crops, &f);
    if (dtp_watch_cancelled(v->watch))
        return dtp_watch_ask(v->watch, error);
    return keep_found(v, count, faded) ? DEEPTEPP_OK : dtp_fail_memory(error, "a slice of the mask", 0);
}

/* Where interpolation leaves nothing of a thin mask in any slice, whatever it gives weight to is the tumour. */
static deeptepp_status find_any_slices(view *v, int index, dtp_mosaic_counts *counts, deeptepp_error *error)
{
    int64_t faded;
    deeptepp_status status = find_slices(v, false, &counts->faded[index], error);
    if (status != DEEPTEPP_OK || v->n_slices)
        return status;
    counts->faded[index] = 0;
    counts->vanished[index] = true;
    status = find_slices(v, true, &faded, error);
    if (status == DEEPTEPP_OK && !v->n_slices)
        return dtp_about(
            dtp_fail(error, DEEPTEPP_ERR_MASK_SMALL,
                     "mask: view %d (%.9g degrees) cuts off all of it (voxels: %lld): it lies in the image's corner",
                     index + 1, v->study->recipe->angles_deg[index], (long long)v->study->tumour.voxels),
            DEEPTEPP_MASK_VOLUME, DEEPTEPP_NO_VOLUME, error);
    return status;
}

/* ---- Tiles ---- */

/* Of `slices` that carry the mask, the one for a tile. */
static int64_t slice_of_tile(const dtp_recipe *recipe, int64_t slices, int64_t tile)
{
    return recipe->spaced && slices > DTP_TILES ? (2 * tile + 1) * slices / (2 * DTP_TILES) : tile;
}

static void make_tile(view *v, int64_t tile)
{
    dtp_slice slice;
    const touched *from = &v->slices[slice_of_tile(v->study->recipe, v->n_slices, tile)];
    v->memory[tile] =
        dtp_slice_make(&slice, v->image, &v->canvas, from->column, v->study->frames[0].dims[1], v->watch);
    if (!v->memory[tile])
        return;
    v->finite[tile] = dtp_slice_tile(&slice, &from->crop, v->tiles + tile * DTP_TILE_SIZE);
    v->constant[tile] = slice.low == slice.high;
    dtp_slice_free(&slice);
}

static void make_some_tiles(void *argument, int lane, int64_t first, int64_t last)
{
    view *v = argument;
    (void)lane;
    for (int64_t tile = first; tile < last && !dtp_watch_cancelled(v->watch); tile++)
        make_tile(v, tile);
}

static deeptepp_status make_tiles(view *v, int64_t count, int64_t *constant, deeptepp_error *error)
{
    bool memory = true, finite = true;
    dtp_team_for(dtp_watch_team(v->watch), count, 1, make_some_tiles, v);
    if (dtp_watch_cancelled(v->watch))
        return dtp_watch_ask(v->watch, error);
    for (int64_t tile = 0; tile < count; tile++) {
        memory &= v->memory[tile];
        finite &= v->finite[tile];
        *constant += v->constant[tile];
    }
    if (!memory)
        return dtp_fail_memory(error, "a slice of the image", 0);
    if (!finite)
        return dtp_about(
            dtp_fail(error, DEEPTEPP_ERR_VOLUME_NONFINITE,
                     "image: a slice has values that are not finite: voxels changed while they were read"),
            v->study->numbers[0], DEEPTEPP_NO_VOLUME, error);
    return DEEPTEPP_OK;
}

/* As the published network takes it: of three equal channels one. */
static float normalised(uint8_t grey)
{
    return ((float)grey / 255.0f - 0.5f) / 0.5f;
}

/* Row by row of a mosaic of 8 x 8 tiles, or one tile behind the other; too few are repeated. */
static void place_tiles(const view *v, int64_t count, float *out)
{
    enum { ACROSS = 8, WIDTH = ACROSS * DTP_TILE_EDGE };
    bool cube = v->study->recipe->kind == DTP_RECIPE_MOSAIC_CUBE;
    for (int64_t n = 0; n < DTP_TILES; n++) {
        const uint8_t *tile = v->tiles + n % count * DTP_TILE_SIZE;
        float *corner =
            out + (cube ? n * DTP_TILE_SIZE : n / ACROSS * DTP_TILE_EDGE * WIDTH + n % ACROSS * DTP_TILE_EDGE);
        for (int64_t i = 0; i < DTP_TILE_SIZE; i++)
            corner[i / DTP_TILE_EDGE * (cube ? DTP_TILE_EDGE : WIDTH) + i % DTP_TILE_EDGE] = normalised(tile[i]);
    }
}

/* ---- How much of the tumour has a tile ---- */

/* Columns nearest to a slice that has a tile, of those that carry the mask. */
static void mark_seen(const view *v, uint8_t *seen)
{
    for (int64_t column = 0, s = 0; column < v->canvas.columns; column++) {
        while (s + 1 < v->n_slices && v->slices[s + 1].column - column < column - v->slices[s].column)
            s++;
        for (int64_t tile = 0; tile < DTP_TILES && !seen[column]; tile++)
            seen[column] = slice_of_tile(v->study->recipe, v->n_slices, tile) == s;
    }
}

static deeptepp_status count_inside(const view *v, int64_t *inside, deeptepp_error *error)
{
    *inside = v->study->tumour.voxels;
    if (v->n_slices <= DTP_TILES)
        return DEEPTEPP_OK;
    uint8_t *seen = calloc((size_t)v->canvas.columns, 1);
    if (!seen)
        return dtp_fail_memory(error, "a view's columns", (size_t)v->canvas.columns);
    mark_seen(v, seen);
    *inside = dtp_share_of_columns(v->study, v->canvas.forward[1], seen, v->canvas.columns,
                                   dtp_watch_team(v->watch));
    free(seen);
    return DEEPTEPP_OK;
}

/* As if no view were turned: every plane of the mask is a slice. */
static deeptepp_status count_inside_unrotated(const dtp_study *study, int64_t *inside, deeptepp_error *error)
{
    int64_t n_planes = study->high[2] - study->low[2] + 1, slices = 0;
    int64_t *counts = calloc((size_t)n_planes, sizeof *counts);
    if (!counts)
        return dtp_fail_memory(error, "the mask's planes", (size_t)n_planes * sizeof *counts);
    dtp_share_of_planes(study, counts);
    for (int64_t p = 0; p < n_planes; p++)
        if (counts[p])
            counts[slices++] = counts[p];
    *inside = 0;
    for (int64_t tile = 0; tile < dtp_min_i64(slices, DTP_TILES); tile++)
        *inside += counts[slice_of_tile(study->recipe, slices, tile)];
    free(counts);
    return DEEPTEPP_OK;
}

static deeptepp_status make_view(view *v, int index, float *out, dtp_mosaic_counts *counts, deeptepp_error *error)
{
    dtp_canvas_make(&v->canvas, v->study->frames[0].dims, v->study->recipe->angles_deg[index]);
    deeptepp_status status = find_any_slices(v, index, counts, error);
    if (status != DEEPTEPP_OK)
        return status;
    int64_t count = dtp_min_i64(v->n_slices, DTP_TILES);
    counts->slices[index] = v->n_slices;
    counts->dropped[index] = v->n_slices - count;
    status = count_inside(v, &counts->inside[index], error);
    if (status == DEEPTEPP_OK)
        status = make_tiles(v, count, &counts->constant[index], error);
    if (status == DEEPTEPP_OK)
        place_tiles(v, count, out);
    return status;
}

/* ---- All views ---- */

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static int64_t total(const int64_t *counts, int n_views, int *views)
{
    int64_t sum = 0;
    *views = 0;
    for (int v = 0; v < n_views; v++) {
        sum += counts[v];
        *views += counts[v] > 0;
    }
    return sum;
}

static void warn_of_mask(const dtp_mosaic_counts *counts, int n_views, dtp_warnings *warnings)
{
    int views, vanished = 0;
    int64_t faded = total(counts->faded, n_views, &views);
    for (int v = 0; v < n_views; v++)
        vanished += counts->vanished[v];
    if (vanished)
        dtp_warn(warnings, DEEPTEPP_WARN_MASK_FADED,
                 "mask: so thin that interpolation left nothing of it in %d of %d view%s: there, cells of any weight "
                 "count, or "
                 "the nearest",
                 vanished, n_views, plural(n_views));
    if (faded)
        dtp_warn(warnings, DEEPTEPP_WARN_MASK_FADED,
                 "mask: interpolation left nothing of it in %lld slice%s it touches, in %d of %d view%s: left out",
                 (long long)faded, plural(faded), views, n_views, plural(n_views));
}

static void warn(const dtp_recipe *recipe, const dtp_mosaic_counts *counts, dtp_warnings *warnings)
{
    int views;
    int64_t dropped = total(counts->dropped, recipe->n_views, &views);
    if (dropped && !recipe->spaced)
        dtp_warn(warnings, DEEPTEPP_WARN_SLICES_DROPPED,
                 "slices: %lld of those with the mask, in %d of %d view%s, left out: past the %d a mosaic holds",
                 (long long)dropped, views, recipe->n_views, plural(recipe->n_views), DTP_TILES);
    int64_t constant = total(counts->constant, recipe->n_views, &views);
    if (constant)
        dtp_warn(warnings, DEEPTEPP_WARN_CONSTANT_SLICE,
                 "image: %lld slice%s of one value only, in %d of %d view%s: tiles of 0", (long long)constant,
                 plural(constant), views, recipe->n_views, plural(recipe->n_views));
    warn_of_mask(counts, recipe->n_views, warnings);
}

static deeptepp_status make_views(view *v, float *out, dtp_mosaic_counts *counts, deeptepp_error *error)
{
    const dtp_recipe *recipe = v->study->recipe;
    deeptepp_status status;
    for (int index = 0; index < recipe->n_views; index++) {
        status = make_view(v, index, out + (size_t)index * DTP_TILES * DTP_TILE_SIZE, counts, error);
        if (status == DEEPTEPP_OK)
            status = dtp_watch_step(v->watch, 1000 * (index + 1) / recipe->n_views, error);
        if (status != DEEPTEPP_OK)
            return status;
    }
    return count_inside_unrotated(v->study, &counts->inside_unrotated, error);
}

deeptepp_status dtp_mosaic_make(const dtp_study *study, float *out, dtp_mosaic_counts *counts, dtp_warnings *warnings,
                                dtp_watch *watch, deeptepp_error *error)
{
    const size_t bytes = (size_t)DTP_TILES * DTP_TILE_SIZE;
    dtp_raster image, mask;
    view v = {.study = study, .image = &image, .mask = &mask, .watch = watch};
    *counts = (dtp_mosaic_counts){.slices = {0}};
    dtp_raster_of_image(&image, study->images[0], &study->frames[0]);
    deeptepp_status status = dtp_raster_of_mask(&mask, study, error);
    if (status == DEEPTEPP_OK && !(v.tiles = malloc(bytes)))
        status = dtp_fail_memory(error, "tiles", bytes);
    if (status == DEEPTEPP_OK)
        status = make_views(&v, out, counts, error);
    if (status == DEEPTEPP_OK)
        warn(study->recipe, counts, warnings);
    dtp_raster_free(&mask);
    free(v.slices);
    free(v.tiles);
    return status;
}
