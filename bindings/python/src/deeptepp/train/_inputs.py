"""The network's input for each case, made by the library and kept on the disk by what it was made of."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _rows
from .._native import lib
from .._calls import text
from .._rows import Cells, Options, Task, fault_cells
from .._table import is_missing, write_whole
from ..errors import DeepteppError
from ..model import Model
from ..volume import Volume
from . import _usual
from ._cohort import Case
from ._recipe import recipe_of
from ._settings import Settings


@dataclass(frozen=True)
class Input:
    """path: of the tensor (views, channels, depth, height, width), training's views last. tensor_sha256: of the
    recipe's views. spacing: of the first channel's image, mm. mask_ml, intensity: None where they are not known."""

    path: str
    image_sha256: str
    mask_sha256: str
    tensor_sha256: str
    spacing: tuple[float, ...]
    mask_ml: float | None
    intensity: list[float] | None

    def load(self) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = np.load(self.path, mmap_mode="r")
        return found


class Cache:
    """A folder of tensors. What a tensor's name is made of decides every value of it, so none is ever stale."""

    def __init__(self, folder: str, model: Model, settings: Settings, options: Options) -> None:
        self.folder, self.model, self.options = folder, model, options
        self.shape = model.input_shape
        self.own = len(settings.description["input"]["angles_deg"])
        self.recipe = json.dumps([recipe_of(settings), self.own, options.largest_part, options.mask_grid,
                                  options.orientation, text(lib.deeptepp_version())], sort_keys=True)
        os.makedirs(folder, exist_ok=True)

    def inputs(self, cases: Sequence[Case], done: Callable[[int], object]) -> dict[int, Input | Cells]:
        """By the case's index in the table: its input, or the cells that say why there is none."""
        found: dict[int, Input | Cells] = {}
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "deeptepp-inputs") as pool:
            for case, result in zip(cases, pool.map(self._input, [case.task for case in cases])):
                found[case.at] = result
                done(len(found))
        return found

    def _input(self, task: Task) -> Input | Cells:
        try:
            return self._made(task)
        except DeepteppError as error:
            if not _rows._is_the_case_s(error.status):
                raise
            return fault_cells(error.name.removeprefix("DEEPTEPP_ERR_"), error.message)

    def _made(self, task: Task) -> Input:
        cells = (*(cell for _, _, cell in task.images), task.mask)
        places = [_rows.located(str(cell), self.options.folder) for cell in cells]
        digests = [_digest(path) for path, _ in places]
        label = None if is_missing(task.label) else _rows._whole(str(task.label))
        key = _key([self.recipe, digests, [number for _, number in places], label])
        path = os.path.join(self.folder, f"{key}.npy")
        facts = None if None in digests else self._kept(path)
        if facts is None:
            facts = self._make(path, places, [channel for channel, _, _ in task.images], label)
        return Input(path, **facts)

    def _kept(self, path: str) -> dict[str, Any] | None:
        """The facts file is written last."""
        try:
            with open(f"{path}.json", encoding="utf-8") as file:
                facts: dict[str, Any] = json.load(file)
            tensor = np.load(path, mmap_mode="r")
        except (EOFError, OSError, ValueError):
            return None
        return {**facts, "spacing": tuple(facts["spacing"])} if tensor.shape == self.shape else None

    def _make(self, path: str, places: Iterable[tuple[str, int | None]], channels: Sequence[str],
              label: int | None) -> dict[str, Any]:
        volumes: list[Volume] = []
        try:
            for place, number in places:
                volumes.append(Volume.open(place, volume=number, orientation=self.options.orientation))
            tensor = self.model.preprocess(dict(zip(channels, volumes)), volumes[-1], label=label,
                                           largest_part=self.options.largest_part, mask_grid=self.options.mask_grid)
            facts = {"image_sha256": ";".join(volume.sha256 for volume in volumes[:-1]),
                     "mask_sha256": volumes[-1].sha256, "spacing": volumes[0].spacing,
                     "tensor_sha256": hashlib.sha256(tensor[:self.own].tobytes()).hexdigest(),
                     **self._measures(volumes, label)}
        finally:
            for volume in volumes:
                volume.close()
        stream = io.BytesIO()
        np.save(stream, tensor)
        write_whole(stream.getvalue(), path)
        write_whole(json.dumps(facts).encode(), f"{path}.json")
        return facts

    def _measures(self, volumes: Sequence[Volume], label: int | None) -> dict[str, Any]:
        """Of the mask as it is stored: not known where not all of it is scored."""
        if self.options.largest_part or self.options.mask_grid != "same":
            return {"mask_ml": None, "intensity": None}
        return _usual.measures(volumes[:-1], volumes[-1], label)


def _digest(path: str) -> str | None:
    """None: it cannot be read; the library says why."""
    try:
        return _rows.file_digest(path)
    except OSError:
        return None


def _key(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def plain(found: Input) -> dict[str, Any]:
    return {key: value for key, value in asdict(found).items() if key != "path"}
