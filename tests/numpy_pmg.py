"""The pmg2d of docs/model-format.md in plain NumPy and float64: slow, short, and independent of the C code.

tensors: one member's, by names without prefix, as NumPy arrays.
"""

import numpy as np

import numpy_resnet
from numpy_resnet import EPSILON

BACKBONE = {"stem_stride": (1, 2, 2), "stem_pool": True, "layer_strides": (1, 2, 2, 2),
            "layer_dilations": (1, 1, 1, 1), "activation": "relu"}
POOLS = (56, 28, 14)
PLANES = 3


def backbone_tensors(tensors):
    """The 2D network as a 3D one of depth 1."""
    own = {name.removeprefix("features."): value for name, value in tensors.items() if name.startswith("features.")}
    return {name: value[:, :, None] if value.ndim == 4 else value for name, value in own.items()}


class Member:
    def __init__(self, tensors):
        self.tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
        self.backbone = numpy_resnet.Member(BACKBONE, backbone_tensors(tensors))
        self.norms = numpy_resnet.Member(BACKBONE, tensors)

    def granularity(self, x, block):
        """The map as one cell: the pool's window is as large as its stride, and the map less than twice that."""
        for part in range(2):
            weight = self.tensors[f"conv_block{block}.{part}.conv.weight"]
            x = numpy_resnet.convolution(x, weight[:, :, None])
            x = np.maximum(self.norms.batch_norm(x, f"conv_block{block}.{part}.bn"), 0)
        size = POOLS[block - 1]
        return x[:, 0, :size, :size].max(axis=(1, 2))

    def batch_norm(self, x, name):
        weight, bias, mean, variance = (self.tensors[f"{name}.{part}"]
                                        for part in ("weight", "bias", "running_mean", "running_var"))
        return (x - mean) / np.sqrt(variance + EPSILON) * weight + bias

    def linear(self, x, name):
        return self.tensors[f"{name}.weight"] @ x + self.tensors[f"{name}.bias"]

    def classifier(self, x, name):
        x = self.linear(self.batch_norm(x, f"{name}.0"), f"{name}.1")
        x = numpy_resnet.ACTIVATIONS["elu"](self.batch_norm(x, f"{name}.2"))
        return self.linear(x, f"{name}.4")

    def features(self, view):
        """What the first three heads read, of a mosaic (height, width)."""
        maps = list(self.backbone.stages(np.broadcast_to(view, (PLANES, 1, *view.shape))))[2:]
        return [self.granularity(x, block) for block, x in enumerate(maps, 1)]

    def heads(self, view):
        """(4, classes)."""
        features = self.features(view)
        rows = [self.classifier(x, f"classifier{i}") for i, x in enumerate(features, 1)]
        return np.stack([*rows, self.classifier(np.concatenate(features), "classifier_concat")])

    def logits(self, view):
        return self.heads(view).sum(axis=0)
