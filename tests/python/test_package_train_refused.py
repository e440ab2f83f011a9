"""deeptepp.train: what is wrong with a cohort or a description is told before the first epoch, all of it at once. Needs
PyTorch (tests/run --live)."""

import gzip
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not here")

from deeptepp.convert import ConversionError  # noqa: E402
from deeptepp.train import CohortError, train  # noqa: E402
from training_case import describe, make_images, no_figures, phantom, write_table  # noqa: E402, F401


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    return folder, make_images(folder)


@pytest.fixture
def refused(images):
    """The faults of rows, with the options; nothing was trained."""
    folder, _ = images

    def run(rows, **options):
        lines = []
        options.setdefault("description", describe(folder / "d.json"))
        with pytest.raises(CohortError) as error:
            train(write_table(folder / "bad.tsv", rows), folder / "bad.safetensors", log=lines.append, **options)
        assert not [line for line in lines if "epoch" in line] and not (folder / "bad.safetensors").exists()
        return error.value.faults
    return run


def having(faults, *parts):
    return [fault for fault in faults if all(part in fault for part in parts)]


def moved(source, target, offset):
    file = nibabel.load(source)
    nibabel.save(nibabel.Nifti1Image(np.asarray(file.dataobj), file.affine + np.eye(4, k=3) * offset), target)


def test_all_faults_of_cases_at_once(images, refused):
    folder, rows = images
    moved(folder / rows[6]["mask"], folder / "away.nii", 500)
    bad = [dict(row) for row in rows]
    bad[1]["participant_id"] = bad[0]["participant_id"]
    bad[2]["rfs_time"] = "0"
    bad[3]["rfs_event"] = "2"
    bad[4]["rfs_time"] = "long"
    bad[5]["mask"] = "lost.nii"
    bad[6]["mask"] = "away.nii"
    bad[7]["mask"] = ""
    bad[8]["rfs_time"] = "1e400"
    faults = refused(bad)
    assert having(faults, 'participant_id "sub-00" stands 2 times')
    assert having(faults, 'sub-02: rfs_time is "0", wanted a number above 0')
    assert having(faults, 'sub-03: rfs_event is "2", wanted 0 or 1')
    assert having(faults, 'sub-04: rfs_time is "long"')
    assert having(faults, "sub-05: FILE_MISSING", "lost.nii")
    assert having(faults, "sub-06: GEOMETRY")
    assert having(faults, "sub-07: mask is missing")
    assert having(faults, 'sub-08: rfs_time is "1e400"')
    assert len(faults) == 8


def test_all_missing_columns_at_once(images, refused):
    kept = [{name: row[name] for name in ("participant_id", "image", "rfs_time")} for row in images[1]]
    faults = refused(kept)
    assert having(faults, 'no column "mask"') and having(faults, 'no column "rfs_event"') and len(faults) == 2
    assert refused([{**row, "score": "1"} for row in images[1]]) == \
        ('the cohort has a column "score", which is the name of a result: rename it',)


def test_outcomes_there_is_nothing_to_learn_of(images, refused):
    rows = images[1]
    (told,) = refused([{**row, "rfs_event": "0"} for row in rows])
    assert told == "rfs_event is 0 in all 30 cases with an outcome, wanted both 0 and 1"
    faults = refused([{**row, "rfs_event": str(int(n < 2))} for n, row in enumerate(rows)])
    assert having(faults, "fold ", "has 0 events in", "fewer folds, or more cases")
    assert having(refused([{**row, "rfs_time": "", "rfs_event": "n/a"} for row in rows]), "no row has an outcome")


def test_faulty_images_can_be_left_out(images):
    folder, rows = images
    bad = [{**row, "mask": "lost.nii"} if n == 5 else row for n, row in enumerate(rows)]
    bad[6] = {**bad[6], "image": "", "mask": ""}
    bad[7] = {**bad[7], "rfs_time": "", "rfs_event": ""}
    bad[8] = {**bad[8], "mask": ""}
    table = write_table(folder / "left.tsv", bad)
    once = describe(folder / "left.json", training={"epochs": 1})
    result = train(table, folder / "left.safetensors", description=once, leave_out_faulty=True)
    header, *lines = (line.split("\t") for line in (folder / "left.out-of-fold.tsv").read_text().splitlines())
    found = [dict(zip(header, line)) for line in lines]
    assert result.cases == 26
    assert [(row["status"], row["error_code"], row["score"] == "n/a") for row in found[5:10]] == [
        ("error", "FILE_MISSING", True), ("skipped", "n/a", True), ("skipped", "ROW_OUTCOME_MISSING", True),
        ("error", "ROW_MASK_MISSING", True), ("ok", "n/a", False)]


# ---- Leakage ----


def test_a_test_patient_s_copy_in_training_is_refused(images, refused):
    """The very file, and a file with other bytes of the same voxels."""
    folder, rows = images
    with open(folder / rows[0]["image"], "rb") as source, gzip.open(folder / "copy.nii.gz", "wb") as target:
        shutil.copyfileobj(source, target)
    held = write_table(folder / "held.tsv", [{"participant_id": "test-1", "image": rows[3]["image"],
                                              "mask": rows[3]["mask"]},
                                             {"participant_id": "test-2", "image": "copy.nii.gz",
                                              "mask": rows[0]["mask"]}])
    faults = refused(rows, held_out=[held])
    assert having(faults, "sub-03 and test-1 of held.tsv have the same image (SHA-256")
    assert having(faults, "sub-00 and test-2 of held.tsv have the same image as the network sees it")
    assert len(faults) == 2


def test_rows_of_another_partition_are_held_out(images, refused):
    rows = [{**row, "partition": "training"} for row in images[1]]
    rows.append({**rows[0], "participant_id": "test-1", "partition": "test"})
    (told,) = refused(rows)
    assert told.startswith("sub-00 and test-1 of the rows not for training have the same image")


def test_what_is_held_out_and_cannot_be_compared_is_told(images, refused):
    folder, rows = images
    held = [{**rows[0], "participant_id": "far-1", "image": "lost.nii"},
            {**rows[1], "participant_id": "far-2", "mask": ""},
            {**rows[2], "participant_id": "far-3", "label": "tumour"}]
    columns = {name: "" for row in held for name in row}
    path = write_table(folder / "held.tsv", [{**columns, **row} for row in held])
    faults = refused(rows, held_out=[path])
    assert having(faults, "far-1 of held.tsv: FILE_MISSING", "cannot be compared")
    assert having(faults, "held.tsv: far-2: mask is missing", "cannot be compared")
    assert having(faults, 'held.tsv: far-3: label is "tumour"', "cannot be compared") and len(faults) == 3
    lost = [{**row, "partition": "test" if n == 29 else "training", "image": "lost.nii" if n == 29 else row["image"]}
            for n, row in enumerate(rows)]
    (told,) = refused(lost)
    assert told.startswith("sub-29 of the rows not for training: FILE_MISSING")


def test_a_patient_who_is_trained_on_is_not_held_out(images, refused):
    """Whatever the image."""
    folder, rows = images
    named = [{**row, "patient_id": "p1" if n in (3, 29) else f"q{n}", "partition": "test" if n == 29 else ""}
             for n, row in enumerate(rows)]
    (told,) = refused(named)
    assert told == "sub-29 of the rows not for training is a patient who is trained on: remove one"
    phantom(folder, "fresh", 77)
    path = write_table(folder / "same.tsv", [{**rows[0], "image": "fresh.nii", "mask": "fresh-mask.nii"}])
    (told,) = refused(rows, held_out=[path])
    assert told == "sub-00 of same.tsv is a patient who is trained on: remove one"


def test_partitions_are_known_words(images, refused):
    words = ["Test", "validation", "out-of-fold", "training"]
    rows = [{**row, "partition": words[min(n, 3)]} for n, row in enumerate(images[1])]
    faults = refused(rows)
    assert [fault.partition(": ")[2] for fault in faults] == [
        f'partition is "{word}", wanted training, calibration, test or none' for word in words[:3]]


def test_a_held_out_table_is_named(images, refused):
    folder, rows = images
    path = write_table(folder / "lacks.tsv", [{"participant_id": "a", "image": "x.nii"}] * 2)
    faults = refused(rows, held_out=[path])
    assert having(faults, "lacks.tsv: ", 'no column "mask"') and having(faults, 'lacks.tsv: participant_id "a" stands')


def test_one_image_under_two_names_is_refused_unless_it_is_one_patient(images, refused):
    rows = [*images[1], {**images[1][0], "participant_id": "again"}]
    (told,) = refused(rows)
    assert told.startswith("sub-00 and again have the same image") and "one patient under two names" in told
    named = [{**row, "patient_id": f"p{n % 30}"} for n, row in enumerate(rows)]
    folder = images[0]
    train(write_table(folder / "one.tsv", named), folder / "one.safetensors",
          description=describe(folder / "one.json", training={"epochs": 1}))


# ---- The description and the call ----


@pytest.mark.parametrize("sections, told", [
    ({"training": {"folds": 1}}, "training.folds is 1, wanted an integer from 2 to 64"),
    ({"training": {"epoch": 9}}, "training has unknown keys epoch"),
    ({"training": {"loss": "mse"}}, "training.loss"),
    ({"training": {"augmentation": {"flips": ["up"]}}}, "training.augmentation.flips"),
    ({"network": {"depth": 12}}, "network.depth is 12, wanted one of 10, 18"),
    ({"network": {"stem_kernel": [2, 3, 3]}}, "network.stem_kernel"),
    ({"network": {"layer_strides": [1, 2]}}, "network.layer_strides"),
    ({"input": {"axes": "RAR"}}, "the library refuses the recipe"),
    ({"tiers": {}}, "has tiers, wanted none of"),
])
def test_wrong_descriptions_are_refused(images, sections, told):
    folder, rows = images
    path = describe(folder / "wrong.json", **sections)
    with pytest.raises(ConversionError) as error:
        train(write_table(folder / "wrong.tsv", rows), folder / "wrong.safetensors", description=path)
    assert told in str(error.value) and str(path) in str(error.value)


def test_wrong_calls_are_refused(images):
    folder, rows = images
    table = write_table(folder / "call.tsv", rows)
    for options, told in (({"out": folder / "m.pt"}, "wanted a name that ends in .safetensors"),
                          ({"out": folder / "no" / "m.safetensors"}, "there is no folder"),
                          ({"device": "tpu9"}, 'device is "tpu9", wanted auto'),
                          ({"warm_start": folder / "no.pt"}, "no.pt")):
        with pytest.raises((ValueError, OSError)) as error:
            train(table, **{"out": folder / "call.safetensors", **options})
        assert told in str(error.value)


def test_the_command_line_tells_a_fault_a_line(images):
    folder, rows = images
    bad = write_table(folder / "shell.tsv", [{**row, "rfs_time": "-1"} if n < 3 else row for n, row in enumerate(rows)])
    done = subprocess.run([sys.executable, "-m", "deeptepp", "train", bad, "--out", folder / "shell.safetensors",
                           "--quiet"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert [line.startswith(f"deeptepp train: sub-0{n}: rfs_time is") for n, line in
            enumerate(done.stderr.splitlines())] == [True] * 3
