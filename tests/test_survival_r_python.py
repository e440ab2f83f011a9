"""Analyses of R and of Python: the same numbers to 1e-6, the same rows left out for the same reasons, the same
files."""

import csv
import json
import re
import sys

import numpy as np
import pytest

import r_program

sys.path.insert(0, str(r_program.ROOT / "tests" / "python"))
pandas = pytest.importorskip("pandas")
pytest.importorskip("statsmodels")
import outcome_maker  # noqa: E402
from deeptepp.survival import Calibration, Cuts, analyse, calibrate, performance  # noqa: E402

NEAR = 1e-6
CUTS = [0.2, 0.9]
COUNTS = ("n", "events")

# ---- The same analyses ----

# By name: the table, then R's arguments and Python's.
ANALYSES = {
    "paper": ("trial", 'horizon = 4, unit = "years"', {"horizon": 4, "unit": "years"}),
    "adjusted": ("trial", 'horizon = 4, adjust = c("age", "site"), p_adjust = "BH"',
                 {"horizon": 4, "adjust": ["age", "site"], "p_adjust": "BH"}),
    "stratified": ("trial", 'horizon = 2.5, strata = "site", score = NULL',
                   {"horizon": 2.5, "strata": ["site"], "score_col": None}),
    "faulty": ("faulty", 'horizon = 4, adjust = "age"', {"horizon": 4, "adjust": ["age"]}),
    "no_events": ("no_events", "horizon = 4", {"horizon": 4}),
    "cut": ("bare", "horizon = 4, cuts = tepp_cutpoints(given = c(0.2, 0.9), source = \"A pilot\")",
            {"horizon": 4, "cuts": Cuts.given(CUTS, source="A pilot")}),
    "landmark": ("late", 'horizon = 2, score = NULL, start = "start", landmark = 1',
                 {"horizon": 2, "score_col": None, "start_col": "start", "landmark": 1}),
    "counting": ("late", 'horizon = 2, score = NULL, start = "start", counting = TRUE',
                 {"horizon": 2, "score_col": None, "start_col": "start", "counting": True}),
    "gbsg": ("gbsg", 'time = "rfstime", status = "status", treatment = "hormon", contrasts = list(c("no", "yes")), '
                     'horizon = 1826, cuts = tepp_cutpoints(read.csv(file.path(folder, "gbsg.csv"))$score)',
             {"duration_col": "rfstime", "event_col": "status", "treatment_col": "hormon", "contrasts": [("no", "yes")],
              "horizon": 1826}),
    "colon": ("colon1", 'time = "time", status = "status", score = NULL, horizon = 1826',
              {"duration_col": "time", "event_col": "status", "score_col": None, "horizon": 1826}),
}

IN_R = """
library(deeptepp)
folder <- commandArgs(TRUE)[1]
save <- function(frame, name) write.csv(format(frame, digits = 17), file.path(folder, paste0(name, ".out")),
                                        row.names = FALSE, na = "", quote = TRUE)
dump <- function(name, table, ...) {
  found <- suppressWarnings(tepp_analyse(read.csv(file.path(folder, paste0(table, ".csv"))), ...))
  save(generics::tidy(found), paste0(name, "-tidy"))
  save(found$arms, paste0(name, "-arms"))
  save(found$excluded, paste0(name, "-excluded"))
  save(found$cells, paste0(name, "-cells"))
  writeLines(capture.output(print(summary(found))), file.path(folder, paste0(name, "-page.out")))
  writeLines(c(format(found$follow_up, digits = 17), found$notes$text), file.path(folder, paste0(name, "-notes.out")))
}
"""


def late_starts(n=400):
    draw = np.random.default_rng(11)
    time, start = np.round(draw.exponential(4, n), 2) + 0.01, np.round(draw.uniform(0, 3, n), 2)
    treated = time > start
    return pandas.DataFrame({"rfs_time": np.minimum(time, 6), "rfs_event": (time < 6).astype(int),
                             "tier": np.where(np.arange(n) % 2, "odd", "even"), "start": np.where(treated, start, 0),
                             "treatment": np.where(treated, np.where(start > 2, "dual", "single"), "none")})


def tables():
    trial = outcome_maker.frame()
    trial["rfs_time"] = trial["rfs_time"].round(1) + 0.1  # many are equal
    faulty = trial.assign(status="ok", error_code=None)
    faulty["rfs_event"] = faulty["rfs_event"].astype(float)
    for row, (column, value) in enumerate([
            ("status", "skipped"), ("rfs_time", np.nan), ("rfs_time", 0), ("rfs_event", np.nan), ("treatment", None),
            ("treatment", "triple"), ("score", np.nan), ("tier", None), ("age", np.nan)]):
        faulty.loc[row, column] = value
    faulty.loc[[20, 21], ["status", "error_code"]] = "error", "MASK_EMPTY"
    faulty.loc[22, "status"] = "error"
    no_events = trial.copy()
    no_events.loc[(trial.tier == "High") & (trial.treatment == "dual"), "rfs_event"] = 0
    return {"trial": trial, "faulty": faulty, "no_events": no_events, "bare": trial.drop(columns="tier"),
            "late": late_starts()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tables, and what R made of them."""
    folder = tmp_path_factory.mktemp("analyses")
    r_program.run((r_program.ROOT / "tests" / "python" / "public_cohorts.R").read_text(), folder)
    for name, table in tables().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    calls = [f'dump("{name}", "{table}", {given})' for name, (table, given, _) in ANALYSES.items()]
    r_program.run(IN_R + "\n".join(calls), folder)
    return folder


@pytest.fixture(scope="module", params=ANALYSES)
def pair(request, folder):
    """(the name, where R's is, Python's)."""
    table, _, given = ANALYSES[request.param]
    frame = pandas.read_csv(folder / f"{table}.csv")
    more = {"cuts": Cuts.from_quantiles(frame["score"])} if request.param == "gbsg" else {}
    return request.param, folder, analyse(frame, **given, **more)


def rows_of(folder, name):
    with open(folder / f"{name}.out", newline="") as file:
        return [{key: cell.strip() for key, cell in row.items()} for row in csv.DictReader(file)]


def number(cell):
    return np.nan if cell in ("", "NA", "NaN") else float(cell)


def assert_near(found, of_r, where):
    """Relative where it is above 1: restricted means are in days."""
    off = np.abs(np.subtract(found, of_r)) / np.maximum(1, np.abs(of_r))
    assert np.array_equal(np.isnan(found), np.isnan(of_r)) and not np.nanmax([0, *off]) > NEAR, (where, found, of_r)


def test_every_number(pair):
    name, folder, found = pair
    of_r = rows_of(folder, f"{name}-tidy")
    rows = found.tidy().to_dict("records")
    label = [(row["term"], row["tier"] or "NA", row["contrast"] or "NA") for row in rows]
    assert label == [(row["term"], row["tier"] or "NA", row["contrast"] or "NA") for row in of_r]
    for mine, theirs in zip(rows, of_r):
        for key in set(mine) - {"term", "tier", "contrast"}:
            if name == "no_events" and mine["term"].endswith("x treatment") and key in ("statistic", "p_value"):
                continue  # likelihoods of a coefficient without end: below
            assert_near([mine[key]], [number(theirs[key.replace("_", ".")])], (mine["term"], mine["tier"], key))


def test_the_likelihood_of_a_coefficient_without_end(folder):
    """R stops on the way there, with a warning."""
    found = analyse(pandas.read_csv(folder / "no_events.csv"), horizon=4).interaction[0]
    of_r = rows_of(folder, "no_events-tidy")[0]
    assert found["chisq"] == pytest.approx(number(of_r["statistic"]), abs=1e-3)
    assert found["df"] == number(of_r["df"])


def test_every_arm_and_cell(pair):
    name, folder, found = pair
    for kind, rows in (("arms", found.arms), ("cells", found.cells)):
        of_r = rows_of(folder, f"{name}-{kind}")
        assert len(rows) == len(of_r)
        for mine, theirs in zip(rows, of_r):
            assert (mine["tier"], mine["treatment"]) == (theirs["tier"], theirs["treatment"])
            keys = [key for key in mine if key not in ("tier", "treatment")]
            assert_near([float(mine[key]) for key in keys], [number(theirs[key]) for key in keys], (kind, mine))


def test_who_is_left_out(pair):
    name, folder, found = pair
    assert found.excluded == {row["reason"]: int(row["n"]) for row in rows_of(folder, f"{name}-excluded")}
    assert name != "faulty" or len(found.excluded) == 11


# Of the arguments' and functions' names, which are each language's own, and what one of them does not test.
OWN = {"start =": "start_col=", "cuts =": "cuts=", "tepp_calibrate()": "calibrate()"}


R_ALONE = ("Hazards are not proportional", "Proportional hazards:", "Tiers")  # and what fits say, each its own way
FITS = re.compile(r"(All|Low|Moderate|High|tier x treatment|score x treatment|.* v .*)(, adjusted)?: ")


def test_the_same_words(pair):
    name, folder, found = pair
    follow_up, *notes = (folder / f"{name}-notes.out").read_text().splitlines()
    assert_near([found.follow_up], [number(follow_up)], "follow-up")
    for one, other in OWN.items():
        notes = [note.replace(one, other) for note in notes]
    said = [text for topic, text in found.notes if topic not in ("hazards", "fit", "tiers")]
    assert said == [note for note in notes if not (note.startswith(R_ALONE) or FITS.match(note))]
    tiers = dict(found.notes)["tiers"]
    assert name in ("gbsg",) or tiers in notes


def assert_reads_alike(one, other):
    """Word by word; of numbers the last digit may be rounded up in one and down in the other."""
    words = [re.findall(r"-?\d+\.\d+|[^\s()]+", text) for text in (one, other)]
    for mine, theirs in zip(*words, strict=True):
        if mine != theirs:
            digits = {len(word.partition(".")[2]) for word in (mine, theirs)}
            assert len(digits) == 1 and abs(float(mine) - float(theirs)) < 1.01 * 10 ** -digits.pop(), (mine, theirs)


def test_the_same_page(pair):
    """As it is shown; lines are broken elsewhere."""
    name, folder, found = pair
    pages = [" ".join(text.split()) for text in ((folder / f"{name}-page.out").read_text(), found.summary())]
    parts = [page.split(" Before believing it ")[0] for page in pages]
    if name == "no_events":
        parts = [re.sub(r"likelihood ratio [0-9.]+", "", part) for part in parts]
    assert_reads_alike(*parts)
    arms = [re.search(r" Arms; .*?(?= Proportional hazards|$)", page)[0] for page in pages]
    assert_reads_alike(*arms)


# ---- The same files, calibrations and performances ----


def test_cut_points_go_both_ways(tmp_path):
    score = np.random.default_rng(4).normal(size=101)
    made = Cuts.from_quantiles(score, cohort="a \"quoted\" cohort, é", model_sha256="ab" * 32)
    made.write(tmp_path / "python.json")
    np.savetxt(tmp_path / "score.txt", score, fmt="%.17g")
    r_program.run("""
library(deeptepp)
folder <- commandArgs(TRUE)[1]
tepp_write_cuts(tepp_read_cuts(file.path(folder, "python.json")), file.path(folder, "back.json"))
score <- scan(file.path(folder, "score.txt"), quiet = TRUE)
tepp_write_cuts(tepp_cutpoints(score), file.path(folder, "r.json"))
one <- tepp_cutpoints(given = 0.5, labels = c("below", "above"), source = "One")
tepp_write_cuts(one, file.path(folder, "one.json"))
""", tmp_path)
    assert Cuts.read(tmp_path / "back.json") == made
    of_r = Cuts.read(tmp_path / "r.json")
    assert of_r.cutpoints == pytest.approx(made.cutpoints, abs=1e-15)
    assert (of_r.names, of_r.probs, of_r.n, of_r.method) == (made.names, made.probs, made.n, made.method)
    keys = [list(json.loads((tmp_path / f"{name}.json").read_text())) for name in ("r", "python")]
    assert keys[0] == keys[1]
    one = Cuts.read(tmp_path / "one.json")
    assert (one.cutpoints, one.names, one.source) == ((0.5,), ("below", "above"), "One")


def test_a_searched_cut_point_reads(tmp_path):
    r_program.run("""
library(deeptepp)
cuts <- with(survival::gbsg, tepp_cutpoint_maxstat(rfstime, status, pgr, labels = c("few", "many")))
tepp_write_cuts(cuts, file.path(commandArgs(TRUE)[1], "cuts.json"))
""", tmp_path)
    cuts = Cuts.read(tmp_path / "cuts.json")
    assert (cuts.method, cuts.cutpoints, cuts.n) == ("maxstat", (21.0,), 686) and cuts.p_value < 1e-8


def test_calibrations_and_performances(folder, tmp_path):
    trial = pandas.read_csv(folder / "trial.csv").assign(partition="calibration")
    trial.to_csv(tmp_path / "calibration.csv", index=False)
    made = calibrate(trial, (1, 2.5, 5), unit="years", endpoint="RFS")
    found = performance(trial, times=[1, 2.5], risk=Calibration("RFS", "years", "x", (1.0, 2.5), (0.9, 0.7), 0.7, 0.1))
    said = r_program.run("""
library(deeptepp)
folder <- commandArgs(TRUE)[1]
trial <- read.csv(file.path(folder, "calibration.csv"))
made <- tepp_calibrate(trial, times = c(1, 2.5, 5), unit = "years", endpoint = "RFS")
tepp_write_calibration(made, file.path(folder, "r.json"))
risk <- sapply(c(0.9, 0.7), function(base) 1 - base^exp(0.7 * (trial$score - 0.1)))
found <- tepp_performance(trial, times = c(1, 2.5), risk = risk)
numbers <- function(x) cat(sprintf("%.17g", unlist(x)), "\n")
numbers(found$concordance[1, c("estimate", "se", "low", "high")])
keep <- c("time", "observed", "expected", "oe", "oe_low", "oe_high", "slope", "slope_low", "slope_high")
for (k in 1:2) numbers(found$calibration[k, keep])
for (k in seq_len(nrow(found$groups))) numbers(found$groups[k, c("time", "n", "expected", "observed", "low", "high")])
cat("-\n")
for (k in seq_len(nrow(found$decision))) numbers(found$decision[k, ])
""", tmp_path)
    of_r = Calibration.read(tmp_path / "r.json")
    assert_near([made.slope, made.centre, *made.baseline_survival],
                [of_r.slope, of_r.centre, *of_r.baseline_survival], "calibration")
    first, decision = ([list(map(float, line.split())) for line in part.strip().splitlines()]
                       for part in said.split("-\n"))
    c = found.concordance
    mine = [[c.c, c.se, c.low, c.high], *(list(row.values()) for row in found.calibration),
            *(list(row.values()) for row in found.groups)]
    assert [len(row) for row in mine] == [len(row) for row in first]
    for one, other in zip(mine, first):
        assert_near(one, other, "performance")
    for row, other in zip(found.decision, decision, strict=True):
        assert_near(list(row.values()), other, "decision")
