/* The residual backbone (He et al. 2016) in 3-D and, with depth-1 kernels, in 2-D. */

#include "build.h"

static const int64_t ONE[3] = {1, 1, 1};

/* Its matrix, one a member, is in no tensor: a file may not ask for one larger than itself. Those of a residual network
 * are far smaller. */
static deeptepp_status check_copy(const dtp_build *build, const char *name, int64_t ic, int64_t oc)
{
    const dtp_safetensors *file = build->file;
    size_t bytes = file->count ? file->tensors[file->count - 1].end : 0, values;
    const int64_t dims[3] = {build->network->n_members, ic, oc};
    if (oc < ic)
        return dtp_fail(
            build->error, DEEPTEPP_ERR_MODEL_VALUE,
            "network: shortcut %s makes %lld channels of %lld, wanted at least as many (\"A\" appends zeros)", name,
            (long long)oc, (long long)ic);
    if (!dtp_product(dims, 3, bytes / sizeof(float), &values))
        return dtp_fail(
            build->error, DEEPTEPP_ERR_MODEL_VALUE,
            "network: shortcut %s copies %lld channels into %lld, wanted a product, times members, of at most "
            "the file's %zu floats",
            name, (long long)ic, (long long)oc, bytes / sizeof(float));
    return DEEPTEPP_OK;
}

/* Strided subsampling with zero channels appended, as a 1x1x1 convolution that copies: exact, and the adder of the
 * block's last convolution then needs no special case. */
static int copying_shortcut(dtp_build *build, const char *name, int src, int64_t oc, const int64_t stride[3])
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .src = src, .add = -1, .kernel = {1, 1, 1}, .dilation = {1, 1, 1}};
    const dtp_layer_source source = {.kind = DTP_FROM_COPY};
    dtp_format(layer.name, sizeof layer.name, "%.60s", name);
    memcpy(layer.stride, stride, sizeof layer.stride);
    if (build->status == DEEPTEPP_OK)
        build->status = check_copy(build, name, build->arch->graph.values[src].c, oc);
    return dtp_build_append(build, &layer, oc, &source);
}

/* What the block's last convolution adds: the block's input, projected where stride or channels change. */
static int shortcut(dtp_build *build, const char *block, int src, int64_t oc, const int64_t stride[3])
{
    char name[64], norm[64];
    bool same = build->arch->graph.values[src].c == oc && stride[0] == 1 && stride[1] == 1 && stride[2] == 1;
    if (same)
        return src;
    dtp_format(name, sizeof name, "%.44s.downsample.0", block);
    dtp_format(norm, sizeof norm, "%.44s.downsample.1", block);
    if (build->network->shortcut_a)
        return copying_shortcut(build, name, src, oc, stride);
    dtp_convolution c = {.name = name, .norm = norm, .src = src, .add = -1, .oc = oc, .kernel = 1, .dilation = 1,
                         .may_have_bias = build->rank == 5};
    memcpy(c.stride, stride, sizeof c.stride);
    return dtp_build_convolution(build, &c);
}

static int block_convolution(dtp_build *build, const char *block, int index, int64_t kernel, int src, int add,
                             const int64_t stride[3], int64_t dilation)
{
    char name[64], norm[64];
    dtp_format(name, sizeof name, "%.48s.conv%d", block, index);
    dtp_format(norm, sizeof norm, "%.48s.bn%d", block, index);
    dtp_convolution c = {.name = name, .norm = norm, .src = src, .add = add, .kernel = kernel, .dilation = dilation,
                         .activation = build->network->activation};
    memcpy(c.stride, stride, sizeof c.stride);
    return dtp_build_convolution(build, &c);
}

/* A basic block strides in its first convolution, a bottleneck in its second, the 3x3x3 one. */
static int residual_block(dtp_build *build, const char *block, int src, const int64_t stride[3], int64_t dilation)
{
    char last[64], norm[64];
    dtp_format(last, sizeof last, "%.48s.conv%d", block, build->bottleneck ? 3 : 2);
    dtp_format(norm, sizeof norm, "%.48s.bn%d", block, build->bottleneck ? 3 : 2);
    int add = shortcut(build, block, src, dtp_build_channels(build, last, norm), stride);
    if (!build->bottleneck) {
        int middle = block_convolution(build, block, 1, 3, src, -1, stride, dilation);
        return block_convolution(build, block, 2, 3, middle, add, ONE, dilation);
    }
    int narrow = block_convolution(build, block, 1, 1, src, -1, ONE, 1);
    int middle = block_convolution(build, block, 2, 3, narrow, -1, stride, dilation);
    return block_convolution(build, block, 3, 1, middle, add, ONE, 1);
}

/* In 2-D, strides along depth stay 1. */
static void spread(int64_t stride, bool flat, int64_t out[3])
{
    out[0] = flat ? 1 : stride;
    out[1] = out[2] = stride;
}

int dtp_build_stem(dtp_build *build, const char *at, int64_t kernel)
{
    bool flat = build->rank == 4;
    int64_t window[3] = {3, 3, 3}, stride[3] = {2, 2, 2}, pad[3] = {1, 1, 1};
    char name[64], norm[64];
    dtp_format(name, sizeof name, "%.40sconv1", at);
    dtp_format(norm, sizeof norm, "%.40sbn1", at);
    dtp_convolution c = {.name = name, .norm = norm, .add = -1, .kernel = kernel, .dilation = 1,
                         .activation = build->network->stem_activation};
    memcpy(c.stride, build->network->stem_stride, sizeof c.stride);
    int value = dtp_build_convolution(build, &c);
    if (!build->network->stem_pool)
        return value;
    if (flat) {
        window[0] = stride[0] = 1;
        pad[0] = 0;
    }
    return dtp_build_pool(build, DTP_MAX_POOL, "maxpool", value, window, stride, pad);
}

int dtp_build_layer(dtp_build *build, const char *at, int layer, int src)
{
    int value = src, *count = &build->blocks[layer - 1];
    for (*count = 0; build->status == DEEPTEPP_OK; ++*count) {
        char block[48];
        int64_t stride[3];
        dtp_format(block, sizeof block, "%.24slayer%d.%d", at, layer, *count);
        if (*count > 0 && !dtp_build_find(build, "%s.conv1.weight", block))
            break;
        spread(*count ? 1 : build->network->layer_strides[layer - 1], build->rank == 4, stride);
        value = residual_block(build, block, value, stride, build->network->layer_dilations[layer - 1]);
    }
    return value;
}

/* A file that lost a block is a network of its own, with other scores: only the known ones are taken. */
deeptepp_status dtp_build_check_depth(const dtp_build *build)
{
    static const struct {
        bool bottleneck;
        int blocks[4];
    } known[] = {
        {false, {1, 1, 1, 1}}, {false, {2, 2, 2, 2}}, {false, {3, 4, 6, 3}}, /* 10, 18, 34 */
        {true, {3, 4, 6, 3}}, /* 50, the published network's */
        {true, {3, 4, 23, 3}}, {true, {3, 8, 36, 3}}, {true, {3, 24, 36, 3}}, /* 101, 152, 200 */
    };
    const int *b = build->blocks;
    for (size_t i = 0; i < DTP_COUNT(known); i++)
        if (known[i].bottleneck == build->bottleneck && memcmp(known[i].blocks, b, sizeof known[i].blocks) == 0 &&
            (build->rank == 5 || i == 3))
            return DEEPTEPP_OK;
    return dtp_fail(build->error, DEEPTEPP_ERR_MODEL_TENSORS,
                    "the layers have %d, %d, %d and %d %s, wanted a ResNet of depth %s: is a block missing?", b[0],
                    b[1], b[2], b[3], build->bottleneck ? "bottlenecks" : "basic blocks",
                    build->rank == 5 ? "10, 18, 34, 50, 101, 152 or 200" : "50");
}
