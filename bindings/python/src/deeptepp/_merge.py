"""Tables of shards to the whole."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

from . import _frames, _sidecar, _table
from ._plan import AFTER, BEFORE, id_column, refuse_ids

ALIKE = ("model_sha256", "options", "library_version")


def merge(tables: list[str], cohort: Any, out: str) -> None:
    separator = _table.separator_of(out)
    for path in (out, _sidecar.path_of(out)):
        if os.path.exists(path):
            raise FileExistsError(f"{path} exists: remove it, or give another name")
    if isinstance(cohort, (str, bytes, os.PathLike)):
        cohort = _table.read_cohort(cohort)
    whole, _ = _frames.taken(cohort, None)
    identity = id_column(whole.columns)
    refuse_ids([row[identity] for row in whole.rows], identity)
    columns, found = _collected(tables, whole.columns, identity)
    rows = _ordered(whole, columns, found, identity)
    _table.write_whole(_table.table_bytes(columns, rows, separator), out)
    _table.write_whole(_merged_sidecar(tables, columns, rows), _sidecar.path_of(out))


def _collected(tables: list[str], carried: tuple[str, ...],
               identity: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """By id: the row and its table."""
    if not tables:
        raise ValueError("no table was given, wanted those of all shards")
    columns, alike = None, None
    found: dict[str, Any] = {}
    for path in tables:
        names, rows = _table.read_table(path)
        columns = _columns(path, names, carried, columns)
        for row in rows:
            alike = alike or (path, row)
            _refuse_unlike(path, row, *alike)
            if row[identity] in found:
                raise ValueError(f"{identity} \"{row[identity]}\" is in {found[row[identity]][1]} and in {path}, "
                                 "wanted each case in one table")
            found[row[identity]] = row, path
    assert columns is not None
    return columns, found


def _columns(path: str, names: tuple[str, ...], carried: tuple[str, ...],
             before: tuple[str, ...] | None) -> tuple[str, ...]:
    results = [n for n in names[len(carried):] if not n.startswith("survival:")]
    if names[:len(carried)] != carried or results != [*BEFORE, *AFTER] or (before or names) != names:
        raise ValueError(f"{path} has other columns, wanted the cohort's and then the results, alike in all tables")
    return names


def _refuse_unlike(path: str, row: dict[str, Any], first: str, wanted: dict[str, Any]) -> None:
    for name in ALIKE:
        if row[name] != wanted[name]:
            raise ValueError(f"{path} has {name} \"{row[name]}\", wanted \"{wanted[name]}\" as {first} has")


def _ordered(whole: _table.Cohort, columns: tuple[str, ...], found: dict[str, Any],
             identity: str) -> list[dict[str, Any]]:
    rows = []
    for row in whole.rows:
        if row[identity] not in found:
            raise ValueError(f"{identity} \"{row[identity]}\" is in none of the tables, wanted each case in one")
        scored, path = found.pop(row[identity])
        for name, cell in row.items():
            if scored[name] != cell and not (cell is None and _table.is_missing(scored[name])):
                raise ValueError(f"{path}: {identity} \"{row[identity]}\" has {name} \"{scored[name]}\", wanted "
                                 f"\"{cell}\" as the cohort has")
        results = {n: None if _table.is_missing(scored[n]) else scored[n] for n in columns[len(row):]}
        rows.append(row | results)
    for name, (_, path) in found.items():
        raise ValueError(f"{path} has {identity} \"{name}\", which is not in the cohort")
    return rows


def _merged_sidecar(tables: list[str], columns: tuple[str, ...], rows: list[dict[str, Any]]) -> bytes:
    """Columns as the shards' own describe them, where they are there; counts of the whole."""
    beside = [path for path in map(_sidecar.path_of, tables) if os.path.isfile(path)]
    described = next(filter(None, map(_sidecar.read, beside)), {})
    found = {name: described[name] for name in columns if name in described}
    first = rows[0] if rows else {}
    counts = {name: dict(sorted(Counter(row[name] for row in rows if row[name]).items()))
              for name in ("status", "error_code")}
    run = {"research_use_only": _sidecar.RESEARCH, "cases": len(rows), **counts, "shard": None,
           "merged": len(tables), "options": first.get("options"),
           "model": described.get("deeptepp", {}).get("model", {"sha256": first.get("model_sha256")}),
           "library_version": first.get("library_version")}
    return (json.dumps({**found, "deeptepp": run}, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
