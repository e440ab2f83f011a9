"""How good the out-of-fold scores are, and what a training says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..survival import Concordance, concordance
from ..survival._curves import Curve, kaplan_meier
from ._cohort import Case
from ._folds import Fold

THIRDS = ("lowest third", "middle third", "highest third")


class Scored(NamedTuple):
    """A case with its out-of-fold score."""

    case: Case
    fold: int
    score: float


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


def thirds(found: Sequence[Scored]) -> dict[str, Curve]:
    """Kaplan-Meier by the out-of-fold score; equal scores are in one third, and one without cases is not there."""
    scores, times = np.array([one.score for one in found]), np.array([one.case.time for one in found])
    events = np.array([one.case.event for one in found])
    part = (np.quantile(scores, [1 / 3, 2 / 3])[:, None] < scores).sum(axis=0)
    return {name: kaplan_meier(times[part == k], events[part == k]) for k, name in enumerate(THIRDS)
            if (part == k).any()}
