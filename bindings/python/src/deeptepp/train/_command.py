"""python -m deeptepp train: a model file from a table of cases."""

from __future__ import annotations

import argparse
import sys

from .._cases import MASK_GRIDS
from .._parser import Parser
from ..convert import ConversionError
from ..errors import DeepteppError
from ._cohort import CohortError
from ._start import Result, TrainingError, train


def main(argv: list[str]) -> int:
    """0; 2, with what is wrong on the standard error, one a line; 130 after Ctrl-C."""
    given = _parser().parse_args(argv)
    try:
        print(_run(given))
    except CohortError as error:
        return _refuse(*error.faults)
    except (ConversionError, DeepteppError, ImportError, OSError, TrainingError, TypeError, ValueError) as error:
        return _refuse(error)
    except KeyboardInterrupt:
        print("deeptepp train: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _refuse(*faults: object) -> int:
    for fault in faults:
        print(f"deeptepp train: {fault}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m deeptepp train",
                    description="Trains a model on a table of cases. Research use only.")
    add = parser.add_argument
    add("cohort", metavar="COHORT", help="CSV or TSV")
    add("--out", required=True, metavar="FILE", help="the model file, NAME.safetensors; its tables come beside it")
    add("--description", metavar="FILE", help="JSON or YAML: docs/training.md")
    add("--held-out", action="append", default=[], metavar="TABLE", help="cases that must not be trained on")
    add("--warm-start", metavar="FILE", help="a checkpoint or model file whose weights the networks begin with")
    add("--entry", metavar="NAME", help="which network of a warm start that holds several, such as fold0")
    add("--work", metavar="FOLDER", help="cached inputs and checkpoints; by default NAME.work")
    add("--leave-out-faulty", action="store_true", help="cases whose image or mask cannot be used are left out")
    add("--threads", type=int, metavar="N", help="of PyTorch")
    add("--device", default="auto", help="auto, cpu, cuda")
    add("--largest-part", action="store_true")
    add("--mask-grid", choices=tuple(MASK_GRIDS), default="same")
    add("--orientation", metavar="AXES", help="of files that state none, such as LPS")
    add("--quiet", action="store_true", help="no lines of progress")
    return parser


def _run(given: argparse.Namespace) -> str:
    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    result = train(given.cohort, given.out, description=given.description, held_out=given.held_out,
                   warm_start=given.warm_start, entry=given.entry, work=given.work,
                   leave_out_faulty=given.leave_out_faulty, largest_part=given.largest_part, mask_grid=given.mask_grid,
                   orientation=given.orientation, threads=given.threads, device=given.device,
                   log=None if given.quiet else log)
    return _summary(result)


def _summary(result: Result) -> str:
    return (f"wrote {result.model}: {len(result.best_epochs)} members, {result.cases} cases, {result.events} events\n"
            f"wrote {result.table} and {result.page}\nout-of-fold C {result.concordance}\nsha256 {result.sha256}")
