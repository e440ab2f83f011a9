"""A training from beginning to end: cohort, inputs, checks, folds, files."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from .. import _frames, _rows, _table
from .._calls import text
from .._native import lib
from .._rows import Cells
from ..convert._description import plural
from ..model import MAX_THREADS
from . import _files, _folds, _leaks, _measures, _memory, _page, _usual, _warm
from ._cohort import PARTITION, Case, CohortError, Reader, Roster, channels_of
from ._fold import Trained, Trainer
from ._folds import Fold
from ._inputs import Cache, Input, plain
from ._measures import Scored
from ._networks import network
from ._recipe import recipe_model
from ._settings import Settings, read
from ._start import Result, TrainingError
from ._warm import WarmStart


class Data(NamedTuple):
    """What is trained on, in the cohort's order."""

    roster: Roster
    cases: list[Case]
    inputs: list[Input]
    folds: list[Fold]


class Run:
    def __init__(self, cohort: Any, out: str, described_at: str | None, options: dict[str, Any],
                 log: Callable[[str], object] | None) -> None:
        if not out.endswith(".safetensors"):
            raise ValueError(f"out is \"{out}\", wanted a name that ends in .safetensors")
        if not os.path.isdir(os.path.dirname(out) or "."):
            raise FileNotFoundError(f"{out}: there is no folder {os.path.dirname(out)}")
        named = os.fsdecode(cohort) if isinstance(cohort, (str, bytes, os.PathLike)) else ""
        self.table, _ = _frames.taken(_table.read_cohort(named) if named else cohort, None)
        self.named, self.out, self.options = named, out, options
        self.say: Callable[[str], object] = log or (lambda line: None)
        title = f"Trained on {os.path.basename(named) or 'a table in memory'}"
        self.start: WarmStart | None = None
        self.began = ""
        self.settings = read(described_at, channels_of(self.table), title)

    def warm(self, path: str, entry: str | None) -> None:
        """Before run()."""
        self.start = _warm.read(path, entry, network(self.settings, 0).state_dict())

    def run(self, held_out: Sequence[str], work: str | None, leave_out_faulty: bool, threads: int | None,
            device: str) -> Result:
        at = _device(device)
        if threads is not None and not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"threads is {threads}, wanted 1 to {MAX_THREADS}")
        folder = work or _files.beside(self.out, ".work")
        os.makedirs(folder, exist_ok=True)
        with _locked(folder), _threads(threads):
            data = self._data(folder, held_out, leave_out_faulty)
            return self._write(data, self._train(data, folder, at), at)

    # ---- Before the first epoch ----

    def _data(self, folder: str, held_out: Sequence[str], leave_out_faulty: bool) -> Data:
        faults: list[str] = []
        channels, training = self.settings.description["input"]["channels"], self.settings.training
        roster = Reader(self.table, channels, training, faults, leave_out=leave_out_faulty).read()
        with recipe_model(self.settings, folder) as model:
            inputs = self._inputs(folder, model, roster, self.table.folder, "the cohort")
            self._sort_out(roster, inputs, faults, leave_out_faulty)
            seen = _leaks.seen("", roster.cases, inputs)
            held = self._held("the rows not for training", roster, inputs, roster.cases, faults, leave_out_faulty)
            for path in held_out:
                name = os.path.basename(path)
                other = Reader(_table.read_cohort(path), channels, training, faults, name, leave_out_faulty).read()
                found = self._inputs(folder, model, other, other.table.folder, name)
                held += self._held(name, other, found, roster.cases, faults, leave_out_faulty)
        faults += _leaks.faults(seen, held)
        told = len({case.event for case in roster.cases}) < 2  # of all, and not of each fold
        folds = [] if told else _folds.folds(roster.cases, training.folds, training.validation, training.seed)
        faults += _folds.faults(roster.cases, folds)
        if faults:
            raise CohortError(faults)
        return Data(roster, roster.cases, [one.input for one in seen], folds)

    def _held(self, name: str, roster: Roster, inputs: dict[int, Input | Cells], trained: Sequence[Case],
              faults: list[str], leave_out: bool) -> list[_leaks.Seen]:
        """What is held out and can be compared; what cannot is a fault, or told."""
        faults += _leaks.shared(trained, roster.held, name)
        for case in roster.held:
            found = inputs[case.at]
            if not isinstance(found, Input):
                line = f"{case.id} of {name}: {found['error_code']}: {found['error_message']}: it cannot be compared " \
                    "with what is trained on"
                self.say(line) if leave_out else faults.append(line)
        return _leaks.seen(name, roster.held, inputs)

    def _inputs(self, folder: str, model: Any, roster: Roster, base: str, name: str) -> dict[int, Input | Cells]:
        options = _rows.Options(base, bool(self.options["largest_part"]), self.options["mask_grid"],
                                self.options["orientation"])
        cases = [*roster.cases, *roster.held]
        cache = Cache(os.path.join(folder, "inputs"), model, self.settings, options)
        size = len(cases) * 4 * int(torch.Size(cache.shape).numel()) / 1e9
        self.say(f"inputs of {name}: {plural(len(cases), 'case')}, {size:.2f} GB in {cache.folder}")
        return cache.inputs(cases, lambda count: None)

    def _sort_out(self, roster: Roster, inputs: dict[int, Input | Cells], faults: list[str], leave_out: bool) -> None:
        """Cases without an input are faults, or left out."""
        for case in roster.cases:
            found = inputs[case.at]
            if isinstance(found, Input):
                continue
            roster.left_out[case.at] = found
            if not leave_out:
                faults.append(f"{case.id}: {found['error_code']}: {found['error_message']}")
        roster.cases = [case for case in roster.cases if isinstance(inputs[case.at], Input)]

    # ---- Training ----

    def _train(self, data: Data, folder: str, device: Any) -> list[Trained]:
        self._tell(data, device)
        run = os.path.join(folder, "runs", self._identity(data, device)[:16])
        os.makedirs(run, exist_ok=True)
        self.began = _began(os.path.join(run, "began"))
        start = None if self.start is None else self.start.tensors
        return [Trainer(self.settings, data.cases, data.inputs, k, fold, device, os.path.join(run, f"fold{k}.pt"),
                        self.say, start).run() for k, fold in enumerate(data.folds)]

    def _tell(self, data: Data, device: Any) -> None:
        reasons = Counter(cells.get("error_code") or "no imaging" for cells in data.roster.left_out.values())
        self.say(f"cohort: {self._cohort(data)}; left out: " +
                 (", ".join(f"{count} {name}" for name, count in sorted(reasons.items())) or "none"))
        for k, fold in enumerate(data.folds):
            counts = (f"{name} {len(at)} ({sum(data.cases[i].event for i in at)})"
                      for name, at in zip(("training", "validation", "out of fold"), fold))
            self.say(f"fold {k}: cases (events): {', '.join(counts)}")
        if self.start is not None:
            self.say(str(self.start))
        self.say(f"on {device}, {plural(torch.get_num_threads(), 'thread')}, PyTorch {torch.__version__}; memory about "
                 f"{_memory.estimate(self.settings) / 1e9:.2f} GB beside PyTorch itself")

    def _identity(self, data: Data, device: Any) -> str:
        """Of everything that decides the weights: a checkpoint of another run is never gone on with."""
        cases = [(case.id, case.patient, case.time, case.event, case.site, plain(found))
                 for case, found in zip(data.cases, data.inputs)]
        parts = [self.settings.plain(), cases, data.folds, torch.__version__, str(device.type), torch.get_num_threads(),
                 text(lib.deeptepp_version()), self.start and self.start.sha256]
        return _digest(parts)

    # ---- After the last ----

    def _write(self, data: Data, trained: Sequence[Trained], device: Any) -> Result:
        scored = _measures.scored(data.cases, data.folds, [one.scores for one in trained])
        provenance = {**self._provenance(data, trained, scored, device),
                      **self.settings.description.get("provenance", {})}
        sha256 = _files.write_model(self.out, self.settings, [one.weights for one in trained],
                                    self._description(data, provenance))
        table, page = (_files.beside(self.out, ending) for ending in (".out-of-fold.tsv", ".html"))
        _files.write_table(table, data.roster, self._results(data, trained, sha256))
        left_out = [(str(data.roster.table.rows[at].get(data.roster.id)), cells)
                    for at, cells in sorted(data.roster.left_out.items())]
        options = "; ".join(f"{name} {value}" for name, value in self.options.items() if value is not None)
        facts = [("model file", os.path.basename(self.out)), ("SHA-256", sha256), *provenance.items(),
                 ("preprocessing options", options)]
        story = _page.Story(self.settings, facts, data.folds, trained, scored, left_out, self.start)
        _table.write_whole(_page.page(story).encode(), page)
        return Result(self.out, table, page, sha256, len(scored), sum(one.case.event for one in scored),
                      tuple(one.best for one in trained), _measures.concordance_of(scored))

    def _description(self, data: Data, provenance: dict[str, str]) -> dict[str, Any]:
        given = self.settings.description
        section = _usual.section(given["input"], [found.spacing for found in data.inputs],
                                 [found.mask_ml for found in data.inputs], [found.intensity for found in data.inputs])
        return {"training_cohort": f"{self._cohort(data)}; {plural(len(data.folds), 'fold')} by patient", **given,
                "input": section, "provenance": provenance}

    def _cohort(self, data: Data) -> str:
        events = sum(case.event for case in data.cases)
        patients = len({case.patient for case in data.cases})
        return (f"{plural(len(data.cases), 'case')} of {plural(patients, 'patient')}, {plural(events, 'event')} "
                f"({self.settings.training.event})")

    def _provenance(self, data: Data, trained: Sequence[Trained], scored: Sequence[Scored],
                    device: Any) -> dict[str, str]:
        times, start = [case.time for case in data.cases], self.start
        training = self.settings.training
        return {
            "trained": self.began, "cohort": self._cohort(data), "cohort_sha256": self._digest(),
            "outcome": f"{training.event}; {training.time} {min(times):g} to {max(times):g}",
            "left_out": str(len(data.roster.left_out)),
            "out_of_fold_c": str(_measures.concordance_of(scored)),
            "out_of_fold_c_by_fold": "; ".join(map(str, _measures.of_folds(scored, len(data.folds)))),
            "epochs": ", ".join(str(one.best) for one in trained), "loss": training.loss,
            "seed": str(training.seed), "settings_sha256": _digest(self.settings.plain()),
            **({} if start is None else {"warm_start_sha256": start.sha256}), "deeptepp": text(lib.deeptepp_version()),
            "pytorch": str(torch.__version__), "device": str(device), "threads": str(torch.get_num_threads()),
        }

    def _digest(self) -> str:
        """Of the cohort's table as it would be written, wherever it came from."""
        return hashlib.sha256(_table.table_bytes(self.table.columns, self.table.rows, "\t")).hexdigest()

    def _results(self, data: Data, trained: Sequence[Trained], sha256: str) -> dict[int, Cells]:
        results: dict[int, Cells] = {at: {"status": "error", **cells} for at, cells in data.roster.left_out.items()}
        for k, (fold, one) in enumerate(zip(data.folds, trained)):
            for i, score in zip(fold.out, one.scores):
                found = data.inputs[i]
                results[data.cases[i].at] = {
                    "fold": str(k), "score": _table.cell_text(score, "score"), "image_sha256": found.image_sha256,
                    "mask_sha256": found.mask_sha256, "model_sha256": sha256, "status": "ok", PARTITION: "out-of-fold"}
        return results


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _began(path: str) -> str:
    """The day on which this run began first, or the one that SOURCE_DATE_EPOCH says."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.fromtimestamp(time.time() if given is None else int(given), datetime.timezone.utc)
    if not os.path.exists(path):
        _table.write_whole(now.date().isoformat().encode(), path)
    with open(path, encoding="utf-8") as file:
        return file.read()


def _device(name: str) -> Any:
    there = torch.cuda.is_available()
    try:
        found = torch.device(("cuda" if there else "cpu") if name == "auto" else name)
    except RuntimeError:
        raise ValueError(f"device is \"{name}\", wanted auto, cpu, cuda or cuda:1") from None
    if found.type == "cuda" and not there:
        raise TrainingError(f"device is \"{name}\", and PyTorch {torch.__version__} finds no GPU: cpu, or auto")
    return found


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """The system frees the lock when the process ends, however that is."""
    file = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TrainingError(f"{folder} is used by another run, wanted one run a work folder at a time") from None
    finally:
        os.close(file)
