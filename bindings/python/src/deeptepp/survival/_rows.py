"""Tables of any kind as columns of cells, and which of their rows can be used."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _table
from .._table import Cohort

PARTITIONS = ("training", "out-of-fold", "calibration", "test")
SCORING = ("ok", "error", "skipped")  # a score table's `status`


@dataclass(frozen=True)
class Columns:
    """cells: by name, None where missing; name: of the file, "" for a table in memory; kind: the module of its frame;
    index: of rows that were chosen, where they stood."""

    cells: dict[str, list[Any]]
    n: int
    name: str = ""
    kind: str = ""
    index: tuple[int, ...] = ()

    def column(self, name: str, what: str) -> list[Any]:
        if name not in self.cells:
            raise ValueError(f"{self.title} has no column \"{name}\" ({what}), wanted one of its columns: "
                             f"{', '.join(self.cells)}")
        return self.cells[name]

    @property
    def title(self) -> str:
        return self.name or "the table"

    def rows(self, keep: Sequence[bool]) -> Columns:
        cells = {name: [cell for cell, k in zip(column, keep) if k] for name, column in self.cells.items()}
        index = tuple(i for i, k in zip(self.index or range(self.n), keep) if k)
        return Columns(cells, len(index), self.name, self.kind, index)

    def row(self, i: int) -> int:
        """Its number in the whole table, from 1."""
        return (self.index[i] if self.index else i) + 1

    def numbers(self, name: str, what: str) -> Any:
        """Float64, NaN where missing."""
        column = self.column(name, what)
        values = np.full(self.n, np.nan)
        for i, cell in enumerate(column):
            if cell is not None:
                try:
                    values[i] = float(cell)
                except (TypeError, ValueError):
                    raise ValueError(f"{name} is \"{cell}\" in row {self.row(i)} of {self.title}, wanted a "
                                     "number") from None
        return values


def columns_of(table: Any) -> Columns:
    """table: a path of a CSV or TSV file, what read_cohort gives, a frame of pandas or polars, or a list of dicts."""
    if isinstance(table, Columns):
        return table
    if isinstance(table, (str, bytes, os.PathLike)):
        path = os.fsdecode(table)
        return _of_rows(*_table.read_table(path), os.path.basename(path))
    for module, values in (("pandas", "tolist"), ("polars", "to_list")):
        library = sys.modules.get(module)
        if library is not None and isinstance(table, library.DataFrame):
            names = list(map(str, table.columns))
            _table.refuse_duplicates(names)
            cells = {name: list(map(_cell, getattr(table[own], values)())) for name, own in zip(names, table.columns)}
            return Columns(cells, len(table), "", module)
    if isinstance(table, Cohort):
        return _of_rows(table.columns, table.rows, "")
    if isinstance(table, (list, tuple)) and table and all(isinstance(row, Mapping) for row in table):
        return _of_rows(tuple(table[0]), table, "")
    raise TypeError(f"the table is of type {type(table).__name__}, wanted a path, what read_cohort gives, a frame of "
                    "pandas or polars, or a list of dicts")


def _of_rows(names: Sequence[str], rows: Sequence[Mapping[str, Any]], title: str) -> Columns:
    return Columns({name: [_cell(row.get(name)) for row in rows] for name in names}, len(rows), title)


def _cell(value: Any) -> Any:
    return None if _table.is_missing(_table.cell_text(value)) else value


# ---- Which rows ----


def usable(columns: Columns, numbers: Sequence[tuple[str, str]], texts: Sequence[tuple[str, str]] = (), *,
           time: str = "", event: str = "") -> tuple[Columns, dict[str, int]]:
    """(the rows that were scored, have a cell in each column and a time above 0; how many others there are by reason).

    numbers, texts  (name, what it is) of the columns that must be there
    time, event     those of numbers that are the outcome
    """
    reasons = _scoring(columns, event)
    for name, what in numbers:
        values = columns.numbers(name, what)
        _mark(reasons, f"{name} missing", lambda i: not np.isfinite(values[i]))
        if name == time:
            _mark(reasons, f"{name} 0 or less", lambda i: values[i] <= 0)
        elif name == event:
            refuse_other_events(columns, name, values)
    for name, what in texts:
        cells = columns.column(name, what)
        _mark(reasons, f"{name} missing", lambda i: cells[i] is None)
    left_out = Counter(reason for reason in reasons if reason)
    if all(reasons):
        raise ValueError(f"no row of {columns.title} can be used ({counted(left_out) or 'it has none'}), wanted rows "
                         f"with {', '.join(name for name, _ in (*numbers, *texts))}")
    return columns.rows([not reason for reason in reasons]), dict(left_out)


def _mark(reasons: list[str], reason: str, applies: Callable[[int], bool]) -> None:
    for i, known in enumerate(reasons):
        if not known and applies(i):
            reasons[i] = reason


def _scoring(columns: Columns, event: str) -> list[str]:
    """Why a row has no score, "" where it has; the column `status` is only read as what a run of scores wrote."""
    status = columns.cells.get("status", [])
    if event == "status" or not status or not all(cell in SCORING for cell in status):
        return [""] * columns.n
    codes = columns.cells.get("error_code", [None] * columns.n)
    failed = ["scoring failed" + (f": {code}" if code else "") for code in codes]
    words = {"ok": "", "skipped": "not scored: no image, no mask"}
    return [words.get(cell, why) for cell, why in zip(status, failed)]


def refuse_other_events(columns: Columns, name: str, values: Any) -> None:
    for i, value in enumerate(values):
        if np.isfinite(value) and value not in (0, 1):
            raise ValueError(f"{name} is {value:g} in row {columns.row(i)} of {columns.title}, wanted 1 for an event, "
                             "0 for none")


def counted(counts: Mapping[str, int]) -> str:
    """test 480, calibration 246"""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


# ---- What the scores are to their model ----


def partitions(columns: Columns, refused: Sequence[str] = (), why: str = "") -> dict[str, int]:
    """How many rows each partition has; one that is refused is a ValueError."""
    cells = columns.cells.get("partition", [None] * columns.n)
    found = Counter("not stated" if cell is None else str(cell) for cell in cells)
    for name in found:
        if name not in (*PARTITIONS, "not stated"):
            raise ValueError(f"partition is \"{name}\" in {columns.title}, wanted {', '.join(PARTITIONS)}")
        if name in refused:
            raise ValueError(f"partition is \"{name}\" in {found[name]} rows of {columns.title}, {why}")
    return {name: found[name] for name in (*PARTITIONS, "not stated") if found[name]}


def models(columns: Columns, sha256: str | None) -> str | None:
    """The model that made all scores, where the table says it; another than sha256 is a ValueError."""
    found = sorted({cell for cell in columns.cells.get("model_sha256", ()) if cell is not None})
    if len(found) > 1:
        raise ValueError(f"{columns.title} has scores of {len(found)} models ({found[0][:12]}, {found[1][:12]}), "
                         "wanted those of one")
    if found and sha256 is not None and found[0] != sha256:
        raise ValueError(f"{columns.title} has scores of the model {found[0][:12]}, wanted those of {sha256[:12]}")
    return found[0] if found else None


def sentence(columns: Columns, cohort: str, left_out: Mapping[str, int]) -> str:
    """Which cases, for a source."""
    stated = f"{columns.n} cases of {cohort or columns.title} (partition {counted(partitions(columns))})"
    return stated + (f", left out: {counted(left_out)}" if left_out else "")
