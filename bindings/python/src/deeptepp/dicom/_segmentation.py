"""A SEG to a mask on its series' grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import UID, SegmentationStorage

from .._arrays import LPS_TO_RAS
from ..volume import Volume
from ._files import DicomError, Instance, Source, instances
from ._grid import TOLERANCE, plane
from ._series import Series

# Label maps are newer than pydicom 3.0's dictionary.
LABEL_MAP = UID("1.2.840.10008.5.1.4.1.1.66.7")


class Segment(NamedTuple):
    """number: its value in the mask."""

    number: int
    label: str


@dataclass(frozen=True)
class Segmentation:
    """A SEG that was read and checked against its series.

    mask      on the series' grid: 0, and the number of each segment that was chosen
    segments  those chosen
    header    of the SEG, without pixels where it was a file
    """

    mask: Volume
    segments: tuple[Segment, ...]
    header: pydicom.Dataset

    @property
    def label(self) -> int | None:
        """What Model.score takes as its label: the segment's number; None of several, of which one is to be named."""
        return self.segments[0].number if len(self.segments) == 1 else None

    def close(self) -> None:
        self.mask.close()

    def __enter__(self) -> Segmentation:
        return self

    def __exit__(self, *rest: object) -> None:
        self.close()


def read_segmentation(source: Source, series: Series, *,
                      segment: int | str | Sequence[int | str] | None = None) -> Segmentation:
    """Reads a SEG (binary or label map) as a mask on the series' grid; places without a frame are 0.

    segment  number or label of the segment; needed where there are several. A list of them: the mask holds all their
             numbers, for label= of Model.score
    Raises DicomError for a SEG of another patient, study, series, frame of reference or grid; FileNotFoundError.
    """
    found = instances(source)
    if len(found) != 1:
        raise DicomError(f"{len(found)} files, wanted one SEG")
    seg = found[0]
    _refuse_kinds(seg)
    _refuse_strangers(seg, series)
    chosen = _chosen(_segments(seg), segment, seg)
    mask = _placed(seg, series, chosen)
    return Segmentation(Volume.from_array(mask.T, series.affine), chosen, seg.header)


def _refuse_kinds(seg: Instance) -> None:
    kind = seg.kind()
    if kind not in (SegmentationStorage, LABEL_MAP):
        raise DicomError(f"{seg.name}: SOPClassUID is {kind.name}, wanted {SegmentationStorage.name}")
    if seg.value("SegmentationType") not in ("BINARY", "LABELMAP"):
        raise DicomError(f"{seg.name}: SegmentationType is {seg.header.SegmentationType}, wanted BINARY or LABELMAP")


def _refuse_strangers(seg: Instance, series: Series) -> None:
    image = series.headers[0]
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        if (seg.get(keyword) or "") != (image.get(keyword) or ""):
            raise DicomError(f"{seg.name}: {keyword} is {seg.get(keyword)}, wanted {image.get(keyword)} as in "
                             "the series")
    named = [str(Instance(seg.name, item).get("SeriesInstanceUID"))
             for item in seg.get("ReferencedSeriesSequence") or ()]
    if named and series.uid not in named:
        raise DicomError(f"{seg.name}: is of series {', '.join(named)}, wanted {series.uid}")


# ---- Segments ----


def _segments(seg: Instance) -> list[Segment]:
    items = [Instance(f"{seg.name}: a segment", item) for item in seg.value("SegmentSequence")]
    found = [Segment(item.whole("SegmentNumber"), str(item.get("SegmentLabel") or "")) for item in items]
    return [each for each in found if each.number > 0]  # 0 is a label map's background


def _chosen(found: list[Segment], wanted: Any, seg: Instance) -> tuple[Segment, ...]:
    names = ", ".join(f"{each.number} {each.label!r}" for each in found)
    if wanted is None:
        if len(found) != 1:
            raise DicomError(f"{seg.name}: has {len(found)} segments ({names}), wanted one: choose with segment=")
        return tuple(found)
    several = [wanted] if isinstance(wanted, (int, str)) else list(wanted)
    return tuple(_one(each, found, names, seg) for each in several)


def _one(wanted: int | str, found: list[Segment], names: str, seg: Instance) -> Segment:
    fits = [each for each in found if wanted in (each.number, each.label)]
    if len(fits) != 1:
        raise DicomError(f"{seg.name}: segment {wanted!r} fits {len(fits)} of its segments ({names}), wanted one")
    return fits[0]


# ---- Frames ----


def _placed(seg: Instance, series: Series, chosen: tuple[Segment, ...]) -> npt.NDArray[Any]:
    """Slices, rows, columns."""
    columns, rows, slices = series.shape
    frames = seg.pixels()
    frames = frames.reshape(-1, *frames.shape[-2:])
    items = seg.value("PerFrameFunctionalGroupsSequence")
    if len(items) != len(frames):
        raise DicomError(f"{seg.name}: PerFrameFunctionalGroupsSequence has {len(items)} items, wanted {len(frames)}, "
                         "one a frame")
    if frames.shape[1:] != (rows, columns):
        raise DicomError(f"{seg.name}: Rows and Columns are {frames.shape[1]} and {frames.shape[2]}, wanted {rows} and "
                         f"{columns} as in the series")
    mask = np.zeros((slices, rows, columns), dtype=np.uint8 if max(chosen).number < 256 else np.uint16)
    for index, frame in enumerate(frames):
        _put(mask, seg, index, frame, series, chosen)
    return mask


def _put(mask: npt.NDArray[Any], seg: Instance, index: int, frame: npt.NDArray[Any], series: Series,
         chosen: tuple[Segment, ...]) -> None:
    plane_of_mask = mask[_slice_of(seg, index, series)]
    for segment in chosen:
        if seg.header.SegmentationType == "LABELMAP":
            inside = frame == segment.number
        elif _segment_of(seg, index) == segment.number:
            inside = frame != 0
        else:
            continue
        if np.any(plane_of_mask[inside] != 0):
            raise DicomError(f"{seg.name}: frame {index + 1} of segment {segment.number} {segment.label!r} overlaps "
                             "what an earlier frame marks, wanted each voxel once: choose one segment with segment=")
        plane_of_mask[inside] = segment.number


def _segment_of(seg: Instance, index: int) -> int:
    number = _group(seg, index, "SegmentIdentificationSequence").whole("ReferencedSegmentNumber")
    if number not in (each.number for each in _segments(seg)):
        raise DicomError(f"{seg.name}: frame {index + 1} is of segment {number}, wanted one of its SegmentSequence")
    return number


def _group(seg: Instance, index: int, keyword: str) -> Instance:
    """A functional group of a frame: its own, or the one that all frames share."""
    name = f"{seg.name}: frame {index + 1}"
    shared = Instance(name, (seg.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0])
    own = Instance(name, seg.header.PerFrameFunctionalGroupsSequence[index])
    found: Sequence[pydicom.Dataset] | None = own.get(keyword) or shared.get(keyword)
    if not found:
        raise DicomError(f"{name} has no {keyword}, and needs one")
    return Instance(name, found[0])


def _slice_of(seg: Instance, index: int, series: Series) -> int:
    """The slice of the series on whose voxels the frame's own lie."""
    frame = _group(seg, index, "PlanePositionSequence")
    directions = _group(seg, index, "PlaneOrientationSequence").numbers("ImageOrientationPatient", 6)
    spacing = _group(seg, index, "PixelMeasuresSequence").numbers("PixelSpacing", 2)
    lies = plane(frame.name, frame.numbers("ImagePositionPatient", 3), directions, spacing[0], spacing[1])
    columns, rows, slices = series.shape
    corners = np.array([[0, 0], [columns - 1, 0], [0, rows - 1]])
    points = lies.position + corners[:, :1] * lies.right + corners[:, 1:] * lies.down
    inverse = np.linalg.inv(LPS_TO_RAS @ series.affine)
    found = points @ inverse[:3, :3].T + inverse[:3, 3]
    number = round(float(found[0, 2]))
    away = float(np.abs(found - np.column_stack([corners, np.full(3, number)])).max())
    if not away <= TOLERANCE or not 0 <= number < slices:
        raise DicomError(f"{frame.name}: lies on no slice of the series (slice {found[0, 2]:.4g} of 0 to {slices - 1}, "
                         f"{away:.3g} voxels beside its voxels), wanted the series' own grid")
    return number
