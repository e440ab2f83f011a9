"""python -m deeptepp freeze: cut-points and a calibration into a new model file."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ._parser import Parser
from ._sidecar import RESEARCH
from .convert import ConversionError
from .errors import DeepteppError
from .freeze import freeze
from .model import open_model
from .survival import Calibration, Cuts, calibrate


def main(argv: list[str]) -> int:
    """0; 2 where anything is refused, with one line on the standard error."""
    given = _parser().parse_args(_joined(argv))
    try:
        print(_run(given))
    except (ConversionError, DeepteppError, ImportError, OSError, TypeError, ValueError) as error:
        print(f"deeptepp freeze: {error}", file=sys.stderr)
        return 2
    return 0


def _joined(argv: list[str]) -> list[str]:
    """Cut-points may begin with a minus, which argparse takes for an option's."""
    words = iter(argv)
    return [f"{word}={next(words, '')}" if word == "--cutpoints" else word for word in words]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m deeptepp freeze", epilog=RESEARCH,
                    description="Writes a model file with cut-points and a calibration.")
    add = parser.add_argument
    add("model", metavar="MODEL")
    add("--out", required=True, metavar="FILE", help="the model file to write")
    add("--scores", metavar="TABLE", help="CSV or TSV of MODEL's scores: cut-points are their quantiles")
    add("--quantiles", type=_numbers, metavar="P,Q", help="within 0 to 1; by default the paper's, 0.605,0.803")
    add("--cutpoints", metavar="A,B|FILE.json", help="in place of --scores")
    add("--names", type=lambda text: text.split(","), metavar="NAME,NAME,NAME", help="of the tiers, lowest first")
    add("--calibrate", metavar="TABLE", help="CSV or TSV of MODEL's scores and outcomes, with a column partition")
    add("--times", type=_numbers, metavar="T,U", help="of the calibration, in the table's unit")
    add("--unit", metavar="TEXT", help="its name, such as years")
    add("--endpoint", metavar="TEXT", help='such as "recurrence-free survival"')
    add("--time", default="rfs_time", metavar="COLUMN")
    add("--event", default="rfs_event", metavar="COLUMN")
    add("--calibration", metavar="FILE.json", help="in place of --calibrate")
    add("--cohort", default="", metavar="NAME", help="of the tables' patients, in place of the file names")
    add("--tolerance", type=float, metavar="X", help="a score this near to a cut-point gets a warning")
    add("--guidance", action="store_true", help="the three tiers are the paper's Low, Moderate and High")
    return parser


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"\"{text}\", wanted numbers with commas between them") from None


def _run(given: argparse.Namespace) -> str:
    _check(given)
    with open_model(given.model, threads=1) as model:
        sha256 = model.sha256
    cuts, calibration = _cuts(given, sha256), _calibration(given, sha256)
    made = freeze(given.model, given.out, cuts=cuts, calibration=calibration, tolerance=given.tolerance,
                  guidance=given.guidance)
    lines = [f"wrote {given.out}"]
    lines += [f"tiers: {cuts}"] if cuts else []
    lines += [f"calibration: {calibration}"] if calibration else []
    return "\n".join([*lines, f"sha256 {made['sha256']}", RESEARCH])


def _check(given: argparse.Namespace) -> None:
    for one, other in (("scores", "cutpoints"), ("calibrate", "calibration")):
        if getattr(given, one) is not None and getattr(given, other) is not None:
            raise ValueError(f"--{one} and --{other} are given, wanted one of them")
    for needed, by in (("scores", ("quantiles",)), ("calibrate", ("times", "unit", "endpoint"))):
        for name in by:
            if getattr(given, needed) is None and getattr(given, name) is not None:
                raise ValueError(f"--{name} without --{needed}, wanted both")
            if getattr(given, needed) is not None and getattr(given, name) is None and name != "quantiles":
                raise ValueError(f"--{needed} without --{name}, wanted both")


def _cuts(given: argparse.Namespace, sha256: str) -> Cuts | None:
    named: dict[str, Any] = {} if given.names is None else {"names": given.names}
    if given.scores is not None:
        shares = {} if given.quantiles is None else {"probs": given.quantiles}
        return Cuts.from_quantiles(given.scores, **shares, **named, cohort=given.cohort, model_sha256=sha256)
    if given.cutpoints is None or not given.cutpoints.endswith(".json"):
        if given.cutpoints is None and named:
            raise ValueError("--names without --scores or --cutpoints, wanted one of them")
        return None if given.cutpoints is None else Cuts.given(_given(given.cutpoints), **named)
    if named:
        raise ValueError(f"--names beside {given.cutpoints}, which has the tiers' names, wanted one of them")
    return Cuts.read(given.cutpoints)


def _given(text: str) -> list[float]:
    try:
        return _numbers(text)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--cutpoints is {error}, or a file that ends in .json") from None


def _calibration(given: argparse.Namespace, sha256: str) -> Calibration | None:
    if given.calibrate is not None:
        return calibrate(given.calibrate, given.times, unit=given.unit, endpoint=given.endpoint,
                         duration_col=given.time, event_col=given.event, cohort=given.cohort, model_sha256=sha256)
    return None if given.calibration is None else Calibration.read(given.calibration)
