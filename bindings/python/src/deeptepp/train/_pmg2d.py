"""pmg2d of docs/model-format.md as a PyTorch module: a ResNet-50 with progressive multi-granularity heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..convert._forward import PMG2D_POOLS
from ..convert._networks import DEPTHS, PMG2D_PLANES

BOTTLENECK = 4
STRIDES = (1, 2, 2, 2)


def _convolution(into: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)


class Bottleneck(nn.Module):
    """The stride is that of the 3x3."""

    def __init__(self, into: int, planes: int, stride: int) -> None:
        super().__init__()
        out = BOTTLENECK * planes
        self.conv1, self.bn1 = _convolution(into, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = _convolution(planes, planes, 3, stride), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = _convolution(planes, out, 1), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Identity() if stride == 1 and into == out else \
            nn.Sequential(_convolution(into, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class Backbone(nn.Module):
    """torchvision's ResNet-50, without its fc."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(PMG2D_PLANES, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1)
        into = width
        for layer, count in enumerate(DEPTHS["bottleneck"][50]):
            planes, blocks = width << layer, []
            for i in range(count):
                blocks.append(Bottleneck(into, planes, 1 if i else STRIDES[layer]))
                into = BOTTLENECK * planes
            self.add_module(f"layer{layer + 1}", nn.Sequential(*blocks))

    def maps(self, x: torch.Tensor, count: int) -> list[torch.Tensor]:
        """The first so many of the maps of stride 8, 16 and 32."""
        x = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        found = []
        for layer in (self.layer2, self.layer3, self.layer4)[:count]:
            x = layer(x)
            found.append(x)
        return found


class Convolution(nn.Module):
    def __init__(self, into: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = _convolution(into, out, kernel), nn.BatchNorm2d(out), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(x)))


def _classifier(features: int, hidden: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ELU(),
                         nn.Linear(hidden, classes))


class Pmg2d(nn.Module):
    """Logits (n, classes), the heads' sum, of mosaics (n, 1, 512, 512).

    steps: of each batch, (head, pieces a side that are shuffled, weight of the loss): from fine to whole.
    """

    steps = ((0, 8, 1.0), (1, 4, 1.0), (2, 2, 1.0), (3, 1, 2.0))

    def __init__(self, network: Mapping[str, Any], classes: int) -> None:
        super().__init__()
        width = network["width"]
        middle, features, hidden = 8 * width, 16 * width, 8 * width
        self.features = Backbone(width)
        for i in (1, 2, 3):
            self.add_module(f"conv_block{i}", nn.Sequential(Convolution(width * BOTTLENECK << i, middle, 1),
                                                            Convolution(middle, features, 3)))
            self.add_module(f"classifier{i}", _classifier(features, hidden, classes))
        self.classifier_concat = _classifier(3 * features, hidden, classes)
        self.pools = nn.ModuleList(nn.MaxPool2d(side, stride=side) for side in PMG2D_POOLS)

    def _cells(self, maps: list[torch.Tensor], first: int = 0) -> list[torch.Tensor]:
        return [self.pools[i](getattr(self, f"conv_block{i + 1}")(maps[i])).flatten(1) for i in range(first, len(maps))]

    def _three(self, x: torch.Tensor) -> torch.Tensor:
        return x.expand(-1, PMG2D_PLANES, -1, -1)

    def head(self, x: torch.Tensor, index: int) -> torch.Tensor:
        """Of a step: only what this head reads is computed."""
        if index == len(self.pools):
            return self.classifier_concat(torch.cat(self._cells(self.features.maps(self._three(x), index)), dim=1))
        (cell,) = self._cells(self.features.maps(self._three(x), index + 1), index)
        return getattr(self, f"classifier{index + 1}")(cell)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = self._cells(self.features.maps(self._three(x), len(self.pools)))
        heads = [getattr(self, f"classifier{i + 1}")(cell) for i, cell in enumerate(cells)]
        return torch.stack([*heads, self.classifier_concat(torch.cat(cells, dim=1))]).sum(dim=0)

    def last(self) -> list[nn.Linear]:
        """The layers whose sum the logits are."""
        return [module[-1] for module in (self.classifier1, self.classifier2, self.classifier3, self.classifier_concat)]

    def heads(self) -> list[nn.Module]:
        """What learns at the full rate."""
        return [module for name, module in self.named_children() if name != "features"]
