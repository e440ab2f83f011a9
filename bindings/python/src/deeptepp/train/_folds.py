"""Patients into parts, each with its share of events and of each site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._cohort import Case


class Fold(NamedTuple):
    """Indices of cases. Training sees train, stopping sees validation, and nothing sees out."""

    train: list[int]
    validation: list[int]
    out: list[int]


def deal(cases: Sequence[Case], at: Sequence[int], parts: int, seed: Sequence[int]) -> dict[str, int]:
    """The part of each patient among the cases at those indices. Strata are dealt one after the other, so that all
    parts have as many patients, give or take one."""
    random = np.random.Generator(np.random.PCG64(list(seed)))
    patients: dict[str, list[Case]] = {}
    for i in at:
        patients.setdefault(cases[i].patient, []).append(cases[i])
    strata: dict[tuple[int, str], list[str]] = {}
    for name, own in patients.items():
        strata.setdefault((-max(case.event for case in own), own[0].site), []).append(name)
    order = [stratum[k] for _, stratum in sorted(strata.items()) for k in random.permutation(len(stratum))]
    return {name: n % parts for n, name in enumerate(order)}


def folds(cases: Sequence[Case], count: int, validation: float, seed: int) -> list[Fold]:
    parts = deal(cases, range(len(cases)), count, (seed,))
    found = []
    for fold in range(count):
        rest = [i for i, case in enumerate(cases) if parts[case.patient] != fold]
        out = [i for i, case in enumerate(cases) if parts[case.patient] == fold]
        inner = deal(cases, rest, round(1 / validation), (seed, fold)) if validation else {}
        stop = [i for i in rest if inner.get(cases[i].patient) == 0]
        found.append(Fold([i for i in rest if inner.get(cases[i].patient) != 0], stop, out))
    return found


def faults(cases: Sequence[Case], found: Sequence[Fold]) -> list[str]:
    """Parts in which there is nothing to learn or to measure."""
    told = []
    for k, fold in enumerate(found):
        for name, at in fold._asdict().items():
            events = sum(cases[i].event for i in at)
            if (at or name != "validation") and (events == 0 or events == len(at)):
                part = {"train": "training", "validation": "validation", "out": "out-of-fold"}[name]
                told.append(f"fold {k}: the {part} part has {events} events in {len(at)} cases, wanted both cases with "
                            "and without an event: fewer folds, or more cases")
    return told
