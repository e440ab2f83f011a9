#include "build.h"

#include <stdarg.h>

const dtp_tensor *dtp_build_find(const dtp_build *build, const char *format, ...)
{
    char name[192];
    int used = dtp_format(name, sizeof name, "%.100s", build->prefix);
    va_list arguments;
    va_start(arguments, format);
    dtp_vformat(name + used, sizeof name - (size_t)used, format, arguments);
    va_end(arguments);
    return dtp_safetensors_find(build->file, name);
}

int64_t dtp_build_dim(const dtp_build *build, const char *name, int dim)
{
    const dtp_tensor *tensor = dtp_build_find(build, "%s", name);
    return tensor && dim < tensor->rank ? tensor->shape[dim] : 0;
}

int dtp_build_append(dtp_build *build, const dtp_layer *layer, int64_t oc, const dtp_layer_source *source)
{
    int value = 0;
    if (build->status == DEEPTEPP_OK)
        build->status = dtp_graph_add(&build->arch->graph, layer, oc, &value, build->error);
    if (build->status == DEEPTEPP_OK && source)
        build->arch->sources[value - 1] = *source;
    return value;
}

/* A kernel this library can centre; a missing tensor is taken as 1x1x1 and reported by the tensor check. */
static void read_kernel(dtp_build *build, const char *tensor, int rank, int64_t kernel[3])
{
    for (int i = 0; i < 3; i++) {
        int dim = rank - 3 + i;
        int64_t found = dim >= 2 ? dtp_build_dim(build, tensor, dim) : 1;
        kernel[i] = found ? found : 1;
        if ((kernel[i] > 15 || kernel[i] % 2 == 0) && build->status == DEEPTEPP_OK)
            build->status = dtp_fail(build->error, DEEPTEPP_ERR_MODEL_TENSORS,
                                     "tensor %s: kernel size %lld, wanted odd, 1 to 15", tensor, (long long)kernel[i]);
    }
}

static void fix_kernel(const dtp_build *build, int64_t size, int64_t kernel[3])
{
    kernel[0] = build->rank == 4 ? 1 : size;
    kernel[1] = kernel[2] = size;
}

int64_t dtp_build_channels(const dtp_build *build, const char *name, const char *norm)
{
    char tensor[80];
    dtp_format(tensor, sizeof tensor, "%.64s.weight", name);
    int64_t found = dtp_build_dim(build, tensor, 0);
    if (!found && norm) {
        dtp_format(tensor, sizeof tensor, "%.64s.weight", norm);
        found = dtp_build_dim(build, tensor, 0);
    }
    return found ? found : 1;
}

int dtp_build_convolution(dtp_build *build, const dtp_convolution *c)
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .src = c->src, .add = c->add, .open_end = c->open_end,
                       .activation = c->activation};
    dtp_layer_source source = {.kind = DTP_FROM_TENSOR, .rank = build->rank};
    if (build->status != DEEPTEPP_OK)
        return 0;
    dtp_format(layer.name, sizeof layer.name, "%s", c->name);
    dtp_format(source.weight, sizeof source.weight, "%.56s.weight", c->name);
    dtp_format(source.norm, sizeof source.norm, "%s", c->norm);
    if (c->may_have_bias && dtp_build_find(build, "%s.bias", c->name))
        dtp_format(source.bias, sizeof source.bias, "%.56s.bias", c->name);
    if (c->kernel)
        fix_kernel(build, c->kernel, layer.kernel);
    else
        read_kernel(build, source.weight, build->rank, layer.kernel);
    for (int i = 0; i < 3; i++) {
        layer.stride[i] = c->stride[i];
        layer.dilation[i] = c->dilation;
        layer.pad[i] = c->dilation * (layer.kernel[i] - 1) / 2;
    }
    return dtp_build_append(build, &layer, c->oc ? c->oc : dtp_build_channels(build, c->name, c->norm), &source);
}

int dtp_build_linear(dtp_build *build, const dtp_layer_source *source, int src, int add, int64_t oc,
                     dtp_activation activation)
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .src = src, .add = add, .activation = activation,
                       .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    dtp_layer_source linear = *source;
    linear.rank = 2;
    dtp_format(layer.name, sizeof layer.name, "%.*s", (int)(strlen(source->weight) - strlen(".weight")),
               source->weight);
    return dtp_build_append(build, &layer, oc, &linear);
}

int dtp_build_crop(dtp_build *build, const char *name, int src, int64_t size)
{
    dtp_shape map = build->arch->graph.values[src];
    dtp_layer layer = {.op = DTP_CROP, .src = src, .add = -1, .stride = {1, 1, 1}, .dilation = {1, 1, 1},
                       .kernel = {1, map.h - size + 1, map.w - size + 1}};
    dtp_format(layer.name, sizeof layer.name, "%s", name);
    return dtp_build_append(build, &layer, 0, NULL);
}

int dtp_build_pool(dtp_build *build, dtp_op op, const char *name, int src, const int64_t kernel[3],
                   const int64_t stride[3], const int64_t pad[3])
{
    dtp_layer layer = {.op = op, .src = src, .add = -1, .dilation = {1, 1, 1}};
    dtp_format(layer.name, sizeof layer.name, "%s", name);
    memcpy(layer.kernel, kernel, sizeof layer.kernel);
    memcpy(layer.stride, stride, sizeof layer.stride);
    memcpy(layer.pad, pad, sizeof layer.pad);
    return dtp_build_append(build, &layer, 0, NULL);
}
