"""How good the out-of-fold scores are, and what a training says of itself."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..survival import Concordance, concordance
from ._cohort import Case
from ._folds import Fold

THIRDS = ("lowest third", "middle third", "highest third")


class Scored(NamedTuple):
    """A case with its out-of-fold score."""

    case: Case
    fold: int
    score: float


class Curve(NamedTuple):
    """Kaplan-Meier: a step at each time, from (0, 1) on; left: times of all cases, sorted; censored: of those."""

    name: str
    times: list[float]
    survival: list[float]
    left: list[float]
    censored: list[float]


def scored(cases: Sequence[Case], folds: Sequence[Fold], scores: Sequence[Sequence[float]]) -> list[Scored]:
    return [Scored(cases[i], k, score) for k, fold in enumerate(folds) for i, score in zip(fold.out, scores[k])]


def concordance_of(found: Sequence[Scored]) -> Concordance | None:
    """None: no pair of them can be compared."""
    try:
        return concordance([one.case.time for one in found], [one.case.event for one in found],
                           [one.score for one in found])
    except ValueError:
        return None


def of_folds(found: Sequence[Scored], count: int) -> list[Concordance | None]:
    return [concordance_of([one for one in found if one.fold == k]) for k in range(count)]


def thirds(found: Sequence[Scored]) -> list[Curve]:
    """By the out-of-fold score; equal scores are in one third."""
    scores = np.array([one.score for one in found])
    edges = np.quantile(scores, [1 / 3, 2 / 3])
    parts = (edges[:, None] < scores).sum(axis=0)
    return [_curve(name, [one.case for one, part in zip(found, parts) if part == k]) for k, name in enumerate(THIRDS)]


def _curve(name: str, cases: Sequence[Case]) -> Curve:
    functions = importlib.import_module("statsmodels.duration.survfunc")
    left = sorted(case.time for case in cases)
    if not any(case.event for case in cases):
        return Curve(name, [0.0, *left[-1:]], [1.0] * len([0.0, *left[-1:]]), left, left)
    estimate = functions.SurvfuncRight([case.time for case in cases], [case.event for case in cases])
    times, survival = [0.0, *map(float, estimate.surv_times)], [1.0, *map(float, estimate.surv_prob)]
    return Curve(name, [*times, left[-1]], [*survival, survival[-1]], left,
                 [case.time for case in cases if not case.event])
