"""Series and SEGs that deeptepp.dicom refuses, each by its name; segments that it takes."""

import random

import numpy as np
import pytest
from pydicom.uid import (CTImageStorage, EnhancedMRImageStorage, JPEG2000Lossless,
                         LegacyConvertedEnhancedMRImageStorage, MediaStorageDirectoryStorage, generate_uid)

import deeptepp
import dicom_maker
from deeptepp import dicom
from deeptepp.dicom import DicomError
from dicom_maker import OBLIQUE, in_ras, small


def refused(match, *arguments, call=dicom.read_series, **keywords):
    with pytest.raises(DicomError, match=match) as caught:
        call(*arguments, **keywords)
    assert "\n" not in str(caught.value)


# ---- Series ----


def moved(images, index, millimetres):
    place = [float(x) + y for x, y in zip(images[index].ImagePositionPatient, millimetres)]
    images[index].ImagePositionPatient = place


def shift(images):
    moved(images, 2, (5, 0, 0))


def shift_the_last(images):
    moved(images, -1, (0, 5, 0))


def drop(images):
    del images[2]


def uneven(images):
    moved(images, 2, (0, 0, 1))


def repeat(images):
    images[2].ImagePositionPatient = images[1].ImagePositionPatient


def same_file(images):
    images[2] = images[1]


def tilt(images):
    for k in range(len(images)):
        moved(images, k, (0.3 * k, 0, 0))


def one(images):
    del images[1:]


def every(**fields):
    def change(images):
        for image in images:
            for keyword, value in fields.items():
                setattr(image, keyword, value)
    return change


def third(**fields):
    return lambda images: every(**fields)(images[2:3])


def lacks(keyword):
    def change(images):
        delattr(images[2], keyword)
    return change


def truncated(images):
    images[2].PixelData = images[2].PixelData[:10]


def compressed(images):
    for image in images:
        image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.57"


WRONG = [
    (shift, "dataset 2 of the list: lies 5 mm beside its place in the regular grid, wanted at most 0.2$"),
    (shift_the_last, "dataset 4 of the list: lies 5 mm beside its place"),
    (drop, "are 6 mm apart, wanted 3: 1 slices are missing"),
    (uneven, "mm apart, wanted .* as between the others"),
    (repeat, "dataset 1 of the list and dataset 2 of the list lie at the same place"),
    (same_file, "are the same image"),
    (tilt, r"tilted by 5.71 degrees \(1.2 mm in all\)"),
    (one, "the only slice"),
    (third(SeriesInstanceUID="1.2.3"), r"2 series, wanted one: .*1.2.3 \(MR, phantom, 1 files\).*series_uid="),
    (third(StudyInstanceUID="1.2.3"), "StudyInstanceUID is .* in dataset 0 of the list and 1.2.3 in dataset 2"),
    (third(PatientID="P2"), "PatientID is P1 in dataset 0 of the list and P2 in dataset 2"),
    (third(FrameOfReferenceUID="1.2.3"), "FrameOfReferenceUID is "),
    (third(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), "ImageOrientationPatient is "),
    (third(PixelSpacing=[2, 2.5]), r"PixelSpacing is 2.*\\2.* in dataset 0 of the list and 2.*\\2.5 in dataset 2"),
    (third(RescaleSlope="2"), "RescaleSlope is missing in dataset 0 of the list and 2 in dataset 2"),
    (third(EchoTime=5.0), "EchoTime is 2.0 in"),
    (third(ImageType=["ORIGINAL", "PRIMARY", "P"]), "ImageType is "),
    (every(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "that is no localizer"),
    (every(SOPClassUID=CTImageStorage), "SOPClassUID is CT Image Storage, wanted MR Image Storage"),
    (every(SOPClassUID=EnhancedMRImageStorage), "PerFrameFunctionalGroupsSequence is missing"),
    (every(SOPClassUID=LegacyConvertedEnhancedMRImageStorage), "SOPClassUID is Legacy Converted Enhanced MR"),
    (every(Modality="CT"), "Modality is CT, wanted MR"),
    (every(PhotometricInterpretation="MONOCHROME1"), "PhotometricInterpretation is MONOCHROME1, wanted MONOCHROME2"),
    (every(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "wanted two directions of length 1 at right angles"),
    (every(PixelSpacing=[0, 1]), "PixelSpacing is 0, 1, wanted numbers above 0"),
    (every(ModalityLUTSequence=[]), "ModalityLUTSequence"),
    *[(lacks(keyword), f"dataset 2 of the list: {keyword} is missing") for keyword in (
        "SOPClassUID", "Modality", "SeriesInstanceUID", "FrameOfReferenceUID", "ImageType", "PixelSpacing",
        "ImageOrientationPatient", "ImagePositionPatient", "SOPInstanceUID")],
    (truncated, "dataset 2 of the list: its pixels cannot be read"),
    (compressed, "no decoder is installed|cannot be read"),
]


@pytest.mark.parametrize("change, match", WRONG, ids=[match[:40] for _, match in WRONG])
def test_a_series_that_is_no_regular_grid_is_refused(change, match):
    images, _ = small()
    change(images)
    refused(match, images)


def test_a_compressed_file_without_a_decoder(monkeypatch):
    images, _ = small()
    for image in images:
        image.file_meta.TransferSyntaxUID = JPEG2000Lossless
    monkeypatch.setattr("deeptepp.dicom._files._decodes", lambda syntax: False)
    refused("TransferSyntaxUID is JPEG 2000 Image Compression .Lossless Only., for which no decoder is installed",
            images)


def test_files_that_are_no_dicom(tmp_path):
    refused("holds no files", tmp_path)
    (tmp_path / "notes.txt").write_text("x" * 200)
    refused(r"notes.txt: not a DICOM file", tmp_path)
    with pytest.raises(FileNotFoundError):
        dicom.read_series(tmp_path / "absent")


def test_phases_are_never_guessed():
    images = [*small(TemporalPositionIdentifier=1)[0], *small(TemporalPositionIdentifier=2)[0]]
    refused(r"has 2 phases by TemporalPositionIdentifier: 1 \(5 slices\), 2 \(5 slices\): name them.*phases=", images)
    refused("phase 3 is not among the 2 phases", images, phases={"pre": 3})
    assert list(dicom.read_series(images, phases={"a": 2, "b": "1"}).volumes) == ["a", "b"]
    refused("same 5 places in each", images[1:])
    refused("has 10 slices at 5 places, wanted one each, or a time tag", [*small()[0], *small()[0]])
    refused("leave it out", images[:5], phases={"pre": 1})


# ---- Frames of an enhanced file: the same checks ----


def test_frames_are_checked_as_slices_are():
    images, _ = small()
    shift(images)
    refused("the dataset: frame 3: lies 5 mm beside its place", dicom_maker.enhanced(images))
    whole = dicom_maker.enhanced(small()[0])
    refused("dataset 0 of the list: frame 1 and dataset 1 of the list: frame 1 are the same image", [whole, whole])
    images, _ = small()
    del images[1].EchoTime
    refused("EchoTime is 2.0 in the dataset: frame 1 and missing in the dataset: frame 2",
            dicom_maker.enhanced(images))
    whole = dicom_maker.enhanced(small()[0])
    del whole.PerFrameFunctionalGroupsSequence[-1]
    refused("the dataset: has 5 frames, wanted 4 as its PerFrameFunctionalGroupsSequence describes", whole)
    whole = dicom_maker.enhanced(small()[0])
    del whole.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    refused("the dataset: frame 2: ImagePositionPatient is missing", whole)


# ---- SEG ----


@pytest.fixture(scope="module")
def two():
    """A series, a mask of two labels and its SEG."""
    images, _ = small(OBLIQUE)
    mask = np.zeros((8, 6, 5), np.uint8)
    mask[1:3, 2:4, 1:3], mask[5:7, 1:3, 3] = 1, 2
    return images, mask, dicom_maker.segmentation(images, mask, ("tumour", "node"))


def test_segments_are_chosen_by_number_or_label(two):
    images, mask, seg = two
    series = dicom.read_series(images)
    wanted = deeptepp.Volume.from_array(mask, OBLIQUE)
    refused(r"has 2 segments \(1 'tumour', 2 'node'\), wanted one: choose with segment=", seg, series,
            call=dicom.read_segmentation)
    refused("segment 'liver' fits 0", seg, series, call=dicom.read_segmentation, segment="liver")
    for segment, number in ((1, 1), ("tumour", 1), ("node", 2)):
        found = dicom.read_segmentation(seg, series, segment=segment)
        assert found.label == number and np.array_equal(in_ras(found.mask), number * (in_ras(wanted) == number))
    both = dicom.read_segmentation(seg, series, segment=[1, 2])
    assert both.label is None and np.array_equal(in_ras(both.mask), in_ras(wanted))


def test_segments_that_overlap_are_read_one_by_one(two):
    images, mask, _ = two
    series = dicom.read_series(images)
    seg = dicom_maker.segmentation(images, np.stack([mask == 1, mask > 0], axis=-1), ("tumour", "all"))
    refused("segment 2 'all' overlaps what an earlier frame marks", seg, series, call=dicom.read_segmentation,
            segment=["tumour", "all"])
    found = dicom.read_segmentation(seg, series, segment="all")
    assert np.array_equal(in_ras(found.mask), 2 * (in_ras(deeptepp.Volume.from_array(mask, OBLIQUE)) > 0))


def test_a_label_map_reads_as_a_binary_one(two):
    images, mask, _ = two
    series = dicom.read_series(images)
    seg = dicom_maker.segmentation(images, mask, ("tumour", "node"), kind="LABELMAP")
    found = dicom.read_segmentation(seg, series, segment=["tumour", "node"])
    assert np.array_equal(in_ras(found.mask), in_ras(deeptepp.Volume.from_array(mask, OBLIQUE)))


STRANGERS = {
    "the dataset: PatientID is P1, wanted P2": {"PatientID": "P2"},
    "StudyInstanceUID is": {"StudyInstanceUID": generate_uid()},
    "FrameOfReferenceUID is": {"FrameOfReferenceUID": generate_uid()},
    "is of series": {"SeriesInstanceUID": generate_uid()},
}


@pytest.mark.parametrize("match", STRANGERS)
def test_a_seg_of_something_else_is_refused(two, match):
    images, _ = small(OBLIQUE, **STRANGERS[match])
    refused(match, two[2], dicom.read_series(images), call=dicom.read_segmentation, segment=1)


def test_a_seg_of_another_grid_or_kind_is_refused(two):
    images, mask, seg = two
    shifted = OBLIQUE.copy()
    shifted[:3, 3] += 1.0
    refused("frame 1: lies on no slice of the series", seg, dicom.read_series(small(shifted)[0]),
            call=dicom.read_segmentation, segment=1)
    refused("Rows and Columns are 6 and 8, wanted 7 and 8", seg, dicom.read_series(small(OBLIQUE, (8, 7, 5))[0]),
            call=dicom.read_segmentation, segment=1)
    refused("SOPClassUID is MR Image Storage, wanted Segmentation Storage", images[0], dicom.read_series(images),
            call=dicom.read_segmentation)
    fraction = dicom_maker.segmentation(images, (mask == 1).astype(np.float32), kind="FRACTIONAL")
    refused("SegmentationType is FRACTIONAL, wanted BINARY or LABELMAP", fraction, dicom.read_series(images),
            call=dicom.read_segmentation)


def test_a_seg_s_frame_of_no_segment_is_refused(two):
    images, mask, _ = two
    seg = dicom_maker.segmentation(images, mask, ("tumour", "node"))
    seg.PerFrameFunctionalGroupsSequence[1].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 7
    refused("frame 2 is of segment 7, wanted one of its SegmentSequence", seg, dicom.read_series(images),
            call=dicom.read_segmentation, segment=1)


@pytest.mark.parametrize("keyword, value", [
    ("ImagePositionPatient", [0, 0]), ("ImageOrientationPatient", "1"), ("PixelSpacing", [1, 2, 3]), ("Rows", 3),
    ("SOPClassUID", "1.2"), ("ImageType", ""), ("Columns", None), ("PixelData", b"")])
def test_attributes_of_another_form_are_refused(keyword, value):
    images, _ = small()
    setattr(images[2], keyword, value)
    refused(keyword if keyword != "PixelData" else "cannot be read", images)


def damaged(data, draw):
    """One to four changes behind the preamble: a byte, some cut out or put in, or the end lost."""
    data = bytearray(data)
    for _ in range(draw.randrange(1, 5)):
        at, kind = draw.randrange(132, len(data)), draw.randrange(12)
        if kind < 6:
            data[at] = draw.randrange(256)
        elif kind < 9:
            del data[at:at + draw.randrange(1, 5)]
        elif kind < 11:
            data[at:at] = bytes(draw.randrange(1, 4))
        else:
            del data[max(at, 140):]
            break
    return bytes(data)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["series", "enhanced", "seg"])
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path, kind):
    images, voxels = small()
    files = sorted(dicom_maker.write(images, tmp_path / "s").iterdir())
    series, draw, refusals = dicom.read_series(tmp_path / "s"), random.Random(kind), 0
    path = files[2] if kind == "series" else tmp_path / "x.dcm"
    if kind != "series":
        (dicom_maker.enhanced(images) if kind == "enhanced" else dicom_maker.segmentation(
            images, (voxels > 150).astype(np.uint8))).save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    for _ in range(150):
        path.write_bytes(damaged(whole, draw))
        try:
            if kind == "seg":
                dicom.read_segmentation(path, series)
            else:
                dicom.read_series(tmp_path / "s" if kind == "series" else path)
        except DicomError as error:
            assert "\n" not in str(error)
            refusals += 1
    assert refusals > 50


def test_a_folder_of_folders_is_told(tmp_path):
    (tmp_path / "series").mkdir()
    refused("holds no files itself, wanted a series' own folder", tmp_path)


def test_a_rescale_slope_of_0_is_refused():
    refused("RescaleSlope is 0, wanted another number", small(RescaleSlope="0")[0])


def test_a_dicomdir_by_its_path_is_refused(tmp_path):
    image = small()[0][0]
    image.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    image.preamble = bytes(128)
    image.save_as(tmp_path / "index")
    refused("index: a DICOMDIR, which only lists files: give the folder of the series", tmp_path)
