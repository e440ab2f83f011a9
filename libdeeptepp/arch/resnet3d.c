/* 3-D ResNet: backbone, global average, one linear layer; tensor names of MONAI and MedicalNet. */
#include "build.h"

void dtp_build_resnet3d(dtp_build *build)
{
    static const int64_t none[3] = {0, 0, 0};
    static const dtp_layer_source fc = {.kind = DTP_FROM_TENSOR, .weight = "fc.weight", .bias = "fc.bias"};
    build->bottleneck = dtp_build_find(build, "layer1.0.conv3.weight") != NULL;
    int value = dtp_build_stem(build, "", 0);
    for (int layer = 1; layer <= 4; layer++)
        value = dtp_build_layer(build, "", layer, value);
    dtp_shape map = build->arch->graph.values[value];
    const int64_t all[3] = {map.d, map.h, map.w};
    int pooled = dtp_build_pool(build, DTP_AVERAGE_POOL, "avgpool", value, all, all, none);
    dtp_build_linear(build, &fc, pooled, -1, dtp_build_channels(build, "fc", NULL), DTP_IDENTITY);
}
