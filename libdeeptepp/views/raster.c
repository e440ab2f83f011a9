#include "raster.h"

#include "../volume/voxels.h"

/* ---- Making ---- */

/* What a reader of the file would make of it: scaled integers are no integers any more. */
static dtp_rounding rounding_of(const deeptepp_volume *volume)
{
    if (dtp_type_is_real(volume->type) || volume->slope != 1 || volume->inter != 0)
        return DTP_ROUND_NONE;
    return volume->type == DEEPTEPP_UINT8 ? DTP_ROUND_HALF_UP : DTP_ROUND_HALF_EVEN;
}

void dtp_raster_of_image(dtp_raster *out, const deeptepp_volume *volume, const dtp_frame *frame)
{
    *out = (dtp_raster){.data = volume->data,
                       .type = volume->type,
                       .slope = volume->slope,
                       .inter = volume->inter,
                       .rounding = rounding_of(volume)};
    for (int f = 0; f < 3; f++) {
        int64_t stride = volume->strides[frame->axis[f]];
        out->dims[f] = frame->dims[f];
        out->stride[f] = frame->flip[f] ? -stride : stride;
        if (frame->flip[f])
            out->data += stride * (frame->dims[f] - 1);
    }
}

/* Voxels of a row of the mask's grid, which may run along any axis of the raster. */
static void set_span(const dtp_raster *box, const dtp_frame *frame, const dtp_span *span)
{
    const int64_t at[3] = {span->first, span->j, span->k};
    int64_t offset = 0, step = 0;
    for (int f = 0; f < 3; f++) {
        int v = frame->axis[f];
        int64_t place = frame->flip[f] ? frame->dims[f] - 1 - at[v] : at[v];
        offset += (place - box->first[f]) * box->stride[f];
        if (v == 0)
            step = frame->flip[f] ? -box->stride[f] : box->stride[f];
    }
    uint8_t *out = (uint8_t *)box->owned + offset;
    for (int64_t i = 0; i < dtp_span_voxels(span); i++)
        out[i * step] = 1;
}

deeptepp_status dtp_raster_of_mask(dtp_raster *out, const dtp_study *study, deeptepp_error *error)
{
    size_t size = 0;
    *out = (dtp_raster){.type = DEEPTEPP_UINT8, .slope = 1, .rounding = rounding_of(study->mask)};
    for (int f = 0; f < 3; f++) {
        out->first[f] = study->low[f];
        out->dims[f] = study->high[f] - study->low[f] + 1;
        out->stride[f] = f == 0 ? 1 : out->stride[f - 1] * out->dims[f - 1];
    }
    if (!dtp_product(out->dims, 3, PTRDIFF_MAX, &size) || !(out->owned = calloc(size, 1)))
        return dtp_fail_memory(error, "the mask's box", size);
    out->data = out->owned;
    for (size_t s = 0; s < study->tumour.spans.count; s++)
        if (dtp_mask_counts(&study->tumour, s))
            set_span(out, &study->mask_frame, &study->tumour.spans.items[s]);
    return DEEPTEPP_OK;
}

void dtp_raster_free(dtp_raster *raster)
{
    free(raster->owned);
    raster->owned = NULL;
}

/* ---- Interpolation ---- */

bool dtp_quad_make(dtp_quad *out, const dtp_raster *raster, int64_t row, int64_t column)
{
    const int64_t row_part = row & (DTP_QUAD_STEPS - 1), column_part = column & (DTP_QUAD_STEPS - 1);
    const int64_t first_row = (row - row_part) / DTP_QUAD_STEPS - raster->first[0];
    const int64_t first_column = (column - column_part) / DTP_QUAD_STEPS - raster->first[2];
    bool any = false;
    for (int corner = 0; corner < 4; corner++) {
        int64_t r = first_row + corner / 2, c = first_column + corner % 2;
        int64_t weight = (corner / 2 ? row_part : DTP_QUAD_STEPS - row_part) *
                         (corner % 2 ? column_part : DTP_QUAD_STEPS - column_part);
        bool inside = r >= 0 && r < raster->dims[0] && c >= 0 && c < raster->dims[2];
        out->offset[corner] = inside ? r * raster->stride[0] + c * raster->stride[2] : 0;
        out->weight[corner] = inside ? (float)weight / (DTP_QUAD_STEPS * DTP_QUAD_STEPS) : 0;
        any |= inside && weight > 0;
    }
    return any;
}

/* One function a voxel type, so that the type is not decided anew for each voxel. Sums of integers are exact. */
#define DEFINE_GATHER(name, voxel, real, count)                                                                        \
    static void gather_##name(const uint8_t *data, const dtp_quad *quads, int64_t n, double *out)                      \
    {                                                                                                                  \
        for (int64_t t = 0; t < n; t++) {                                                                              \
            double sum = 0;                                                                                            \
            for (int corner = 0; corner < 4; corner++) {                                                               \
                voxel value;                                                                                           \
                memcpy(&value, data + quads[t].offset[corner], sizeof value);                                          \
                sum += (double)quads[t].weight[corner] * (double)value;                                                \
            }                                                                                                          \
            out[t] = sum;                                                                                              \
        }                                                                                                              \
    }

DTP_VOXEL_TYPES(DEFINE_GATHER)

static void gather(deeptepp_type type, const uint8_t *data, const dtp_quad *quads, int64_t n, double *out)
{
#define GATHER(name, voxel, real, count)                                                                               \
    case DEEPTEPP_##name: gather_##name(data, quads, n, out); break;
    switch (type) {
        DTP_VOXEL_TYPES(GATHER)
    case DEEPTEPP_TYPE_FORCE_INT32: break;
    }
}

/* Outside the raster a value is 0, not `inter`: each quad's weights inside say how much of it there is. */
static void scale(const dtp_raster *raster, const dtp_quad *quads, int64_t n, double *values)
{
    for (int64_t t = 0; t < n; t++) {
        const float *w = quads[t].weight;
        values[t] = raster->slope * values[t] + raster->inter * (double)(w[0] + w[1] + w[2] + w[3]);
    }
}

static void store(dtp_rounding rounding, const double *values, int64_t n, float *out)
{
    /* Adding it leaves no place for a fraction: rounds to the nearest, halves to even. */
    static const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    if (rounding == DTP_ROUND_NONE)
        for (int64_t t = 0; t < n; t++)
            out[t] = (float)values[t];
    else if (rounding == DTP_ROUND_HALF_UP)
        for (int64_t t = 0; t < n; t++)
            out[t] = (float)(int32_t)(values[t] + 0.5);
    else
        for (int64_t t = 0; t < n; t++)
            out[t] = (float)(values[t] + shift - shift);
}

void dtp_raster_gather(const dtp_raster *raster, int64_t y, const dtp_quad *quads, int64_t n, float *out)
{
    enum { BLOCK = 128 };
    double block[BLOCK];
    const uint8_t *plane = raster->data + (y - raster->first[1]) * raster->stride[1];
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t count = dtp_min_i64(BLOCK, n - begin);
        gather(raster->type, plane, quads + begin, count, block);
        if (raster->slope != 1 || raster->inter != 0)
            scale(raster, quads + begin, count, block);
        store(raster->rounding, block, count, out + begin);
    }
}
