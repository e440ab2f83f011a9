"""The networks of docs/model-format.md in NumPy and float64, for the self-test's score: plain loops, not fast ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ._networks import KERNELS, PMG2D, PMG2D_PLANES, STRIDED, blocks_of

Array = npt.NDArray[np.float64]
Tensors = Mapping[str, npt.NDArray[Any]]

EPSILON = 1e-5
PMG2D_POOLS = (56, 28, 14)
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
}


# ---- Layers; a map is (channels, depth, height, width), of the published network with depth 1 ----


def windows(x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: int, border: float) -> Array:
    """(channels, out depth, out height, out width, kernel...): a view of the padded map."""
    padding = [((k - 1) // 2 * dilation,) * 2 for k in kernel]
    spans = tuple((k - 1) * dilation + 1 for k in kernel)
    padded = np.pad(x, [(0, 0), *padding], constant_values=border)
    sliding: Any = np.lib.stride_tricks.sliding_window_view
    view = sliding(padded, spans, axis=(1, 2, 3))
    steps = tuple(slice(None, None, s) for s in stride)
    inner = tuple(slice(None, None, dilation) for _ in kernel)
    found: Array = view[(slice(None), *steps, *inner)]
    return found


def convolution(x: Array, weight: npt.NDArray[Any], stride: tuple[int, ...], dilation: int = 1) -> Array:
    """A slice at a time, so that the columns stay small."""
    matrix = weight.astype(np.float64).reshape(len(weight), -1)
    view = windows(x, weight.shape[2:], stride, dilation, 0)
    out = np.empty((len(weight), *view.shape[1:4]))
    for d in range(out.shape[1]):
        columns = view[:, d].transpose(0, 3, 4, 5, 1, 2).reshape(matrix.shape[1], -1)
        out[:, d] = (matrix @ columns).reshape(len(weight), *out.shape[2:])
    return out


def norm(x: Array, tensors: Tensors, name: str) -> Array:
    weight, bias, mean, variance = (tensors[f"{name}.{part}"].astype(np.float64)
                                    for part in ("weight", "bias", "running_mean", "running_var"))
    scale = weight / np.sqrt(variance + EPSILON)
    shape = (-1,) + (1,) * (x.ndim - 1)
    found: Array = x * scale.reshape(shape) + (bias - mean * scale).reshape(shape)
    return found


def linear(x: Array, tensors: Tensors, name: str) -> Array:
    found: Array = tensors[f"{name}.weight"].astype(np.float64) @ x + tensors[f"{name}.bias"]
    return found


def weight_of(tensors: Tensors, name: str) -> npt.NDArray[Any]:
    """Of a 2-D convolution: with depth 1."""
    weight = tensors[f"{name}.weight"]
    return weight if weight.ndim == 5 else weight[:, :, None]


def max_pool(x: Array, depth: int) -> Array:
    """3, stride 2, padding 1; of a network without depth in the plane alone."""
    kernel, stride = ((3, 3, 3), (2, 2, 2)) if depth == 3 else ((1, 3, 3), (1, 2, 2))
    view = windows(x, kernel, stride, 1, -np.inf)
    return np.stack([view[:, d].max(axis=(3, 4, 5)) for d in range(view.shape[1])], axis=1)


# ---- Residual networks ----


def shortcut(x: Array, tensors: Tensors, name: str, stride: tuple[int, ...], out: int, kind: str) -> Array:
    if kind == "B" and f"{name}.downsample.0.weight" in tensors:
        x = convolution(x, weight_of(tensors, f"{name}.downsample.0"), stride)
        bias = tensors.get(f"{name}.downsample.0.bias")
        return norm(x if bias is None else x + bias[:, None, None, None], tensors, f"{name}.downsample.1")
    x = x[(slice(None), *(slice(None, None, s) for s in stride))]
    return np.concatenate([x, np.zeros((out - len(x), *x.shape[1:]))]) if out > len(x) else x


def block(x: Array, tensors: Tensors, name: str, network: Any, stride: tuple[int, ...], dilation: int) -> Array:
    kernels, activation = KERNELS[network["block"]], ACTIVATIONS[network["activation"]]
    y = x
    for i, kernel in enumerate(kernels, 1):
        own = stride if i == STRIDED[network["block"]] else (1, 1, 1)
        y = convolution(y, weight_of(tensors, f"{name}.conv{i}"), own, dilation if kernel == 3 else 1)
        y = norm(y, tensors, f"{name}.bn{i}")
        y = activation(y) if i < len(kernels) else y
    return activation(y + shortcut(x, tensors, name, stride, len(y), network["shortcut"]))


def maps(x: Array, tensors: Tensors, at: str, network: Any, rank: int) -> list[Array]:
    """Of each of the four layers. rank: 3, or 2 for a network without depth."""
    def strides(n: Any) -> tuple[int, ...]:
        axes = (n,) * rank if isinstance(n, int) else tuple(n)
        return (1,) * (3 - rank) + axes
    x = convolution(x, weight_of(tensors, f"{at}conv1"), strides(network["stem_stride"]))
    x = ACTIVATIONS[network["stem_activation"]](norm(x, tensors, f"{at}bn1"))
    x = max_pool(x, rank) if network["stem_pool"] else x
    found = []
    for layer in range(4):
        stride, dilation = network["layer_strides"][layer], network["layer_dilations"][layer]
        for i in range(network["blocks"][layer]):
            x = block(x, tensors, f"{at}layer{layer + 1}.{i}", network, strides(1 if i else stride), dilation)
        found.append(x)
    return found


# ---- Heads ----


def classifier(x: Array, tensors: Tensors, name: str) -> Array:
    x = norm(linear(norm(x, tensors, f"{name}.0"), tensors, f"{name}.1"), tensors, f"{name}.2")
    return linear(ACTIVATIONS["elu"](x), tensors, f"{name}.4")


def cell(x: Array, tensors: Tensors, name: str, pool: int) -> Array:
    """A block's one cell: the largest of the map's first."""
    for part in "01":
        x = convolution(x, weight_of(tensors, f"{name}.{part}.conv"), (1, 1, 1))
        x = np.maximum(norm(x, tensors, f"{name}.{part}.bn"), 0)
    largest: Array = x[:, 0, :pool, :pool].max(axis=(1, 2))
    return largest


def logits(network: Mapping[str, Any], tensors: Tensors, view: Array) -> Array:
    """Of one view (channels, depth, height, width): the heads' sum, class by class."""
    if network["architecture"] == "resnet3d":
        last = maps(view, tensors, "", {**network, **blocks_of(tensors)}, 3)[-1]
        return linear(last.mean(axis=(1, 2, 3)), tensors, "fc")
    three = np.repeat(view, PMG2D_PLANES, axis=0)  # it was trained on three equal channels
    found = maps(three, tensors, "features.", PMG2D, 2)[1:]
    cells = [cell(x, tensors, f"conv_block{i}", pool) for i, (x, pool) in enumerate(zip(found, PMG2D_POOLS), 1)]
    heads = [classifier(x, tensors, f"classifier{i}") for i, x in enumerate(cells, 1)]
    total: Array = np.sum([*heads, classifier(np.concatenate(cells), tensors, "classifier_concat")], axis=0)
    return total
