"""Cases into batches, and what is drawn of each case each time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._inputs import Input
from ._settings import Augmentation

AXES = {"depth": 1, "height": 2, "width": 3}  # of a view (channels, depth, height, width)

Array = npt.NDArray[np.float32]


def batches(events: Sequence[int], size: int, random: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Positions, each once; that size or a little more, each with its share of events: a Cox likelihood
    without an event says nothing."""
    order = random.permutation(len(events))
    order = order[np.argsort(-np.asarray(events)[order], kind="stable")]
    count = max(1, len(events) // size)
    return [order[k::count] for k in range(count)]


def drawn(found: Sequence[Input], augmentation: Augmentation, random: np.random.Generator) -> Array:
    """A view of each, changed: (n, channels, depth, height, width)."""
    return np.stack([_changed(one, augmentation, random) for one in found])


def _changed(found: Input, augmentation: Augmentation, random: np.random.Generator) -> Array:
    tensor = found.load()
    view: Array = tensor[random.integers(len(tensor))]
    axes = tuple(AXES[name] for name in augmentation.flips if random.random() < 0.5)
    factor, shift = random.standard_normal(2) * augmentation.intensity
    flipped: Array = np.flip(view, axes)
    return (flipped * np.float32(1 + factor) + np.float32(shift)).astype(np.float32, copy=False)


def views(found: Sequence[Input], own: int) -> Array:
    """The recipe's own views, of which a score is the mean: (n, own, channels, depth, height, width)."""
    return np.stack([one.load()[:own] for one in found])


def shuffled(x: Array, pieces: int, random: np.random.Generator) -> Array:
    """A jigsaw: the plane cut into pieces a side, which change places, in all cases alike."""
    if pieces == 1:
        return x
    *rest, height, width = x.shape
    parts = x.reshape(-1, pieces, height // pieces, pieces, width // pieces).swapaxes(2, 3)
    parts = parts.reshape(len(parts), pieces * pieces, *parts.shape[3:])[:, random.permutation(pieces * pieces)]
    parts = parts.reshape(-1, pieces, pieces, *parts.shape[2:]).swapaxes(2, 3)
    return np.ascontiguousarray(parts.reshape(*rest, height, width))
