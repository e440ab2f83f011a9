/* 3-D ResNet: backbone, global average, one linear layer; tensor names of MONAI and MedicalNet. */
#include "build.h"

void dtp_build_resnet3d(dtp_build *build)
{
    static const int64_t none[3] = {0, 0, 0};
    int features = dtp_build_resnet(build, "");
    dtp_shape map = build->arch->graph.values[features];
    const int64_t all[3] = {map.d, map.h, map.w};
    int pooled = dtp_build_pool(build, DTP_AVERAGE_POOL, "avgpool", features, all, all, none);
    dtp_build_linear(build, "fc", pooled);
}
