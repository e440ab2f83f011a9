"""resnet3d of docs/model-format.md as a PyTorch module: names and shapes are MONAI's and MedicalNet's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..convert._networks import DEPTHS

ACTIVATIONS: dict[str, Any] = {"relu": lambda: nn.ReLU(inplace=True), "leaky_relu": lambda: nn.LeakyReLU(0.01, True),
                               "elu": lambda: nn.ELU(inplace=True)}
BOTTLENECK = 4  # its last convolution has so many times the channels of the others


def _convolution(into: int, out: int, kernel: Sequence[int], stride: Any = 1, dilation: int = 1,
                 bias: bool = False) -> nn.Conv3d:
    padding = tuple((side - 1) // 2 * dilation for side in kernel)
    return nn.Conv3d(into, out, tuple(kernel), stride, padding, dilation if max(kernel) > 1 else 1, bias=bias)


class Subsample(nn.Module):
    """Shortcut A: strided, with zero channels appended."""

    def __init__(self, stride: int, more: int) -> None:
        super().__init__()
        self.stride, self.more = stride, more

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, :, ::self.stride, ::self.stride, ::self.stride]
        return nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, self.more))


class Block(nn.Module):
    """Basic or bottleneck; the stride is that of the first or of the second convolution."""

    def __init__(self, into: int, planes: int, stride: int, dilation: int, network: Mapping[str, Any],
                 bottleneck: bool) -> None:
        super().__init__()
        kernels, strided = ((1, 3, 1), 1) if bottleneck else ((3, 3), 0)
        out = planes * (BOTTLENECK if bottleneck else 1)
        self.count, channels = len(kernels), into
        for i, kernel in enumerate(kernels):
            wide = out if i == len(kernels) - 1 else planes
            own = stride if i == strided else 1
            self.add_module(f"conv{i + 1}", _convolution(channels, wide, (kernel,) * 3, own, dilation))
            self.add_module(f"bn{i + 1}", nn.BatchNorm3d(wide))
            channels = wide
        self.activation = ACTIVATIONS[network["activation"]]()
        self.downsample = _shortcut(into, out, stride, network)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = self.activation(y) if i < self.count else y
        return self.activation(y + self.downsample(x))


def _shortcut(into: int, out: int, stride: int, network: Mapping[str, Any]) -> nn.Module:
    if stride == 1 and into == out:
        return nn.Identity()
    if network["shortcut"] == "A":
        return Subsample(stride, out - into)
    return nn.Sequential(_convolution(into, out, (1, 1, 1), stride, bias=network["downsample_bias"]),
                         nn.BatchNorm3d(out))


class ResNet3d(nn.Module):
    """Logits (n, classes) of (n, channels, depth, height, width).

    steps: of each batch, (head, pieces a side that are shuffled, weight of the loss).
    """

    steps = ((0, 1, 1.0),)

    def __init__(self, network: Mapping[str, Any], channels: int, classes: int) -> None:
        super().__init__()
        kind = "basic" if network["depth"] in DEPTHS["basic"] else "bottleneck"
        width = network["width"]
        self.conv1 = _convolution(channels, width, network["stem_kernel"], tuple(network["stem_stride"]))
        self.bn1 = nn.BatchNorm3d(width)
        self.activation = ACTIVATIONS[network["stem_activation"]]()
        self.pool = nn.MaxPool3d(3, stride=2, padding=1) if network["stem_pool"] else nn.Identity()
        into = width
        for layer, count in enumerate(DEPTHS[kind][network["depth"]]):
            blocks = []
            for i in range(count):
                blocks.append(Block(into, width << layer, 1 if i else network["layer_strides"][layer],
                                    network["layer_dilations"][layer], network, kind == "bottleneck"))
                into = (width << layer) * (BOTTLENECK if kind == "bottleneck" else 1)
            self.add_module(f"layer{layer + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(into, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.activation(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3, 4)))

    def head(self, x: torch.Tensor, index: int) -> torch.Tensor:
        """Of a step: the only one."""
        return self(x)

    def last(self) -> list[nn.Linear]:
        """The layers whose sum the logits are."""
        return [self.fc]

    def heads(self) -> list[nn.Module]:
        """What learns at the full rate."""
        return [self.fc]
