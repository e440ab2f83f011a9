/* The residual backbone (He et al. 2016) in 3-D and, with depth-1 kernels, in 2-D. */
#include <stdio.h>

#include "build.h"

static const int64_t ONE[3] = {1, 1, 1};

/* Strided subsampling with zero channels appended, as a 1x1x1 convolution that copies: exact, and the adder of the
 * block's last convolution then needs no special case. */
static int zero_extended_shortcut(dtp_build *build, const char *name, int src, int64_t oc, const int64_t stride[3])
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .src = src, .add = -1, .kernel = {1, 1, 1}, .dilation = {1, 1, 1}};
    int value = 0;
    snprintf(layer.name, sizeof layer.name, "%.60s", name);
    memcpy(layer.stride, stride, sizeof layer.stride);
    if (build->status != DEEPTEPP_OK)
        return 0;
    build->arch->sources[build->arch->graph.n_layers] = (dtp_layer_source){.zero_extended = true};
    build->status = dtp_graph_add(&build->arch->graph, &layer, oc, &value, build->error);
    return value;
}

/* What the block's last convolution adds: the block's input, projected where stride or channels change. */
static int shortcut(dtp_build *build, const char *block, int src, int64_t oc, const int64_t stride[3])
{
    char name[64], norm[64];
    bool same = build->arch->graph.values[src].c == oc && stride[0] == 1 && stride[1] == 1 && stride[2] == 1;
    if (same)
        return src;
    snprintf(name, sizeof name, "%.44s.downsample.0", block);
    snprintf(norm, sizeof norm, "%.44s.downsample.1", block);
    if (build->network->shortcut_a)
        return zero_extended_shortcut(build, name, src, oc, stride);
    dtp_convolution c = {.name = name, .norm = norm, .src = src, .add = -1, .oc = oc, .dilation = 1};
    memcpy(c.stride, stride, sizeof c.stride);
    return dtp_build_convolution(build, &c);
}

static int block_convolution(dtp_build *build, const char *block, int index, int src, int add, const int64_t stride[3],
                             int64_t dilation)
{
    char name[64], norm[64];
    snprintf(name, sizeof name, "%.48s.conv%d", block, index);
    snprintf(norm, sizeof norm, "%.48s.bn%d", block, index);
    dtp_convolution c = {.name = name, .norm = norm, .src = src, .add = add, .dilation = dilation,
                         .activation = build->network->activation};
    memcpy(c.stride, stride, sizeof c.stride);
    return dtp_build_convolution(build, &c);
}

/* A basic block strides in its first convolution, a bottleneck in its second, the 3x3x3 one. */
static int residual_block(dtp_build *build, const char *block, int src, const int64_t stride[3], int64_t dilation)
{
    char last[64], norm[64];
    bool bottleneck = dtp_build_find(build, "%s.conv3.weight", block) != NULL;
    snprintf(last, sizeof last, "%.48s.conv%d", block, bottleneck ? 3 : 2);
    snprintf(norm, sizeof norm, "%.48s.bn%d", block, bottleneck ? 3 : 2);
    int add = shortcut(build, block, src, dtp_build_channels(build, last, norm), stride);
    if (!bottleneck) {
        int middle = block_convolution(build, block, 1, src, -1, stride, dilation);
        return block_convolution(build, block, 2, middle, add, ONE, dilation);
    }
    int narrow = block_convolution(build, block, 1, src, -1, ONE, 1);
    int middle = block_convolution(build, block, 2, narrow, -1, stride, dilation);
    return block_convolution(build, block, 3, middle, add, ONE, 1);
}

/* In 2-D, strides along depth stay 1. */
static void spread(int64_t stride, bool flat, int64_t out[3])
{
    out[0] = flat ? 1 : stride;
    out[1] = out[2] = stride;
}

static int stem(dtp_build *build, const char *at, bool flat)
{
    int64_t kernel[3] = {3, 3, 3}, stride[3] = {2, 2, 2}, pad[3] = {1, 1, 1};
    char name[64], norm[64];
    snprintf(name, sizeof name, "%.40sconv1", at);
    snprintf(norm, sizeof norm, "%.40sbn1", at);
    dtp_convolution c = {.name = name, .norm = norm, .add = -1, .dilation = 1, .activation = build->network->activation};
    memcpy(c.stride, build->network->stem_stride, sizeof c.stride);
    int value = dtp_build_convolution(build, &c);
    if (!build->network->stem_pool)
        return value;
    if (flat) {
        kernel[0] = stride[0] = 1;
        pad[0] = 0;
    }
    return dtp_build_pool(build, DTP_MAX_POOL, "maxpool", value, kernel, stride, pad);
}

void dtp_build_resnet(dtp_build *build, const char *at, int layers[4])
{
    bool flat = build->rank == 4;
    int value = stem(build, at, flat);
    for (int layer = 0; layer < 4; layer++) {
        for (int index = 0; build->status == DEEPTEPP_OK; index++) {
            char block[48];
            int64_t stride[3];
            snprintf(block, sizeof block, "%.24slayer%d.%d", at, layer + 1, index);
            if (index > 0 && !dtp_build_find(build, "%s.conv1.weight", block))
                break;
            spread(index ? 1 : build->network->layer_strides[layer], flat, stride);
            value = residual_block(build, block, value, stride, build->network->layer_dilations[layer]);
        }
        layers[layer] = value;
    }
}
