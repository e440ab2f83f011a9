"""deeptepp[dicom]: an MR series and its SEG score as their NIfTI files do, and what comes in other ways is refused."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian

import deeptepp
import dicom_maker
import make_model
from deeptepp import dicom
from dicom_maker import AXIAL, OBLIQUE, SAGITTAL, in_ras, small


PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


@pytest.fixture(scope="module")
def phantom(arrays, tmp_path_factory):
    """Folder of the series, path of the SEG."""
    images = dicom_maker.series(arrays.image, arrays.affine)
    folder = tmp_path_factory.mktemp("dicom")
    dicom_maker.segmentation(images, arrays.mask).save_as(folder / "seg.dcm")
    return dicom_maker.write(images, folder / "series"), folder / "seg.dcm"


@pytest.fixture(scope="module")
def scored(phantom, model):
    series = dicom.read_series(phantom[0])
    segmentation = dicom.read_segmentation(phantom[1], series)
    return model.score(series.image, segmentation.mask, label=segmentation.label), series, segmentation


# ---- Equal to NIfTI ----


def test_files_score_as_their_nifti_files_do(scored, expected):
    score, series, _ = scored
    assert score.score == expected["score"] and list(score.view_scores) == expected["view_scores"]
    assert score.mask.voxels == expected["mask"]["voxels"]
    assert len(series.headers) == series.shape[2] and "PixelData" not in series.headers[0]


def test_the_seg_has_no_empty_frames(phantom, arrays):
    """What the mask reads from is fewer frames than the series has slices."""
    import pydicom
    assert pydicom.dcmread(phantom[1]).NumberOfFrames == arrays.mask.any(axis=(0, 1)).sum() < arrays.mask.shape[2]


def test_a_public_case_scores_as_its_nifti_files_do(data, model, tiny_case, command_line):
    paths = data / "breast1_image.nii.gz", data / "breast1_label.nii.gz"
    image, mask = (nibabel.load(path) for path in paths)
    voxels = np.asarray(image.dataobj)
    stored = voxels.astype(np.int16)
    assert np.array_equal(stored, voxels)
    images = dicom_maker.series(stored, image.affine)
    seg = dicom_maker.segmentation(images, np.asarray(mask.dataobj).astype(np.uint8))
    random.Random(1).shuffle(images)
    series = dicom.read_series(images)
    found = model.score(series.image, dicom.read_segmentation(seg, series).mask)
    assert np.allclose(series.affine, image.affine, rtol=0, atol=1e-5)
    assert found.score == command_line(tiny_case[0], *paths)["score"]


def test_an_ordinary_scanner_s_axes(arrays, model, expected):
    """Columns to the patient's left, rows to the back: other axes than the file's, the same place of every voxel."""
    flipped = arrays.affine @ np.diag([-1.0, -1.0, 1.0, 1.0])
    flipped[:3, 3] = (arrays.affine @ [arrays.image.shape[0] - 1, arrays.image.shape[1] - 1, 0, 1])[:3]
    images = dicom_maker.series(arrays.image[::-1, ::-1], flipped)
    assert images[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    series = dicom.read_series(images)
    mask = dicom.read_segmentation(dicom_maker.segmentation(images, arrays.mask[::-1, ::-1]), series).mask
    assert model.score(series.image, mask).score == expected["score"]


def test_an_enhanced_file_scores_as_its_nifti_file_does(arrays, model, tmp_path, expected):
    images = dicom_maker.series(arrays.image, arrays.affine)
    path = tmp_path / "enhanced.dcm"
    dicom_maker.enhanced(images).save_as(path, enforce_file_format=True)
    series = dicom.read_series(path)
    segmentation = dicom.read_segmentation(dicom_maker.segmentation(images, arrays.mask), series)
    found = model.score(series.image, segmentation.mask)
    assert found.score == expected["score"] and len(series.headers) == 1
    dicom.write_report(tmp_path / "report.dcm", found, series, segmentation)


def test_an_enhanced_file_s_phases_and_rescaled_values():
    images = [image for phase in (1, 2) for image in small(TemporalPositionIdentifier=phase, RescaleSlope="1.5",
                                                           RescaleIntercept="-2")[0]]
    series = dicom.read_series(dicom_maker.enhanced(images), phases={"pre": 1, "post": 2})
    wanted = in_ras(deeptepp.Volume.from_array((small()[1] * 1.5 - 2).astype(np.float32), AXIAL))
    assert [*series.volumes] == ["pre", "post"]
    assert all(np.array_equal(in_ras(volume), wanted) for volume in series.volumes.values())


def test_phases_are_the_channels_that_the_user_names(arrays, tmp_path, phantom, command_line):
    path = tmp_path / "model.safetensors"
    make_model.make_model(path, depth=10, width=8, size=(32, 32, 32), views=2, channels=["pre", "post"])
    later = (arrays.image // 2 + 7).astype(np.int16)
    files = [tmp_path / "pre.nii.gz", tmp_path / "post.nii.gz", tmp_path / "mask.nii.gz"]
    for file, voxels in zip(files, (arrays.image, later, arrays.mask)):
        nibabel.save(nibabel.Nifti1Image(voxels, arrays.affine), file)
    images = [*dicom_maker.series(later, arrays.affine, TriggerTime=120.0),
              *dicom_maker.series(arrays.image, arrays.affine, TriggerTime=0.0)]
    series = dicom.read_series(images, phases={"pre": 0, "post": 120})
    seg = dicom_maker.segmentation(images[56:], arrays.mask)
    with deeptepp.open_model(path) as model:
        found = model.score(series.image, dicom.read_segmentation(seg, series).mask)
    wanted = command_line(path, [f"pre={files[0]}", f"post={files[1]}"], files[2])
    assert found.score == wanted["score"]
    folder = dicom_maker.write(images, tmp_path / "series")
    seg.save_as(tmp_path / "seg.dcm")
    done = run("--model", path, "--series", folder, "--seg", tmp_path / "seg.dcm", "--phase", "post=120", "--phase",
               "pre=0", "--json")
    assert json.loads(done.stdout)["score"] == wanted["score"], done.stderr


# ---- Voxels and places ----

@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL, OBLIQUE], ids=["axial", "sagittal", "oblique"])
def test_every_voxel_lies_where_it_did(affine):
    images, voxels = small(affine)
    random.Random(2).shuffle(images)
    series = dicom.read_series(images)
    wanted = deeptepp.Volume.from_array(voxels, affine)
    same = np.allclose(series.affine, affine, rtol=0, atol=1e-9)
    assert same or np.allclose(series.affine, affine @ FROM_THE_END, rtol=0, atol=1e-9)
    assert np.array_equal(in_ras(series.image), in_ras(wanted))
    assert series.shape == voxels.shape


FROM_THE_END = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 4], [0, 0, 0, 1.0]])


def test_stored_values_are_rescaled():
    images, voxels = small(RescaleSlope="1.7", RescaleIntercept="-100", WindowCenter="5", WindowWidth="2")
    wanted = deeptepp.Volume.from_array((voxels * 1.7 - 100).astype(np.float32), AXIAL)
    assert np.array_equal(in_ras(dicom.read_series(images).image), in_ras(wanted))


def test_big_endian_files(tmp_path):
    images, voxels = small()
    for image in images:
        image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        image["PixelData"].VR = "OW"
        image.PixelData = np.frombuffer(image.PixelData, "<i2").astype(">i2").tobytes()
    found = dicom.read_series(dicom_maker.write(images, tmp_path / "big"))
    assert np.array_equal(in_ras(found.image), in_ras(deeptepp.Volume.from_array(voxels, AXIAL)))


def test_pixels_of_the_pixel_module_s_kinds():
    """12 of 16 bits without a sign, as scanners store them."""
    images, voxels = small(BitsStored=12, HighBit=11, PixelRepresentation=0)
    assert np.array_equal(in_ras(dicom.read_series(images).image), in_ras(deeptepp.Volume.from_array(voxels, AXIAL)))


def test_hidden_files_and_a_dicomdir_are_passed_over(tmp_path):
    folder = dicom_maker.write(small()[0], tmp_path / "series")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "DICOMDIR").write_bytes(b"x")
    assert dicom.read_series(folder).shape == (8, 6, 5)


# ---- Command ----


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "deeptepp", "dicom", *map(str, arguments)], capture_output=True,
                          text=True)


def test_the_command_scores_and_reports(phantom, tiny_case, tmp_path, expected):
    report = tmp_path / "report.dcm"
    given = ("--model", tiny_case[0], "--series", phantom[0], "--seg", phantom[1], "--report", report)
    done = run(*given, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["score"] == expected["score"] and report.stat().st_size
    again = run(*given)
    assert again.returncode == 2 and "File exists" in again.stderr and again.stderr.count("\n") == 1


def test_the_command_refuses_in_one_line(phantom, tiny_case):
    done = run("--model", tiny_case[0], "--series", phantom[1], "--seg", phantom[1])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("deeptepp: ") and "wanted MR Image Storage" in done.stderr


def test_without_highdicom_the_extra_is_named():
    block = "import sys; sys.modules['highdicom'] = None; import deeptepp; import deeptepp.dicom"
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, env=dict(os.environ))
    assert done.stderr.splitlines()[-1].startswith("ImportError: deeptepp.dicom needs pydicom and highdicom")
    assert done.stderr.splitlines()[-1].endswith("pip install 'deeptepp[dicom]'")
    block = "import sys, deeptepp; assert not {'pydicom', 'highdicom'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", block]).returncode == 0


def test_the_page_s_block_runs(phantom, tiny_case, tmp_path, expected):
    section = PAGE.read_text(encoding="utf-8").split("\n## DICOM\n")[1]
    (tmp_path / "model.safetensors").symlink_to(tiny_case[0])
    (tmp_path / "series").symlink_to(phantom[0])
    (tmp_path / "segmentation.dcm").symlink_to(phantom[1])
    block = section.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"score {expected['score']:.6f}" in done.stdout and (tmp_path / "report.dcm").stat().st_size
    options = re.findall(r"(--[a-z-]+)", run("--help").stdout)
    assert not [name for name in {*options} - {"--help"} if name not in section]
