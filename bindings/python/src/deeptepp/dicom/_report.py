"""A score as a structured report, TID 1500 with one group of measurements of a segment (TID 1411)."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import Any

from highdicom import UID, sr
from highdicom.sr import NumContentItem, RelationshipTypeValues, TextContentItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from .._sidecar import RESEARCH
from ..score import Score
from ._files import DicomError
from ._segmentation import Segmentation
from ._series import Series

# A private scheme (99): no public one has codes for these. Values of at most 16 characters, meanings of 64.
SCHEME = "99DEEPTEPP"
SCORE = Code("score", SCHEME, "DeepTEPP score")
SCORE_SD = Code("score_sd", SCHEME, "Standard deviation of the DeepTEPP score over views")
DISTANCE = Code("distance", SCHEME, "DeepTEPP score minus the nearest cut-point")
TIER = Code("tier", SCHEME, "DeepTEPP tier")
NEOPLASM = Code("108369006", "SCT", "Neoplasm")


def write_report(path: str | os.PathLike[str], score: Score, series: Series, segmentation: Segmentation, *,
                 series_number: int = 1, observer: str | None = None) -> None:
    """Writes a score as a DICOM SR (Enhanced SR, TID 1500) of the patient and study of its series.

    path           of the file, which must not exist yet
    score          what Model.score said of these volumes; of others it is refused, by their SHA-256
    series_number  of the report's own series
    observer       a person's name, such as "Doe^Jane", beside the program as a device
    It holds the score to its last bit (FloatingPointValue), its spread over views, tier and distance from the nearest
    cut-point, the model's name and SHA-256, every warning as text, and that it is for research use only.
    Raises DicomError for a score of other volumes; FileExistsError.
    """
    said = score.to_dict()
    _refuse_strangers(said, series, segmentation)
    content = sr.MeasurementReport(
        observation_context=_observers(said, observer),
        procedure_reported=codes.LN.MRIUnspecifiedBodyRegion,
        imaging_measurements=[_group(score, said, series, segmentation)],
        title=codes.DCM.ImagingMeasurementReport)
    report = sr.EnhancedSR(
        evidence=[*series.headers, segmentation.header], content=content[0], series_instance_uid=UID(),
        series_number=series_number, sop_instance_uid=UID(), instance_number=1, manufacturer="libdeeptepp",
        is_complete=True, is_final=False, is_verified=False)
    report.SpecificCharacterSet = "ISO_IR 192"
    report.SeriesDescription = "DeepTEPP score, research use only"
    _write(report, path)


def _refuse_strangers(said: dict[str, Any], series: Series, segmentation: Segmentation) -> None:
    """A report must not say of one patient what was computed from another's volumes."""
    scored = {image["sha256"] for image in said["images"]}
    read = {volume.sha256 for volume in series.volumes.values()}
    if not scored <= read:
        raise DicomError(f"the score is of images {_short(scored)} (SHA-256), and the series' are {_short(read)}: "
                         "wanted a score of this series")
    if said["mask"]["sha256"] != segmentation.mask.sha256:
        raise DicomError(f"the score is of mask {_short([said['mask']['sha256']])} (SHA-256), and the segmentation's "
                         f"is {_short([segmentation.mask.sha256])}: wanted a score of this segmentation")


def _short(digests: Iterable[str]) -> str:
    return ", ".join(sorted(digest[:12] for digest in digests))


def _write(report: sr.EnhancedSR, path: str | os.PathLike[str]) -> None:
    """In one go, and never over another file."""
    whole = io.BytesIO()
    report.save_as(whole)
    with open(path, "xb") as file:
        file.write(whole.getbuffer())


# ---- Content ----


def _observers(said: dict[str, Any], person: str | None) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=["libdeeptepp", said["software"]["libdeeptepp"]]), name="libdeeptepp",
        manufacturer_name="libdeeptepp", model_name=f"libdeeptepp {said['software']['libdeeptepp']}")
    named = None if person is None else sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(name=person))
    return sr.ObservationContext(
        observer_person_context=named,
        observer_device_context=sr.ObserverContext(codes.DCM.Device, observer_identifying_attributes=device))


def _group(score: Score, said: dict[str, Any], series: Series, segmentation: Segmentation) -> Any:
    """The measurements of the segment that was scored, and what a reader must know of them."""
    seg = segmentation.header
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=UID(), identifier="DeepTEPP score"),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID, sop_instance_uid=seg.SOPInstanceUID,
            segment_number=int(said["mask"]["label"]),
            source_series=sr.SourceSeriesForSegmentation(series.uid)),
        finding_type=NEOPLASM,
        algorithm_id=_model(said),
        measurements=_measurements(score),
        qualitative_evaluations=_tier(score))
    for line in (RESEARCH, *(f"{warning.name}: {warning.message}" for warning in score.warnings), *_guidance(score)):
        group[0].ContentSequence.append(TextContentItem(codes.DCM.Comment, line, RelationshipTypeValues.CONTAINS))
    return group


def _model(said: dict[str, Any]) -> sr.AlgorithmIdentification:
    model, software = said["model"], said["software"]
    weights = [f"weights {model['weights']}"] if model.get("weights") else []
    parameters = [f"model SHA-256 {model['sha256']}", *weights]
    parameters += [f"{name} {value}" for name, value in software.items()]
    return sr.AlgorithmIdentification(str(model["name"]), str(model.get("version") or "not stated"), parameters)


def _measurements(score: Score) -> list[sr.Measurement]:
    values = ((SCORE, score.score), (SCORE_SD, score.score_sd), (DISTANCE, score.cutpoint_distance))
    return [_measurement(name, value) for name, value in values if value is not None]


def _measurement(name: Code, value: float) -> sr.Measurement:
    """NumericValue has room for 16 characters; FloatingPointValue holds every bit."""
    found = sr.Measurement(name=name, value=value, unit=codes.UCUM.NoUnits)
    item = found[0]
    if not isinstance(item, NumContentItem) or item.MeasuredValueSequence[0].FloatingPointValue != value:
        raise DicomError(f"{name.meaning} is {value!r}, and highdicom wrote another number: wanted 0.25 or later")
    return found


def _tier(score: Score) -> list[sr.QualitativeEvaluation] | None:
    if score.tier is None:
        return None
    name = (score.tier_name or f"tier {score.tier}")[:64]
    return [sr.QualitativeEvaluation(name=TIER, value=Code(f"tier_{score.tier}", SCHEME, name))]


def _guidance(score: Score) -> list[str]:
    return [] if score.guidance is None else [score.guidance]
