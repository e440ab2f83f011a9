/* Inference weights: BatchNorm and other linear steps folded into the convolution beside them, in double precision. */
#include <math.h>

#include "../base/fetch.h"
#include "arch.h"

static const double EPSILON = 1e-5; /* PyTorch's default, which every supported network uses */

/* BatchNorm in inference: y = scale x + shift. */
typedef struct affine {
    double *scale, *shift;
} affine;

/* Where a layer's tensors are. */
typedef struct origin {
    dtp_safetensors *file;
    const char *prefix;
    const dtp_layer_source *source;
    dtp_team *team;
} origin;

/* Channels that a thread takes at once. */
enum { CHANNELS = 4 };

static deeptepp_status find(const origin *from, const char *base, const char *part, dtp_tensor **out,
                            deeptepp_error *error)
{
    char name[256];
    dtp_format(name, sizeof name, "%s%s%s", from->prefix, base, part);
    *out = dtp_safetensors_find(from->file, name);
    return *out ? DEEPTEPP_OK : dtp_fail(error, DEEPTEPP_ERR_INTERNAL, "tensor %s vanished after the check", name);
}

static deeptepp_status copy(const origin *from, const char *base, const char *part, float **out, deeptepp_error *error)
{
    dtp_tensor *tensor;
    deeptepp_status status = find(from, base, part, &tensor, error);
    return status == DEEPTEPP_OK ? dtp_tensor_copy_f32(tensor, out, error) : status;
}

static void affine_free(affine *a)
{
    free(a->scale);
    free(a->shift);
}

/* parts: weight, bias, running mean, running variance */
static deeptepp_status affine_fill(affine *a, float *const parts[4], const origin *from, const char *norm,
                                   int64_t channels, deeptepp_error *error)
{
    for (int64_t c = 0; c < channels; c++) {
        if (parts[3][c] < 0)
            return dtp_fail(error, DEEPTEPP_ERR_MODEL_VARIANCE,
                            "tensor %s%s.running_var: element %lld is %g, wanted 0 or more", from->prefix, norm,
                            (long long)c, (double)parts[3][c]);
        a->scale[c] = parts[0][c] / sqrt(parts[3][c] + EPSILON);
        a->shift[c] = parts[1][c] - parts[2][c] * a->scale[c];
    }
    return DEEPTEPP_OK;
}

/* The BatchNorm of that name, or with "" the identity. */
static deeptepp_status affine_of(affine *out, const origin *from, const char *norm, int64_t channels,
                                 deeptepp_error *error)
{
    static const char *const names[] = {".weight", ".bias", ".running_mean", ".running_var"};
    float *parts[4] = {NULL};
    deeptepp_status status = DEEPTEPP_OK;
    out->scale = calloc((size_t)channels, sizeof *out->scale);
    out->shift = calloc((size_t)channels, sizeof *out->shift);
    if (!out->scale || !out->shift)
        return dtp_fail_memory(error, "a BatchNorm", (size_t)channels * sizeof *out->scale);
    for (int64_t c = 0; c < channels; c++)
        out->scale[c] = 1;
    for (int i = 0; *norm && i < 4 && status == DEEPTEPP_OK; i++)
        status = copy(from, norm, names[i], &parts[i], error);
    if (*norm && status == DEEPTEPP_OK)
        status = affine_fill(out, parts, from, norm, channels, error);
    for (int i = 0; i < 4; i++)
        free(parts[i]);
    return status;
}

typedef struct folding {
    float *weights, *bias;
    const affine *after;
    size_t per_channel;
} folding;

static void scale(float *values, size_t count, double factor)
{
    enum { STEP = DTP_FETCH / sizeof(float) };
    for (size_t at = 0; at < count; at += STEP) {
        const size_t end = count - at < STEP ? count : at + STEP;
        dtp_fetch_next(values + at);
        for (size_t i = at; i < end; i++)
            values[i] = (float)(values[i] * factor);
    }
}

/* y = scale (w x + b) + shift, in place */
static void fold(void *argument, int lane, int64_t first, int64_t last)
{
    const folding *f = argument;
    (void)lane;
    for (int64_t c = first; c < last; c++) {
        scale(f->weights + (size_t)c * f->per_channel, f->per_channel, f->after->scale[c]);
        f->bias[c] = (float)(f->bias[c] * f->after->scale[c] + f->after->shift[c]);
    }
}

static deeptepp_status fold_norm(const origin *from, int64_t oc, size_t count, float *weights, float *bias,
                                 deeptepp_error *error)
{
    affine after = {0};
    deeptepp_status status = affine_of(&after, from, from->source->norm, oc, error);
    if (status == DEEPTEPP_OK)
        dtp_team_for(from->team, oc, CHANNELS, fold, &(folding){weights, bias, &after, count / (size_t)oc});
    affine_free(&after);
    return status;
}

/* The common case: one tensor, one layer. The tensor's own block becomes the weights. */
static deeptepp_status fold_whole(const origin *from, int64_t oc, size_t count, float **weights, float **bias,
                                  deeptepp_error *error)
{
    dtp_tensor *tensor;
    deeptepp_status status = find(from, from->source->weight, "", &tensor, error);
    if (status == DEEPTEPP_OK)
        status = dtp_tensor_take_f32(tensor, weights, error);
    if (status == DEEPTEPP_OK && *from->source->bias)
        status = copy(from, from->source->bias, "", bias, error);
    else if (status == DEEPTEPP_OK && !(*bias = calloc((size_t)oc, sizeof **bias)))
        status = dtp_fail_memory(error, "a bias", (size_t)oc * sizeof **bias);
    if (status != DEEPTEPP_OK || !*from->source->norm)
        return status;
    return fold_norm(from, oc, count, *weights, *bias, error);
}

static deeptepp_status make_room(float **weights, float **bias, size_t count, int64_t oc, deeptepp_error *error)
{
    *weights = calloc(count, sizeof **weights);
    *bias = calloc((size_t)oc, sizeof **bias);
    return *weights && *bias ? DEEPTEPP_OK : dtp_fail_memory(error, "a layer's weights", count * sizeof **weights);
}

/* What placing a part of a tensor needs. */
typedef struct placing {
    int64_t ic;                  /* the layer's */
    int64_t tensor_ic, rows;     /* the tensor's channels */
    int64_t first_ic, first_oc;  /* of the tensor; of the layer */
    int64_t spread;              /* input channels that are added into one */
    bool shifted;                /* bias and shift belong to it */
    size_t cells;                /* of the kernel */
    float *tensor, *tensor_bias;
    affine before, after;
    float *weights, *bias; /* the layer's */
} placing;

static placing placing_of(const dtp_arch *arch, int layer)
{
    const dtp_layer_source *source = &arch->sources[layer];
    const dtp_layer *l = &arch->graph.layers[layer];
    placing p = {.ic = arch->graph.values[l->src].c, .spread = 1, .shifted = true,
                 .cells = (size_t)(l->kernel[0] * l->kernel[1] * l->kernel[2])};
    dtp_source_channels(arch, layer, &p.rows, &p.tensor_ic);
    if (source->kind == DTP_FROM_SUM)
        p.spread = p.tensor_ic;
    if (source->kind == DTP_FROM_ROWS)
        p.first_oc = source->rows.first_oc;
    if (source->kind == DTP_FROM_COLUMNS) {
        p.first_ic = source->columns.first_ic;
        p.shifted = source->columns.last;
    }
    return p;
}

static deeptepp_status read_placing(placing *p, const origin *from, deeptepp_error *error)
{
    const dtp_layer_source *source = from->source;
    const char *before = source->kind == DTP_FROM_COLUMNS ? source->columns.norm : "";
    deeptepp_status status = copy(from, source->weight, "", &p->tensor, error);
    if (status == DEEPTEPP_OK && *source->bias)
        status = copy(from, source->bias, "", &p->tensor_bias, error);
    status = status ? status : affine_of(&p->before, from, before, p->tensor_ic, error);
    return status ? status : affine_of(&p->after, from, source->norm, p->rows, error);
}

/* One row of the tensor as one channel of the layer: columns selected or summed, BatchNorms before and after folded. */
static void place_row(const placing *p, int64_t row, float *weights, float *bias)
{
    double b = p->tensor_bias && p->shifted ? p->tensor_bias[row] : 0;
    for (int64_t c = 0; c < p->ic; c++) {
        for (size_t cell = 0; cell < p->cells; cell++) {
            double sum = 0;
            for (int64_t t = p->first_ic + c; t < p->first_ic + c + p->spread; t++) {
                double w = p->tensor[(size_t)(row * p->tensor_ic + t) * p->cells + cell];
                sum += w * p->before.scale[t];
                b += w * p->before.shift[t];
            }
            weights[(size_t)c * p->cells + cell] = (float)(sum * p->after.scale[row]);
        }
    }
    *bias = (float)(b * p->after.scale[row] + (p->shifted ? p->after.shift[row] : 0));
}

static void place(void *argument, int lane, int64_t first, int64_t last)
{
    const placing *p = argument;
    (void)lane;
    for (int64_t row = first; row < last; row++) {
        int64_t channel = p->first_oc + row;
        place_row(p, row, p->weights + (size_t)(channel * p->ic) * p->cells, p->bias + channel);
    }
}

/* A layer that is a part of a tensor, or more than it. */
static deeptepp_status fold_placed(const origin *from, const dtp_arch *arch, int layer, float **weights, float **bias,
                                   deeptepp_error *error)
{
    placing p = placing_of(arch, layer);
    size_t count = dtp_layer_weights(&arch->graph, layer);
    deeptepp_status status = make_room(weights, bias, count, arch->graph.values[layer + 1].c, error);
    if (status == DEEPTEPP_OK)
        status = read_placing(&p, from, error);
    p.weights = *weights;
    p.bias = *bias;
    if (status == DEEPTEPP_OK)
        dtp_team_for(from->team, p.rows, CHANNELS, place, &p);
    affine_free(&p.before);
    affine_free(&p.after);
    free(p.tensor);
    free(p.tensor_bias);
    return status;
}

static deeptepp_status copy_channels(const dtp_graph *graph, int layer, float **weights, float **bias,
                                     deeptepp_error *error)
{
    int64_t oc = graph->values[layer + 1].c, ic = graph->values[graph->layers[layer].src].c;
    deeptepp_status status = make_room(weights, bias, (size_t)(oc * ic), oc, error);
    for (int64_t c = 0; status == DEEPTEPP_OK && c < dtp_min_i64(oc, ic); c++)
        (*weights)[c * ic + c] = 1.0f;
    return status;
}

deeptepp_status dtp_arch_fold(const dtp_arch *arch, const dtp_network *network, dtp_safetensors *file, int member,
                              int layer, float **weights, float **bias, dtp_team *team, deeptepp_error *error)
{
    const dtp_layer_source *source = &arch->sources[layer];
    const origin from = {file, network->members[member], source, team};
    int64_t oc = arch->graph.values[layer + 1].c;
    size_t count = dtp_layer_weights(&arch->graph, layer);
    *weights = *bias = NULL;
    if (source->kind == DTP_FROM_COPY)
        return copy_channels(&arch->graph, layer, weights, bias, error);
    return source->kind == DTP_FROM_TENSOR ? fold_whole(&from, oc, count, weights, bias, error)
                                           : fold_placed(&from, arch, layer, weights, bias, error);
}
