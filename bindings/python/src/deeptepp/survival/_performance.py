"""How well a score ranks, and how well risks agree with what happened."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._sidecar import RESEARCH
from . import _rows
from ._calibration import Calibration, horizons, outcomes
from ._concordance import NORMAL_975, Concordance, concordance
from ._cox import cox
from ._curves import kaplan_meier
from ._fits import Row
from ._notes import partition_note
from ._page_text import fixed, interval, with_unit, wrapped

Risk = Calibration | Sequence[str] | Any

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 11))
NO_RISK = ("None were given: no calibration, no decision curve. A score is no probability; risk= takes what "
           "calibrate() made of another cohort.")
ELSEWHERE = ("Uno's C, AUC(t), Brier score and the smooth calibration measures (ICI, E50, E90) are not made here: R's "
             "tepp_performance() has them, scikit-survival the first three (to_sksurv).")


@dataclass(frozen=True)
class Performance:
    """What performance found; `print` it for the page.

    concordance  Harrell's C over all follow-up
    calibration  a row a time: observed risk (Kaplan-Meier), expected (the mean), oe their ratio, slope, with intervals
    groups       by time and group of equal size: n, expected, observed risk with its interval
    decision     net benefit by time and threshold: of acting by risk, on all, on none
    excluded     how many rows by reason

    Without risks the middle three are empty: a score is no probability.
    """

    title: str
    unit: str
    rows: int
    n: int
    events: int
    excluded: dict[str, int]
    partition: dict[str, int]
    model_sha256: str | None
    concordance: Concordance
    calibration: list[Row]
    groups: list[Row]
    decision: list[Row]
    compared: tuple[str, ...] = ()
    kind: str = ""

    def __str__(self) -> str:
        left_out = [f"  left out: {reason}, {count}" for reason, count in self.excluded.items()]
        found = self.concordance
        ranks = ["Ranks", f"  Harrell's C  {interval(found.c, found.low, found.high, 3)}"]
        return "\n".join([f"Performance: {self.title}", RESEARCH, "",
                          f"{self.n} of {self.rows} rows, {self.events} events", *left_out, "", *ranks, "", "Risks",
                          *self._risk_lines(), "", *wrapped(ELSEWHERE, "", ""), "",
                          *wrapped(partition_note(self.partition, self.compared), "", "")])

    def _risk_lines(self) -> list[str]:
        lines = [] if self.calibration else wrapped(NO_RISK, "  ")
        for row in self.calibration:
            lines += [f"  at {with_unit(row['time'], self.unit)}",
                      f"    observed to expected  {interval(row['oe'], row['oe_low'], row['oe_high'], 3)}  "
                      f"({fixed(row['observed'], 3)} and {fixed(row['expected'], 3)})",
                      f"    slope                 {interval(row['slope'], row['slope_low'], row['slope_high'], 3)}"]
        return lines

    def tidy(self) -> Any:
        """One row a measure: term, time, estimate, conf_low, conf_high. A frame of polars where the data were one, else
        of pandas."""
        return importlib.import_module(self.kind or "pandas").DataFrame(self.measures())

    def measures(self) -> list[Row]:
        """The rows of tidy."""
        found = self.concordance
        rows = [_measure("Harrell's C", math.nan, found.c, found.low, found.high)]
        for term, name in (("observed to expected", "oe"), ("calibration slope", "slope")):
            rows += [_measure(term, row["time"], row[name], row[f"{name}_low"], row[f"{name}_high"])
                     for row in self.calibration]
        return rows

    def plot(self) -> Any:
        """A figure of matplotlib: observed against expected risk by group, a panel a time."""
        from . import _plots

        return _plots.calibration(self)


def _measure(term: str, time: float, middle: float, low: float, high: float) -> Row:
    return {"term": term, "time": float(time), "estimate": middle, "conf_low": low, "conf_high": high}


def performance(df: Any, *, times: Sequence[float] = (), risk: Risk = None, duration_col: str = "rfs_time",
                event_col: str = "rfs_event", score_col: str = "score", thresholds: Sequence[float] = THRESHOLDS,
                unit: str = "", endpoint: str = "", training: Any = None) -> Performance:
    """Harrell's C, and with risks calibration and net benefit. Research use only.

    df          as for analyse; rows are left out, counted and refused in the same way
    times       above 0, rising, within the follow-up, at which risks are judged
    risk        None; a Calibration of another cohort; names of columns, one a time, where "survival:T" is what
                score_cohort calls so, the probability of no event; or an array of probabilities of an event, a row a
                row of df and a column a time
    thresholds  risks at which somebody would act, for the net benefit

    Raises ValueError; a UserWarning where partitions are mixed, or a calibration is judged by the rows it was made of.
    Needs the extra survival. Any thread.
    """
    whole = _rows.columns_of(df)
    kept, left_out = outcomes(whole, duration_col, event_col, score_col)
    partition = _rows.partitions(kept, ("training",), "wanted none in a test: the model has seen these cases. Leave "
                                 "them out, or score others")
    _rows.warn_of_mixture(partition)
    _rows.refuse_repeats(kept)
    compared = _rows.refuse_seen(kept, training)
    time, event, score = (kept.numbers(name, "") for name in (duration_col, event_col, score_col))
    calibration, groups, decision = _with_risks(time, event, risks_of(risk, whole, kept, score, times), times,
                                                _thresholds(thresholds))
    return Performance(endpoint or f"{duration_col}, {event_col}", unit, whole.n, kept.n, int(event.sum()), left_out,
                       partition, _rows.models(kept, None), concordance(time, event, score), calibration, groups,
                       decision, compared, whole.kind)


def _thresholds(given: Sequence[float]) -> Any:
    found = np.asarray(given, dtype=np.float64)
    if not (found.size and found.min() > 0 and found.max() < 1 and (np.diff(found) > 0).all()):
        raise ValueError(f"thresholds are {given}, wanted risks between 0 and 1, rising strictly")
    return found


# ---- Risks ----


def risks_of(risk: Risk, whole: _rows.Columns, kept: _rows.Columns, score: Any, times: Sequence[float]) -> Any:
    """(n, times) of the rows that are used, or None."""
    if risk is None:
        return None
    at = horizons(times)
    if isinstance(risk, Calibration):
        found = _calibrated(risk, kept, score, at)
    elif isinstance(risk, (list, tuple)) and all(isinstance(name, str) for name in risk):
        columns = [(kept.numbers(name, "the risk"), name.startswith("survival:")) for name in risk]
        found = np.stack([1 - values if survives else values for values, survives in columns], axis=1)
    else:
        found = _given(risk, whole.n)[list(kept.index)]
    if found.shape[1] != at.size:
        raise ValueError(f"risk has {found.shape[1]} columns for {at.size} times, wanted one a time")
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
        raise ValueError("risk has values that are missing or outside 0 to 1, wanted probabilities of an event")
    return found


def _calibrated(made: Calibration, kept: _rows.Columns, score: Any, at: Any) -> Any:
    absent = [time for time in at if time not in made.times]
    if absent:
        raise ValueError(f"times has {absent[0]:g}, the calibration {', '.join(f'{t:g}' for t in made.times)}, "
                         "wanted times of the calibration")
    model = _rows.models(kept, None)
    if None not in (model, made.model_sha256) and model != made.model_sha256:
        raise ValueError(f"the calibration is of model {str(made.model_sha256)[:12]}, the scores of model "
                         f"{str(model)[:12]}, wanted those of one model")
    if math.isclose(score.mean(), made.centre, rel_tol=1e-12, abs_tol=1e-14):
        warnings.warn("the calibration was made of these very rows, and cannot be judged by them", stacklevel=4)
    return 1 - made.survival(score)[:, [made.times.index(time) for time in at]]


def _given(risk: Any, n: int) -> Any:
    try:
        found = np.asarray(risk, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"risk is of type {type(risk).__name__}, wanted a Calibration, names of columns, or numbers, a "
                        "row of the data each") from None
    if not found.ndim or len(found) != n:
        raise ValueError(f"risk has the shape {found.shape}, wanted a row for each of the {n} rows of the data")
    return found.reshape(n, -1)


def _with_risks(time: Any, event: Any, risks: Any, times: Sequence[float],
                thresholds: Any) -> tuple[list[Row], list[Row], list[Row]]:
    if risks is None:
        return [], [], []
    if max(times) >= time.max():
        raise ValueError(f"times end at {max(times):g}, the follow-up at {time.max():g}, wanted times before its end")
    calibration, groups, decision = [], [], []
    for at, risk in zip(times, risks.T):
        calibration.append(_calibration_at(time, event, at, risk))
        groups += _groups(time, event, at, risk)
        decision += _net_benefits(time, event, at, risk, thresholds)
    return calibration, groups, decision


def event_risk(time: Any, event: Any, at: float) -> tuple[float, float]:
    """(risk of an event until then by Kaplan-Meier, its standard error)."""
    survival, se = kaplan_meier(time, event).at(at)
    return 1 - survival, se


def _calibration_at(time: Any, event: Any, at: float, risk: Any) -> Row:
    observed, se = event_risk(time, event, at)
    expected = float(risk.mean())
    ratio, spread = observed / expected, NORMAL_975 * se / observed if observed else math.nan
    row: Row = {"time": float(at), "observed": observed, "expected": expected, "oe": ratio,
                "oe_low": ratio * math.exp(-spread), "oe_high": ratio * math.exp(spread)}
    fit = cox(time, event, np.log(-np.log1p(-np.clip(risk, 1e-8, 1 - 1e-8))))
    slope, half = float(fit.coef[0]), NORMAL_975 * float(fit.se[0])
    return row | {"slope": slope, "slope_low": slope - half, "slope_high": slope + half}


def _groups(time: Any, event: Any, at: float, risk: Any) -> list[Row]:
    """Some 20 events a group, 3 groups at least and 10 at most."""
    count = max(3, min(10, int(event.sum()) // 20))
    breaks = np.unique(np.quantile(risk, np.linspace(0, 1, count + 1)))
    if breaks.size < 3:
        return []
    group = np.maximum(np.searchsorted(breaks, risk, side="left"), 1)
    rows = []
    for code in range(1, breaks.size):
        here = group == code
        curve = kaplan_meier(time[here], event[here])
        survival, se = curve.at(at)
        half = NORMAL_975 * se / survival if survival else math.nan
        rows.append({"time": float(at), "n": int(here.sum()), "expected": float(risk[here].mean()),
                     "observed": 1 - survival, "low": 1 - min(1.0, survival * math.exp(half)),
                     "high": 1 - survival * math.exp(-half)})
    return rows


def _net_benefits(time: Any, event: Any, at: float, risk: Any, thresholds: Any) -> list[Row]:
    everyone = event_risk(time, event, at)[0]
    rows = []
    for threshold in thresholds:
        odds, acted = threshold / (1 - threshold), risk > threshold
        events = event_risk(time[acted], event[acted], at)[0] if acted.any() else 0.0
        by_risk = float(acted.mean()) * (events - (1 - events) * odds) if acted.any() else 0.0
        rows.append({"time": float(at), "threshold": float(threshold), "by_risk": by_risk,
                     "treat_all": everyone - (1 - everyone) * odds, "treat_none": 0.0})
    return rows


# ---- For scikit-survival ----


def to_sksurv(df: Any, *, duration_col: str = "rfs_time", event_col: str = "rfs_event") -> Any:
    """The outcomes as scikit-survival wants them: a structured array of (event: bool, time: float64), in the rows'
    order.

    Every row must have a time above 0 and an event of 0 or 1; scikit-survival itself is not needed.
    """
    columns = _rows.columns_of(df)
    for reason, applies in _rows.outcome_reasons(columns, duration_col, event_col):
        if applies.any() and not reason.startswith(("scoring", "not scored")):
            raise ValueError(f"row {columns.row(int(np.flatnonzero(applies)[0]))} of {columns.title}: {reason}, wanted "
                             "rows with an outcome alone")
    made = np.empty(columns.n, dtype=[("event", "?"), ("time", "<f8")])
    made["event"] = columns.numbers(event_col, "the event") == 1
    made["time"] = columns.numbers(duration_col, "the time")
    return made
