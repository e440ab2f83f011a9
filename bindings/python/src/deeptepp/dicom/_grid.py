"""Slices to a regular grid, or the reason why they are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._files import DicomError, Instance

Vector = npt.NDArray[np.float64]

# In voxel edges, the smallest one: what the library tolerates between the volumes of a case.
TOLERANCE = 0.1
# Of the products of the directions of rows and columns, which are of length 1 and at right angles.
UNIT = 1e-3


@dataclass(frozen=True)
class Plane:
    """Of one slice. right, down: mm steps to the next column and row (LPS); normal: of length 1."""

    position: Vector
    right: Vector
    down: Vector

    @property
    def normal(self) -> Vector:
        across = np.cross(self.right, self.down)
        return np.asarray(across / np.linalg.norm(across), dtype=np.float64)

    @property
    def edge(self) -> float:
        return float(min(np.linalg.norm(self.right), np.linalg.norm(self.down)))


def plane_of(slice_: Instance) -> Plane:
    directions = slice_.numbers("ImageOrientationPatient", 6)
    between_rows, between_columns = slice_.numbers("PixelSpacing", 2)
    return plane(slice_.name, slice_.numbers("ImagePositionPatient", 3), directions, between_rows, between_columns)


def plane(name: str, position: Vector, directions: Vector, between_rows: float, between_columns: float) -> Plane:
    """PixelSpacing says the distance between rows first."""
    row, column = directions[:3], directions[3:]
    products = np.array([row @ row, column @ column, row @ column])
    if float(np.abs(products - (1, 1, 0)).max()) > UNIT:
        raise DicomError(f"{name}: ImageOrientationPatient is {_listed(directions)}, wanted two directions of length 1 "
                         "at right angles")
    if min(between_rows, between_columns) <= 0:
        raise DicomError(f"{name}: PixelSpacing is {_listed([between_rows, between_columns])}, wanted numbers above 0")
    return Plane(position, row * between_columns, column * between_rows)


def _listed(numbers: Any) -> str:
    return ", ".join(f"{x:g}" for x in numbers)


def distance(plane_: Plane, normal: Vector) -> float:
    """Along the normal, in mm."""
    return float(plane_.position @ normal)


def ordered(slices: list[Instance]) -> list[Instance]:
    """By their positions along the normal."""
    normal = plane_of(slices[0]).normal
    return sorted(slices, key=lambda each: distance(plane_of(each), normal))


def affine_of(slices: list[Instance]) -> npt.NDArray[np.float64]:
    """Of ordered slices: column, row, slice to RAS mm. Every slice must lie where the grid has it."""
    if len(slices) < 2:
        raise DicomError(f"{slices[0].name}: the only slice of its volume, wanted 2 or more")
    planes = [plane_of(each) for each in slices]
    first, last = planes[0], planes[-1]
    depths = np.array([distance(each, first.normal) for each in planes])
    _refuse_uneven(slices, depths)
    _refuse_shifted(slices, planes)
    step = (last.position - first.position) / (len(planes) - 1)
    _refuse_tilt(slices, first, step)
    affine = np.eye(4)
    affine[:3] = np.column_stack([first.right, first.down, step, first.position])
    affine[:2] *= -1.0
    return affine


def _refuse_uneven(slices: list[Instance], depths: Vector) -> None:
    """Duplicates, gaps and uneven distances, by the slices beside them."""
    steps = np.diff(depths)
    usual = float(np.median(steps))
    for i, step in enumerate(steps):
        between = f"{slices[i].name} and {slices[i + 1].name}"
        if step <= TOLERANCE * abs(usual) or step <= 1e-4:
            raise DicomError(f"{between} lie at the same place, {depths[i]:g} mm along the normal: "
                             "wanted one slice a place")
        missing = round(step / usual) - 1
        if missing >= 1 and abs(step - (missing + 1) * usual) <= TOLERANCE * usual:
            raise DicomError(f"{between} are {step:g} mm apart, wanted {usual:g}: {missing} slices are missing")
        if abs(step - usual) > TOLERANCE * usual:
            raise DicomError(f"{between} are {step:g} mm apart, wanted {usual:g} as between the others")


def _refuse_shifted(slices: list[Instance], planes: list[Plane]) -> None:
    """Against a line that a few shifted slices do not move: the median over all pairs' steps (Theil and Sen)."""
    positions = np.array([each.position for each in planes])
    low, high = np.triu_indices(len(planes), 1)
    step = np.median((positions[high] - positions[low]) / (high - low)[:, None], axis=0)
    starts = positions - np.arange(len(planes))[:, None] * step
    away = np.linalg.norm(starts - np.median(starts, axis=0), axis=1)
    worst, allowed = int(np.argmax(away)), _allowed(planes[0], step)
    if away[worst] > allowed:
        raise DicomError(f"{slices[worst].name}: lies {away[worst]:.4g} mm beside its place in the regular grid, "
                         f"wanted at most {allowed:.3g}")


def _refuse_tilt(slices: list[Instance], first: Plane, step: Vector) -> None:
    """Judged over the whole stack, where a small angle shows."""
    across = float(np.linalg.norm(step - (step @ first.normal) * first.normal))
    if across * (len(slices) - 1) > _allowed(first, step):
        angle = np.degrees(np.arctan2(across, step @ first.normal))
        raise DicomError(f"{slices[0].name} to {slices[-1].name}: the stack is tilted by {angle:.3g} degrees "
                         f"({across * (len(slices) - 1):.4g} mm in all), wanted slices straight above each other")


def _allowed(plane_: Plane, step: Vector) -> float:
    return TOLERANCE * min(plane_.edge, float(np.linalg.norm(step)))
