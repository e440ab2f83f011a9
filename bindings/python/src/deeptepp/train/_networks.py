"""A network of its own for each fold, with weights that a seed decides."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ._pmg2d import Pmg2d
from ._resnet3d import ResNet3d
from ._settings import Settings


def network(settings: Settings, seed: int) -> Any:
    """On the processor. The host's random numbers are left as they are."""
    channels = len(settings.description["input"]["channels"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Pmg2d(settings.network, settings.classes) if settings.network["architecture"] == "pmg2d" else \
            ResNet3d(settings.network, channels, settings.classes)
        for module in made.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if settings.classes == 2:
        _oppose(made)
    return made


def _oppose(made: Any) -> None:
    """Two classes begin as each other's negative, and cross-entropy keeps them so: the logit of an event is then half
    the log-odds, and not off by a constant that the loss does not see."""
    with torch.no_grad():
        for layer in made.last():
            layer.weight[0] = -layer.weight[1]
            layer.bias[0] = -layer.bias[1]
