"""Cox models by statsmodels, ties by Efron."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CoxFit:
    """coef, covariance: of the columns; a column that the others determine has NaN.

    loglik  with them
    df      coefficients that were fitted
    score   the score test's chi-squared
    finite  no coefficient runs away, as it does where a group has no event
    """

    coef: Any
    covariance: Any
    loglik: float
    df: int
    score: float
    finite: bool

    @property
    def se(self) -> Any:
        return np.sqrt(np.diag(self.covariance))


def statsmodels(name: str) -> Any:
    try:
        return importlib.import_module(f"statsmodels.{name}")
    except ImportError:
        raise ImportError("survival models need statsmodels: pip install 'deeptepp[survival]', or Debian's "
                          "python3-statsmodels") from None


def cox(time: Any, event: Any, design: Any, strata: Any = None, entry: Any = None) -> CoxFit:
    """design: (n, k), float64; strata: a label each; entry: times after which a case is at risk."""
    x = np.asarray(design, dtype=np.float64).reshape(len(time), -1)
    used = independent(x)
    centred = x[:, used] - x[:, used].mean(axis=0)
    scale = centred.std(axis=0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what does not converge is found below
        model = statsmodels("duration.hazard_regression").PHReg(
            np.asarray(time, dtype=np.float64), centred / scale, status=np.asarray(event, dtype=np.int64),
            strata=strata, entry=_after(entry), ties="efron")
        null, found = _newton(model, np.zeros(len(used)))
        spread = np.linalg.pinv(found.information) / np.outer(scale, scale)
    coef, covariance = np.full(x.shape[1], np.nan), np.full((x.shape[1],) * 2, np.nan)
    coef[used], covariance[np.ix_(used, used)] = found.at / scale, spread
    still = np.abs(found.step) < 1e-4 * np.maximum(np.abs(found.at), 1)
    return CoxFit(coef, covariance, found.loglik, len(used), float(null.gradient @ null.step),
                  bool(still.all()))


def _after(entry: Any) -> Any:
    """statsmodels has a case at risk at the time of its entry; it is only so afterwards."""
    return None if entry is None else np.where(np.asarray(entry) > 0, np.nextafter(entry, np.inf), entry)


@dataclass(frozen=True)
class Point:
    """Of the likelihood: coefficients, their likelihood and its derivatives; step: Newton's from here."""

    at: Any
    loglik: float
    gradient: Any
    information: Any

    @property
    def step(self) -> Any:
        try:
            return np.linalg.solve(self.information, self.gradient)
        except np.linalg.LinAlgError:
            return np.linalg.lstsq(self.information, self.gradient, rcond=None)[0]


def _point(model: Any, at: Any, loglik: float) -> Point:
    return Point(at, loglik, model.score(at), -model.hessian(at))


def _newton(model: Any, start: Any) -> tuple[Point, Point]:
    """(the start, where the likelihood stands still). statsmodels' own fit waits for the coefficients, and one that
    runs away never comes to rest."""
    first = point = _point(model, start, float(model.loglike(start)))
    for _ in range(40):
        step = point.step
        for _ in range(30):
            loglik = float(model.loglike(point.at + step))
            if loglik >= point.loglik - 1e-9 * abs(point.loglik):
                break
            step = step / 2
        gain = loglik - point.loglik
        point = _point(model, point.at + step, loglik)
        if not abs(gain) > 1e-10 * abs(loglik):
            break
    return first, point


def independent(x: Any) -> Any:
    """Places of the columns that those before them, and a constant, do not determine."""
    basis, used = [np.full(len(x), len(x) ** -0.5)], []
    for place, column in enumerate(x.T):
        rest = column - sum(b * (b @ column) for b in basis)
        rest = rest - sum(b * (b @ rest) for b in basis)
        size = float(np.linalg.norm(rest))
        if size > 1e-9 * float(np.linalg.norm(column)):
            basis.append(rest / size)
            used.append(place)
    if not used:
        raise ValueError("a Cox model has no column whose values differ, wanted one at least")
    return np.array(used)


def breslow(time: Any, event: Any, linear: Any, at: Any) -> Any:
    """Cumulative baseline hazard, by Breslow's estimator, at the times."""
    order = np.argsort(time, kind="stable")
    times, events, weights = time[order], event[order], np.exp(linear[order])
    at_risk = np.cumsum(weights[::-1])[::-1][np.searchsorted(times, times, side="left")]
    hazard = np.cumsum(events / at_risk)
    found = np.searchsorted(times, at, side="right")
    return np.where(found > 0, hazard[np.maximum(found - 1, 0)], 0.0)
