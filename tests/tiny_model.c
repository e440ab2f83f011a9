#include "tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_ops.h"

static void *must(void *made)
{
    if (!made)
        abort();
    return made;
}

/* ---- tensors ---- */

size_t tiny_tensor_count(const tiny_tensor *tensor)
{
    size_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= (size_t)tensor->shape[i];
    return count;
}

tiny_tensor *tiny_model_find(const tiny_model *model, const char *name)
{
    for (int i = 0; i < model->count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    return NULL;
}

void tiny_model_drop(tiny_model *model, const char *name)
{
    tiny_tensor *tensor = must(tiny_model_find(model, name));
    free(tensor->values);
    *tensor = model->tensors[--model->count];
}

tiny_tensor *tiny_model_add(tiny_model *model, const char *name, const int64_t *shape)
{
    model->tensors = must(realloc(model->tensors, (size_t)(model->count + 1) * sizeof *model->tensors));
    tiny_tensor *tensor = &model->tensors[model->count++];
    *tensor = (tiny_tensor){.dtype = "F32"};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    for (; shape[tensor->rank]; tensor->rank++)
        tensor->shape[tensor->rank] = shape[tensor->rank];
    tensor->values = must(calloc(tiny_tensor_count(tensor) + 1, sizeof(float)));
    return tensor;
}

void tiny_model_free(tiny_model *model)
{
    for (int i = 0; i < model->count; i++)
        free(model->tensors[i].values);
    free(model->tensors);
    json_decref(model->description);
    *model = (tiny_model){0};
}

/* ---- a network ---- */

typedef struct maker {
    tiny_model *model;
    const tiny_options *o;
    const char *prefix;
    uint64_t state;
} maker;

static void uniform(maker *m, const char *base, const char *part, const int64_t *shape, double middle, double spread)
{
    char name[192];
    snprintf(name, sizeof name, "%s%s%s", m->prefix, base, part);
    tiny_tensor *tensor = tiny_model_add(m->model, name, shape);
    for (size_t i = 0; i < tiny_tensor_count(tensor); i++)
        tensor->values[i] = (float)(middle + spread * reference_random(&m->state));
}

/* Far from 0 and 1, so that a fold which forgets one of them is seen. */
static void norm(maker *m, const char *name, int64_t channels)
{
    const int64_t shape[] = {channels, 0};
    uniform(m, name, ".weight", shape, 1, 0.5);
    uniform(m, name, ".bias", shape, 0, 0.2);
    uniform(m, name, ".running_mean", shape, 0, 0.2);
    uniform(m, name, ".running_var", shape, 1.25, 0.75);
}

static void convolution(maker *m, const char *name, int64_t oc, int64_t ic, const int64_t kernel[3])
{
    const int64_t shape[] = {oc, ic, kernel[0], kernel[1], kernel[2], 0};
    uniform(m, name, ".weight", shape, 0, sqrt(4.0 / (double)(ic * kernel[0] * kernel[1] * kernel[2])));
}

static void convolution_and_norm(maker *m, const char *block, const char *suffix, int64_t oc, int64_t ic, int64_t edge)
{
    const int64_t kernel[] = {edge, edge, edge};
    char name[96];
    snprintf(name, sizeof name, "%s.conv%s", block, suffix);
    convolution(m, name, oc, ic, kernel);
    snprintf(name, sizeof name, "%s.bn%s", block, suffix);
    norm(m, name, oc);
}

static void downsample(maker *m, const char *block, int64_t oc, int64_t ic)
{
    const int64_t kernel[] = {1, 1, 1}, shape[] = {oc, 0};
    char name[96];
    snprintf(name, sizeof name, "%s.downsample.0", block);
    convolution(m, name, oc, ic, kernel);
    if (m->o->downsample_bias)
        uniform(m, name, ".bias", shape, 0, 0.2);
    snprintf(name, sizeof name, "%s.downsample.1", block);
    norm(m, name, oc);
}

static int64_t residual_block(maker *m, int layer, int index, int64_t in)
{
    char block[64];
    bool bottleneck = m->o->depth == 50;
    int64_t planes = (int64_t)m->o->width << layer, out = bottleneck ? 4 * planes : planes;
    snprintf(block, sizeof block, "layer%d.%d", layer + 1, index);
    convolution_and_norm(m, block, "1", planes, in, bottleneck ? 1 : 3);
    convolution_and_norm(m, block, "2", planes, planes, 3);
    if (bottleneck)
        convolution_and_norm(m, block, "3", out, planes, 1);
    bool changes = in != out || (index == 0 && m->o->strides[layer] != 1);
    if (changes && !m->o->shortcut_a)
        downsample(m, block, out, in);
    return out;
}

static void network(maker *m)
{
    static const int blocks[4][4] = {{1, 1, 1, 1}, {2, 2, 2, 2}, {3, 4, 6, 3}, {3, 4, 6, 3}};
    const tiny_options *o = m->o;
    const int *counts = blocks[o->depth == 10 ? 0 : o->depth == 18 ? 1 : 2];
    const int64_t kernel[] = {o->kernel[0], o->kernel[1], o->kernel[2]};
    int64_t channels = o->width;
    convolution(m, "conv1", channels, o->channels, kernel);
    norm(m, "bn1", channels);
    for (int layer = 0; layer < 4; layer++)
        for (int index = 0; index < counts[layer]; index++)
            channels = residual_block(m, layer, index, channels);
    const int64_t weight[] = {o->classes, channels, 0}, bias[] = {o->classes, 0};
    uniform(m, "fc", ".weight", weight, 0, sqrt(3.0 / (double)channels));
    uniform(m, "fc", ".bias", bias, 0, 0.2);
}

/* ---- its description ---- */

static json_t *integers(const int *values, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_integer(values[i]));
    return array;
}

static json_t *network_json(const tiny_options *o)
{
    const int stem[3] = {o->stem_stride, o->stem_stride, o->stem_stride};
    json_t *json = json_pack("{s:s, s:o, s:b, s:o, s:o, s:s, s:s}", "architecture", "resnet3d", "stem_stride",
                             integers(stem, 3), "stem_pool", o->pool, "layer_strides", integers(o->strides, 4),
                             "layer_dilations", integers(o->dilations, 4), "shortcut", o->shortcut_a ? "A" : "B",
                             "activation", o->activation);
    for (int i = 0; i < o->members; i++) {
        if (i == 0)
            json_object_set_new(json, "members", json_array());
        json_array_append_new(json_object_get(json, "members"), json_sprintf("fold%d.", i));
    }
    return json;
}

static json_t *input_json(const tiny_options *o)
{
    json_t *channels = json_array();
    for (int i = 0; i < o->channels; i++)
        json_array_append_new(channels, json_sprintf("c%d", i));
    return json_pack("{s:o, s:s, s:o, s:[i], s:{s:s, s:[i, i, i]}, s:{s:s, s:s}, s:{s:s}}", "channels", channels,
                     "axes", "RAS", "size", integers(o->size, 3), "angles_deg", 0, "region", "rule", "fixed",
                     "spacing_mm", 1, 1, 1, "outside", "rule", "warn", "fill", "edge", "intensity", "rule", "none");
}

static void lay_over(json_t *json, const json_t *patch)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
        json_t *here = json_object_get(json, key);
        if (json_is_null(value))
            json_object_del(json, key);
        else if (json_is_object(value) && json_is_object(here))
            lay_over(here, value);
        else
            json_object_set(json, key, value);
    }
}

static json_t *description(const tiny_options *o)
{
    json_t *json = json_pack("{s:i}", "schema", 1);
    static const char *const texts[] = {"name",    "version",         "licence",      "authors",
                                        "training_cohort", "intended_use", "limitations"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_object_set_new(json, texts[i], json_sprintf("tiny %s", texts[i]));
    json_object_set_new(json, "weights", json_string("trained"));
    json_object_set_new(json, "network", network_json(o));
    json_object_set_new(json, "input", input_json(o));
    json_object_set_new(json, "score", json_pack("{s:s, s:i}", "rule", "logit", "class", o->classes - 1));
    if (o->patch) {
        json_t *patch = must(json_loads(o->patch, JSON_REJECT_DUPLICATES, NULL));
        lay_over(json, patch);
        json_decref(patch);
    }
    return json;
}

/* ---- the whole ---- */

static void set_default(int *values, int count, int value)
{
    for (int i = 0; i < count; i++)
        values[i] = values[i] ? values[i] : value;
}

static tiny_options with_defaults(const tiny_options *options)
{
    tiny_options o = *options;
    set_default(&o.depth, 1, 10);
    set_default(&o.width, 1, 4);
    set_default(&o.channels, 1, 1);
    set_default(&o.classes, 1, 2);
    set_default(o.kernel, 3, 3);
    set_default(&o.stem_stride, 1, 1);
    set_default(o.strides, 1, 1);
    set_default(o.strides, 4, 2);
    set_default(o.dilations, 4, 1);
    set_default(o.size, 3, 16);
    o.activation = o.activation ? o.activation : "relu";
    return o;
}

tiny_model tiny_model_make(const tiny_options *options)
{
    tiny_options o = with_defaults(options);
    tiny_model model = {.description = must(description(&o))};
    for (int i = 0; i < (o.members ? o.members : 1); i++) {
        char prefix[32] = "";
        if (o.members)
            snprintf(prefix, sizeof prefix, "fold%d.", i);
        maker m = {.model = &model, .o = &o, .prefix = prefix, .state = o.seed * 1000 + (uint64_t)i};
        network(&m);
    }
    return model;
}

/* ---- the file ---- */

static size_t element_size(const tiny_tensor *tensor)
{
    return tensor->dtype[0] == 'I' ? 8 : 4;
}

static char *header(const tiny_model *model)
{
    size_t at = 0;
    char *text = must(json_dumps(model->description, JSON_COMPACT));
    json_t *json = json_pack("{s:{s:s}}", "__metadata__", "deeptepp", text);
    for (int i = 0; i < model->count; i++) {
        const tiny_tensor *t = &model->tensors[i];
        size_t end = at + tiny_tensor_count(t) * element_size(t);
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++)
            json_array_append_new(shape, json_integer(t->shape[d]));
        json_object_set_new(json, t->name, json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape,
                                                     "data_offsets", (json_int_t)at, (json_int_t)end));
        at = end;
    }
    free(text);
    text = must(json_dumps(json, JSON_COMPACT));
    json_decref(json);
    return text;
}

static uint8_t *put_tensor(uint8_t *at, const tiny_tensor *tensor)
{
    size_t count = tiny_tensor_count(tensor);
    for (size_t i = 0; i < count; i++, at += element_size(tensor)) {
        int64_t whole = (int64_t)tensor->values[i];
        memcpy(at, element_size(tensor) == 8 ? (void *)&whole : (void *)&tensor->values[i], element_size(tensor));
    }
    return at;
}

tiny_bytes tiny_model_write(const tiny_model *model)
{
    char *text = header(model);
    uint64_t length = strlen(text);
    tiny_bytes bytes = {.size = 8 + length};
    for (int i = 0; i < model->count; i++)
        bytes.size += tiny_tensor_count(&model->tensors[i]) * element_size(&model->tensors[i]);
    bytes.data = must(malloc(bytes.size));
    for (int i = 0; i < 8; i++)
        bytes.data[i] = (uint8_t)(length >> 8 * i);
    memcpy(bytes.data + 8, text, length);
    uint8_t *at = bytes.data + 8 + length;
    for (int i = 0; i < model->count; i++)
        at = put_tensor(at, &model->tensors[i]);
    free(text);
    return bytes;
}

tiny_bytes tiny_model_bytes(const tiny_options *options)
{
    tiny_model model = tiny_model_make(options);
    tiny_bytes bytes = tiny_model_write(&model);
    tiny_model_free(&model);
    return bytes;
}
