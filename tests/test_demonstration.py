"""The generated cohort of examples/demonstration: the same each time, with the truth that is planted in it."""

import csv
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, chi2, norm

from cli_program import PROGRAM, answer, needs_program, read_affine, read_nifti

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "examples" / "demonstration" / "cohort.py"
MODEL = SCRIPT.with_name("model.safetensors")
PAGE = (ROOT / "docs" / "demonstration.md").read_text(encoding="utf-8")
sys.path.insert(0, str(SCRIPT.parent))
import cohort  # noqa: E402


# ---- Cox's model by Newton's steps, written for this test; no ties ----


def partial_likelihood(x, events, beta):
    """The logarithm, its gradient and the information, of rows from the last time to the first."""
    weight = np.exp(x @ beta)
    sums = [np.cumsum(terms, axis=0)[events] for terms in
            (weight, weight[:, None] * x, weight[:, None, None] * x[:, :, None] * x[:, None, :])]
    mean = sums[1] / sums[0][:, None]
    spread = sums[2] / sums[0][:, None, None] - mean[:, :, None] * mean[:, None, :]
    return (x[events] @ beta - np.log(sums[0])).sum(), (x[events] - mean).sum(0), spread.sum(0)


def cox(time, event, x):
    """Coefficients, their standard errors and the log likelihood."""
    order = np.argsort(-time)
    x, events, beta = np.asarray(x, float)[order], event[order].astype(bool), np.zeros(np.shape(x)[1])
    for _ in range(30):
        likelihood, gradient, information = partial_likelihood(x, events, beta)
        step = np.linalg.solve(information, gradient)
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            return beta, np.sqrt(np.diag(np.linalg.inv(information))), likelihood
    raise AssertionError("Newton's steps do not come to rest")


def indicators(levels, count):
    """A column for each level but the first."""
    return np.eye(count)[levels][:, 1:]


def interaction_p(tier, course):
    """Of the likelihood ratio test of tier x treatment, adjusted for nodes."""
    tiers, treatments = indicators(tier, 3), indicators(course["treatment"], 3)
    main = np.column_stack([course["nodes"], tiers, treatments])
    full = np.column_stack([main, (tiers[:, :, None] * treatments[:, None]).reshape(len(tier), -1)])
    fits = [cox(course["rfs_time"], course["rfs_event"], x) for x in (main, full)]
    return chi2.sf(2 * (fits[1][2] - fits[0][2]), 4)


def measured(risk, seed, correlation=0.85):
    """Tiers of a score that knows the risk as well as a good network does, by the paper's quantiles."""
    noise = np.random.default_rng(seed).standard_normal(len(risk))
    score = correlation * risk + np.sqrt(1 - correlation**2) * noise
    return np.searchsorted(np.quantile(score, (0.605, 0.803)), score)


def rejections(sets, null):
    risk = cohort.draw_patients(726, 5)["risk"]
    tier = measured(risk, 1)
    return sum(interaction_p(tier, cohort.draw_course(risk, seed, null)) < 0.05 for seed in range(sets))


# ---- What is planted ----


def test_tiers_have_the_paper_s_shares():
    assert np.allclose(cohort.CUTS, norm.ppf((0.605, 0.803)), atol=1e-8)
    tier = cohort.tiers_of(cohort.draw_patients(100000, 1)["risk"])
    assert np.allclose(np.bincount(tier) / len(tier), (0.605, 0.198, 0.197), atol=0.005)


@pytest.mark.parametrize("endpoint", ("rfs", "os"))
def test_planted_hazard_ratios_are_found_back(endpoint):
    risk = cohort.draw_patients(20000, 2)["risk"]
    course = cohort.draw_course(risk, 2)
    tiers, treatments = np.eye(3)[cohort.tiers_of(risk)], indicators(course["treatment"], 3)
    x = np.column_stack([risk, course["nodes"], *(tiers[:, [t]] * treatments for t in range(3))])
    found, error, _ = cox(course[f"{endpoint}_time"], course[f"{endpoint}_event"], x)
    planted = np.log([cohort.RISK, cohort.NODES, *cohort.EFFECTS[:, 1:].ravel()])
    assert (np.abs(found - planted) < 4 * error).all() and error.max() < 0.1


def test_without_an_effect_the_interaction_test_rejects_at_its_nominal_rate():
    found = binomtest(rejections(200, null=True), 200)
    interval = found.proportion_ci()
    print(f"rejected {found.k} of 200 at 5 %: {found.statistic:.3f}, 95 % interval {interval.low:.3f} to "
          f"{interval.high:.3f}")
    assert interval.low <= 0.05 <= interval.high


def test_with_the_planted_effects_it_rejects():
    assert rejections(20, null=False) >= 14


def test_a_course_follows_from_risk_and_seed():
    risk = cohort.draw_patients(50, 3)["risk"]
    first, again, other = (cohort.draw_course(risk, seed) for seed in (7, 7, 8))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)


def test_outcomes_can_be():
    risk = cohort.draw_patients(5000, 4)["risk"]
    course = cohort.draw_course(risk, 4)
    assert (course["rfs_time"] > 0).all() and (course["rfs_time"] <= course["os_time"]).all()
    assert (course["os_event"] <= course["rfs_event"]).all()
    assert (course["os_time"] <= cohort.FOLLOWED[1] + 1e-5).all()
    assert not cohort.draw_course(risk, 4, untreated=True)["treatment"].any()


def test_treatment_is_confounded_by_nodes_alone():
    risk = cohort.draw_patients(20000, 6)["risk"]
    course = cohort.draw_course(risk, 6)
    for nodes in (0, 1):
        of = course["nodes"] == nodes
        shares = np.bincount(course["treatment"][of]) / of.sum()
        assert np.allclose(shares, cohort.GIVEN[nodes], atol=0.015)
        assert abs(np.corrcoef(risk[of], course["treatment"][of])[0, 1]) < 0.03


def test_features_follow_the_risk_and_share_nothing_else():
    patients = cohort.draw_patients(20000, 7)
    risk, left = patients["risk"], []
    for name, (follows, mean, sd, low, high) in cohort.FEATURES.items():
        feature = patients[name]
        assert (feature.min(), feature.max()) == (low, high) and abs(np.median(feature) - mean) < 0.03 * sd
        assert follows - 0.02 < np.corrcoef(risk, feature)[0, 1] < follows + 0.005  # its limits cost a little
        left.append(feature - np.polyval(np.polyfit(risk, feature, 3), risk))
    assert np.abs(np.corrcoef(left) - np.eye(len(left))).max() < 0.04


def test_the_baseline_is_the_stated_one_and_follow_up_ends_whatever_the_risk():
    random = np.random.RandomState(1)
    first, death, _ = cohort.draw_times(np.zeros(100000), random)
    survival = np.exp(-(np.sort(first) / cohort.YEARS) ** cohort.SHAPE)
    assert np.abs(survival - np.linspace(1, 0, 100000)).max() < 0.006  # Kolmogorov
    assert (death == first).mean() == pytest.approx(cohort.DEATHS, abs=0.006)
    risk = random.standard_normal(50000)
    first, death, end = cohort.draw_times(np.log(cohort.RISK) * risk, random)
    low, high = cohort.FOLLOWED
    assert np.abs((np.sort(end) - low) / (high - low) - np.linspace(0, 1, 50000)).max() < 0.009
    for other in (risk, first, death):
        assert abs(np.corrcoef(np.argsort(np.argsort(other)), end)[0, 1]) < 0.018


# ---- The files ----


def make(folder, *arguments, seed=11, count=3):
    done = subprocess.run([sys.executable, SCRIPT, folder, "--n", str(count), "--seed", str(seed), "--program", PROGRAM,
                           *arguments], capture_output=True, text=True, check=True)
    assert not done.stderr, done.stderr
    return folder


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(folder):
    with open(folder / "cohort.tsv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@needs_program
@pytest.mark.parametrize("site", "AB")
def test_the_same_arguments_give_the_same_bytes(tmp_path, site):
    first, again = (contents(make(tmp_path / jobs, "--site", site, "--jobs", jobs)) for jobs in "12")
    assert len(first) == 8 and first == again
    other = contents(make(tmp_path / "other", "--site", site, seed=12))
    assert set(first.values()) & set(other.values()) == {first[Path("truth.tsv")]}


@needs_program
def test_the_table_says_what_its_files_show(tmp_path):
    folder = make(tmp_path, "--partition", "calibration", "--untreated")
    patients = cohort.draw_patients(3, 11)
    for row, diameter in zip(rows(folder), patients["diameter"]):
        mask = read_nifti(folder / row["mask"])
        volume = mask.sum() * np.prod(np.diag(read_affine(folder / row["mask"]))[:3])
        assert volume == pytest.approx(np.pi / 6 * diameter**3, rel=0.1)
        assert read_nifti(folder / row["image"]).shape == mask.shape
        assert (row["partition"], row["site"], row["treatment"]) == ("calibration", "A", "none")
        assert row["latent_tier"] == cohort.TIERS[cohort.tiers_of(float(row["latent_risk"]))]


@needs_program
def test_another_site_has_the_same_patients_and_other_images(tmp_path):
    a, b = (make(tmp_path / site, "--site", site) for site in "AB")
    for left, right in zip(rows(a), rows(b)):
        same = set(left) - {"participant_id", "image", "mask", "site"}
        assert all(left[name] == right[name] for name in same)
        images = read_nifti(a / left["image"]), read_nifti(b / right["image"])
        assert images[0].shape != images[1].shape
        assert np.median(images[1]) < np.median(images[0])
        noise = [np.median(np.abs(np.diff(image.astype(float), 2, axis=0))) / np.percentile(image, 99)
                 for image in images]
        assert noise[1] > 1.5 * noise[0]


@needs_program
@pytest.mark.parametrize("name", cohort.FEATURES)
def test_each_feature_reaches_the_phantom(tmp_path, name):
    (tmp_path / "images").mkdir()
    images = []
    for at, value in enumerate(cohort.FEATURES[name][3:]):  # its limits; the others at their means
        features = {**{other: numbers[1] for other, numbers in cohort.FEATURES.items()}, name: value}
        image, _ = cohort.generate(PROGRAM, tmp_path, f"p{at}", cohort.SITES["A"], 5, features)
        images.append(read_nifti(tmp_path / image))
    assert not np.array_equal(*images)


@pytest.mark.parametrize("null", (False, True))
def test_the_program_plants_what_it_is_told(tmp_path, null):
    done = subprocess.run([sys.executable, SCRIPT, tmp_path, "--n", "150", "--seed", "11", "--program", "true",
                           *["--null"] * null], capture_output=True, text=True, check=True)
    assert not done.stderr
    risk = cohort.draw_patients(150, 11)["risk"]
    course, other = (cohort.draw_course(risk, 11, which) for which in (null, not null))
    for name in ("rfs_time", "rfs_event", "os_time", "os_event", "nodes", "age", "latent_log_hazard"):
        assert np.allclose([float(row[name]) for row in rows(tmp_path)], course[name], atol=1e-6)
    assert not np.allclose(course["rfs_time"], other["rfs_time"])
    ratios = [line.split("\t")[2] for line in (tmp_path / "truth.tsv").read_text().splitlines()[1:]]
    assert (set(ratios) == {"1"}) == null


def test_the_truth_is_written_beside_the_cohort():
    for null, effects in ((False, cohort.EFFECTS), (True, np.ones((3, 3)))):
        truth = cohort.truth_of(null)
        for tier, treatment, ratio in zip(*truth.values(), strict=True):
            assert ratio == effects[cohort.TIERS.index(tier), cohort.TREATMENTS.index(treatment)]
        assert len(truth["tier"]) == 9


def test_other_outcomes_for_the_same_scores(tmp_path):
    scores, out = tmp_path / "scores.tsv", tmp_path / "sets.tsv"
    scores.write_text("participant_id\tlatent_risk\n" + "".join(f"p{i}\t{i / 10 - 1}\n" for i in range(20)))
    script = SCRIPT.with_name("outcomes.py")
    subprocess.run([sys.executable, script, scores, out, "--sets", "3", "--seed", "5", "--null"], check=True)
    with open(out, newline="", encoding="utf-8") as file:
        sets = list(csv.DictReader(file, delimiter="\t"))
    risk = np.arange(20) / 10 - 1
    for number in (1, 2, 3):
        course = cohort.draw_course(risk, 5 + number, null=True)
        rows_of_set = [row for row in sets if row["set"] == str(number)]
        assert [row["participant_id"] for row in rows_of_set] == [f"p{i}" for i in range(20)]
        assert [cohort.TREATMENTS.index(row["treatment"]) for row in rows_of_set] == course["treatment"].tolist()
        assert [int(row["nodes"]) for row in rows_of_set] == course["nodes"].tolist()
        assert np.allclose([float(row["rfs_time"]) for row in rows_of_set], course["rfs_time"], atol=1e-6)


@needs_program
def test_what_cannot_be_is_refused(tmp_path):
    for wrong in (("--n", "0", "--seed", "1"), ("--n", "1", "--seed", "-1")):
        done = subprocess.run([sys.executable, SCRIPT, tmp_path / "new", *wrong], capture_output=True, text=True)
        assert done.returncode == 2 and "wanted 1 or more" in done.stderr
        assert not os.path.exists(tmp_path / "new")


# ---- The demonstration model ----


def description():
    with open(MODEL, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        return json.loads(json.loads(file.read(length))["__metadata__"]["deeptepp"])


def test_the_model_is_small_and_says_what_it_is():
    assert MODEL.stat().st_size < 4 << 20
    model = description()
    assert model["weights"] == "trained" and "guidance" not in model["tiers"]
    assert model["tiers"]["names"] == list(cohort.TIERS)
    for text in (model["name"], model["training_cohort"], model["intended_use"], model["limitations"],
                 model["tiers"]["source"], model["calibration"]["endpoint"], model["calibration"]["source"]):
        assert "generated" in text
    assert all("nothing about a patient" in model[key] for key in ("name", "limitations"))


@needs_program
def test_the_model_passes_its_self_test():
    answer("selftest", "--model", MODEL)


@needs_program
def test_the_model_ranks_patients_that_it_has_not_seen(tmp_path):
    folder = make(tmp_path, seed=424242, count=24)
    results = [json.loads(answer("score", "--json", "--model", MODEL, "--image", folder / row["image"], "--mask",
                                 folder / row["mask"])) for row in rows(folder)]
    risk = np.array([float(row["latent_risk"]) for row in rows(folder)])
    assert np.corrcoef(risk, [result["score"] for result in results])[0, 1] > 0.75


@needs_program
def test_the_quick_start_s_phantom_is_called_what_its_features_say(tmp_path):
    script = (ROOT / "examples" / "quickstart").read_text(encoding="utf-8")
    options = re.search(r"deeptepp phantom (.*?) \\\n", script)[1].split()
    image, mask = tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz"
    answer("phantom", *options, "--out-image", image, "--out-mask", mask)
    printed = answer("score", "--model", MODEL, "--image", image, "--mask", mask)
    assert re.search(r"^tier +High ", printed, re.MULTILINE) and "High is expected" in script
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"Among what it prints stands\n\n```\n(.*?)```", readme, re.DOTALL)[1]
    number = re.compile(r"-?\d+\.\d+")
    for line in shown.splitlines():
        found, = (other for other in printed.splitlines() if number.sub("", other) == number.sub("", line))
        assert [*map(float, number.findall(line))] == pytest.approx([*map(float, number.findall(found))], abs=1e-3)


# ---- The script ----


def walk(folder, analysis="exit 0", **environment):
    """With programs that do nothing; Rscript's second call is the analysis."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "Rscript").write_text(f'#!/bin/sh\n[ "$2" = -e ] && exit 0\necho begun\n{analysis}\n')
    (folder / "bin" / "python").write_text(f'#!/bin/sh\necho "$@" >>"{folder}/calls"\n')
    for name in ("Rscript", "python"):
        (folder / "bin" / name).chmod(0o755)
    return subprocess.run([SCRIPT.with_name("run"), "out"], cwd=folder, capture_output=True, text=True, env={
        **os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "DEEPTEPP": "/bin/true", "R_LIBS": "bin",
        "PYTHON": str(folder / "bin" / "python"), **environment})


def test_relative_paths_are_the_caller_s(tmp_path):
    (tmp_path / "true").symlink_to("/bin/true")
    done = walk(tmp_path, PYTHON="bin/python", DEEPTEPP="./true")
    assert done.returncode == 0 and "done: " in done.stdout, done.stderr


def test_an_analysis_that_fails_is_a_failure(tmp_path):
    done = walk(tmp_path, analysis="exit 3")
    assert done.returncode != 0 and "begun" in done.stdout and "done: " not in done.stdout
    assert not (tmp_path / "out" / "analysis.txt").exists()


def test_a_training_that_was_cut_short_while_it_wrote_goes_on(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trained.safetensors").touch()  # the table and the page come after it
    walk(tmp_path)
    assert "deeptepp train" in (tmp_path / "calls").read_text()


def test_a_folder_of_another_program_is_not_gone_on_with(tmp_path):
    assert walk(tmp_path).returncode == 0 and walk(tmp_path).returncode == 0
    done = walk(tmp_path, DEEPTEPP="/bin/echo")
    assert done.returncode == 1 and "remove it, or name another folder" in done.stdout
    assert walk(tmp_path).returncode == 0


# ---- The page ----


def test_the_page_states_what_is_planted():
    for tier, ratios in zip(cohort.TIERS, cohort.EFFECTS):
        assert f"| {tier} | {ratios[0]:g} | {ratios[1]:g} | {ratios[2]:g} |" in PAGE
    for name, (follows, mean, sd, low, high) in cohort.FEATURES.items():
        assert f"| {name} | {follows:g} | {mean:g} | {sd:g} | {low:g} to {high:g} |" in PAGE
    for nodes, given in zip(("without", "with"), cohort.GIVEN):
        assert f"| {nodes} positive nodes | {' | '.join(f'{share:.0%}'[:-1] + ' %' for share in given)} |" in PAGE
    for words in (f"{cohort.RISK:g} for a standard deviation", f"{cohort.NODES:g} for positive nodes"):
        assert words in " ".join(PAGE.split())


def sizes():
    script = SCRIPT.with_name("run").read_text(encoding="utf-8")
    return dict(re.findall(r"^cohort (\S+) --n (\d+)", script, re.MULTILINE))


def test_the_page_states_courses_and_sizes():
    low, high = cohort.FOLLOWED
    for words in (f"shape {cohort.SHAPE:g}", f"scale {cohort.YEARS:g} years", f"death {cohort.DEATHS:.0%}"[:-1] + " %",
                  f"{low:g} to {high:g} years"):
        assert words in " ".join(PAGE.split()), words
    assert ("{training} untreated patients to train on, {calibration} to calibrate, {test} held out, "
            "the same {site-b} at site B").format(**sizes()) in PAGE


def test_the_model_is_training_json_s():
    wanted, model = json.loads(SCRIPT.with_name("training.json").read_text(encoding="utf-8")), description()
    assert wanted["input"].items() <= model["input"].items()
    assert all(model[key] == value for key, value in wanted.items() if isinstance(value, str))
    assert f"{sizes()['training']} cases" in model["provenance"]["cohort"]
    for section in ("tiers", "calibration"):
        assert f" {sizes()['calibration']} cases" in model[section]["source"]
