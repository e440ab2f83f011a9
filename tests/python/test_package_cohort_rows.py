"""What a row may hold and what becomes of it: volumes of 4-D files, covariates, patients without imaging, odd cells."""

import hashlib

import nibabel
import numpy as np
import pytest

import deeptepp
import make_model
from cohort_maker import phantom
from test_package_scores import CALIBRATION, COVARIATES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two phantoms, and a 4-D file of both."""
    place = tmp_path_factory.mktemp("rows")
    for seed in (0, 1):
        phantom(place, seed)
    files = [nibabel.load(place / f"image{seed}.nii") for seed in (0, 1)]
    both = np.stack([np.asarray(file.dataobj) for file in files], axis=3)
    nibabel.save(nibabel.Nifti1Image(both, files[0].affine), place / "dce.nii.gz")
    return place


@pytest.fixture(scope="module")
def model(folder):
    make_model.make_model(folder / "m.safetensors", depth=10, width=4, size=(8, 8, 8), views=2, self_test=False)
    with deeptepp.open_model(folder / "m.safetensors", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def rich(folder):
    """Wants an age; has a substitute for er."""
    make_model.make_model(folder / "rich.safetensors", depth=10, width=4, size=(8, 8, 8), views=2, self_test=False,
                          overrides={"covariates": COVARIATES, "calibration": CALIBRATION})
    with deeptepp.open_model(folder / "rich.safetensors", threads=1) as opened:
        yield opened


def scored(model, folder, **cells):
    row = {"id": "a", "image": "image0.nii", "mask": "mask0.nii", **cells}
    return deeptepp.score_case(model, row, folder=folder)


def code(model, folder, **cells):
    return scored(model, folder, **cells)["error_code"]


def test_a_number_after_the_path_chooses_the_volume(model, folder):
    digest = hashlib.sha256((folder / "dce.nii.gz").read_bytes()).hexdigest()
    for number in (1, 2):
        with deeptepp.Volume.open(folder / "dce.nii.gz", volume=number) as volume:
            alone = model.score(volume, folder / "mask0.nii").score
        found = scored(model, folder, image=f"dce.nii.gz#{number}")
        assert found["score"] == alone and found["image_sha256"] == digest
    assert scored(model, folder, image="image0.nii#1", mask="mask0.nii#1")["score"] == scored(model, folder)["score"]
    assert code(model, folder, image="dce.nii.gz") == code(model, folder, image="dce.nii.gz#3") == "NIFTI_4D"
    assert code(model, folder, image="dce.nii.gz#0") == code(model, folder, image="dce.nii.gz#01") == "FILE_MISSING"


def test_a_file_that_is_called_so_comes_first(model, folder):
    (folder / "scan#2").write_bytes((folder / "image0.nii").read_bytes())
    plain = scored(model, folder)["score"]
    assert scored(model, folder, image="scan#2")["score"] == scored(model, folder, image="scan#2#1")["score"] == plain


def test_covariates_go_by_their_columns(rich, folder):
    alone = rich.score(folder / "image0.nii", folder / "mask0.nii", covariates={"age": 60, "er": 0})
    for age, er in ((60, 0), ("6e1", "0"), (60.0, np.int64(0)), ("+60.", "0.0")):
        found = scored(rich, folder, age=age, er=er)
        assert (found["score"], found["status"]) == (alone.score, "ok")
        assert [found["survival:3"], found["survival:5"]] == [s.probability for s in alone.survival]


def test_a_covariate_that_is_missing(rich, folder):
    with pytest.raises(ValueError, match='no column "age"'):
        scored(rich, folder, er=1)
    filled = rich.score(folder / "image0.nii", folder / "mask0.nii", covariates={"age": 60}).score
    assert scored(rich, folder, age=60)["score"] == scored(rich, folder, age=60, er="n/a")["score"] == filled
    for missing in (None, "", "NA", float("nan")):
        assert code(rich, folder, age=missing) == "COVARIATE_MISSING"


@pytest.mark.parametrize("age, wanted", [
    *((age, "ROW_COVARIATE") for age in ("sixty", "60,5", "inf", "0x3c", "6_0", " 60", True)),
    ("1e999", "COVARIATE_VALUE"), (12, "COVARIATE_RANGE"),
])
def test_a_covariate_that_is_none(rich, folder, age, wanted):
    found = scored(rich, folder, age=age)
    assert (found["status"], found["error_code"], found["score"]) == ("error", wanted, None)
    assert "age" in found["error_message"] and "\n" not in found["error_message"]


def test_who_has_neither_image_nor_mask_is_skipped(model, folder, tmp_path):
    (tmp_path / "cohort.csv").write_text("case_id,image,mask\nnone,,n/a\nNaN2,NaN,NA\nhalf,image0.nii,\nall,image0.nii,"
                                         "mask0.nii\n")
    found = deeptepp.score_cohort(model, tmp_path / "cohort.csv", out=tmp_path / "scores.csv", folder=folder)
    assert [(row["status"], row["error_code"]) for row in found.rows] == [
        ("skipped", None), ("skipped", None), ("error", "ROW_MASK_MISSING"), ("ok", None)]
    assert (tmp_path / "scores.csv").read_text().splitlines()[1].startswith("none,,n/a,,,,,,skipped,,,,,,,,")
    assert '"skipped": 2' in (tmp_path / "scores.json").read_text()


@pytest.mark.parametrize("label", [0, -1, 1.5, "left", "1e0", 2**53 + 1, "9" * 400, "9" * 5000])
def test_a_label_that_is_none(model, folder, label):
    assert code(model, folder, label=label) == "ROW_LABEL"


def test_a_label_that_is_not_in_the_mask(model, folder):
    assert code(model, folder, label=1.0) is None
    assert code(model, folder, label=7) == code(model, folder, label=2**53) == "MASK_LABEL"


@pytest.mark.parametrize("column, cell, error, words", [
    ("image", np.zeros((2, 2, 2)), TypeError, 'row 1 has a ndarray in the column "image".*its path'),
    ("note", np.eye(4), TypeError, 'a ndarray in the column "note"'),
    ("mask", b"mask0.nii", TypeError, 'a bytes in the column "mask"'),
    ("image", "a\0b", ValueError, r"row 1 has 'a\\x00b' in the column \"image\", wanted text in UTF-8"),
    ("note", "a\udce9", ValueError, r"row 1 has 'a\\udce9' in the column \"note\", wanted text in UTF-8"),
])
def test_a_cell_that_no_table_can_hold_is_refused_first(model, folder, tmp_path, column, cell, error, words):
    row = {"id": "a", "image": "image0.nii", "mask": "mask0.nii", column: cell}
    with pytest.raises(error, match=words):
        deeptepp.score_cohort(model, [row], folder=folder, out=tmp_path / "scores.tsv")
    with pytest.raises(error, match=words):
        deeptepp.write_scores([row], tmp_path / "scores.tsv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments, error, words", [
    ({"shard": 3}, TypeError, "shard is 3, wanted"), ({"shard": "1/3"}, TypeError, "shard is '1/3', wanted"),
    ({"shard": (1, 2.0)}, TypeError, "wanted .k, n."), ({"shard": (4, 3)}, ValueError, r"shard is \(4, 3\), wanted"),
    ({"map": 3}, TypeError, "map is 3, wanted a callable"), ({"largest_part": "no"}, TypeError, "largest_part is 'no'"),
    ({"map": lambda score, tasks: [None]}, TypeError, "map gave None, wanted"),
])
def test_arguments_that_are_wrong(model, folder, arguments, error, words):
    rows = [{"id": "a", "image": "image0.nii", "mask": "mask0.nii"}]
    with pytest.raises(error, match=words):
        deeptepp.score_cohort(model, rows, folder=folder, **arguments)


def test_a_path_is_no_model(model, folder):
    with pytest.raises(TypeError, match="model is of type str, wanted what open_model gives"):
        deeptepp.score_cohort(model.path, [{"id": "a", "image": "image0.nii", "mask": "mask0.nii"}], folder=folder)
