"""Enhanced (multi-frame) MR: each frame as what a file of one slice would say of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy.typing as npt
import pydicom
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from ._files import DicomError, Instance, one_line

# A slice's attribute: the functional group and the attribute in it that say the same of a frame.
OF_FRAME = {
    "ImagePositionPatient": ("PlanePositionSequence", "ImagePositionPatient"),
    "ImageOrientationPatient": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "PixelSpacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "RescaleSlope": ("PixelValueTransformationSequence", "RescaleSlope"),
    "RescaleIntercept": ("PixelValueTransformationSequence", "RescaleIntercept"),
    "ImageType": ("MRImageFrameTypeSequence", "FrameType"),
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "TemporalPositionIdentifier": ("FrameContentSequence", "TemporalPositionIndex"),
    "TriggerTime": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "AcquisitionNumber": ("FrameContentSequence", "FrameAcquisitionNumber"),
    "AcquisitionDateTime": ("FrameContentSequence", "FrameAcquisitionDateTime"),
}
# What the file says of all its frames.
OF_FILE = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "Modality",
           "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation", "BitsStored")


class Stack:
    """A file's frames, decoded together when the first is needed."""

    def __init__(self, whole: Instance, count: int) -> None:
        self.whole = whole
        self._count = count

    @cached_property
    def pixels(self) -> npt.NDArray[Any]:
        found = self.whole.pixels()
        found = found.reshape(-1, *found.shape[-2:])
        if len(found) != self._count:
            raise DicomError(f"{self.whole.name}: has {len(found)} frames, wanted {self._count} as its "
                             "PerFrameFunctionalGroupsSequence describes")
        return found


@dataclass(frozen=True)
class Frame(Instance):
    """One frame, as a slice. header: made from the file's and its functional groups."""

    stack: Stack | None = None
    index: int = 0

    def pixels(self) -> npt.NDArray[Any]:
        assert self.stack is not None
        frame: npt.NDArray[Any] = self.stack.pixels[self.index]
        return frame

    @property
    def number(self) -> int:
        return self.index + 1

    @property
    def origin(self) -> pydicom.Dataset:
        assert self.stack is not None
        return self.stack.whole.header


def slices_of(instance: Instance) -> list[Instance]:
    """The instance itself, or its frames."""
    if instance.kind() != EnhancedMRImageStorage:
        return [instance]
    items = list(instance.value("PerFrameFunctionalGroupsSequence"))
    shared = (instance.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    stack = Stack(instance, len(items))
    return [Frame(name, _flat(instance, Instance(name, shared), Instance(name, item)), None, stack, i)
            for i, item in enumerate(items) for name in (f"{instance.name}: frame {i + 1}",)]


def _flat(whole: Instance, shared: Instance, own: Instance) -> pydicom.Dataset:
    flat = pydicom.Dataset()
    flat.SOPClassUID = MRImageStorage
    for keyword in OF_FILE:
        if whole.get(keyword) is not None:
            flat[keyword] = whole.header[keyword]
    for keyword, (group, attribute) in OF_FRAME.items():
        for item in (own.get(group) or shared.get(group) or ())[:1]:
            _set(flat, keyword, Instance(own.name, item).get(attribute), own.name)
    return flat


def _set(flat: pydicom.Dataset, keyword: str, value: Any, name: str) -> None:
    try:
        if value is not None:
            setattr(flat, keyword, value)
    except Exception as error:  # whatever pydicom says of a value of another kind
        raise DicomError(f"{name}: {keyword} is {value!r}, which is none ({one_line(error)})") from error
