"""python -m deeptepp dicom: scores an MR series with its SEG, and writes a report."""

from __future__ import annotations

import argparse
import sys

from ._parser import Parser
from ._sidecar import RESEARCH
from .errors import DeepteppError
from .model import Model, open_model
from .score import Score


def main(argv: list[str]) -> int:
    """0; 2 where anything is refused, with one line on the standard error."""
    given = _parser().parse_args(argv)
    try:
        print(_run(given))
    except (DeepteppError, ImportError, OSError, ValueError) as error:
        print(f"deeptepp: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m deeptepp dicom",
                    description="Scores a DICOM MR series with its SEG. Research use only.")
    parser.add_argument("--model", required=True, metavar="FILE")
    parser.add_argument("--series", required=True, metavar="FOLDER", nargs="+", help="a folder, or files")
    parser.add_argument("--seg", required=True, metavar="FILE")
    parser.add_argument("--series-uid", metavar="UID", help="of several series: which")
    parser.add_argument("--phase", action="append", metavar="CHANNEL=VALUE", default=[],
                        help="of a series with several phases: one, by its time tag's value; once a channel")
    parser.add_argument("--segment", metavar="NUMBER|LABEL", help="of several segments: which")
    parser.add_argument("--covariate", action="append", metavar="NAME=VALUE", default=[])
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--report", metavar="FILE", help="writes a structured report (TID 1500), not over another file")
    parser.add_argument("--json", action="store_true", help="the whole result as JSON")
    return parser


def _run(given: argparse.Namespace) -> str:
    from . import dicom

    phases = _pairs(given.phase, "--phase") or None
    covariates = {name: _number(name, value) for name, value in _pairs(given.covariate, "--covariate").items()}
    source = given.series[0] if len(given.series) == 1 else given.series
    with (open_model(given.model, threads=given.threads, precision=given.precision) as model,
          dicom.read_series(source, phases=phases, series_uid=given.series_uid) as series,
          dicom.read_segmentation(given.seg, series, segment=_segment(given.segment)) as segmentation):
        score = model.score(series.image, segmentation.mask, label=segmentation.label, covariates=covariates)
        if given.report is not None:
            dicom.write_report(given.report, score, series, segmentation)
        return score.json.rstrip("\n") if given.json else _words(model, score)


def _pairs(given: list[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not (name and sign and value) or name in found:
            raise ValueError(f"{option} is \"{pair}\", wanted NAME=VALUE, each name once")
        found[name] = value
    return found


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"covariate \"{name}\" is \"{value}\", wanted a number") from None


def _segment(given: str | None) -> int | str | None:
    return int(given) if given is not None and given.isdecimal() else given


def _words(model: Model, score: Score) -> str:
    lines = [f"score           {score.score:.6f}"]
    if score.tier is not None:
        lines.append(f"tier            {score.tier} ({score.tier_name})")
    lines += [f"warning         {warning.message}" for warning in score.warnings]
    return "\n".join([*lines, f"model           {model.name}", RESEARCH])
