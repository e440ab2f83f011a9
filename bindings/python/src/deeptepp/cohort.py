"""A table of cases in, the same table with scores out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np

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
              the same and status is ok; the others are scored. False: files that exist are refused. What no such run
              has written is never written over
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
    _refuse_others(model, shard, map)
    plan = plan_of(model, table)
    at = [i for i, row in enumerate(table.rows) if shard is None or shard_of(str(row[plan.id]), shard[1]) == shard[0]]
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
    if not isinstance(largest_part, (bool, np.bool_)):
        raise TypeError(f"largest_part is {largest_part!r}, wanted True or False")
    return Options(folder, bool(largest_part), mask_grid, orientation)


def _refuse_others(model: Any, shard: Any, map: Any) -> None:
    if not isinstance(model, Model):
        raise TypeError(f"model is of type {type(model).__name__}, wanted what open_model gives")
    if map is not None and not callable(map):
        raise TypeError(f"map is {map!r}, wanted a callable that is called as the builtin map is, or None")
    if shard is None:
        return
    whole = isinstance(shard, (tuple, list)) and len(shard) == 2 and all(isinstance(n, int) for n in shard)
    if not whole or not 1 <= shard[0] <= shard[1]:
        raise (ValueError if whole else TypeError)(f"shard is {shard!r}, wanted (k, n), k from 1 to n")


class _Run:
    """The rows of one run and what becomes of them."""

    def __init__(self, model: Model, plan: Plan, rows: list[Cells], options: Options,
                 shard: tuple[int, int] | None) -> None:
        self.model, self.plan, self.rows, self.options, self.shard = model, plan, rows, options, shard
        self.fixed = constants(model, options)
        self.tasks = [plan.task(i, row) for i, row in enumerate(rows)]
        self.earlier: dict[int, Cells] = {}
        self.found: dict[int, Cells] = {}
        self.scored: list[Done] = []

    def results(self, journal: Journal | None, map: Map | None,
                progress: Callable[[float], object] | None) -> list[Cells]:
        if journal is not None:
            self.earlier = reusable(journal.earlier(), self.rows, self.plan, self.fixed, journal.separator)
        for done in self._mapped([self._with_digests(task) for task in self.tasks], map):
            self._keep(done, journal)
            if progress is not None:
                progress(len(self.found) / len(self.tasks))
        for task in self.tasks:
            if task.position not in self.found:
                lost = fault_cells("WORKER_LOST", "no result came back from the worker")
                self._keep(Done(task.position, lost, 0, 0), journal)
        return self._finish(journal)

    def _with_digests(self, task: Task) -> Task:
        """Whether the files are still the same is found where the row would be scored."""
        old = self.earlier.get(task.position)
        return task if old is None else task._replace(earlier=(str(old["image_sha256"]), str(old["mask_sha256"])))

    def _mapped(self, tasks: list[Task], map: Map | None) -> Iterable[Done]:
        scorer = Scorer(self.model, self.options)
        return _ahead(scorer, tasks) if map is None else map(scorer, tasks) if tasks else ()

    def _keep(self, done: Done, journal: Journal | None) -> None:
        if not isinstance(done, Done):
            raise TypeError(f"map gave {done!r}, wanted what the callable returned that it was given")
        if done.position in self.found:
            return
        if done.cells is None:
            self.found[done.position] = self.earlier[done.position]
            return
        cells = {c: done.cells.get(c, self.fixed.get(c)) for c in self.plan.results}
        self.found[done.position] = cells
        self.scored.append(done)
        if journal is not None:
            journal.append(self.rows[done.position] | cells)

    def _finish(self, journal: Journal | None) -> list[Cells]:
        results = [self.found[task.position] for task in self.tasks]
        if journal is not None:
            sidecar = _sidecar.sidecar(self.model, results, self.scored, self.plan.results, self.shard)
            journal.finish([row | cells for row, cells in zip(self.rows, results)], sidecar)
        return results


class _Over(Exception):
    """Nobody waits for the reading."""


def _ahead(scorer: Scorer, tasks: list[Task]) -> Iterator[Done]:
    """The next row's files are read while this one is scored."""
    reader, over = ThreadPoolExecutor(1, "deeptepp-reader"), threading.Event()

    def watch(fraction: float) -> None:
        if over.is_set():
            raise _Over
    try:
        following = reader.submit(scorer.read, tasks[0], watch) if tasks else None
        for i, task in enumerate(tasks):
            assert following is not None
            read, seconds = following.result()
            following = reader.submit(scorer.read, tasks[i + 1], watch) if i + 1 < len(tasks) else None
            yield scorer.finish(task, read, seconds)
    finally:
        over.set()
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

    tables  paths of tables that score_cohort wrote, in any order; a JSON beside one says what the columns are
    cohort  the whole cohort, as score_cohort takes it: it gives the order
    out     is refused if it exists

    ValueError where a case is in two tables or in none, or in one and not in the cohort; where cells of the cohort have
    changed since; and where tables differ in columns, model, options or library.
    """
    from . import _merge

    if isinstance(tables, (str, bytes, os.PathLike)):
        raise TypeError(f"tables is {tables!r}, wanted a list of paths")
    _merge.merge([os.fsdecode(table) for table in tables], cohort, os.fsdecode(out))
