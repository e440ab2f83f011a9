"""Kaplan-Meier curves by statsmodels, and what is read off them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._concordance import NORMAL_975
from ._cox import statsmodels


@dataclass(frozen=True)
class Curve:
    """Steps at the times of events: probability after each, its standard error (Greenwood), cases at risk before and
    events at it; followed: each case's time, sorted; censored: times of it."""

    times: Any
    survival: Any
    se: Any
    at_risk: Any
    events: Any
    followed: Any
    censored: Any

    @property
    def last(self) -> float:
        return float(self.followed[-1])

    def at_risk_at(self, time: float) -> int:
        return len(self.followed) - int(np.searchsorted(self.followed, time, side="left"))

    def at(self, time: float) -> tuple[float, float]:
        """(survival, se)."""
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        return (1.0, 0.0) if place < 0 else (float(self.survival[place]), float(self.se[place]))

    def quantile(self, values: Any) -> float:
        """The time at which these steps reach a half; the middle of a step that lies on it."""
        reached = np.flatnonzero(values <= 0.5 + 1e-8)
        if not reached.size:
            return float("nan")
        first = reached[0]
        below = np.flatnonzero(values < 0.5 - 1e-8)
        if values[first] < 0.5 - 1e-8 or not below.size:
            return float(self.times[first])
        return float((self.times[first] + self.times[below[0]]) / 2)

    def median(self) -> tuple[float, float, float]:
        """(median, 95 % interval by the logarithm's), NaN where the curve does not come so far."""
        with np.errstate(divide="ignore", invalid="ignore"):
            half = NORMAL_975 * self.se / self.survival
            low, high = self.survival * np.exp(-half), np.minimum(self.survival * np.exp(half), 1)
        return self.quantile(self.survival), self.quantile(low), self.quantile(high)

    def restricted_mean(self, horizon: float) -> tuple[float, float]:
        """(mean time until the horizon, its standard error)."""
        inside = self.times < horizon
        edges = np.concatenate([[0.0], self.times[inside], [horizon]])
        areas = np.diff(edges) * np.concatenate([[1.0], self.survival[inside]])
        after = np.cumsum(areas[::-1])[::-1][1:]
        events, at_risk = self.events[inside], self.at_risk[inside]
        left = at_risk - events
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(left > 0, events / (at_risk * left), 0.0)
        return float(areas.sum()), float(np.sqrt(np.sum(after ** 2 * terms)))


def kaplan_meier(time: Any, event: Any) -> Curve:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = statsmodels("duration.survfunc").SurvfuncRight(time, event)
    ended = np.sort(np.asarray(time)[np.asarray(event) == 0])
    return Curve(np.asarray(found.surv_times), np.asarray(found.surv_prob), np.asarray(found.surv_prob_se),
                 np.asarray(found.n_risk), np.asarray(found.n_events), np.sort(time), ended)


def log_rank(time: Any, event: Any, group: Any, strata: Any = None) -> float:
    """Chi-squared of two groups, 1 degree of freedom."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return float(statsmodels("duration.survfunc").survdiff(time, event, group, strata=strata)[0])
