"""python -m deeptepp freeze and what it is made of: quantiles against NumPy's definition, the calibration against R,
and the library's own reading of the file."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

import deeptepp
import make_model
import r_program
from deeptepp.freeze import freeze
from deeptepp.survival import Calibration, Cuts, calibrate

N = 726


def run(*arguments):
    done = subprocess.run([sys.executable, "-m", "deeptepp", "freeze", *map(str, arguments)], capture_output=True,
                          text=True)
    return done.returncode, done.stdout, done.stderr


def refusal(*arguments):
    code, out, said = run(*arguments)
    assert code == 2 and out == "" and said.count("\n") == 1, (code, out, said)
    return said


@pytest.fixture(scope="module")
def subject(tiny_case, tmp_path_factory):
    """(path, SHA-256) of a model without tiers or calibration."""
    path = tmp_path_factory.mktemp("subject") / "model.safetensors"
    tensors, description = make_model.read_safetensors(tiny_case[0])
    bare = {key: value for key, value in description.items() if key not in ("tiers", "calibration")}
    make_model.write_safetensors(path, tensors, bare)
    with deeptepp.open_model(path) as model:
        return path, model.sha256


def table(path, sha256, n=N, partition="out-of-fold", effect=1.0, **columns):
    """Scores of n cases with outcomes that follow them, and five rows that have none; the scores."""
    draw = np.random.default_rng(5)
    score = draw.normal(size=n)
    time = draw.exponential(5 * np.exp(-effect * score))
    event = time < 4
    rows = {"participant_id": [f"p{i}" for i in range(n)], "score": score, "rfs_time": np.minimum(time, 4),
            "rfs_event": event.astype(int), "status": ["ok"] * n, "model_sha256": [sha256] * n, "partition":
            [partition] * n, **columns}
    lines = ["\t".join(rows)] + ["\t".join(str(rows[name][i]) for name in rows) for i in range(n)]
    lines += ["\t".join("error" if name == "status" else "n/a" for name in rows)] * 3
    lines += ["\t".join("skipped" if name == "status" else "n/a" for name in rows)] * 2
    path.write_text("\n".join(lines) + "\n")
    return score


def test_quantiles_make_the_papers_counts(tmp_path, subject, paths):
    model, sha256 = subject
    score = table(tmp_path / "oof.tsv", sha256)
    code, said, _ = run(model, "--out", tmp_path / "new.safetensors", "--scores", tmp_path / "oof.tsv")
    assert code == 0 and "Research use only" in said
    with deeptepp.open_model(tmp_path / "new.safetensors") as new, deeptepp.open_model(model) as old:
        cuts = [float(text) for text in new.info["tiers.cutpoints"].split(", ")]
        assert np.bincount(np.searchsorted(cuts, score)).tolist() == [439, 144, 143]
        assert new.tiers == ("Low", "Moderate", "High") and f"sha256 {new.sha256}\n" in said
        assert "726 cases of oof.tsv (partition out-of-fold 726), left out: scoring failed 3, " \
            "not scored: no image, no mask 2" in new.info["tiers.source"]
        found, before = new.score(*paths), old.score(*paths)
        assert found.view_scores == before.view_scores
        assert found.tier == np.searchsorted(cuts, found.score) and before.tier is None


def test_quantiles_are_type_7():
    score = np.random.default_rng(2).normal(size=101)
    cuts = Cuts.from_quantiles(score, (0.2, 0.605), cohort="101 numbers")
    ordered = np.sort(score)
    for share, cut in zip((0.2, 0.605), cuts.cutpoints):
        at = share * (len(score) - 1)
        low = int(at)
        assert cut == pytest.approx(ordered[low] + (at - low) * (ordered[low + 1] - ordered[low]), rel=1e-14)
    assert (cuts.method, cuts.n, cuts.probs) == ("quantiles", 101, (0.2, 0.605)) and "101 numbers" in cuts.source


def test_the_tensors_are_the_same_bytes_and_the_rest_of_the_description_too(tmp_path, subject):
    made = freeze(subject[0], tmp_path / "new.safetensors", cuts=Cuts.given([0.1, 0.7]), tolerance=0.25, guidance=True)
    files = [make_model.read_safetensors(path) for path in (subject[0], tmp_path / "new.safetensors")]
    assert files[1][1] | {"tiers": None} == files[0][1] | {"tiers": None}
    assert made["tiers"]["cutpoints"] == [0.1, 0.7] and made["tiers"]["guidance"] == "deeptepp"
    assert made["tiers"]["tolerance"] == 0.25
    raw = [path.read_bytes() for path in (subject[0], tmp_path / "new.safetensors")]
    data = [part[8 + int.from_bytes(part[:8], "little"):] for part in raw]
    assert data[0] == data[1]


def test_what_is_not_given_stays(tmp_path, subject, calibration):
    """Tolerance and guidance of the tiers, with a calibration alone and with other cut-points; other metadata."""
    tensors, description = make_model.read_safetensors(subject[0])
    tiers = {"names": ["Low", "Moderate", "High"], "cutpoints": [0.1, 0.7], "source": "a pilot", "tolerance": 0.25,
             "guidance": "deeptepp"}
    make_model.write_safetensors(tmp_path / "full.safetensors", tensors, {**description, "tiers": tiers})
    made = freeze(tmp_path / "full.safetensors", tmp_path / "one.safetensors", calibration=unmade(calibration[0]))
    assert made["tiers"] == tiers
    made = freeze(tmp_path / "full.safetensors", tmp_path / "two.safetensors", cuts=Cuts.given([0.3, 0.4]))
    assert (made["tiers"]["tolerance"], made["tiers"]["guidance"]) == (0.25, "deeptepp")
    made = freeze(tmp_path / "full.safetensors", tmp_path / "three.safetensors", cuts=Cuts.given([0.3]))
    assert made["tiers"]["tolerance"] == 0.25 and "guidance" not in made["tiers"]


def unmade(calibration):
    """Of no known model."""
    return dataclasses.replace(calibration, model_sha256=None)


def test_a_calibration_of_another_model_is_refused(tmp_path, subject, calibration):
    assert calibration[0].model_sha256 == subject[1]
    with pytest.raises(ValueError, match="the calibration is of scores of the model abababababab, wanted those of"):
        freeze(subject[0], tmp_path / "new.safetensors",
               calibration=dataclasses.replace(calibration[0], model_sha256="ab" * 32))


@pytest.mark.parametrize("tolerance", ["nan", "-1"])
def test_a_tolerance_is_a_number_from_0(tmp_path, subject, tolerance):
    said = refusal(subject[0], "--out", tmp_path / "new.safetensors", "--cutpoints", "1,2", f"--tolerance={tolerance}")
    assert f"tolerance is {float(tolerance)}, wanted a number from 0" in said


R_CALIBRATION = """
library(survival)
d <- read.delim(commandArgs(TRUE)[1], na.strings = "n/a")
d <- d[d$status == "ok", ]
d$rfs_time <- round(d$rfs_time, 1) + 0.1
f <- coxph(Surv(rfs_time, rfs_event) ~ score, d, ties = "efron", eps = 1e-12)
s <- summary(survfit(f, data.frame(score = mean(d$score)), ctype = 1, stype = 2), times = c(0.8, 2, 4))
cat(sprintf("%.15g", c(coef(f), mean(d$score), s$surv)))
"""


@pytest.fixture(scope="module")
def calibration(tmp_path_factory, subject):
    """(of times that are often equal; the same of R; the table)."""
    path = tmp_path_factory.mktemp("calibration") / "scores.tsv"
    table(path, subject[1], partition="calibration")
    rows = [row for row in deeptepp.read_cohort(path).rows if row["status"] == "ok"]
    rows = [{**row, "rfs_time": round(float(row["rfs_time"]), 1) + 0.1} for row in rows]
    made = calibrate(rows, (0.8, 2, 4), unit="years", endpoint="recurrence-free survival", cohort="made up")
    return made, [float(text) for text in r_program.run(R_CALIBRATION, path).split()], path


def test_the_calibration_is_that_of_r(calibration):
    made, of_r, _ = calibration
    assert [made.slope, made.centre, *made.baseline_survival] == pytest.approx(of_r, rel=1e-8)


def test_the_library_gives_the_survival(tmp_path, subject, calibration, paths):
    code, said, _ = run(subject[0], "--out", tmp_path / "new.safetensors", "--calibrate", calibration[2], "--times",
                        "1,3", "--unit", "years", "--endpoint", "freedom from recurrence", "--cohort", "site A")
    assert code == 0 and "site A (partition calibration 726)" in said
    with deeptepp.open_model(tmp_path / "new.safetensors") as model:
        score = model.score(*paths)
        info = model.info
    base = [float(text) for text in info["calibration.baseline_survival"].split(", ")]
    slope, centre = float(info["calibration.slope"]), float(info["calibration.centre"])
    assert [survival.time for survival in score.survival] == [1, 3]
    assert [survival.probability for survival in score.survival] == pytest.approx(
        [b ** np.exp(slope * (score.score - centre)) for b in base], rel=1e-5)


def test_json_reads_back_to_the_last_bit(tmp_path, calibration):
    cuts = Cuts.from_quantiles(np.random.default_rng(1).normal(size=50), model_sha256="ab" * 32)
    cuts.write(tmp_path / "cuts.json")
    assert Cuts.read(tmp_path / "cuts.json") == cuts
    assert list(json.loads((tmp_path / "cuts.json").read_text())) == ["cutpoints", "names", "method", "probs",
                                                                     "p_value", "source", "n", "model_sha256"]
    calibration[0].write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json") == calibration[0]


def test_files_of_cuts_and_calibration_go_in(tmp_path, subject, calibration):
    Cuts.given([0.5], ["here", "there"], source="a pilot").write(tmp_path / "cuts.json")
    calibration[0].write(tmp_path / "calibration.json")
    code, said, error = run(subject[0], "--out", tmp_path / "new.safetensors", "--cutpoints", tmp_path / "cuts.json",
                            "--calibration", tmp_path / "calibration.json")
    assert code == 0, error
    description = make_model.read_safetensors(tmp_path / "new.safetensors")[1]
    assert description["tiers"] == {"names": ["here", "there"], "cutpoints": [0.5], "source": "a pilot"}
    assert description["calibration"] == calibration[0].section()
    code, said, error = run(tmp_path / "new.safetensors", "--out", tmp_path / "newer.safetensors", "--cutpoints",
                            "-1.5,0.25")
    assert code == 0, error
    description = make_model.read_safetensors(tmp_path / "newer.safetensors")[1]
    assert description["tiers"]["cutpoints"] == [-1.5, 0.25] and "calibration" in description


def test_tiers_of_scores():
    import pandas
    import polars

    cuts = Cuts.given([0.5, 1])
    score = [0.5, np.nextafter(0.5, 1), 1.0, 2.0, None]
    expected = ["Low", "Moderate", "Moderate", "High", None]
    found = cuts.assign(pandas.Series(score))
    assert [None if value != value else value for value in found] == expected and found.ordered
    assert cuts.assign(polars.Series(score)).to_list() == expected


@pytest.mark.parametrize("partition", ["training", "out-of-fold"])
def test_no_calibration_from_scores_of_training(tmp_path, subject, partition):
    table(tmp_path / "scores.tsv", subject[1], partition=partition)
    said = refusal(subject[0], "--out", tmp_path / "new.safetensors", "--calibrate", tmp_path / "scores.tsv",
                   "--times", "2", "--unit", "years", "--endpoint", "RFS")
    assert f'partition is "{partition}" in 726 rows of scores.tsv' in said
    assert not (tmp_path / "new.safetensors").exists()


@pytest.mark.parametrize("change, arguments, said", [
    ({"n": 80}, {}, "has 41 events among 80 cases, wanted at least 50"),
    ({}, {"--times": "2,5"}, "times reach 5 and the longest follow-up in scores.tsv is 4"),
    ({}, {"--times": "2,2"}, "times are 2, 2, wanted 1 to 32 above 0, rising strictly"),
    ({}, {"--times": "0.0001,2"}, "no event until the time 0.0001"),
    ({"effect": -1.0}, {}, "the score's coefficient is -0.9"),
    ({"model_sha256": ["ab" * 32] * N}, {}, "has scores of the model abababababab, wanted those of"),
    ({"model_sha256": ["ab" * 32] * 5 + ["cd" * 32] * (N - 5)}, {}, "has scores of 2 models"),
    ({"rfs_event": [2] * N}, {}, "rfs_event is 2 in row 1 of scores.tsv, wanted 1 for an event, 0 for none"),
    ({"partition": "mine"}, {}, 'partition is "mine" in scores.tsv, wanted training, out-of-fold'),
    ({"score": ["low"] * N}, {}, 'score is "low" in row 1 of scores.tsv, wanted a number'),
    ({}, {"--event": "dead"}, 'scores.tsv has no column "dead" (the event)')])
def test_calibrations_refused(tmp_path, subject, change, arguments, said):
    table(tmp_path / "scores.tsv", **{"sha256": subject[1], "partition": "calibration", **change})
    given = {"--out": tmp_path / "new.safetensors", "--calibrate": tmp_path / "scores.tsv", "--times": "2", "--unit":
             "years", "--endpoint": "RFS", **arguments}
    assert said in refusal(subject[0], *(word for pair in given.items() for word in pair))


def test_a_calibration_wants_to_know_the_partition(tmp_path, subject):
    table(tmp_path / "scores.tsv", subject[1])
    text = (tmp_path / "scores.tsv").read_text().replace("partition", "part", 1)
    (tmp_path / "scores.tsv").write_text(text)
    assert 'has no column "partition"' in refusal(
        subject[0], "--out", tmp_path / "new", "--calibrate", tmp_path / "scores.tsv", "--times", "2", "--unit", "y",
        "--endpoint", "RFS")


@pytest.mark.parametrize("arguments, said", [
    ([], "nothing to freeze"),
    (["--tolerance", "1"], "no tiers for a tolerance"),
    (["--cutpoints", "2,1"], "cutpoints are 2, 1, wanted 1 to 15, rising strictly"),
    (["--cutpoints", "2,a"], '--cutpoints is "2,a", wanted numbers'),
    (["--cutpoints", "1", "--names", "a,a"], "names are a, a, wanted 2 different texts"),
    (["--cutpoints", "1", "--guidance"], "guidance for 2 tiers, wanted 3"),
    (["--cutpoints", "1,2,3"], "3 cut-points without names"),
    (["--cutpoints", "1", "--scores", "a.tsv"], "--scores and --cutpoints are given, wanted one of them"),
    (["--quantiles", "0.5"], "--quantiles without --scores"),
    (["--calibrate", "a.tsv", "--times", "1"], "--calibrate without --unit"),
    (["--cutpoints", "absent.json"], "absent.json")])
def test_arguments_refused(tmp_path, subject, arguments, said):
    assert said in refusal(subject[0], "--out", tmp_path / "new.safetensors", *arguments)
    assert not (tmp_path / "new.safetensors").exists()


def test_scores_refused(tmp_path, subject):
    model, sha256 = subject
    out = ["--out", tmp_path / "new.safetensors", "--scores", tmp_path / "oof.tsv"]
    table(tmp_path / "oof.tsv", sha256, partition="training")
    assert 'partition is "training" in 726 rows' in refusal(model, *out)
    table(tmp_path / "oof.tsv", "ab" * 32)
    assert f"has scores of the model abababababab, wanted those of {sha256[:12]}" in refusal(model, *out)
    table(tmp_path / "oof.tsv", sha256, score=np.repeat([1.0, 2.0], N // 2))
    assert "too many that are equal" in refusal(model, *out)
    Cuts.given([1.0], model_sha256="ab" * 32).write(tmp_path / "cuts.json")
    assert "of the model abababababab" in refusal(model, *out[:2], "--cutpoints", tmp_path / "cuts.json")


def test_a_model_that_fails_its_self_test_is_not_written(tmp_path, subject):
    tensors, description = make_model.read_safetensors(subject[0])
    description["self_test"]["score"] += 1
    make_model.write_safetensors(tmp_path / "wrong.safetensors", tensors, description)
    said = refusal(tmp_path / "wrong.safetensors", "--out", tmp_path / "new.safetensors", "--cutpoints", "1,2")
    assert "new.safetensors: the library refuses the model: self-test: score" in said and ".part" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wrong.safetensors"]


def test_it_writes_over_no_input(subject):
    assert "is one of the files read" in refusal(subject[0], "--out", subject[0], "--cutpoints", "1,2")
