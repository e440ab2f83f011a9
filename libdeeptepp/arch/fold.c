/* Inference weights: BatchNorm folded into the convolution before it, in double precision. */
#include <math.h>
#include <stdio.h>

#include "arch.h"

static const double EPSILON = 1e-5; /* PyTorch's default, which every supported network uses */

typedef struct norm {
    float *weight, *bias, *mean, *variance;
} norm;

static deeptepp_status take(dtp_safetensors *file, const char *prefix, const char *base, const char *part, float **out,
                            deeptepp_error *error)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s%s", prefix, base, part);
    dtp_tensor *tensor = dtp_safetensors_find(file, name);
    if (!tensor)
        return dtp_fail(error, DEEPTEPP_ERR_INTERNAL, "tensor %s vanished after the check", name);
    return dtp_tensor_take_f32(tensor, out, error);
}

static void norm_free(norm *n)
{
    free(n->weight);
    free(n->bias);
    free(n->mean);
    free(n->variance);
}

static deeptepp_status norm_take(norm *n, dtp_safetensors *file, const char *prefix, const char *base, int64_t channels,
                                 deeptepp_error *error)
{
    deeptepp_status status;
    DTP_TRY(take(file, prefix, base, ".weight", &n->weight, error));
    DTP_TRY(take(file, prefix, base, ".bias", &n->bias, error));
    DTP_TRY(take(file, prefix, base, ".running_mean", &n->mean, error));
    DTP_TRY(take(file, prefix, base, ".running_var", &n->variance, error));
    for (int64_t c = 0; c < channels; c++)
        if (n->variance[c] < 0)
            DTP_FAIL(MODEL_VARIANCE, "tensor %s%s.running_var: element %lld is %g, wanted 0 or more", prefix, base,
                     (long long)c, (double)n->variance[c]);
fail:
    return status;
}

/* All ones in the exponent: infinite or NaN. As an integer, so that the loop around it becomes vector code. */
static uint32_t exponent(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7f800000u;
}

/* y = g (w x + b - m) / sqrt(v + eps) + beta. False when a folded weight leaves the range of float32, as a tiny
 * variance under a large weight can make it. */
static bool fold(float *weights, float *bias, const norm *n, int64_t channels, size_t per_channel)
{
    uint32_t worst = 0;
#pragma omp parallel for reduction(max : worst) schedule(static)
    for (int64_t c = 0; c < channels; c++) {
        double scale = n->weight[c] / sqrt(n->variance[c] + EPSILON);
        float *w = weights + (size_t)c * per_channel;
        for (size_t i = 0; i < per_channel; i++) {
            w[i] = (float)(w[i] * scale);
            worst = exponent(w[i]) > worst ? exponent(w[i]) : worst;
        }
        bias[c] = (float)((bias[c] - (double)n->mean[c]) * scale + n->bias[c]);
        worst = exponent(bias[c]) > worst ? exponent(bias[c]) : worst;
    }
    return worst != 0x7f800000u;
}

static deeptepp_status copy_weights(const dtp_graph *graph, int layer, float **weights, float **bias,
                                    deeptepp_error *error)
{
    int64_t oc = graph->values[layer + 1].c, ic = graph->values[graph->layers[layer].src].c;
    *weights = calloc((size_t)(oc * ic), sizeof **weights);
    *bias = calloc((size_t)oc, sizeof **bias);
    if (!*weights || !*bias)
        return dtp_fail_memory(error, "a shortcut", (size_t)(oc * ic) * sizeof **weights);
    for (int64_t c = 0; c < dtp_min_i64(oc, ic); c++)
        (*weights)[c * ic + c] = 1.0f;
    return DEEPTEPP_OK;
}

deeptepp_status dtp_arch_fold(const dtp_arch *arch, const dtp_network *network, dtp_safetensors *file, int member,
                              int layer, float **weights, float **bias, deeptepp_error *error)
{
    deeptepp_status status;
    const dtp_layer_source *source = &arch->sources[layer];
    const char *prefix = network->members[member];
    int64_t oc = arch->graph.values[layer + 1].c;
    size_t count = dtp_layer_weights(&arch->graph, layer);
    norm n = {0};
    *weights = *bias = NULL;
    if (source->zero_extended)
        return copy_weights(&arch->graph, layer, weights, bias, error);
    DTP_TRY(take(file, prefix, source->weight, "", weights, error));
    if (*source->bias)
        DTP_TRY(take(file, prefix, source->bias, "", bias, error));
    else if (!(*bias = calloc((size_t)oc, sizeof **bias)))
        return dtp_fail_memory(error, "a bias", (size_t)oc * sizeof **bias);
    if (*source->norm) {
        DTP_TRY(norm_take(&n, file, prefix, source->norm, oc, error));
        if (!fold(*weights, *bias, &n, oc, count / (size_t)oc))
            DTP_FAIL(MODEL_NONFINITE, "tensor %s%s: infinite once BatchNorm %s is folded in", prefix, source->weight,
                     source->norm);
    }
fail:
    norm_free(&n);
    return status;
}
