"""A model of the real recipe and the smallest network, so that the library itself makes the network's input."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import errors
from ..convert import ConversionError
from ..convert._description import SCHEMA
from ..convert._model import container, write
from ..convert._networks import DEPTHS, NORM, PMG2D_PLANES, Shape
from ..convert._tensors import Tensor
from ..model import Model, open_model
from ._settings import Settings

NETWORK = {"architecture": "resnet3d", "stem_stride": [8, 8, 8], "stem_pool": False, "layer_strides": [2, 2, 2, 2],
           "layer_dilations": [1, 1, 1, 1], "shortcut": "A", "activation": "relu"}


def _norm(name: str) -> Iterator[tuple[str, Shape]]:
    yield from ((f"{name}.{part}", (1,)) for part in NORM)


def _residual(at: str, blocks: Shape, kernels: Shape, rank: int) -> Iterator[tuple[str, Shape]]:
    yield from _norm(f"{at}bn1")
    for layer, count in enumerate(blocks, 1):
        for block in range(count):
            for i, kernel in enumerate(kernels, 1):
                yield f"{at}layer{layer}.{block}.conv{i}.weight", (1, 1, *(kernel,) * rank)
                yield from _norm(f"{at}layer{layer}.{block}.bn{i}")


def _resnet3d(channels: int) -> Iterator[tuple[str, Shape]]:
    yield "conv1.weight", (1, channels, 1, 1, 1)
    yield from _residual("", DEPTHS["basic"][10], (3, 3), 3)
    yield from (("fc.weight", (1, 1)), ("fc.bias", (1,)))


def _classifier(name: str, features: int) -> Iterator[tuple[str, Shape]]:
    yield from ((f"{name}.0.{part}", (features,)) for part in NORM)
    yield from ((f"{name}.1.weight", (1, features)), (f"{name}.1.bias", (1,)))
    yield from _norm(f"{name}.2")
    yield from ((f"{name}.4.weight", (1, 1)), (f"{name}.4.bias", (1,)))


def _pmg2d() -> Iterator[tuple[str, Shape]]:
    yield "features.conv1.weight", (1, PMG2D_PLANES, 7, 7)
    yield from _residual("features.", DEPTHS["bottleneck"][50], (1, 3, 1), 2)
    for layer in (2, 3, 4):
        yield f"features.layer{layer}.0.downsample.0.weight", (1, 1, 1, 1)
        yield from _norm(f"features.layer{layer}.0.downsample.1")
    for i in (1, 2, 3):
        for part, kernel in (("0", 1), ("1", 3)):
            yield f"conv_block{i}.{part}.conv.weight", (1, 1, kernel, kernel)
            yield from _norm(f"conv_block{i}.{part}.bn")
        yield from _classifier(f"classifier{i}", 1)
    yield from _classifier("classifier_concat", 3)


def _ones(shape: Shape) -> Tensor:
    values = np.ones(shape, dtype=np.float32)
    return Tensor("float32", shape, lambda: values)


def recipe_of(settings: Settings) -> dict[str, Any]:
    """The input section with training's angles behind its own."""
    return {**settings.description["input"], "angles_deg": settings.angles}


def recipe_model(settings: Settings, folder: str) -> Model:
    """Opened; its input is what training sees. One thread a call: cases are made side by side."""
    recipe = recipe_of(settings)
    mosaic = recipe["size"][0] == 1
    shapes = dict(_pmg2d() if mosaic else _resnet3d(len(recipe["channels"])))
    description = {"schema": SCHEMA, **settings.description, "training_cohort": "none: the network is a placeholder",
                   "weights": "seeded", "network": {"architecture": "pmg2d"} if mosaic else NETWORK, "input": recipe,
                   "score": {"rule": "logit", "class": 0}}
    path = os.path.join(folder, "recipe.safetensors")
    pieces = container({name: _ones(shape) for name, shape in shapes.items()}, json.dumps(description))
    try:
        write(path, pieces, lambda temporary: open_model(temporary, threads=1).close())
        return open_model(path, threads=1)
    except errors.DeepteppError as error:
        raise ConversionError(f"{settings.path}: the library refuses the recipe: "
                              f"{error.message.partition(': ')[2]}") from error
