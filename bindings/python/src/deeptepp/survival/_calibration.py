"""A score's calibrated survival: docs/model-format.md's `calibration`, the same from R and Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import _rows
from ._columns import numbers
from ._concordance import NORMAL_975
from ._cox import CoxFit, breslow, cox
from ._cuts import Path, read_object, today, write_object

MIN_EVENTS = 50
KEYS = ("endpoint", "unit", "source", "times", "baseline_survival", "slope", "centre")  # of a model file
WHY = "wanted cases that the model was not trained on: its own make risks that are too good"


@dataclass(frozen=True)
class Calibration:
    """survival(t) = baseline_survival(t) ^ exp(slope * (score - centre)).

    endpoint, unit     text: what is survived, and of the times
    source             one sentence: cohort, n, events, partition, slope with interval, date
    times              1 to 32, above 0, rising strictly
    baseline_survival  as many, above 0 to 1, not rising
    slope, centre      numbers
    model_sha256       of the model file that made the scores; None where it is not known
    """

    endpoint: str
    unit: str
    source: str
    times: tuple[float, ...]
    baseline_survival: tuple[float, ...]
    slope: float
    centre: float
    model_sha256: str | None = None

    def __post_init__(self) -> None:
        times = horizons(self.times)
        base = numbers(self.baseline_survival, "baseline_survival")
        if base.size != times.size or not (base.min() > 0 and base.max() <= 1 and (np.diff(base) <= 0).all()):
            raise ValueError(f"baseline_survival is {list(base)}, wanted {times.size} numbers above 0, at most 1, not "
                             "rising")
        numbers([self.slope, self.centre], "slope, centre")
        for name in ("endpoint", "unit", "source"):
            if not (isinstance(getattr(self, name), str) and getattr(self, name).strip()):
                raise ValueError(f"{name} is empty, wanted text")

    def survival(self, score: Any) -> Any:
        """Probability of no event until each time: (scores, times), float64."""
        power = np.exp(self.slope * (numbers(score, "score") - self.centre))
        return np.asarray(self.baseline_survival)[None, :] ** power[:, None]

    @staticmethod
    def read(path: Path) -> Calibration:
        """Of a JSON that write, or R's tepp_calibrate, made."""
        found = read_object(path, (*KEYS, "model_sha256"), KEYS)
        try:
            return Calibration(**{**found, "times": tuple(found["times"]),
                                  "baseline_survival": tuple(found["baseline_survival"])})
        except (TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all; numbers read back to the last bit."""
        write_object(asdict(self), path)

    def section(self) -> dict[str, Any]:
        """As a model file's description has it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
                if key in KEYS}

    def __str__(self) -> str:
        base = ", ".join(f"{s:.3f} at {t:g}" for s, t in zip(self.baseline_survival, self.times))
        return f"{self.endpoint}, {self.unit}: {base} for a score of {self.centre:.4g}; slope {self.slope:.4g}. " \
               f"{self.source}"


def horizons(times: Any) -> Any:
    found = numbers(times, "times")
    if not (found.min() > 0 and found.size <= 32 and (np.diff(found) > 0).all()):
        raise ValueError(f"times are {', '.join(f'{t:g}' for t in found)}, wanted 1 to 32 above 0, rising strictly")
    return found


def calibrate(table: Any, times: Sequence[float], *, unit: str, endpoint: str, duration_col: str = "rfs_time",
              event_col: str = "rfs_event", score_col: str = "score", cohort: str = "", source: str = "",
              model_sha256: str | None = None) -> Calibration:
    """Baseline survival at `times` of a Cox model on the score alone (ties by Efron, baseline by Breslow).

    table         of a calibration cohort: a path, a frame of pandas or polars, a Cohort, or a list of dicts. Rows
                  whose status is not ok, and rows without a score or an outcome, are left out and counted
    times         1 to 32, rising, within the follow-up, in the table's unit of time
    unit          its name, such as "years"
    endpoint      such as "recurrence-free survival"
    duration_col  above 0; event_col: 0 or 1; score_col: higher for a higher risk
    cohort        its name, for the source; "" takes a table's file name
    source        in place of the sentence that is made of all this
    model_sha256  of the model that is to be calibrated: scores of another are refused

    Refused (ValueError): no column `partition`; rows of the partition training or out-of-fold; a patient who comes
    twice; fewer than 50 events (a hundred are better); a time at which nobody is followed any more; a score that does
    not rise with risk. A UserWarning where partitions are mixed.
    """
    whole = _rows.columns_of(table)
    whole.column("partition", "what each score is to the model: calibration or test for cases it was not trained on")
    _rows.partitions(whole, ("training", "out-of-fold"), WHY)
    kept, left_out = outcomes(whole, duration_col, event_col, score_col)
    _rows.warn_of_mixture(_rows.partitions(kept))
    made = _rows.models(kept, model_sha256) or model_sha256
    _rows.refuse_repeats(kept)
    time, event, score = (kept.numbers(name, "") for name in (duration_col, event_col, score_col))
    at = horizons(times)
    _check(kept, time, event, at)
    if score.min() == score.max():
        raise ValueError(f"all scores in {kept.title} are {score[0]:g}, wanted scores that differ")
    fit = cox(time, event, score)
    slope, centre = _slope(fit), float(score.mean())
    base = np.exp(-breslow(time, event, slope * (score - centre), at))
    return Calibration(endpoint, unit, source or _sentence(kept, cohort, left_out, fit, int(event.sum())),
                       tuple(map(float, at)), tuple(map(float, base)), slope, centre, made)


def outcomes(whole: _rows.Columns, time: str, event: str, score: str) -> tuple[_rows.Columns, dict[str, int]]:
    """The rows with an outcome and a score, and how many have none by reason."""
    missing = _rows.missing_number(whole, score, "the score")
    return _rows.usable(whole, [*_rows.outcome_reasons(whole, time, event), missing])


def _check(kept: _rows.Columns, time: Any, event: Any, at: Any) -> None:
    if event.sum() < MIN_EVENTS:
        raise ValueError(f"{kept.title} has {int(event.sum())} events among {kept.n} cases, wanted at least "
                         f"{MIN_EVENTS} to calibrate on, better 100")
    if at[-1] > time.max():
        raise ValueError(f"times reach {at[-1]:g} and the longest follow-up in {kept.title} is {time.max():g}, wanted "
                         "times within it, in the table's unit")
    if not ((event == 1) & (time <= at[0])).any():
        raise ValueError(f"no event until the time {at[0]:g} in {kept.title}, wanted a later first time, in the "
                         "table's unit")


def _slope(fit: CoxFit) -> float:
    if not fit.coef[0] > 0:
        raise ValueError(f"the score's coefficient is {fit.coef[0]:.4g} (se {fit.se[0]:.4g}), wanted above 0: in these "
                         "cases a higher score is no higher risk, and there is nothing to calibrate")
    return float(fit.coef[0])


def _sentence(kept: _rows.Columns, cohort: str, left_out: Mapping[str, int], fit: CoxFit, events: int) -> str:
    low, high = (fit.coef[0] + sign * NORMAL_975 * fit.se[0] for sign in (-1, 1))
    return (f"Cox model on the score, {events} events among {_rows.sentence(kept, cohort, left_out)}; slope "
            f"{fit.coef[0]:.4g} (95 % {low:.4g} to {high:.4g}); {today()}")
