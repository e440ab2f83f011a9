"""One row of a cohort: plain data in, plain data out, so that any engine can carry it."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _table
from ._table import is_missing, number_text
from .errors import DeepteppError
from .model import MaskGrid, Model
from .score import Score
from .volume import Volume

Cells = dict[str, str | None]
Watch = Callable[[float], object]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LABEL = re.compile(r"\d+(\.0*)?", re.ASCII)
_NUMBERED = re.compile(r"(.*)#([1-9]\d{0,8})", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Options:
    """Of every case of a run."""

    folder: str
    largest_part: bool
    mask_grid: MaskGrid
    orientation: str | None


class Task(NamedTuple):
    """What a worker needs to know of a row.

    images   channel, column and cell of each, in the model's order
    earlier  the digests of images and mask that an earlier result was made of; with them the row is not scored again
    """

    position: int
    images: tuple[tuple[str, str, str | None], ...]
    mask: str | None
    label: str | None
    covariates: tuple[tuple[str, str | None], ...]
    earlier: tuple[str, str] | None = None


class Read(NamedTuple):
    """A task's volumes, in order, the mask last: each, or why it cannot be read. None: there is nothing to score."""

    volumes: list[Volume | DeepteppError] | None
    cells: Cells | None


class Done(NamedTuple):
    """cells: results that are there, None: the earlier ones hold; seconds: reading, and views and network."""

    position: int
    cells: Cells | None
    reading: float
    scoring: float


class Scorer:
    """What a map is given: a Task to its Done. It pickles as the model's recipe and the options."""

    def __init__(self, model: Model, options: Options) -> None:
        self.model = model
        self.options = options

    def __call__(self, task: Task) -> Done:
        return self.finish(task, *self.read(task))

    def read(self, task: Task, watch: Watch | None = None) -> tuple[Read, float]:
        """watch is called again and again meanwhile; what it raises ends the reading."""
        began = time.monotonic()
        fault = row_fault(task)
        if fault is not None:
            return Read(None, fault), 0.0
        cells = [str(cell) for cell in (*(cell for _, _, cell in task.images), task.mask)]
        if task.earlier is not None and digests(cells, self.options.folder, watch) == task.earlier:
            return Read(None, None), 0.0
        volumes = [_volume(cell, self.options, watch) for cell in cells]
        return Read(volumes, _provenance(volumes)), time.monotonic() - began

    def finish(self, task: Task, read: Read, reading: float) -> Done:
        began = time.monotonic()
        if read.volumes is None:
            return Done(task.position, read.cells, reading, 0.0)
        try:
            self.model._opened()  # what is wrong with its file is no row's fault
            found = {**(read.cells or {}), **self._score(task, read.volumes)}
        finally:
            for volume in read.volumes:
                if isinstance(volume, Volume):
                    volume.close()
        return Done(task.position, found, reading, time.monotonic() - began)

    def _score(self, task: Task, volumes: list[Volume | DeepteppError]) -> Cells:
        good = [volume for volume in volumes if isinstance(volume, Volume)]
        try:
            for volume in volumes:
                if isinstance(volume, DeepteppError):
                    raise volume
            images = {channel: volume for (channel, _, _), volume in zip(task.images, good)}
            values = {name: float(cell) for name, cell in task.covariates if cell is not None and not is_missing(cell)}
            label = None if is_missing(task.label) else _whole(str(task.label))
            return score_cells(self.model.score(
                images, good[-1], label=label, covariates=values, largest_part=self.options.largest_part,
                mask_grid=self.options.mask_grid))
        except DeepteppError as error:
            if not _is_the_case_s(error.status):
                raise
            return fault_cells(error.name.removeprefix("DEEPTEPP_ERR_"), error.message)


def _is_the_case_s(status: int) -> bool:
    """Memory, its files, its volumes, how they go together; the call and the model are faults of the run."""
    return status == 3 or 20 <= status < 80 or status >= 110


def fault_cells(code: str, message: str) -> Cells:
    return {"status": "error", "error_code": code, "error_message": message}


def row_fault(task: Task) -> Cells | None:
    """Of the row itself, before any file is read."""
    missing = [column for _, column, cell in task.images if is_missing(cell)]
    if len(missing) == len(task.images) and is_missing(task.mask):
        return {"status": "skipped"}
    if missing:
        return fault_cells("ROW_IMAGE_MISSING", f"{'image' if missing[0] == 'Image' else missing[0]} is missing")
    if is_missing(task.mask):
        return fault_cells("ROW_MASK_MISSING", "mask is missing")
    if not is_missing(task.label) and not _is_label(str(task.label)):
        return fault_cells("ROW_LABEL", f"label is \"{task.label}\", wanted a whole number above 0")
    for name, cell in task.covariates:
        if not is_missing(cell) and not _NUMBER.fullmatch(str(cell)):
            return fault_cells("ROW_COVARIATE", f"covariate \"{name}\" is \"{cell}\", wanted a number")
    return None


def _is_label(text: str) -> bool:
    return _LABEL.fullmatch(text) is not None and 1 <= float(text) <= 2**53 and _whole(text) <= 2**53


def _whole(label: str) -> int:
    return int(label.partition(".")[0])


def located(cell: str, folder: str) -> tuple[str, int | None]:
    """A cell's path, and which of the file's volumes."""
    path = cell if cell.startswith("/") else f"{folder}/{cell}"
    numbered = None if os.path.exists(path) else _NUMBERED.fullmatch(path)
    return (path, None) if numbered is None else (numbered[1], int(numbered[2]))


def digests(cells: list[str], folder: str, watch: Watch | None) -> tuple[str, str] | None:
    """SHA-256 of the images' files, joined by ;, and of the mask's; None where one cannot be read."""
    paths = [located(cell, folder)[0] for cell in cells]
    try:
        found = {path: file_digest(path, watch) for path in dict.fromkeys(paths)}
    except OSError:
        return None
    return ";".join(found[path] for path in paths[:-1]), found[paths[-1]]


def file_digest(path: str, watch: Watch | None = None) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            if watch is not None:
                watch(0.0)
    return digest.hexdigest()


def _volume(cell: str, options: Options, watch: Watch | None) -> Volume | DeepteppError:
    """An error is a value here: the others' digests are wanted too."""
    path, number = located(cell, options.folder)
    try:
        return Volume.open(path, volume=number, orientation=options.orientation, progress=watch)
    except DeepteppError as error:
        return error


def _provenance(volumes: list[Volume | DeepteppError]) -> Cells:
    digests = [volume.sha256 if isinstance(volume, Volume) else "" for volume in volumes]
    first = volumes[0]
    return {"image_sha256": ";".join(digests[:-1]) if all(digests[:-1]) else None,
            "mask_sha256": digests[-1] or None,
            "spacing_mm": ";".join(map(number_text, first.spacing)) if isinstance(first, Volume) else None}


def score_cells(found: Score) -> Cells:
    warnings = ";".join(w.name.removeprefix("DEEPTEPP_WARN_") for w in found.warnings)
    cells = {"score": _exact(found.score), "score_sd": _exact(found.score_sd), "n_views": str(len(found.view_scores)),
             "tier": found.tier_name, "cutpoint_distance": _exact(found.cutpoint_distance), "status": "ok",
             "warnings": warnings or None, "mask_voxels": str(found.mask.voxels), "precision": found.precision}
    return cells | {f"survival:{number_text(time)}": _exact(value) for time, value in found.survival}


def _exact(value: float | None) -> str | None:
    return None if value is None else _table.cell_text(float(value), "score")
