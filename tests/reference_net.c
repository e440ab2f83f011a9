#include "reference_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct walk {
    const tiny_model *model;
    const json_t *network;
    char prefix[32];
    dtp_activation stem_activation, activation;
} walk;

static int64_t element(const json_t *network, const char *key, size_t index)
{
    return json_integer_value(json_array_get(json_object_get(network, key), index));
}

static const tiny_tensor *find(const walk *w, const char *base, const char *part)
{
    char name[192];
    snprintf(name, sizeof name, "%s%s%s", w->prefix, base, part);
    return tiny_model_find(w->model, name);
}

static const float *need(const walk *w, const char *base, const char *part)
{
    const tiny_tensor *tensor = find(w, base, part);
    if (!tensor)
        abort();
    return tensor->values;
}

/* Convolution and BatchNorm; the kernel is the tensor's, the padding keeps the size at stride 1. */
static reference_map unit(const walk *w, const reference_map *in, const char *name, const char *norm,
                          const int64_t stride[3], int64_t dilation)
{
    const tiny_tensor *weight = find(w, name, ".weight"), *bias = find(w, name, ".bias");
    reference_window window = {.dilation = {dilation, dilation, dilation}};
    if (!weight)
        abort();
    for (int i = 0; i < 3; i++) {
        window.kernel[i] = weight->shape[2 + i];
        window.stride[i] = stride[i];
        window.pad[i] = dilation * (window.kernel[i] - 1) / 2;
    }
    reference_map out =
        reference_convolution(in, &window, weight->shape[0], weight->values, bias ? bias->values : NULL);
    reference_norm(&out, need(w, norm, ".weight"), need(w, norm, ".bias"), need(w, norm, ".running_mean"),
                   need(w, norm, ".running_var"));
    return out;
}

static reference_map block_unit(const walk *w, const reference_map *in, const char *block, int index, int64_t stride,
                                int64_t dilation)
{
    const int64_t strides[3] = {stride, stride, stride};
    char name[96], norm[96];
    snprintf(name, sizeof name, "%s.conv%d", block, index);
    snprintf(norm, sizeof norm, "%s.bn%d", block, index);
    return unit(w, in, name, norm, strides, dilation);
}

/* Shortcut A: every stride-th cell, then zero channels. */
static reference_map subsample(const reference_map *in, int64_t oc, int64_t s)
{
    reference_map out = reference_new(in->n, oc, (in->d - 1) / s + 1, (in->h - 1) / s + 1, (in->w - 1) / s + 1);
    for (int64_t n = 0; n < out.n; n++)
        for (int64_t c = 0; c < in->c; c++)
            for (int64_t d = 0; d < out.d; d++)
                for (int64_t h = 0; h < out.h; h++)
                    for (int64_t x = 0; x < out.w; x++)
                        *reference_at(&out, n, c, d, h, x) = *reference_at(in, n, c, d * s, h * s, x * s);
    return out;
}

static reference_map shortcut(const walk *w, const reference_map *in, const char *block, int64_t oc, int64_t stride)
{
    const int64_t strides[3] = {stride, stride, stride};
    char name[96], norm[96];
    snprintf(name, sizeof name, "%s.downsample.0", block);
    snprintf(norm, sizeof norm, "%s.downsample.1", block);
    return find(w, name, ".weight") ? unit(w, in, name, norm, strides, 1) : subsample(in, oc, stride);
}

static void replace(reference_map *old, reference_map map)
{
    reference_free(old);
    *old = map;
}

static void residual_block(const walk *w, reference_map *map, const char *block, int64_t stride, int64_t dilation)
{
    bool bottleneck = find(w, block, ".conv3.weight") != NULL;
    reference_map out = block_unit(w, map, block, 1, bottleneck ? 1 : stride, bottleneck ? 1 : dilation);
    reference_activate(&out, w->activation);
    replace(&out, block_unit(w, &out, block, 2, bottleneck ? stride : 1, dilation));
    if (bottleneck) {
        reference_activate(&out, w->activation);
        replace(&out, block_unit(w, &out, block, 3, 1, 1));
    }
    reference_map side = shortcut(w, map, block, out.c, stride);
    reference_add(&out, &side);
    reference_activate(&out, w->activation);
    reference_free(&side);
    replace(map, out);
}

static reference_map stem(const walk *w, const reference_map *input)
{
    const reference_window pool = {.kernel = {3, 3, 3}, .stride = {2, 2, 2}, .pad = {1, 1, 1}, .dilation = {1, 1, 1}};
    int64_t stride[3];
    for (size_t i = 0; i < 3; i++)
        stride[i] = element(w->network, "stem_stride", i);
    reference_map map = unit(w, input, "conv1", "bn1", stride, 1);
    reference_activate(&map, w->stem_activation);
    if (json_is_true(json_object_get(w->network, "stem_pool")))
        replace(&map, reference_max_pool(&map, &pool));
    return map;
}

/* Of the first of these keys that is there. */
static dtp_activation activation(const json_t *network, const char *key, const char *otherwise)
{
    const char *name = json_string_value(json_object_get(network, key));
    if (!name)
        return activation(network, otherwise, NULL);
    return strcmp(name, "relu") == 0 ? DTP_RELU : strcmp(name, "elu") == 0 ? DTP_ELU : DTP_LEAKY_RELU;
}

static walk begin(const tiny_model *model, int member)
{
    walk w = {.model = model, .network = json_object_get(model->description, "network")};
    const json_t *members = json_object_get(w.network, "members");
    if (members)
        snprintf(w.prefix, sizeof w.prefix, "%s", json_string_value(json_array_get(members, (size_t)member)));
    w.stem_activation = activation(w.network, "stem_activation", "activation");
    w.activation = activation(w.network, "activation", NULL);
    return w;
}

reference_map reference_network(const tiny_model *model, int member, const reference_map *input)
{
    walk w = begin(model, member);
    reference_map map = stem(&w, input);
    for (int layer = 0; layer < 4; layer++)
        for (int index = 0;; index++) {
            char block[64];
            snprintf(block, sizeof block, "layer%d.%d", layer + 1, index);
            if (!find(&w, block, ".conv1.weight"))
                break;
            residual_block(&w, &map, block, index ? 1 : element(w.network, "layer_strides", (size_t)layer),
                           element(w.network, "layer_dilations", (size_t)layer));
        }
    const reference_window all = {.kernel = {map.d, map.h, map.w}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    replace(&map, reference_average_pool(&map, &all));
    replace(&map, reference_linear(&map, find(&w, "fc", ".weight")->shape[0], need(&w, "fc", ".weight"),
                                   need(&w, "fc", ".bias")));
    return map;
}

reference_map reference_self_test_input(const tiny_model *model, uint64_t seed)
{
    const json_t *input = json_object_get(model->description, "input"), *size = json_object_get(input, "size");
    reference_map map = reference_new(1, (int64_t)json_array_size(json_object_get(input, "channels")),
                                      json_integer_value(json_array_get(size, 0)),
                                      json_integer_value(json_array_get(size, 1)),
                                      json_integer_value(json_array_get(size, 2)));
    for (int64_t i = 0; i < reference_count(&map); i++)
        map.values[i] = reference_random(&seed);
    return map;
}

double reference_self_test_score(const tiny_model *model, uint64_t seed)
{
    const json_t *members = json_object_get(json_object_get(model->description, "network"), "members");
    int count = members ? (int)json_array_size(members) : 1;
    json_int_t class = json_integer_value(json_object_get(json_object_get(model->description, "score"), "class"));
    reference_map input = reference_self_test_input(model, seed);
    double sum = 0;
    for (int m = 0; m < count; m++) {
        reference_map logits = reference_network(model, m, &input);
        sum += logits.values[class];
        reference_free(&logits);
    }
    reference_free(&input);
    return sum / count;
}
