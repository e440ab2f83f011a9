"""The same patient under two names: an image's bytes, or the tensor that the network would see. A patient who is both
trained on and held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .._rows import Cells
from ._cohort import Case
from ._inputs import Input


class Seen(NamedTuple):
    """where: a table's name, or "" for the cohort."""

    where: str
    case: Case
    input: Input

    @property
    def name(self) -> str:
        return f"{self.case.id} of {self.where}" if self.where else self.case.id


def seen(where: str, cases: Sequence[Case], inputs: Mapping[int, Input | Cells]) -> list[Seen]:
    pairs = ((case, inputs[case.at]) for case in cases)
    return [Seen(where, case, found) for case, found in pairs if isinstance(found, Input)]


def faults(training: Iterable[Seen], held: Iterable[Seen]) -> list[str]:
    """Two rows of one patient in the cohort may share an image: they are always in one fold."""
    told: dict[tuple[str, str], str] = {}
    known: dict[str, Seen] = {}
    for one in [*training, *held]:
        for kind, digest in (("image", one.input.image_sha256), ("tensor", one.input.tensor_sha256)):
            first = known.setdefault(digest, one)
            if first is one or first.where and one.where or _same_patient(first, one):
                continue
            told.setdefault((first.name, one.name), _text(first, one, kind, digest))
    return list(told.values())


def shared(cases: Sequence[Case], held: Sequence[Case], where: str) -> list[str]:
    """Held-out cases of patients who are trained on, whatever their images."""
    trained = {name for case in cases for name in (case.id, case.patient)}
    return [f"{case.id} of {where} is a patient who is trained on: remove one"
            for case in held if case.patient in trained or case.id in trained]


def _same_patient(first: Seen, second: Seen) -> bool:
    return first.where == second.where and first.case.patient == second.case.patient


def _text(first: Seen, second: Seen, kind: str, digest: str) -> str:
    what = "image" if kind == "image" else "image as the network sees it"
    between = "held-out cases are not trained on" if second.where else "one patient under two names"
    return f"{first.name} and {second.name} have the same {what} (SHA-256 {digest[:12]}...): {between}: remove one"
