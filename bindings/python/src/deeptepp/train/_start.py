"""What callers see, without PyTorch as long as nothing is trained."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import MaskGrid
from ..survival import Concordance
from ..volume import Path


NEEDED = ("torch", "matplotlib", "statsmodels")


class TrainingError(RuntimeError):
    """Training cannot begin or go on: what was found, and what to change."""


@dataclass(frozen=True)
class Result:
    """What was written. sha256: of the model file; best_epochs: of each fold, from 1; concordance: of all out-of-fold
    scores, None where no two cases can be compared."""

    model: str
    table: str
    page: str
    sha256: str
    cases: int
    events: int
    best_epochs: tuple[int, ...]
    concordance: Concordance | None


def train(cohort: Any, out: Path, *, description: Path | None = None, held_out: Sequence[Path] = (),
          warm_start: Path | None = None, entry: str | None = None, work: Path | None = None,
          leave_out_faulty: bool = False, largest_part: bool = False, mask_grid: MaskGrid = "same",
          orientation: str | None = None, threads: int | None = None, device: str = "auto",
          log: Callable[[str], object] | None = None) -> Result:
    """Trains a network a fold and writes one model file of them, a table of out-of-fold scores and a page.

    cohort            the path of a table, what read_cohort gives, a frame of pandas or polars, or a list of dicts; the
                      columns of score_cohort, and an outcome: by default rfs_time (above 0) and rfs_event (0 or 1)
    out               the model file, NAME.safetensors; NAME.out-of-fold.tsv and the page NAME.html come beside it
    description       a .json, .yaml or .yml: docs/training.md; None: all defaults
    warm_start        a checkpoint or model file whose weights the networks begin with: PyTorch's or safetensors, with
                      the names of MONAI, MedicalNet, torchvision or docs/model-format.md; what does not fit begins anew
    entry             which network of a warm start that holds several, such as "fold0"
    held_out          tables of cases that must not be among those trained on, by patient, by digest of image and of
                      tensor
    work              folder of cached inputs and of checkpoints; None: NAME.work beside `out`. A run that was cut short
                      goes on when it is called again, with the same result
    leave_out_faulty  cases whose image or mask cannot be used are left out, and told; False: they are refused
    threads           of PyTorch; None: as it is set. The last bits of the weights depend on it
    device            "auto": a GPU if there is one; "cpu", "cuda", "cuda:1"
    log               gets lines of progress

    largest_part, mask_grid, orientation: as for Model.score.

    Raises CohortError, with all that is wrong with the cohort at once, before anything is trained;
    deeptepp.convert.ConversionError for the description; TrainingError; OSError; ImportError without a package. One run
    a work folder at a time. Not for several threads at once: PyTorch's number of threads is the process's.
    """
    for package in NEEDED:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(f"training takes {package}, which is not here: pip install 'deeptepp[train]'") from error
    from ._run import Run

    given = {"largest_part": largest_part, "mask_grid": mask_grid, "orientation": orientation}
    run = Run(cohort, os.fsdecode(out), None if description is None else os.fsdecode(description), given, log)
    if warm_start is not None:
        run.warm(os.fsdecode(warm_start), entry)
    return run.run([os.fsdecode(path) for path in held_out], None if work is None else os.fsdecode(work),
                   leave_out_faulty, threads, device)
