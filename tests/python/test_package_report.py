"""The structured report: every number to the last bit, the items that TID 1500 and TID 1411 require, nothing else's."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from highdicom import sr

import deeptepp
import dicom_maker
from deeptepp import dicom


@pytest.fixture(scope="module")
def case(arrays, model):
    images = dicom_maker.series(arrays.image, arrays.affine, PatientName="Müller^Åsa",
                                SpecificCharacterSet="ISO_IR 100")
    series = dicom.read_series(images)
    segmentation = dicom.read_segmentation(dicom_maker.segmentation(images, arrays.mask), series)
    return model.score(series.image, segmentation.mask), series, segmentation


@pytest.fixture(scope="module")
def report(case, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.dcm"
    dicom.write_report(path, *case, observer="Doe^Jane")
    return path


def items(dataset, value_type=None):
    for item in dataset.get("ContentSequence", ()):
        if value_type in (None, item.ValueType):
            yield item
        yield from items(item, value_type)


def code(item):
    return item.ConceptNameCodeSequence[0].CodeValue


def test_it_holds_every_number_to_the_last_bit(report, case):
    found = {code(item): item.MeasuredValueSequence[0] for item in items(pydicom.dcmread(report), "NUM")}
    score = case[0]
    assert {name: item.FloatingPointValue for name, item in found.items()} == {
        "score": score.score, "score_sd": score.score_sd, "distance": score.cutpoint_distance}
    assert all(len(str(item.NumericValue)) <= 16 for item in found.values())


def test_it_names_model_tier_warnings_and_use(report, case, model):
    texts = [str(item.TextValue) for item in items(pydicom.dcmread(report), "TEXT")]
    assert "Research use only. Not a medical device." in texts
    assert model.name in texts and f"model SHA-256 {model.sha256}" in texts
    assert case[0].warnings and all(f"{w.name}: {w.message}" in texts for w in case[0].warnings)
    tier = next(item for item in items(pydicom.dcmread(report), "CODE") if code(item) == "tier")
    assert tier.ConceptCodeSequence[0].CodeMeaning == case[0].tier_name


# TID 1500: rows that are M, as value type, relationship and code; then those of TID 1411 with a segment.
ROOT = {("HAS CONCEPT MOD", "CODE", "121049"), ("HAS OBS CONTEXT", "CODE", "121005"),
        ("HAS CONCEPT MOD", "CODE", "121058"), ("CONTAINS", "CONTAINER", "126010")}
GROUP = {("HAS OBS CONTEXT", "TEXT", "112039"), ("HAS OBS CONTEXT", "UIDREF", "112040"),
         ("CONTAINS", "IMAGE", "121191"), ("CONTAINS", "UIDREF", "121232"), ("CONTAINS", "NUM", "score"),
         ("HAS CONCEPT MOD", "TEXT", "111001"), ("HAS CONCEPT MOD", "TEXT", "111003")}


def rows(container):
    return {(item.RelationshipType, item.ValueType, code(item)) for item in container.ContentSequence}


def test_its_tree_has_the_items_that_the_templates_require(report):
    found = pydicom.dcmread(report)
    assert (found.ValueType, code(found)) == ("CONTAINER", "126000")
    assert found.ContentTemplateSequence[0].TemplateIdentifier == "1500" and ROOT <= rows(found)
    measured = next(item for item in found.ContentSequence if code(item) == "126010")
    group, = measured.ContentSequence
    assert code(group) == "125007" and group.ContentTemplateSequence[0].TemplateIdentifier == "1411"
    assert GROUP <= rows(group)


def test_highdicom_reads_it_back(report, case):
    found = sr.srread(report)
    group, = found.content.get_volumetric_roi_measurement_groups()
    segmentation = case[2].header
    assert group.referenced_segment.referenced_sop_instance_uid == segmentation.SOPInstanceUID
    values = {m.name.value: m.value for m in group.get_measurements()}
    assert values["score"] == pytest.approx(case[0].score, rel=1e-12)


def test_it_is_of_the_patient_and_refers_to_what_was_scored(report, case):
    found = pydicom.dcmread(report)
    image, seg = case[1].headers[0], case[2].header
    assert str(found.PatientName) == "Müller^Åsa" == str(image.PatientName)
    assert (found.PatientID, found.StudyInstanceUID) == (image.PatientID, image.StudyInstanceUID)
    evidence = {item.ReferencedSOPInstanceUID
                for series in found.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
                for item in series.ReferencedSOPSequence}
    assert evidence == {seg.SOPInstanceUID, *(header.SOPInstanceUID for header in case[1].headers)}


def test_dciodvfy_finds_no_error(report):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    done = subprocess.run(["dciodvfy", "-new", report], capture_output=True, text=True)
    assert done.returncode == 0 and "EnhancedSR" in done.stdout + done.stderr
    assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_a_score_of_other_volumes_is_refused(case, model, arrays, tmp_path):
    score, series, segmentation = case
    other = model.score((np.asarray(arrays.image) + 1, arrays.affine), segmentation.mask)
    with pytest.raises(dicom.DicomError, match="wanted a score of this series"):
        dicom.write_report(tmp_path / "r.dcm", other, series, segmentation)
    mask = arrays.mask.copy()
    mask[tuple(np.argwhere(mask)[0])] = 0
    other = model.score(series.image, deeptepp.Volume.from_array(mask, series.affine))
    with pytest.raises(dicom.DicomError, match="wanted a score of this segmentation"):
        dicom.write_report(tmp_path / "r.dcm", other, series, segmentation)
    assert not list(tmp_path.iterdir())


def test_no_file_is_written_over(report, case):
    with pytest.raises(FileExistsError):
        dicom.write_report(report, *case)


def test_texts_of_any_script(case, tmp_path):
    dicom.write_report(tmp_path / "report.dcm", replace(case[0], tier_name="高"), *case[1:])
    tier = next(item for item in items(pydicom.dcmread(tmp_path / "report.dcm"), "CODE") if code(item) == "tier")
    assert tier.ConceptCodeSequence[0].CodeMeaning == "高"


def test_a_score_without_tier_and_spread(case, tmp_path):
    bare = replace(case[0], tier=None, tier_name=None, cutpoint_distance=None, score_sd=None)
    dicom.write_report(tmp_path / "bare.dcm", bare, *case[1:])
    found = pydicom.dcmread(tmp_path / "bare.dcm")
    assert [code(item) for item in items(found, "NUM")] == ["score"]
    assert "tier" not in [code(item) for item in items(found, "CODE")]
