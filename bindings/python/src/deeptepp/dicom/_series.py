"""An MR series to volumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from ..volume import Volume
from ._enhanced import slices_of
from ._files import DicomError, Instance, Source, instances
from ._grid import affine_of, distance, ordered, plane_of

# What all slices of a series must agree on; of those marked True each slice must have one.
SAME = {"PatientID": False, "StudyInstanceUID": True, "SeriesInstanceUID": True, "FrameOfReferenceUID": True,
        "Rows": True, "Columns": True, "ImageType": True, "EchoTime": False, "PixelRepresentation": True,
        "BitsStored": True, "RescaleSlope": False, "RescaleIntercept": False}
# Where slices of the same place may differ, in the order in which they are looked at.
TIMES = ("TemporalPositionIdentifier", "TriggerTime", "AcquisitionNumber", "AcquisitionDateTime", "AcquisitionTime",
         "ContentTime")
# Directions (no unit) and mm: what a scanner's rounding makes.
SAME_WITHIN = 1e-4


@dataclass(frozen=True)
class Series:
    """An MR series that was read and checked. Close it (close, `with`) to give its volumes' memory back.

    volumes  by phase as named in read_series; one without a name, "", where the series has one phase
    affine   4 x 4: column, row and slice to RAS mm, of the first volume; Model.score refuses phases that lie elsewhere
    headers  of every file or dataset that was read, without pixels where they were files
    """

    volumes: Mapping[str, Volume]
    affine: npt.NDArray[np.float64]
    headers: tuple[pydicom.Dataset, ...]

    @property
    def image(self) -> Volume | Mapping[str, Volume]:
        """What Model.score takes as its image: the volume, or the phases by name."""
        return self.volumes[""] if "" in self.volumes else self.volumes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, slices."""
        return next(iter(self.volumes.values())).shape

    @property
    def uid(self) -> str:
        """The SeriesInstanceUID."""
        return str(self.headers[0].SeriesInstanceUID)

    def close(self) -> None:
        for volume in self.volumes.values():
            volume.close()

    def __enter__(self) -> Series:
        return self

    def __exit__(self, *rest: object) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.volumes)) if "" not in self.volumes else "one phase"
        return f"<Series {self.uid}, {' x '.join(map(str, self.shape))}, {names}>"


def read_series(source: Source, *, phases: Mapping[str, str | float] | None = None,
                series_uid: str | None = None) -> Series:
    """Reads an MR series (a file a slice, or enhanced: a file of frames), in any order, as volumes on one regular grid.

    source      a folder (its own files; hidden ones and DICOMDIR are passed over, subfolders not entered), or files or
                pydicom datasets
    phases      of a series with several phases: channel to the value of the time tag that tells them apart, such as
                {"pre": 0, "post": 120}. The error that names the phases found appears where it is lacking
    series_uid  of several series: which
    Voxels are the stored values with RescaleSlope and RescaleIntercept applied; no window, no presentation.
    Raises DicomError where anything keeps the slices from being one regular grid; FileNotFoundError.
    """
    slices = [each for file in _one_series(instances(source), series_uid) for each in slices_of(file)]
    _refuse_kinds(slices)
    _refuse_differences(slices)
    _refuse_twice(slices)
    chosen = _phases(slices, phases)
    grids = {name: affine_of(stack) for name, stack in chosen.items()}
    volumes = {name: Volume.from_array(_voxels(stack).T, grids[name]) for name, stack in chosen.items()}
    headers = {id(each.origin): each.origin for stack in chosen.values() for each in stack}
    return Series(MappingProxyType(volumes), next(iter(grids.values())), tuple(headers.values()))


# ---- Which slices ----


def _one_series(found: list[Instance], series_uid: str | None) -> list[Instance]:
    counts = Counter(str(each.value("SeriesInstanceUID")) for each in found)
    if series_uid is not None:
        chosen = [each for each in found if each.get("SeriesInstanceUID") == series_uid]
        if not chosen:
            raise DicomError(f"series_uid is {series_uid}, and the series found are {_series(found, counts)}")
        return chosen
    if len(counts) > 1:
        raise DicomError(f"{len(counts)} series, wanted one: {_series(found, counts)}: choose with series_uid=")
    return found


def _series(found: list[Instance], counts: Counter[str]) -> str:
    files = {str(each.value("SeriesInstanceUID")): each for each in found}
    return "; ".join(f"{uid} ({files[uid].get('Modality') or '?'}, {files[uid].get('SeriesDescription') or '?'}, "
                     f"{count} files)" for uid, count in counts.items())


def _refuse_kinds(slices: list[Instance]) -> None:
    for each in slices:
        kind = each.kind()
        if kind != MRImageStorage:
            raise DicomError(f"{each.name}: SOPClassUID is {kind.name}, wanted {MRImageStorage.name} or "
                             f"{EnhancedMRImageStorage.name}")
        _refuse_value(each, "Modality", "MR")
        _refuse_value(each, "SamplesPerPixel", 1)
        _refuse_value(each, "PhotometricInterpretation", "MONOCHROME2")
        each.value("ImageType")
        if "LOCALIZER" in _text(each, "ImageType"):
            raise DicomError(f"{each.name}: ImageType is {_text(each, 'ImageType')}, wanted an image "
                             "that is no localizer")
        if "ModalityLUTSequence" in each.header:
            raise DicomError(f"{each.name}: has a ModalityLUTSequence, wanted RescaleSlope and "
                             "RescaleIntercept or neither")


def _refuse_value(each: Instance, keyword: str, wanted: str | int) -> None:
    if each.value(keyword) != wanted:
        raise DicomError(f"{each.name}: {keyword} is {each.get(keyword)}, wanted {wanted}")


def _refuse_differences(slices: list[Instance]) -> None:
    first = slices[0]
    for each in slices:
        for keyword, needed in SAME.items():
            if needed:
                each.value(keyword)
            if each.get(keyword) != first.get(keyword):
                raise _differ(keyword, first, each)
        for keyword, count in (("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
            if np.abs(each.numbers(keyword, count) - first.numbers(keyword, count)).max() > SAME_WITHIN:
                raise _differ(keyword, first, each)


def _refuse_twice(slices: list[Instance]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for each in slices:
        same = str(each.value("SOPInstanceUID")), each.number
        if same in seen:
            raise DicomError(f"{seen[same]} and {each.name} are the same image (SOPInstanceUID {same[0]}): wanted each "
                             "once")
        seen[same] = each.name


def _differ(keyword: str, first: Instance, other: Instance) -> DicomError:
    return DicomError(f"{keyword} is {_text(first, keyword)} in {first.name} and {_text(other, keyword)} in "
                      f"{other.name}, wanted the same in every slice")


def _text(each: Instance, keyword: str) -> str:
    found = each.get(keyword)
    if found is None:
        return "missing"
    return "\\".join(map(str, found)) if isinstance(found, pydicom.multival.MultiValue) else str(found)


# ---- Phases ----


def _phases(slices: list[Instance], names: Mapping[str, str | float] | None) -> dict[str, list[Instance]]:
    """Each phase's slices in order, by name; the grids of all are the same."""
    keyword, groups = _groups(slices)
    if names is None:
        if len(groups) > 1:
            raise DicomError(f"series {slices[0].header.SeriesInstanceUID} has {_found(keyword, groups)}: name them, "
                             f"one a channel of the model, phases={{\"NAME\": {next(iter(groups))!r}, ...}}")
        return {"": ordered(slices)}
    if not names or "" in names:
        raise ValueError(f"phases is {names!r}, wanted a mapping from channels to values of {keyword or 'a time tag'}")
    if len(groups) == 1:
        raise DicomError(f"phases names {len(names)}, and series {slices[0].header.SeriesInstanceUID} has one: leave "
                         "it out")
    return {name: ordered(_chosen(keyword, groups, wanted)) for name, wanted in names.items()}


def _chosen(keyword: str, groups: dict[str, list[Instance]], wanted: str | float) -> list[Instance]:
    for value, slices in groups.items():
        if value == str(wanted) or _number(value) == _number(wanted) is not None:
            return slices
    raise DicomError(f"phase {wanted!r} is not among the {_found(keyword, groups)}")


def _number(value: str | float) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _found(keyword: str, groups: dict[str, list[Instance]]) -> str:
    return f"{len(groups)} phases by {keyword}: {', '.join(f'{v} ({len(s)} slices)' for v, s in groups.items())}"


def _groups(slices: list[Instance]) -> tuple[str, dict[str, list[Instance]]]:
    """By the first time tag of which every value has each place once; one group where each place is there once."""
    places = {id(each): _place(each, slices[0]) for each in slices}
    counts = Counter(places.values())
    if max(counts.values()) == 1:
        return "", {"": slices}
    for keyword in TIMES:
        groups = _by(keyword, slices)
        if len(groups) > 1 and all({places[id(each)] for each in group} == set(counts) and len(group) == len(counts)
                                   for group in groups.values()):
            return keyword, groups
    _refuse_uneven_groups(slices, places, counts)
    if min(counts.values()) > 1:
        raise DicomError(f"series {slices[0].header.SeriesInstanceUID} has {len(slices)} slices at {len(counts)} "
                         f"places, wanted one each, or a time tag that tells phases apart ({', '.join(TIMES)})")
    return "", {"": slices}  # to be refused as what it is, slices at one place


def _by(keyword: str, slices: list[Instance]) -> dict[str, list[Instance]]:
    groups: dict[str, list[Instance]] = {}
    for each in slices:
        groups.setdefault(_text(each, keyword), []).append(each)
    return dict(sorted(groups.items(), key=lambda item: (_number(item[0]) is None, _number(item[0]) or 0.0, item[0])))


def _place(each: Instance, first: Instance) -> tuple[int, ...]:
    """Where along the normal, to 0.01 mm."""
    return (round(100 * distance(plane_of(each), plane_of(first).normal)),)


def _refuse_uneven_groups(slices: list[Instance], places: dict[int, tuple[int, ...]],
                          counts: Counter[tuple[int, ...]]) -> None:
    """Phases of unequal slices are told by their first time tag that has few values."""
    for keyword in TIMES:
        groups = _by(keyword, slices)
        if 1 < len(groups) <= len(slices) // 2 and all(
                len({places[id(each)] for each in group}) == len(group) for group in groups.values()):
            raise DicomError(f"series {slices[0].header.SeriesInstanceUID} has {_found(keyword, groups)}, wanted the "
                             f"same {len(counts)} places in each")


# ---- Voxels ----


def _voxels(stack: list[Instance]) -> npt.NDArray[Any]:
    """Slices, rows, columns; as stored where nothing is to be rescaled, else float32."""
    planes = []
    for each in stack:
        pixels = each.pixels()
        shape = each.whole("Rows"), each.whole("Columns")
        if pixels.shape != shape:
            raise DicomError(f"{each.name}: its pixels have shape {pixels.shape}, wanted {shape}")
        planes.append(pixels)
    voxels: npt.NDArray[Any] = np.stack(planes)
    slope, intercept = (_rescaling(stack[0], keyword, default) for keyword, default in
                        (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)))
    if (slope, intercept) == (1.0, 0.0):
        return voxels
    rescaled: npt.NDArray[np.float64] = voxels * slope + intercept
    return rescaled.astype(np.float32)


def _rescaling(slice_: Instance, keyword: str, default: float) -> float:
    found = default if slice_.get(keyword) in (None, "") else float(slice_.numbers(keyword, 1)[0])
    if keyword == "RescaleSlope" and found == 0:
        raise DicomError(f"{slice_.name}: RescaleSlope is 0, wanted another number")
    return found
