"""Harrell's C against R's survival::concordance, and against counting pairs one by one."""

import csv
import io
import subprocess
import sys

import numpy as np
import pytest

import r_program
from deeptepp.survival import concordance

# Data of R's survival, with coarse times and scores so that every kind of tie is there.
IN_R = """
library(survival)
ties <- with(gbsg, data.frame(time = ceiling(rfstime / 120), event = status, score = nodes %/% 2))
for (d in list(with(gbsg, data.frame(time = rfstime, event = status, score = nodes)), ties,
               with(subset(rotterdam, dtime > 0), data.frame(time = dtime, event = death, score = -pgr)))) {
  f <- concordance(Surv(time, event) ~ score, d, reverse = TRUE)
  cat(sprintf("%.17g %.17g\\n", f$concordance, sqrt(f$var)))
  write.csv(d, stdout(), row.names = FALSE, quote = FALSE)
  cat("end\\n")
}
"""


def test_is_that_of_r():
    for part in r_program.run(IN_R).split("end\n")[:-1]:
        first, _, table = part.partition("\n")
        rows = list(csv.DictReader(io.StringIO(table)))
        found = concordance(*([float(row[name]) for row in rows] for name in ("time", "event", "score")))
        assert (found.c, found.se) == pytest.approx(list(map(float, first.split())), rel=1e-12)
        assert (found.low, found.high) == pytest.approx((found.c - 1.959964 * found.se, found.c + 1.959964 * found.se))
        assert (found.n, found.events) == (len(rows), sum(row["event"] == "1" for row in rows))


def by_pairs(time, event, score):
    """C by its definition."""
    agreed = pairs = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pairs += 1
                agreed += (score[i] > score[j]) + 0.5 * (score[i] == score[j])
    return agreed / pairs


@pytest.mark.parametrize("seed", range(5))
def test_is_the_share_of_pairs(seed, monkeypatch):
    monkeypatch.setattr("deeptepp.survival._concordance.BLOCK", 100)  # several blocks, the last not full
    draw = np.random.default_rng(seed)
    time, event, score = draw.integers(1, 12, 40), draw.integers(0, 2, 40), draw.integers(0, 6, 40)
    assert concordance(time, event, score).c == pytest.approx(by_pairs(time, event, score), abs=1e-14)
    assert concordance(time, event, -score).c == pytest.approx(1 - concordance(time, event, score).c, abs=1e-14)


def test_a_perfect_score_has_no_error_and_stays_within_1():
    found = concordance([1, 2, 3, 4], [1, 1, 1, 0], [4, 3, 2, 1])
    assert (found.c, found.se, found.low, found.high) == (1, 0, 1, 1)
    assert concordance(range(1, 7), [1] * 6, [6, 5, 4, 3, 1, 2]).high == 1
    assert str(found) == "1.000 (1.000 to 1.000)"


@pytest.mark.parametrize("time, event, score, said", [
    ([1, 0], [1, 1], [1, 2], "time 2 is 0, wanted above 0"),
    ([1, 2], [1, 2], [1, 2], "event 2 is 2, wanted 0 (censored) or 1"),
    ([1, 2], [1, 1], [1, np.nan], "score 2 is nan, one of 1 that are no number"),
    ([1, 2, 3], [1, 1], [1, 2], "event has 2 values and time 3, wanted as many"),
    ([1, 2], [1, 1], [1], "score has 1 values and time 2, wanted as many"),
    ([1, 2], [0, 0], [1, 2], "0 events among 2 cases make no pair"),
    ([], [], [], "time has the shape (0,), wanted one row of numbers"),
    ([1, 1], [1, 1], [1, 2], "2 events among 2 cases make no pair")])
def test_refused(time, event, score, said):
    with pytest.raises(ValueError) as caught:
        concordance(time, event, score)
    assert said in str(caught.value)


def test_wants_numbers():
    with pytest.raises(TypeError, match="score is of type list, wanted numbers"):
        concordance([1, 2], [1, 1], ["a", "b"])


ALONE = """
import sys
for name in ("statsmodels", "pandas", "matplotlib", "scipy", "polars"):
    sys.modules[name] = None  # importing it fails
import deeptepp.freeze
from deeptepp.survival import Cuts, analyse, concordance
assert concordance([1, 2, 3], [1, 1, 0], [3, 2, 1]).c == 1
assert Cuts.from_quantiles([1, 2, 3, 4]).names == ("Low", "Moderate", "High")
rows = [{"rfs_time": i + 1, "rfs_event": i % 2, "score": i, "tier": "ab"[i % 2], "treatment": t}
        for i, t in enumerate(["none", "single"] * 20)]
try:
    analyse(rows, horizon=5)
except ImportError as error:
    print(error)
"""


def test_numpy_is_enough_and_what_needs_more_says_so():
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("survival models need statsmodels: pip install 'deeptepp[survival]'")
