"""A warm start: weights of another network, each tensor of which is accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .._rows import file_digest
from ..convert import _checkpoints
from ..convert._description import plural
from ..convert._names import Wishes, listed
from ..convert._networks import Shape
from ..convert._tensors import WEIGHTS, Tensor
from ._start import TrainingError

STEMS = ("conv1.weight", "features.conv1.weight")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class WarmStart:
    """tensors: by the network's names. used, left_out, made: a text a tensor, with why."""

    path: str
    sha256: str
    tensors: dict[str, Any]
    used: tuple[str, ...]
    left_out: tuple[str, ...]
    made: tuple[str, ...]

    def __str__(self) -> str:
        parts = ((self.used, "used"), (self.left_out, "left out"), (self.made, "newly made"))
        return f"warm start from {self.path}: " + "; ".join(
            f"{plural(len(names), 'tensor')} {word}" + (f": {listed(names)}" if names and word != "used" else "")
            for names, word in parts)


def read(path: str, entry: str | None, wanted: Mapping[str, Any]) -> WarmStart:
    """Read as the converter reads: as data, nothing in it is run. wanted: the network's state dict. ConversionError,
    OSError; TrainingError where no tensor fits."""
    found = _checkpoints.read(path, Wishes(entry))
    names = {_own_name(name, wanted): name for name in found.tensors}
    tensors, used, made = {}, [], []
    for name, value in wanted.items():
        if name.endswith(COUNTER):
            continue
        tensor = found.tensors.get(names.get(name, ""))
        values, why = (None, "not there") if tensor is None else _fitted(name, tensor, tuple(value.shape))
        if values is None:
            made.append(f"{name} ({why})")
        else:
            tensors[name] = torch.from_numpy(values)
            used.append(f"{name} ({why})" if why else name)
    if not tensors:
        raise TrainingError(f"{path}: no tensor fits the network, wanted the names and shapes of docs/model-format.md; "
                            f"found {listed(sorted(found.tensors))}")
    left_out = [name for own, name in names.items() if own not in tensors] + found.unused
    return WarmStart(path, file_digest(path), tensors, tuple(used), tuple(left_out), tuple(made))


def _own_name(name: str, wanted: Mapping[str, Any]) -> str:
    """torchvision's ResNet-50 is the backbone of pmg2d."""
    return f"features.{name}" if f"features.{name}" in wanted else name


def _fitted(name: str, tensor: Tensor, shape: Shape) -> tuple[Any, str]:
    """(values, how they were made to fit), or (None, why they do not)."""
    if tensor.fault or tensor.dtype not in WEIGHTS:
        return None, f"is {tensor.fault or tensor.dtype}"
    if tensor.shape == shape:
        return _finite(tensor.float32(), "")
    one_plane = (tensor.shape[0], 1, *tensor.shape[2:]) if len(tensor.shape) > 2 else ()
    if name in STEMS and one_plane == shape:
        return _finite(tensor.float32().sum(axis=1, keepdims=True, dtype=np.float32),
                       f"{tensor.shape[1]} input planes summed")
    return None, f"{list(tensor.shape)}, wanted {list(shape)}"


def _finite(values: Any, how: str) -> tuple[Any, str]:
    return (values, how) if np.isfinite(values).all() else (None, "holds values that are not finite")
