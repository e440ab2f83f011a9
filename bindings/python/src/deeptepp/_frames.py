"""Tables in memory, of pandas, polars or plain dicts: neither is imported unless the caller's table is its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import _table
from ._table import Cohort
from .volume import Volume

Restore = Callable[[Sequence[int], dict[str, list[Any]], tuple[str, ...]], Any]

INTEGERS = ("n_views", "mask_voxels")


def taken(given: Any, folder: str | os.PathLike[str] | None) -> tuple[Cohort, Restore]:
    """The table as texts, None where a cell is missing; and what makes the caller's kind of table of it again, given
    the rows that it has, the results by column and the tiers."""
    for module, read, restore in (("pandas", _from_pandas, _to_pandas), ("polars", _from_polars, _to_polars)):
        library = sys.modules.get(module)
        if library is not None and isinstance(given, getattr(library, "LazyFrame", ())):
            raise TypeError("cohort is a LazyFrame: collect() first")
        if library is not None and isinstance(given, library.DataFrame):
            columns, rows = read(given)
            return _cohort(columns, rows, folder), lambda at, new, tiers: restore(library, given, at, new, tiers)
    if isinstance(given, Cohort):
        cohort = _cohort(given.columns, given.rows, given.folder if folder is None else folder)
        return cohort, lambda at, new, tiers: Cohort((*given.columns, *new), _joined(given.rows, at, new),
                                                     cohort.folder)
    if isinstance(given, (list, tuple)) and all(isinstance(row, dict) for row in given):
        return _from_dicts(given, folder), lambda at, new, tiers: _joined(given, at, new)
    raise TypeError(f"cohort is of type {type(given).__name__}, wanted what read_cohort gives, a frame of pandas or "
                    "polars, or a list of dicts")


def _cohort(columns: Sequence[Any], rows: Sequence[dict[str, Any]], folder: Any) -> Cohort:
    for name in columns:
        if not isinstance(name, str):
            raise TypeError(f"the cohort has a column {name!r}, wanted names that are str")
    _table.refuse_duplicates(columns)
    texts = [{c: _text(row[c], c, i) for c in columns} for i, row in enumerate(rows, 1)]
    return Cohort(tuple(columns), texts, os.getcwd() if folder is None else _table.absolute(os.fsdecode(folder)))


def _text(value: Any, column: str, row: int) -> str | None:
    """A cell as text that a table can hold."""
    if isinstance(value, (bytes, bytearray, Volume)) or getattr(value, "ndim", False):
        raise TypeError(f"the cohort's row {row} has a {type(value).__name__} in the column \"{column}\", wanted text "
                        "or a number: of a volume its path")
    text = _table.cell_text(value, column)
    if text is not None and ("\0" in text or text.encode("utf-8", "replace") != text.encode("utf-8", "surrogatepass")):
        raise ValueError(f"the cohort's row {row} has {text!r} in the column \"{column}\", wanted text in UTF-8 "
                         "without a byte 0")
    return text


def _from_dicts(given: Sequence[dict[str, Any]], folder: Any) -> Cohort:
    columns = list(given[0]) if given else []
    for i, row in enumerate(given, 1):
        if set(row) != set(columns):
            raise ValueError(f"the cohort's row {i} has the keys {', '.join(map(str, row))}, wanted "
                             f"{', '.join(map(str, columns))} as the first has")
    return _cohort(columns, given, folder)


def _joined(rows: Sequence[dict[str, Any]], at: Sequence[int], new: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [{**rows[i], **{name: values[n] for name, values in new.items()}} for n, i in enumerate(at)]


def _from_pandas(frame: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    columns = list(frame.columns)
    _table.refuse_duplicates(columns)
    values = [frame[c].tolist() for c in columns]
    return columns, [dict(zip(columns, row)) for row in zip(*values)]


def _to_pandas(pandas: Any, frame: Any, at: Sequence[int], new: dict[str, list[Any]], tiers: tuple[str, ...]) -> Any:
    out = frame.iloc[list(at)].copy()
    for name, values in new.items():
        if name == "tier" and tiers:
            out[name] = pandas.Categorical(values, categories=list(tiers), ordered=True)
        elif name in INTEGERS:
            out[name] = pandas.array(values, dtype="Int64")
        else:
            kind = "float64" if _table.EXACT.fullmatch(name) else object
            out[name] = pandas.Series(values, index=out.index, dtype=kind)
    return out


def _from_polars(frame: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    return list(frame.columns), frame.to_dicts()


def _to_polars(polars: Any, frame: Any, at: Sequence[int], new: dict[str, list[Any]], tiers: tuple[str, ...]) -> Any:
    def kind(name: str) -> Any:
        if name == "tier" and tiers:
            return polars.Enum(list(tiers))
        if name in INTEGERS:
            return polars.Int64
        return polars.Float64 if _table.EXACT.fullmatch(name) else polars.String

    return frame[list(at)].with_columns(*(polars.Series(n, v, dtype=kind(n)) for n, v in new.items()))


def typed(column: str, cell: str | None) -> Any:
    """A result's text as its value."""
    if cell is None:
        return None
    if column in INTEGERS:
        return int(cell)
    return float(cell) if _table.EXACT.fullmatch(column) else cell
