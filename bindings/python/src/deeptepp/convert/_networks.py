"""Names and shapes of the networks of docs/model-format.md, from the shapes of a checkpoint's tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ._description import ConversionError

ARCHITECTURES = ("resnet3d", "pmg2d")
# Depth: blocks in each layer. Other counts are a checkpoint that lacks some.
DEPTHS = {
    "basic": {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)},
    "bottleneck": {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)},
}
# What the published network fixes.
PMG2D = {"block": "bottleneck", "blocks": DEPTHS["bottleneck"][50], "stem_stride": [2, 2], "stem_pool": True,
         "layer_strides": [1, 2, 2, 2], "layer_dilations": [1, 1, 1, 1], "shortcut": "B",
         "stem_activation": "relu", "activation": "relu"}
PMG2D_PLANES = 3
KERNELS = {"basic": (3, 3), "bottleneck": (1, 3, 1)}
STRIDED = {"basic": 1, "bottleneck": 2}  # which of a block's convolutions has the stride
NORM = ("weight", "bias", "running_mean", "running_var")
BLOCK_NAME = re.compile(r"layer([1-4])\.([0-9]+)\.(?:(?:conv|bn)(3)\.)?")
UNKNOWN = 0  # a dimension that no tensor tells

Shape = tuple[int, ...]


# ---- Blocks ----


def blocks_found(names: Iterable[str]) -> tuple[str, Shape]:
    """(block type, blocks in each layer) of a resnet3d. The type is most blocks': one tensor does not change it."""
    found = [match.groups() for match in map(BLOCK_NAME.match, names) if match]
    blocks = {(layer, index) for layer, index, _ in found}
    bottlenecks = {(layer, index) for layer, index, third in found if third}
    counts = tuple(sum(layer == own for own, _ in blocks) for layer in "1234")
    return "bottleneck" if 2 * len(bottlenecks) > len(blocks) else "basic", counts


def blocks_of(names: Iterable[str]) -> dict[str, Any]:
    """Those of the ResNet that comes nearest, so that what a checkpoint lacks is missing by name."""
    kind, counts = blocks_found(names)
    nearest = min(DEPTHS[kind].values(), key=lambda wanted: sum(abs(a - b) for a, b in zip(counts, wanted)))
    return {"block": kind, "blocks": nearest}


def wrong_depth(names: Iterable[str]) -> str:
    """In words; "" where the blocks are a ResNet's."""
    kind, counts = blocks_found(names)
    if counts in DEPTHS[kind].values():
        return ""
    found, *wanted = (", ".join(map(str, blocks)) for blocks in (counts, *DEPTHS[kind].values()))
    known = " or ".join(f"{blocks} (ResNet-{depth})" for depth, blocks in zip(DEPTHS[kind], wanted))
    return f"layers 1 to 4 have {found} {kind} blocks, wanted {known}"


# ---- Shapes ----


class Shapes:
    """The shapes of tensors under a name."""

    def __init__(self, shapes: Mapping[str, Shape], at: str = "") -> None:
        self.shapes, self.at = shapes, at

    def under(self, name: str) -> Shapes:
        return Shapes(self.shapes, f"{self.at}{name}.")

    def has(self, name: str) -> bool:
        return any(key.startswith(self.at + name) for key in self.shapes)

    def dim(self, name: str, index: int) -> int:
        shape = self.shapes.get(self.at + name, ())
        return shape[index] if index < len(shape) else UNKNOWN

    def channels(self, *layers: str) -> int:
        """By the first of them that tells."""
        return next(filter(None, (self.dim(f"{layer}.weight", 0) for layer in layers)), UNKNOWN)


class Expected:
    """Collects {tensor name: shape}."""

    def __init__(self) -> None:
        self.shapes: dict[str, Shape] = {}

    def convolution(self, name: str, out: int, into: int, kernel: Shape, bias: bool = False) -> None:
        self.shapes[f"{name}.weight"] = (out, into, *kernel)
        if bias:
            self.shapes[f"{name}.bias"] = (out,)

    def linear(self, name: str, out: int, into: int) -> None:
        self.convolution(name, out, into, (), bias=True)

    def norm(self, name: str, channels: int) -> None:
        self.shapes.update({f"{name}.{part}": (channels,) for part in NORM})


# ---- Residual networks ----


def _shortcut(expected: Expected, shapes: Shapes, rank: int, into: int, out: int, stride: int, kind: str) -> None:
    known = UNKNOWN not in (into, out)
    if stride == 1 and (into == out if known else not shapes.has("downsample.")):
        return
    if kind == "B":
        bias = rank == 3 and shapes.has("downsample.0.bias")
        expected.convolution(f"{shapes.at}downsample.0", out, into, (1,) * rank, bias)
        expected.norm(f"{shapes.at}downsample.1", out)
    elif known and out < into:
        raise ConversionError(f'{shapes.at.rstrip(".")} narrows {into} channels to {out}, wanted at least {into}, as '
                              'network.shortcut is "A"')


def _block(expected: Expected, shapes: Shapes, rank: int, into: int, out: int, stride: int, network: Any) -> None:
    kernels, channels = KERNELS[network["block"]], into
    for i, kernel in enumerate(kernels, 1):
        wide = out if i == len(kernels) else shapes.channels(f"conv{i}", f"bn{i}")
        expected.convolution(f"{shapes.at}conv{i}", wide, channels, (kernel,) * rank)
        expected.norm(f"{shapes.at}bn{i}", wide)
        channels = wide
    _shortcut(expected, shapes, rank, into, out, stride, network["shortcut"])


def _layer(expected: Expected, shapes: Shapes, rank: int, into: int, network: Any, number: int) -> int:
    """All blocks but the first keep channels and size. Returns the channels."""
    last, stride = len(KERNELS[network["block"]]), network["layer_strides"][number - 1]
    for i in range(network["blocks"][number - 1]):
        own = shapes.under(f"layer{number}.{i}")
        out = own.channels(f"conv{last}", f"bn{last}", "downsample.0", "downsample.1") or \
            (into if i else shapes.dim(f"layer{number}.1.conv1.weight", 1))
        _block(expected, own, rank, into, out, 1 if i else stride, network)
        into = out
    return into


def _backbone(expected: Expected, shapes: Shapes, rank: int, into: int, network: Any) -> list[int]:
    """Stem and four layers. Returns the channels of each layer."""
    width, channels = shapes.channels("conv1", "bn1"), []
    # Even kernels do not fit either network: the shapes then differ, and are reported.
    sides = [7 if rank == 2 else shapes.dim("conv1.weight", 2 + i) for i in range(rank)]
    expected.convolution(f"{shapes.at}conv1", width, into, tuple(side and side // 2 * 2 + 1 for side in sides))
    expected.norm(f"{shapes.at}bn1", width)
    for number in range(1, 5):
        width = _layer(expected, shapes, rank, width, network, number)
        channels.append(width)
    return channels


# ---- Heads ----


def _classifier(expected: Expected, shapes: Shapes, into: int) -> None:
    hidden = shapes.channels("1", "2")
    expected.norm(f"{shapes.at}0", into)
    expected.linear(f"{shapes.at}1", hidden, into)
    expected.norm(f"{shapes.at}2", hidden)
    expected.linear(f"{shapes.at}4", shapes.channels("4"), hidden)


def _granularity(expected: Expected, shapes: Shapes, into: int) -> int:
    """A conv_block. Returns its channels."""
    for part, kernel in (("0", 1), ("1", 3)):
        own = shapes.under(part)
        out = own.channels("conv", "bn")
        expected.convolution(f"{own.at}conv", out, into, (kernel, kernel))
        expected.norm(f"{own.at}bn", out)
        into = out
    return into


def _pmg2d(expected: Expected, shapes: Shapes) -> None:
    """Blocks 1, 2 and 3 read the maps of stride 8, 16 and 32."""
    channels = _backbone(expected, shapes.under("features"), 2, PMG2D_PLANES, PMG2D)
    widths = []
    for i in (1, 2, 3):
        widths.append(_granularity(expected, shapes.under(f"conv_block{i}"), channels[i]))
        _classifier(expected, shapes.under(f"classifier{i}"), widths[-1])
    _classifier(expected, shapes.under("classifier_concat"), UNKNOWN if UNKNOWN in widths else sum(widths))


def expected_shapes(network: Mapping[str, Any], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """network: the description's section. UNKNOWN stands for dimensions that the checkpoint does not tell."""
    expected = Expected()
    if network["architecture"] == "pmg2d":
        _pmg2d(expected, Shapes(shapes))
    else:
        own = Shapes(shapes)
        channels = _backbone(expected, own, 3, own.dim("conv1.weight", 1), {**network, **blocks_of(shapes)})
        expected.linear("fc", own.channels("fc"), channels[-1])
    return expected.shapes
