"""A cohort as training needs it. What is wrong with it is collected, so that all of it is told at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from .. import _plan, _rows
from .._rows import Cells, Task
from .._table import Cohort, is_missing
from ._settings import Training

RESULTS = ("fold", "score", "image_sha256", "mask_sha256", "model_sha256", "status", "error_code", "error_message")
PARTITION = "partition"
FOR_TRAINING = "training"  # a partition; so is a cell that is missing
NOT_FOR_TRAINING = ("calibration", "test")

Found = TypeVar("Found")


class CohortError(ValueError):
    """A cohort that cannot be trained on. faults: each a line."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class Case(NamedTuple):
    """A row that can be trained on, as far as the table tells; at: its index in the table."""

    at: int
    id: str
    patient: str
    task: Task
    time: float
    event: int
    site: str


@dataclass
class Roster:
    """cases: what is trained on; held: rows of other partitions; left_out: by index the cells that say why."""

    table: Cohort
    id: str
    cases: list[Case] = field(default_factory=list)
    held: list[Case] = field(default_factory=list)
    left_out: dict[int, Cells] = field(default_factory=dict)


def channels_of(table: Cohort) -> list[str]:
    """By the names of its columns."""
    named = [name.removeprefix("image:") for name in table.columns if name.startswith("image:")]
    return named or ["image"]


class Reader:
    """Of one table; faults are appended to a list that others append to as well. held_out: the name of a table that is
    only held out, ""; leave_out: rows whose image or mask is missing are no faults."""

    def __init__(self, table: Cohort, channels: Sequence[str], training: Training, faults: list[str],
                 held_out: str = "", leave_out: bool = False) -> None:
        self.table, self.training, self.leave_out = table, training, leave_out
        self.outcomes, self.title = not held_out, held_out or "the cohort"
        self.all_faults, self.faults = faults, []
        self.id = self._tell(lambda: _plan.id_column(table.columns)) or ""
        self.images = self._tell(lambda: _plan._images(table.columns, channels)) or {}
        self.mask = self._tell(lambda: _plan._one(table.columns, ("mask", "Mask"))) or ""
        if not any(name in table.columns for name in ("mask", "Mask")):
            self.faults.append("the cohort has no column \"mask\"")
        wanted = (training.time, training.event) if self.outcomes else ()
        self.missing = [name for name in wanted if name not in table.columns]
        self.faults += [f"the cohort has no column \"{name}\", wanted one of that name: the outcome"
                        for name in self.missing]
        self.faults += [f"the cohort has a column \"{name}\", which is the name of a result: rename it"
                        for name in table.columns if self.outcomes and name in RESULTS]

    def _tell(self, find: Callable[[], Found | None]) -> Found | None:
        try:
            return find()
        except ValueError as error:
            self.faults.append(str(error))
            return None

    def read(self) -> Roster:
        roster = Roster(self.table, self.id)
        self._tell_twice()
        for at, row in enumerate(self.table.rows):
            self._take(roster, at, row)
        if self.outcomes and not self.missing:
            self._tell_outcomes(roster.cases)
        mine = (fault.removeprefix("the cohort ") for fault in self.faults)
        self.all_faults += self.faults if self.outcomes else [f"{self.title}: {fault}" for fault in mine]
        return roster

    def _tell_twice(self) -> None:
        if not self.id:
            return
        counts = Counter(row[self.id] for row in self.table.rows)
        for name, count in counts.items():
            if is_missing(name):
                self.faults.append(f"{count} rows have no {self.id}, wanted one in each row")
            elif count > 1:
                self.faults.append(f"{self.id} \"{name}\" stands {count} times, wanted once")

    def _take(self, roster: Roster, at: int, row: Cells) -> None:
        name = self._name(at, row)
        task = Task(at, tuple((channel, column, row[column]) for channel, column in self.images.items()),
                    row.get(self.mask), row.get("label"), ())
        fault = _rows.row_fault(task) if self.images and self.mask else None
        if fault is not None and fault["status"] == "skipped":
            roster.left_out[at] = fault
            return
        partition = row.get(PARTITION)
        if not self.outcomes or partition in NOT_FOR_TRAINING:
            roster.left_out[at] = skipped("ROW_PARTITION", f"partition is {partition}: not for training")
            self._hold(roster, Case(at, name, self._patient(row, name), task, 0.0, 0, ""), fault)
            return
        if not (is_missing(partition) or partition == FOR_TRAINING):
            self.faults.append(f"{name}: partition is \"{partition}\", wanted {FOR_TRAINING}, "
                               f"{', '.join(NOT_FOR_TRAINING)} or none")
        outcome = self._outcome(name, row)
        if outcome is None:
            roster.left_out[at] = skipped("ROW_OUTCOME_MISSING", "the outcome is missing or no outcome")
            return
        if fault is not None:
            roster.left_out[at] = fault
            self.faults += [] if self.leave_out else [f"{name}: {fault['error_message']}"]
            return
        roster.cases.append(Case(at, name, self._patient(row, name), task, *outcome,
                                 row.get(self.training.site) or ""))

    def _hold(self, roster: Roster, case: Case, fault: Cells | None) -> None:
        if fault is None:
            roster.held.append(case)
        elif not self.leave_out:
            self.faults.append(f"{case.id}: {fault['error_message']}: it cannot be compared with what is trained on")
        else:
            roster.left_out[case.at] = fault

    def _name(self, at: int, row: Cells) -> str:
        cell = row.get(self.id)
        return f"row {at + 1}" if cell is None or is_missing(cell) else cell

    def _patient(self, row: Cells, name: str) -> str:
        cell = row.get(self.training.patient)
        return name if cell is None or is_missing(cell) else cell

    def _outcome(self, name: str, row: Cells) -> tuple[float, int] | None:
        """None: there is none; a wrong one is a fault too."""
        cells = [row.get(self.training.time), row.get(self.training.event)]
        if self.missing or all(is_missing(cell) for cell in cells):
            return None
        time, event = (_number(cell) for cell in cells)
        if time is None or not 0 < time < math.inf:
            self.faults.append(f"{name}: {self.training.time} is \"{cells[0]}\", wanted a number above 0")
        if event not in (0, 1):
            self.faults.append(f"{name}: {self.training.event} is \"{cells[1]}\", wanted 0 or 1")
        return (time, int(event)) if time is not None and 0 < time < math.inf and event in (0, 1) else None

    def _tell_outcomes(self, cases: Sequence[Case]) -> None:
        events = {case.event for case in cases}
        if len(cases) == 0:
            self.faults.append(f"no row has an outcome in {self.training.time} and {self.training.event}")
        elif len(events) == 1:
            self.faults.append(f"{self.training.event} is {events.pop()} in all {len(cases)} cases with an outcome, "
                               "wanted both 0 and 1")


def _number(cell: str | None) -> float | None:
    if cell is None or not _rows._NUMBER.fullmatch(cell):
        return None
    return float(cell)


def skipped(code: str, message: str) -> Cells:
    return {"status": "skipped", "error_code": code, "error_message": message}
