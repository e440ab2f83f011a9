"""What Model.score and Model.preprocess are given, as a case of the library."""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from . import _arrays
from ._calls import Call, c_text, options, whole
from ._native import ffi, lib
from .errors import DeepteppError
from .volume import Path, Volume, open_handle

ImageLike = Path | Volume | tuple[Any, Any] | _arrays.NibabelImage | _arrays.SimpleITKImage
Images = ImageLike | Mapping[str, ImageLike]

MASK_GRIDS = {"same": lib.DEEPTEPP_MASK_GRID_SAME, "image": lib.DEEPTEPP_MASK_GRID_IMAGE,
              "nearest": lib.DEEPTEPP_MASK_GRID_NEAREST}

WANTED = "a path, a Volume, (array, affine), or an image of nibabel or SimpleITK"


class Case(NamedTuple):
    """channels: of its images, in the order in which they were set; keep: what must live as long as the case."""

    handle: Any
    channels: tuple[str, ...]
    keep: tuple[Any, ...]


@dataclass(frozen=True)
class Inputs:
    """The arguments of a call, checked as far as that needs no file."""

    image: Images
    mask: ImageLike
    label: int | None
    largest_part: bool
    mask_grid: str
    covariates: Mapping[str, float | None] | None
    orientation: str | None

    def __post_init__(self) -> None:
        if self.mask_grid not in tuple(MASK_GRIDS):
            raise ValueError(f"mask_grid is {self.mask_grid!r}, wanted one of {', '.join(map(repr, MASK_GRIDS))}")
        whole(self.label, "label", 2**53)
        if not isinstance(self.largest_part, (bool, np.bool_)):
            raise TypeError(f"largest_part is {self.largest_part!r}, wanted True or False")
        if self.covariates is not None and not isinstance(self.covariates, Mapping):
            raise TypeError(f"covariates is of type {type(self.covariates).__name__}, wanted a mapping from names")
        if self.orientation is not None and not any(map(_is_path, self._volumes())):
            raise ValueError("orientation is for files, and none of the volumes is given by its path")

    def _volumes(self) -> list[Any]:
        return [*self._images("").values(), self.mask]

    def _images(self, only_channel: str) -> Mapping[str, Any]:
        return self.image if isinstance(self.image, Mapping) else {only_channel: self.image}

    def case(self, call: Call, only_channel: str, until: float) -> Case:
        """Reads the volumes, which takes the call's progress from 0 to `until`."""
        out = ffi.new("deeptepp_case **")
        try:
            status = lib.deeptepp_case_new(out, call.error)
        finally:
            handle = ffi.gc(out[0], lib.deeptepp_case_free)
        call.check(status)
        self._set_covariates(call, handle)
        channels, keep = self._set_images(call, handle, only_channel, self._parts(until))
        return Case(handle, channels, keep)

    def _parts(self, until: float) -> Iterator[tuple[float, float]]:
        count = len(self._volumes())
        return ((until * i / count, until * (i + 1) / count) for i in range(count))

    def _set_covariates(self, call: Call, handle: Any) -> None:
        for name, value in (self.covariates or {}).items():
            if value is not None:
                call.check(lib.deeptepp_case_set_covariate(handle, c_text(name, "a covariate's name"),
                                                           _real(name, value), call.error))

    def _set_images(self, call: Call, handle: Any, only_channel: str,
                    parts: Iterator[tuple[float, float]]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        named = isinstance(self.image, Mapping)
        images, keep = self._images(only_channel), []
        channels = tuple(images)
        for name, given in images.items():
            call.part(*next(parts))
            keep.append(self._held(call, name, given))
            channel = c_text(name, "a channel's name") if named else ffi.NULL
            call.check(lib.deeptepp_case_set_image(handle, channel, keep[-1][0], call.error), channels)
        call.part(*next(parts))
        keep.append(self._held(call, "mask", self.mask))
        call.check(lib.deeptepp_case_set_mask(handle, keep[-1][0], self._mask_options(), call.error), channels)
        return channels, tuple(keep)

    def _mask_options(self) -> Any:
        return options("deeptepp_mask_options", label=self.label, largest_part=bool(self.largest_part),
                       grid=MASK_GRIDS[self.mask_grid])

    def _held(self, call: Call, name: str, given: Any) -> tuple[Any, Any]:
        try:
            if _is_path(given):
                return open_handle(call, given, orientation=self.orientation), None
            return volume_of(given, name)._hold()
        except DeepteppError as error:
            error.volumes = (name,)
            raise


def _is_path(given: Any) -> bool:
    return isinstance(given, (str, bytes, os.PathLike))


def volume_of(given: Any, name: str) -> Volume:
    """What is in memory, as a Volume."""
    if isinstance(given, Volume):
        return given
    try:
        volume = _in_memory(given)
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):
            raise
        raise type(error)(f"{name!r}: {error}") from None
    if volume is not None:
        return volume
    if isinstance(given, np.ndarray):
        raise TypeError(f"{name!r} is an array, which does not say where its voxels lie: give (array, affine)")
    raise TypeError(f"{name!r} is of type {type(given).__name__}, wanted {WANTED}")


def _in_memory(given: Any) -> Volume | None:
    if isinstance(given, tuple) and len(given) == 2:
        return Volume.from_array(*given)
    if _arrays.is_nibabel(given):
        return Volume._of(_arrays.from_nibabel(given))
    if _arrays.is_simpleitk(given):
        return Volume._of(_arrays.from_simpleitk(given))
    return None


def _real(name: str, value: Any) -> float:
    if not isinstance(value, (numbers.Real, np.bool_)):
        raise TypeError(f"covariate {name!r} is {value!r}, wanted a number, or None where it is missing")
    return float(value)
