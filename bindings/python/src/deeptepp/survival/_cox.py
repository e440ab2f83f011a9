"""Cox models by statsmodels, ties by Efron."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CoxFit:
    """coef, covariance: of the columns; loglik, null_loglik: with them, and with all 0."""

    coef: Any
    covariance: Any
    loglik: float
    null_loglik: float

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
    scale = x.std(axis=0)
    if not (scale > 0).all():
        raise ValueError("a Cox model has a column with one value only, wanted values that differ")
    module = statsmodels("duration.hazard_regression")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what does not converge is refused below
        model = module.PHReg(np.asarray(time, dtype=np.float64), (x - x.mean(axis=0)) / scale,
                             status=np.asarray(event, dtype=np.int64), strata=strata, entry=entry, ties="efron")
        try:
            found = model.fit(method="newton", maxiter=50, tol=1e-10)
            covariance = np.linalg.inv(-model.hessian(found.params))
        except np.linalg.LinAlgError:
            raise ValueError(SINGULAR) from None
        null = float(model.loglike(np.zeros(x.shape[1])))
    gradient = model.score(found.params)
    step = covariance @ gradient
    if not (np.isfinite(step).all() and np.abs(step).max() < 1e-6 and (np.diag(covariance) > 0).all()
            and np.abs(found.params).max() < 30):
        raise ValueError(SINGULAR)
    return CoxFit(found.params / scale, covariance / np.outer(scale, scale), float(found.llf), null)


SINGULAR = ("a Cox model has no finite fit: a column is determined by the others, or a group has no event, wanted "
            "fewer columns or more cases")


def breslow(time: Any, event: Any, linear: Any, at: Any) -> Any:
    """Cumulative baseline hazard, by Breslow's estimator, at the times."""
    order = np.argsort(time, kind="stable")
    times, events, weights = time[order], event[order], np.exp(linear[order])
    at_risk = np.cumsum(weights[::-1])[::-1][np.searchsorted(times, times, side="left")]
    hazard = np.cumsum(events / at_risk)
    found = np.searchsorted(times, at, side="right")
    return np.where(found > 0, hazard[np.maximum(found - 1, 0)], 0.0)
