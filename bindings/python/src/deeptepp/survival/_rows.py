"""Tables of any kind as columns of cells, and which of their rows can be used."""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import _table
from .._table import Cohort

PARTITIONS = ("training", "out-of-fold", "calibration", "test")
IDS = ("patient_id", "participant_id", "case_id", "id")
SCORING = ("ok", "error", "skipped")  # a score table's `status`


@dataclass(frozen=True)
class Columns:
    """cells: by name, None where missing; name: of the file, "" for a table in memory; kind: the module of its frame;
    index: of rows that were chosen, where they stood; orders: the categories of columns that have them."""

    cells: dict[str, list[Any]]
    n: int
    name: str = ""
    kind: str = ""
    index: tuple[int, ...] = ()
    orders: Mapping[str, Sequence[str]] = field(default_factory=dict)

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
        return replace(self, cells=cells, n=len(index), index=index)

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
    for module in ("pandas", "polars"):
        library = sys.modules.get(module)
        if library is not None and isinstance(table, library.DataFrame):
            return _of_frame(table, module)
    if isinstance(table, Cohort):
        return _of_rows(table.columns, table.rows, "")
    if isinstance(table, (list, tuple)) and table and all(isinstance(row, Mapping) for row in table):
        return _of_rows(tuple(table[0]), table, "")
    raise TypeError(f"the table is of type {type(table).__name__}, wanted a path, what read_cohort gives, a frame of "
                    "pandas or polars, or a list of dicts")


def _of_frame(table: Any, module: str) -> Columns:
    names = list(map(str, table.columns))
    _table.refuse_duplicates(names)
    cells, orders = {}, {}
    for name, own in zip(names, table.columns):
        column = table[own]
        cells[name] = list(map(_cell, column.tolist() if module == "pandas" else column.to_list()))
        if hasattr(column, "cat") and module == "pandas":
            orders[name] = [str(label) for label in column.cat.categories]
        elif module == "polars" and str(column.dtype).startswith("Enum"):
            orders[name] = column.cat.get_categories().to_list()
    return Columns(cells, len(table), "", module, orders=orders)


def _of_rows(names: Sequence[str], rows: Sequence[Mapping[str, Any]], title: str) -> Columns:
    return Columns({name: [_cell(row.get(name)) for row in rows] for name in names}, len(rows), title)


def _cell(value: Any) -> Any:
    return None if _table.is_missing(_table.cell_text(value)) else value


# ---- Which rows ----

# (why rows cannot be used, which), the first that applies to a row is its own
Reasons = list[tuple[str, Any]]


def scoring_reasons(columns: Columns, event: str = "") -> Reasons:
    """The column `status` is only read as what a run of scores wrote."""
    status = np.array(columns.cells.get("status", []), dtype=object)
    if event == "status" or not status.size or not all(cell in SCORING for cell in status):
        return []
    codes = np.array([cell or "" for cell in columns.cells.get("error_code", [""] * columns.n)], dtype=object)
    failed = status == "error"
    coded = [(f"scoring failed: {code}", failed & (codes == code)) for code in sorted(set(codes[failed]) - {""})]
    return [*coded, ("scoring failed", failed), ("not scored: no image, no mask", status == "skipped")]


def outcome_reasons(columns: Columns, time: str, event: str) -> Reasons:
    times, events = columns.numbers(time, "the time"), columns.numbers(event, "the event")
    refuse_other_events(columns, event, events)
    with np.errstate(invalid="ignore"):
        return [*scoring_reasons(columns, event), (f"{time} missing", ~np.isfinite(times)),
                (f"{time} 0 or less", np.isfinite(times) & (times <= 0)), (f"{event} missing", ~np.isfinite(events))]


def missing_number(columns: Columns, name: str, what: str) -> tuple[str, Any]:
    return f"{name} missing", ~np.isfinite(columns.numbers(name, what))


def missing_text(columns: Columns, name: str, what: str) -> tuple[str, Any]:
    return f"{name} missing", np.array([cell is None for cell in columns.column(name, what)])


def usable(columns: Columns, reasons: Reasons) -> tuple[Columns, dict[str, int]]:
    """(the rows that nothing speaks against, how many others there are by reason)."""
    keep = np.ones(columns.n, dtype=bool)
    left_out = {}
    for reason, applies in reasons:
        count = int((keep & applies).sum())
        if count:
            left_out[reason] = count
        keep &= ~applies
    if not keep.any():
        raise ValueError(f"no row of {columns.title} can be used ({counted(left_out) or 'it has none'}), wanted scored "
                         "cases with all that is asked for")
    return columns.rows(keep.tolist()), left_out


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


def warn_of_mixture(stated: Mapping[str, int]) -> None:
    """For a function that the caller called."""
    if len(stated) > 1:
        warnings.warn(f"partitions are mixed ({counted(stated)}): scores of one are no sample of another's",
                      stacklevel=3)


def models(columns: Columns, sha256: str | None) -> str | None:
    """The model that made all scores, where the table says it; another than sha256 is a ValueError."""
    found = sorted({cell for cell in columns.cells.get("model_sha256", ()) if cell is not None})
    if len(found) > 1:
        raise ValueError(f"{columns.title} has scores of {len(found)} models ({found[0][:12]}, {found[1][:12]}), "
                         "wanted those of one")
    if found and sha256 is not None and found[0] != sha256:
        raise ValueError(f"{columns.title} has scores of the model {found[0][:12]}, wanted those of {sha256[:12]}")
    return found[0] if found else None


def refuse_repeats(columns: Columns) -> None:
    """A patient who comes twice is no two independent ones."""
    for name in [name for name in IDS if name in columns.cells][:1]:
        twice = [cell for cell, count in Counter(columns.cells[name]).items() if cell is not None and count > 1]
        if twice:
            raise ValueError(f"{name} \"{twice[0]}\" is in {columns.title} twice, wanted one row a patient")


def refuse_seen(columns: Columns, training: Any) -> tuple[str, ...]:
    """training: the table of the cases that the model has seen. The columns that were compared."""
    if training is None:
        return ()
    seen = columns_of(training)
    shared = [name for name in (*IDS, "image_sha256")
              if all(any(cell is not None for cell in table.cells.get(name, ())) for table in (columns, seen))]
    if not shared:
        raise ValueError("training has no ids and no image_sha256 in a column that the data have too, wanted one to "
                         "compare")
    for name in shared:
        both = sorted({str(cell) for cell in columns.cells[name] if cell is not None} &
                      {str(cell) for cell in seen.cells[name] if cell is not None})
        if both:
            raise ValueError(f"{len(both)} of the data's {name} are in training, the first \"{both[0]}\", wanted none: "
                             "the model has seen these cases")
    return tuple(shared)


def sentence(columns: Columns, cohort: str, left_out: Mapping[str, int]) -> str:
    """Which cases, for a source."""
    stated = f"{columns.n} cases of {cohort or columns.title} (partition {counted(partitions(columns))})"
    return stated + (f", left out: {counted(left_out)}" if left_out else "")
