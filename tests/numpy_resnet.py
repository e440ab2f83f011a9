"""The resnet3d of docs/model-format.md in plain NumPy and float64: slow, short, and independent of the C code.

network: the description's "network" object. tensors: one member's, by names without prefix, as NumPy arrays.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

EPSILON = 1e-5

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}


def self_test_input(seed, shape):
    """SplitMix64 from `seed`, element after element in C order, as float32 in [-1, 1)."""
    count = np.arange(1, np.prod(shape, dtype=np.int64) + 1, dtype=np.uint64)
    z = np.uint64(seed) + count * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    values = (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return values.astype(np.float32).reshape(shape)


def windows(x, kernel, stride, dilation, fill):
    """(channels, depth, height, width, kd, kh, kw) of x padded by (kernel - 1) / 2 times the dilation."""
    margin = [(k - 1) // 2 * dilation for k in kernel]
    x = np.pad(x, [(0, 0)] + [(m, m) for m in margin], constant_values=fill)
    span = [(k - 1) * dilation + 1 for k in kernel]
    every = sliding_window_view(x, span, axis=(1, 2, 3))
    return every[(slice(None), *(slice(None, None, s) for s in stride), *(slice(None, None, dilation),) * 3)]


def convolution(x, weight, stride=(1, 1, 1), dilation=1):
    """One slice at a time: all windows of a volume at once would not fit in memory."""
    parts = windows(x, weight.shape[2:], stride, dilation, 0)
    return np.stack([np.tensordot(weight, parts[:, d], axes=([1, 2, 3, 4], [0, 3, 4, 5]))
                     for d in range(parts.shape[1])], axis=1)


def per_channel(values):
    return values[:, None, None, None]


class Member:
    def __init__(self, network, tensors):
        self.network = network
        self.tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
        self.activation = ACTIVATIONS[network["activation"]]
        self.stem_activation = ACTIVATIONS[network.get("stem_activation", network["activation"])]

    def batch_norm(self, x, name):
        weight, bias, mean, variance = (self.tensors[f"{name}.{part}"]
                                        for part in ("weight", "bias", "running_mean", "running_var"))
        return (x - per_channel(mean)) / per_channel(np.sqrt(variance + EPSILON)) * per_channel(weight) \
            + per_channel(bias)

    def shortcut(self, x, name, stride, channels):
        if f"{name}.downsample.0.weight" in self.tensors:
            y = convolution(x, self.tensors[f"{name}.downsample.0.weight"], stride)
            bias = self.tensors.get(f"{name}.downsample.0.bias")
            return self.batch_norm(y if bias is None else y + per_channel(bias), f"{name}.downsample.1")
        y = x[:, ::stride[0], ::stride[1], ::stride[2]]
        return np.concatenate([y, np.zeros((channels - len(y), *y.shape[1:]))])

    def block(self, x, name, stride, dilation):
        bottleneck = f"{name}.conv3.weight" in self.tensors
        y = x
        for i in range(1, 4 if bottleneck else 3):
            strided = i == (2 if bottleneck else 1)
            weight = self.tensors[f"{name}.conv{i}.weight"]
            y = convolution(y, weight, (stride if strided else 1,) * 3, dilation if weight.shape[2] > 1 else 1)
            y = self.batch_norm(y, f"{name}.bn{i}")
            if f"{name}.conv{i + 1}.weight" in self.tensors:
                y = self.activation(y)
        return self.activation(y + self.shortcut(x, name, (stride,) * 3, len(y)))

    def stages(self, x):
        """The maps after the stem and after each of the four layers."""
        x = convolution(x.astype(np.float64), self.tensors["conv1.weight"], self.network["stem_stride"])
        x = self.stem_activation(self.batch_norm(x, "bn1"))
        if self.network["stem_pool"]:
            x = windows(x, (3, 3, 3), (2, 2, 2), 1, -np.inf).max(axis=(4, 5, 6))
        yield x
        for layer in range(4):
            block = 0
            while f"layer{layer + 1}.{block}.conv1.weight" in self.tensors:
                stride = 1 if block else self.network["layer_strides"][layer]
                x = self.block(x, f"layer{layer + 1}.{block}", stride, self.network["layer_dilations"][layer])
                block += 1
            yield x

    def features(self, x):
        *_, last = self.stages(x)
        return last.mean(axis=(1, 2, 3))

    def logits(self, x):
        return self.tensors["fc.weight"] @ self.features(x) + self.tensors["fc.bias"]


def score(rule, logits):
    """A view's score: the description's "score" object over one view's logits."""
    if rule["rule"] == "softmax":
        logits = np.exp(logits - logits.max())
        logits = logits / logits.sum()
    return float(logits[rule["class"]])
