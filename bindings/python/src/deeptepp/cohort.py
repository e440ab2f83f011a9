"""A table of cases in, the same table with scores out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from . import _frames, _sidecar, _table
from ._calls import Bar, Progress
from ._cases import MASK_GRIDS
from ._journal import Journal, reusable
from ._plan import Plan, constants, plan_of, shard_of
from ._rows import Cells, Done, Options, Scorer, Task, fault_cells
from ._table import Cohort
from .model import MaskGrid, Model
from .volume import Path

Map = Callable[[Callable[[Task], Done], list[Task]], Iterable[Done]]


def score_case(model: Model, row: dict[str, Any], *, folder: str | os.PathLike[str] | None = None,
               largest_part: bool = False, mask_grid: MaskGrid = "same",
               orientation: str | None = None) -> dict[str, Any]:
    """Scores one row of a cohort: a dict of the row and its results, as score_cohort has them.

    A case that cannot be scored is no exception, but a row that says why. A row that does not fit the model's columns,
    and a fault of the model, is one. Arguments: as for score_cohort.
    """
    found: list[dict[str, Any]] = score_cohort(model, [row], folder=folder, largest_part=largest_part,
                                               mask_grid=mask_grid, orientation=orientation)
    return found[0]


def score_cohort(model: Model, cohort: Any, *, out: Path | None = None, resume: bool = False,
                 shard: tuple[int, int] | None = None, map: Map | None = None, progress: Progress = None,
                 folder: str | os.PathLike[str] | None = None, largest_part: bool = False, mask_grid: MaskGrid = "same",
                 orientation: str | None = None) -> Any:
    """Scores a table of cases; the same kind of table comes back, with the results behind its columns.

    cohort    what read_cohort gives, the path of a table, a frame of pandas or polars, or a list of dicts.
              participant_id (or case_id, id); image, or image:NAME for each channel; mask; label, if any; the model's
              covariates by name. All else is carried through.
    out       a CSV or TSV that is written as well, with a JSON beside it. While the run goes on finished rows stand
              in a file of that name and `.part`. None: nothing is written.
    resume    rows of an earlier run to `out`, ended or not, are kept where case, files, model, options and library are
              the same and status is ok; the others are scored. False: files that exist are refused
    shard     (k, n), k from 1: only the rows that belong to the k-th of n parts
    map       what runs the rows elsewhere: it is called as the builtin map is, and its results may come in any order. A
              row without one is WORKER_LOST. None: one after the other here, the next one's files being read meanwhile
    progress  True for a bar, or a callable that gets the fraction of rows done, 0 to 1
    folder    what paths are relative to; None: the table's folder, for a table in memory the working directory

    largest_part, mask_grid, orientation: as for Model.score.

    A bad case is a row; a table or an argument that is wrong is a ValueError or TypeError before anything is scored,
    and a fault of the model ends the run. One run to an `out` at a time: a second one is a FileExistsError.
    """
    if isinstance(cohort, (str, bytes, os.PathLike)):
        cohort = _table.read_cohort(cohort)
    table, restore = _frames.taken(cohort, folder)
    options = _options(table.folder, largest_part, mask_grid, orientation)
    plan = plan_of(model, table)
    at = [i for i, row in enumerate(table.rows) if _belongs(str(row[plan.id]), shard)]
    run = _Run(model, plan, [table.rows[i] for i in at], options, shard)
    columns = (*table.columns, *plan.results)
    with Bar(progress, "cohort") as bar:
        with Journal(os.fsdecode(out), columns, resume) if out is not None else nullcontext() as journal:
            results = run.results(journal, map, bar.callable)
    new = {c: [_frames.typed(c, cells[c]) for cells in results] for c in plan.results}
    return restore(at, new, model.tiers)


def _options(folder: str, largest_part: bool, mask_grid: MaskGrid, orientation: str | None) -> Options:
    if mask_grid not in MASK_GRIDS:
        raise ValueError(f"mask_grid is {mask_grid!r}, wanted one of {', '.join(MASK_GRIDS)}")
    if orientation is not None and not isinstance(orientation, str):
        raise TypeError(f"orientation is {orientation!r}, wanted a str such as \"LPS\"")
    return Options(folder, bool(largest_part), mask_grid, orientation)


def _belongs(name: str, shard: tuple[int, int] | None) -> bool:
    if shard is None:
        return True
    k, n = shard
    if not (isinstance(k, int) and isinstance(n, int) and 1 <= k <= n):
        raise ValueError(f"shard is ({k}, {n}), wanted (k, n), k from 1 to n")
    return shard_of(name, n) == k


class _Run:
    """The rows of one run and what becomes of them."""

    def __init__(self, model: Model, plan: Plan, rows: list[Cells], options: Options,
                 shard: tuple[int, int] | None) -> None:
        self.model, self.plan, self.rows, self.options, self.shard = model, plan, rows, options, shard
        self.fixed = constants(model, options)
        self.tasks = [plan.task(i, row) for i, row in enumerate(rows)]
        self.found: dict[int, Cells] = {}
        self.done: list[Done] = []

    def results(self, journal: Journal | None, map: Map | None,
                progress: Callable[[float], object] | None) -> list[Cells]:
        if journal is not None:
            self.found = reusable(journal.earlier(), self.rows, self.tasks, self.plan, self.options.folder, self.fixed,
                                  journal.separator)
        for done in self._scored([task for task in self.tasks if task.position not in self.found], map):
            self._keep(done, journal)
            if progress is not None:
                progress(len(self.found) / len(self.tasks))
        for task in self.tasks:
            if task.position not in self.found:
                lost = fault_cells("WORKER_LOST", "no result came back from the worker")
                self._keep(Done(task.position, lost, 0, 0), journal)
        return self._finish(journal)

    def _scored(self, tasks: list[Task], map: Map | None) -> Iterable[Done]:
        scorer = Scorer(self.model, self.options)
        return _ahead(scorer, tasks) if map is None else map(scorer, tasks) if tasks else ()

    def _keep(self, done: Done, journal: Journal | None) -> None:
        if done.position in self.found:
            return
        cells = {c: done.cells.get(c, self.fixed.get(c)) for c in self.plan.results}
        self.found[done.position] = cells
        self.done.append(done)
        if journal is not None:
            journal.append(self.rows[done.position] | cells)

    def _finish(self, journal: Journal | None) -> list[Cells]:
        results = [self.found[task.position] for task in self.tasks]
        if journal is not None:
            sidecar = _sidecar.sidecar(self.model, results, self.done, self.plan.results, self.shard)
            journal.finish([row | cells for row, cells in zip(self.rows, results)], sidecar)
        return results


def _ahead(scorer: Scorer, tasks: list[Task]) -> Iterator[Done]:
    """The next row's files are read while this one is scored."""
    reader = ThreadPoolExecutor(1, "deeptepp-reader")
    try:
        following = reader.submit(scorer.read, tasks[0]) if tasks else None
        for i, task in enumerate(tasks):
            assert following is not None
            read, seconds = following.result()
            following = reader.submit(scorer.read, tasks[i + 1]) if i + 1 < len(tasks) else None
            yield scorer.finish(task, read, seconds)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for files


# ---- Writing and merging ----


def write_scores(table: Any, path: Path) -> None:
    """Writes a table that score_cohort gave, or any other of its kinds, as CSV or TSV by the path's suffix.

    The same bytes as score_cohort's `out`; whole or not at all. A file that is there is replaced.
    """
    name = os.fsdecode(path)
    separator = _table.separator_of(name)
    found, _ = _frames.taken(table, None)
    _table.write_whole(_table.table_bytes(found.columns, found.rows, separator), name)


def merge_scores(tables: Iterable[Path], cohort: Any, out: Path) -> None:
    """Makes one table of those of a cohort's shards: the bytes that one run over all would have written.

    tables  paths of tables that score_cohort wrote, in any order
    cohort  the whole cohort, as score_cohort takes it: it gives the order
    out     is refused if it exists

    ValueError where a case is in two tables or in none, or in one and not in the cohort; where cells of the cohort have
    changed since; and where tables differ in columns, model, options or library.
    """
    from . import _merge

    _merge.merge([os.fsdecode(table) for table in tables], cohort, os.fsdecode(out))
