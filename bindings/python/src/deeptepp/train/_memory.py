"""What training will hold, before it does."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ._networks import network
from ._settings import Settings

FLOAT, INDEX = 4, 8  # bytes
STATES = {"adamw": 2, "sgd": 1}  # numbers that an optimiser keeps a weight


def estimate(settings: Settings) -> int:
    """Bytes of weights, gradients, optimiser, the best epoch's copy and a batch's maps; without PyTorch itself and what
    the backend takes for a while beside them."""
    with torch.device("meta"):
        made = network(settings, 0)
        size = settings.description["input"]["size"]
        batch = (settings.training.batch, len(settings.description["input"]["channels"]), *size)
        x = torch.empty(batch)
    maps = _maps(made, x[:, :, 0] if settings.network["architecture"] == "pmg2d" else x)
    weights = sum(int(value.numel()) for value in made.parameters())
    held = weights * (3 + STATES[settings.training.optimiser]) + int(x.numel())
    return FLOAT * held + sum(maps) + 2 * max(maps)


def _maps(made: Any, x: Any) -> list[int]:
    """Bytes of what each layer keeps for the way back. An activation in place keeps what the norm before it made."""
    found: list[int] = []

    def keep(module: Any, given: Any, out: Any) -> None:
        if isinstance(module, (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Identity)) and getattr(module, "inplace", True):
            return
        pools = isinstance(module, (nn.MaxPool2d, nn.MaxPool3d))
        found.append(int(out.numel()) * (FLOAT + (INDEX if pools else 0)))
    leaves = [module for module in made.modules() if not list(module.children())]
    handles = [module.register_forward_hook(keep) for module in leaves]
    made(x)
    for handle in handles:
        handle.remove()
    return found
