"""deeptepp.train: what it writes is what was trained, by the library's own scores. Needs PyTorch (tests/run --live)."""

import datetime
import subprocess
import sys
from collections import Counter

import nibabel
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not here")

import deeptepp  # noqa: E402
import make_model  # noqa: E402
import reference_resnet  # noqa: E402
from deeptepp.survival import concordance  # noqa: E402
from deeptepp.train import TrainingError, _batches, _cohort, _folds, _settings, train  # noqa: E402
from training_case import describe, make_images, no_figures, phantom, write_table  # noqa: E402, F401


class Trained:
    """A cohort that was trained on, and what came of it."""

    def __init__(self, folder, rows, name="model", **options):
        self.folder, self.rows, self.lines = folder, rows, []
        table = write_table(folder / f"{name}.cohort.tsv", rows)
        self.out = folder / f"{name}.safetensors"
        options.setdefault("description", describe(folder / f"{name}.json"))
        options.setdefault("work", folder / "work")
        self.result = train(table, self.out, threads=1, log=self.lines.append, **options)
        self.table = deeptepp.read_cohort(folder / f"{name}.out-of-fold.tsv")
        self.tensors, self.description = make_model.read_safetensors(self.out)

    def member(self, k):
        return dict(make_model.member_tensors(self.description, self.tensors))[f"fold{k}."]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    return folder, make_images(folder)


@pytest.fixture(scope="module")
def trained(images):
    return Trained(*images)


def test_out_of_fold_scores_are_the_library_s_of_that_member(trained):
    with deeptepp.open_model(trained.out, threads=1) as model:
        for row in trained.table.rows:
            found = model.score(trained.folder / row["image"], trained.folder / row["mask"])
            assert found.member_scores[int(row["fold"])] == pytest.approx(float(row["score"]), rel=1e-4, abs=1e-5)


def test_the_library_scores_as_pytorch_does(trained):
    """The reference module of the tests, in float64, over the library's tensor."""
    with deeptepp.open_model(trained.out, threads=1) as model:
        assert model.self_test()
        for row in trained.table.rows[::5]:
            case = trained.folder / row["image"], trained.folder / row["mask"]
            found = reference_resnet.logits(trained.description, trained.tensors, model.preprocess(*case))
            wanted = np.mean([member["logits"] for member in found["members"]])
            assert model.score(*case).score == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_the_table_has_the_cohort_s_columns_and_a_score_for_each(trained):
    *before, = trained.rows[0]
    assert trained.table.columns == (*before, "fold", "score", "image_sha256", "mask_sha256", "model_sha256", "status",
                                     "error_code", "error_message", "partition")
    kept = [[row[name] for name in before] for row in trained.table.rows]
    assert kept == [list(row.values()) for row in trained.rows]
    assert {row["partition"] for row in trained.table.rows} == {"out-of-fold"}
    assert {row["model_sha256"] for row in trained.table.rows} == {trained.result.sha256}
    assert {row["status"] for row in trained.table.rows} == {"ok"}


@pytest.fixture(scope="module")
def long(images):
    """Epochs enough that validation decides where each fold ends."""
    folder, rows = images
    described = describe(folder / "epochs.json", training={"epochs": 20, "patience": 3})
    return Trained(folder, rows, "long", description=described), described


def test_a_fold_s_network_has_not_seen_what_it_scores(long, images):
    """Another image, and another outcome, in one case's place: the network that scores it stays the same to the last
    bit, all others, which have trained on it or stopped by it, do not."""
    folder, rows = images
    trained, described = long
    phantom(folder, "other", 99, 24)
    swapped = {**rows[0], "image": "other.nii", "mask": "other-mask.nii", "rfs_time": "0.01"}
    changed = Trained(folder, [swapped, *rows[1:]], "changed", description=described)
    own = int(trained.table.rows[0]["fold"])
    assert changed.table.rows[0]["fold"] == str(own)
    for k in range(3):
        one, other = trained.member(k), changed.member(k)
        assert any(not np.array_equal(one[name], other[name]) for name in one) == (k != own)


def test_each_fold_ends_where_its_validation_part_says(long):
    """By the lines of progress: the best epoch is the first of lowest validation loss, and three worse ones end it."""
    trained, _ = long
    for k, best in enumerate(trained.result.best_epochs):
        told = [float(line.split("validation ")[1].split()[0]) for line in trained.lines
                if line.startswith(f"fold {k} epoch")]
        assert len(told) == min(20, best + 3) and told[best - 1] == min(told)
    assert min(trained.result.best_epochs) < 17


def test_a_fold_s_scores_are_standard_over_its_own_training_part(trained):
    """Of the whole file's member scores: not over the cases that it has not seen."""
    with deeptepp.open_model(trained.out, threads=1) as model:
        scores = np.array([model.score(trained.folder / row["image"], trained.folder / row["mask"]).member_scores
                           for row in trained.table.rows])
    fold = np.array([int(row["fold"]) for row in trained.table.rows])
    for k in range(3):
        own = scores[fold != k, k]
        assert own.mean() == pytest.approx(0, abs=1e-4) and own.std() == pytest.approx(1, abs=1e-4)


def test_other_partitions_are_not_trained_on(trained, images):
    """Rows of the calibration partition leave the result as it is without them."""
    folder, rows = images
    phantom(folder, "spare", 123, 20)
    spare = {**rows[0], "participant_id": "spare", "image": "spare.nii", "mask": "spare-mask.nii", "rfs_time": "0.1"}
    whole = [*({**row, "partition": "training"} for row in rows), {**spare, "partition": "calibration"}]
    found = Trained(folder, whole, "with-spare")
    assert found.result.cases == len(rows)
    assert all(np.array_equal(found.tensors[name], value) for name, value in trained.tensors.items())


def test_no_rest_of_a_batch_is_a_single_case():
    random = np.random.default_rng(1)
    for cases, size in ((29, 2), (3, 2), (31, 8), (8, 8), (5, 8)):
        sizes = [len(batch) for batch in _batches.batches([k % 2 for k in range(cases)], size, random)]
        assert sum(sizes) == cases and min(sizes) >= 2 and max(sizes) - min(sizes) <= 1


def test_each_batch_has_its_share_of_events():
    events = [1] * 8 + [0] * 32
    for batch in _batches.batches(events, 8, np.random.default_rng(2)):
        assert sum(events[k] for k in batch) in (1, 2)


def test_folds_share_out_events_and_sites(trained):
    for column in ("rfs_event", "site"):
        for value in {row[column] for row in trained.rows}:
            counts = [sum(row["fold"] == k and row[column] == value for row in trained.table.rows) for k in "012"]
            assert max(counts) - min(counts) <= 2 and min(counts) > 0


def test_rows_of_a_patient_are_in_one_fold(images):
    folder, rows = images
    named = [{**row, "patient_id": f"p{n // 2}"} for n, row in enumerate(rows)]
    found = Trained(folder, named, "patients")
    for first, second in zip(found.table.rows[::2], found.table.rows[1::2]):
        assert first["fold"] == second["fold"]


def test_a_patient_is_in_one_part_of_a_fold():
    cases = [_cohort.Case(k, f"r{k}", f"p{k // 2}", None, 1.0 + k, k % 3 == 0, "AB"[k % 4 // 2]) for k in range(60)]
    for fold in _folds.folds(cases, 3, 0.25, 1):
        parts = [{cases[i].patient for i in part} for part in fold]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
        assert sorted(i for part in fold for i in part) == list(range(60)) and all(parts)


def test_recurrence_trains_two_classes_that_are_opposites(images):
    folder, rows = images
    two = describe(folder / "r.json", training={"loss": "recurrence"})
    found = Trained(folder, rows, "recurrence", description=two)
    assert found.description["score"] == {"rule": "logit", "class": 1}
    for k in range(3):
        weight = found.member(k)["fc.weight"]
        assert np.abs(weight[0] + weight[1]).max() < 1e-6 < np.abs(weight).max()


def test_inputs_are_made_once_and_again_for_another_recipe(images, monkeypatch):
    folder, rows = images
    made, make = [], deeptepp.Model.preprocess
    monkeypatch.setattr(deeptepp.Model, "preprocess", lambda *a, **k: made.append(1) or make(*a, **k))
    options = {"work": folder / "inputs-work"}
    Trained(folder, rows, "first", **options)
    assert len(made) == len(rows)
    Trained(folder, rows, "second", **options)
    assert len(made) == len(rows)
    wider = describe(folder / "wider.json", input={"size": [24, 24, 24]})
    Trained(folder, rows, "third", description=wider, **options)
    assert len(made) == 2 * len(rows)
    Trained(folder, rows, "fourth", largest_part=True, **options)
    assert len(made) == 3 * len(rows)
    Trained(folder, [{**row, "label": "1"} for row in rows], "fifth", **options)
    assert len(made) == 4 * len(rows)
    next((folder / "inputs-work" / "inputs").glob("*.npy")).write_bytes(b"")
    Trained(folder, rows, "sixth", **options)
    Trained(folder, rows, "sixth", description=wider, **options)
    Trained(folder, rows, "sixth", largest_part=True, **options)
    Trained(folder, [{**row, "label": "1"} for row in rows], "sixth", **options)
    assert len(made) == 4 * len(rows) + 1


class Held:
    """An input in memory."""

    def __init__(self, *shape):
        self.tensor = np.random.default_rng(4).normal(size=shape).astype(np.float32)

    def load(self):
        return self.tensor


def test_what_is_drawn_is_a_view_flipped_and_scaled():
    """Each as often as any other, by a fit against all that it may be."""
    one, random = Held(3, 1, 2, 3, 4), np.random.default_rng(1)
    augmentation = _settings.Augmentation((90.0,), ("depth", "width"), 0.1)
    may_be = {(n, axes): np.flip(one.tensor[n], axes).ravel() for n in range(3) for axes in ((), (1,), (3,), (1, 3))}
    seen, changes = Counter(), []
    for _ in range(1200):
        view, = _batches.drawn([one], augmentation, random)
        fits = {key: np.polyfit(plain, view.ravel(), 1) for key, plain in may_be.items()}
        key, = (key for key, fit in fits.items() if np.allclose(np.polyval(fit, may_be[key]), view.ravel(), atol=1e-5))
        seen[key] += 1
        changes.append(fits[key])
    assert set(seen) == set(may_be) and all(60 < count < 140 for count in seen.values())
    assert np.allclose(np.mean(changes, axis=0), (1, 0), atol=0.01)
    assert np.allclose(np.std(changes, axis=0), 0.1, atol=0.01)
    assert np.array_equal(_batches.views([one], 2)[0], one.tensor[:2])


def test_angles_of_training_are_drawn_of_and_not_scored(images, monkeypatch):
    shapes, views = set(), _batches.views
    monkeypatch.setattr(_batches, "drawn", lambda found, *rest: shapes.add(found[0].load().shape[0]) or np.stack(
        [one.load()[-1] for one in found]))
    monkeypatch.setattr(_batches, "views", lambda found, own: shapes.add(f"{own} scored") or views(found, own))
    training = {"epochs": 1, "augmentation": {"angles_deg": [10, 20]}}
    own = describe(images[0] / "turned.json", training=training)
    Trained(*images, "angles", description=own, work=images[0] / "angles-work")
    assert shapes == {4, "2 scored"}


@pytest.mark.parametrize("optimiser", ["SGD", "AdamW"])
def test_the_rate_falls_by_a_cosine_and_the_backbone_has_its_share(images, monkeypatch, optimiser):
    rates, step = [], getattr(torch.optim, optimiser).step
    monkeypatch.setattr(getattr(torch.optim, optimiser), "step", lambda self, *rest: rates.append(
        [group["lr"] for group in self.param_groups]) or step(self, *rest))
    training = {"epochs": 4, "rate": 0.01, "backbone_rate": 0.25, "optimiser": optimiser.lower(), "batch": 64}
    own = describe(images[0] / f"{optimiser}-rates.json", training=training)
    Trained(*images, optimiser, description=own, work=images[0] / f"{optimiser}-work")
    assert np.allclose(rates[:4], np.outer((1 + np.cos(np.pi * np.arange(4) / 4)) / 2, [0.01, 0.0025]))


def test_a_run_with_another_outcome_begins_anew(images):
    """A checkpoint is gone on with where nothing that decides the weights has changed."""
    folder, rows = images
    again = [{**row, "rfs_time": str(float(row["rfs_time"]) + (n == 0))} for n, row in enumerate(rows)]
    kept = [sum("goes on after" in line for line in Trained(folder, table, "outcome", work=folder / "outcomes").lines)
            for table in (rows, rows, again, rows)]
    assert kept == [0, 3, 0, 3]


def test_two_runs_give_the_same_bytes(trained, images):
    again = Trained(*images, "again", work=images[0] / "another-work")
    assert trained.member(0)["conv1.weight"].tobytes() == again.member(0)["conv1.weight"].tobytes()
    assert [row["score"] for row in trained.table.rows] == [row["score"] for row in again.table.rows]


def test_one_run_a_work_folder(images):
    import fcntl

    folder, rows = images
    (folder / "held").mkdir()
    with open(folder / "held" / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="is used by another run"):
            Trained(folder, rows, "held", work=folder / "held")


def test_the_command_line(images):
    folder, rows = images
    table = write_table(folder / "shell.tsv", rows)
    done = subprocess.run([sys.executable, "-m", "deeptepp", "train", table, "--out", folder / "shell.safetensors",
                           "--description", describe(folder / "shell.json"), "--work", folder / "work",
                           "--threads", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with deeptepp.open_model(folder / "shell.safetensors") as model:
        assert f"sha256 {model.sha256}" in done.stdout
    assert "fold 2: " in done.stderr


# ---- What the model file says of itself ----


def test_provenance_says_what_it_was_trained_on(trained):
    found = trained.description["provenance"]
    assert found["cohort"] == "30 cases of 30 patients, 19 events (rfs_event)" and found["left_out"] == "0"
    good = [[float(row[name]) for row in trained.table.rows] for name in ("rfs_time", "rfs_event", "score")]
    assert found["out_of_fold_c"] == str(trained.result.concordance) == str(concordance(*good))
    assert found["pytorch"] == torch.__version__ and found["threads"] == "1" and found["seed"] == "1"
    assert datetime.date.fromisoformat(found["trained"]) <= datetime.datetime.now(datetime.timezone.utc).date()


def test_usual_ranges_are_the_cohort_s(trained, images, tmp_path):
    """By nibabel; and the library warns of a larger and brighter tumour, and of no case of the cohort."""
    folder, rows = images
    volumes, means = [], []
    for row in rows:
        image, mask = (nibabel.load(folder / row[name]) for name in ("image", "mask"))
        tumour = np.asarray(mask.dataobj) > 0
        volumes.append(tumour.sum() * abs(np.linalg.det(mask.affine[:3, :3])) / 1000)
        means.append(np.asarray(image.dataobj)[tumour].mean())
    section = trained.description["input"]
    assert section["usual"]["mask_ml"] == pytest.approx([min(volumes), max(volumes)], rel=2e-3)
    assert section["usual"]["intensity"][0] == pytest.approx([min(means), max(means)], rel=2e-3)
    assert section["spacing_mm"]["usual"] == pytest.approx([1.25, 2.5], rel=2e-3)
    phantom(folder, "large", 7, 34)
    bright = nibabel.load(folder / "large.nii")
    nibabel.save(nibabel.Nifti1Image(np.asarray(bright.dataobj) * 4.0, bright.affine), tmp_path / "bright.nii")
    unusual = {"DEEPTEPP_WARN_MASK_UNUSUAL", "DEEPTEPP_WARN_INTENSITY_UNUSUAL", "DEEPTEPP_WARN_SPACING"}
    with deeptepp.open_model(trained.out, threads=1) as model:
        for row in rows:
            found = model.score(folder / row["image"], folder / row["mask"])
            assert not unusual & {warning.name for warning in found.warnings}
        found = model.score(tmp_path / "bright.nii", folder / "large-mask.nii")
        assert {warning.name for warning in found.warnings} >= unusual - {"DEEPTEPP_WARN_SPACING"}
