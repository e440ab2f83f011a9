/* The published network: a 2-D ResNet-50 with progressive multi-granularity heads (Du et al. 2020). Block 1, 2 and 3
 * read the stride-8, -16 and -32 maps; a fourth head reads all three. Tensor names of the published layout
 * (docs/model-format.md). */

#include "build.h"

enum { HEADS = 4 };

/* The published pools were sized for 448-pixel input: on larger maps each reads its first cells only, and the blocks
 * compute nothing past what those depend on. Further back there is nothing to save: the last 3x3 convolution of layer4
 * could leave out its last row and column (0.2 % of all), the strided one before it needs all of its input. */
static const int64_t POOL[3] = {56, 28, 14};

static void check_map(dtp_build *build, dtp_shape map, int64_t pool)
{
    bool fits = map.h >= pool && map.w >= pool && map.h < 2 * pool && map.w < 2 * pool;
    if (!fits && build->status == DEEPTEPP_OK)
        build->status = dtp_fail(build->error, DEEPTEPP_ERR_MODEL_VALUE,
                                 "pmg2d: a map of %lld x %lld under a pool of %lld, wanted one cell a pool: the "
                                 "published input is 512 x 512",
                                 (long long)map.h, (long long)map.w, (long long)pool);
}

static int block_convolution(dtp_build *build, int block, int part, int64_t kernel, int src, bool open_end)
{
    char name[40], norm[40];
    dtp_format(name, sizeof name, "conv_block%d.%d.conv", block, part);
    dtp_format(norm, sizeof norm, "conv_block%d.%d.bn", block, part);
    const dtp_convolution c = {.name = name, .norm = norm, .src = src, .add = -1, .kernel = kernel,
                               .stride = {1, 1, 1}, .dilation = 1, .open_end = open_end, .activation = DTP_RELU};
    return dtp_build_convolution(build, &c);
}

/* 1x1, 3x3, max-pool to one cell. The 3x3 window of the pool's last cell reads one cell further. */
static int granularity(dtp_build *build, int block, int src)
{
    static const int64_t none[3] = {0, 0, 0};
    dtp_shape map = build->arch->graph.values[src];
    int64_t pool = POOL[block - 1];
    const int64_t kernel[3] = {1, pool, pool};
    char name[40];
    check_map(build, map, pool);
    bool crop = map.h > pool && map.w > pool;
    dtp_format(name, sizeof name, "conv_block%d.crop", block);
    int read = crop ? dtp_build_crop(build, name, src, pool + 1) : src;
    int wide = block_convolution(build, block, 1, 3, block_convolution(build, block, 0, 1, read, false), crop);
    dtp_format(name, sizeof name, "conv_block%d.pool", block);
    return dtp_build_pool(build, DTP_MAX_POOL, name, wide, kernel, kernel, none);
}

/* BatchNorm, linear, BatchNorm, ELU over the concatenation of `count` values: one layer a value, each adding to the one
 * before it. */
static int hidden(dtp_build *build, const char *head, const int *values, int count)
{
    dtp_layer_source source = {.kind = DTP_FROM_COLUMNS};
    char name[56], norm[56];
    int sum = -1;
    dtp_format(name, sizeof name, "%s.1", head);
    dtp_format(norm, sizeof norm, "%s.2", head);
    dtp_format(source.weight, sizeof source.weight, "%s.weight", name);
    dtp_format(source.columns.norm, sizeof source.columns.norm, "%s.0", head);
    dtp_format(source.norm, sizeof source.norm, "%s", norm);
    dtp_format(source.bias, sizeof source.bias, "%s.bias", name);
    int64_t oc = dtp_build_channels(build, name, norm);
    for (int i = 0; i < count; i++)
        source.columns.ic += build->arch->graph.values[values[i]].c;
    for (int i = 0; i < count; i++) {
        bool last = source.columns.last = i == count - 1;
        sum = dtp_build_linear(build, &source, values[i], sum, oc, last ? DTP_ELU : DTP_IDENTITY);
        source.columns.first_ic += build->arch->graph.values[values[i]].c;
    }
    return sum;
}

/* The last linear layer of a head, its classes placed after those of the heads before it. */
static int logits(dtp_build *build, const char *head, int index, int src, int before)
{
    int64_t classes = build->arch->classes;
    dtp_layer_source source = {.kind = DTP_FROM_ROWS, .rows = {.oc = classes, .first_oc = index * classes}};
    dtp_format(source.weight, sizeof source.weight, "%s.4.weight", head);
    dtp_format(source.bias, sizeof source.bias, "%s.4.bias", head);
    return dtp_build_linear(build, &source, src, before, HEADS * classes, DTP_IDENTITY);
}

void dtp_build_pmg2d(dtp_build *build)
{
    static const char *const heads[HEADS] = {"classifier1", "classifier2", "classifier3", "classifier_concat"};
    int pooled[3] = {0}, features[HEADS], value, out = -1;
    build->arch->heads = HEADS;
    build->arch->classes = dtp_build_channels(build, "classifier_concat.4", NULL);
    build->arch->ignored = "features.fc.";
    build->bottleneck = true;
    value = dtp_build_stem(build, "features.", 7);
    /* One plane of three equal ones. */
    build->arch->sources[0].kind = DTP_FROM_SUM;
    build->arch->sources[0].sum.ic = 3;
    /* Each map's block right after it, while the map is in the cache; all heads last. */
    for (int layer = 1; layer <= 4; layer++) {
        value = dtp_build_layer(build, "features.", layer, value);
        if (layer > 1 && build->status == DEEPTEPP_OK)
            pooled[layer - 2] = granularity(build, layer - 1, value);
    }
    if (build->status != DEEPTEPP_OK)
        return;
    for (int i = 0; i < 3; i++)
        features[i] = hidden(build, heads[i], &pooled[i], 1);
    features[3] = hidden(build, heads[3], pooled, 3);
    for (int i = 0; i < HEADS; i++)
        out = logits(build, heads[i], i, features[i], out);
}
