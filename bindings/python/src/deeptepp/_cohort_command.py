"""python -m deeptepp cohort: scores a table of cases."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from ._parser import Parser
from .cohort import score_cohort
from .errors import DeepteppError
from .model import open_model


def main(argv: list[str]) -> int:
    """0 where the table was written, whatever its rows say; 2, with one line on the standard error, where anything is
    refused; 130 after Ctrl-C."""
    given = _parser().parse_args(argv)
    try:
        print(_run(given))
    except (DeepteppError, OSError, TypeError, ValueError) as error:
        print(f"deeptepp: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"deeptepp: interrupted; --resume goes on with {given.out}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m deeptepp cohort", description="Scores a table of cases. Research use only.")
    parser.add_argument("--model", required=True, metavar="FILE")
    parser.add_argument("--cohort", required=True, metavar="TABLE", help="CSV or TSV")
    parser.add_argument("--out", required=True, metavar="TABLE", help="CSV or TSV; a JSON is written beside it")
    parser.add_argument("--resume", action="store_true", help="keep what an earlier run to --out has scored")
    parser.add_argument("--shard", type=_shard, metavar="K/N", help="only the K-th of N parts")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--largest-part", action="store_true")
    parser.add_argument("--mask-grid", choices=("same", "image", "nearest"), default="same")
    parser.add_argument("--orientation", metavar="AXES", help="of files that state none, such as LPS")
    parser.add_argument("--progress", action="store_true")
    return parser


def _shard(text: str) -> tuple[int, int]:
    k, slash, n = text.partition("/")
    if not (k.isdecimal() and slash and n.isdecimal() and 1 <= int(k) <= int(n)):
        raise argparse.ArgumentTypeError(f"\"{text}\", wanted K/N, K from 1 to N")
    return int(k), int(n)


def _run(given: argparse.Namespace) -> str:
    with open_model(given.model, threads=given.threads, precision=given.precision) as model:
        table = score_cohort(model, given.cohort, out=given.out, resume=given.resume, shard=given.shard,
                             progress=given.progress, largest_part=given.largest_part, mask_grid=given.mask_grid,
                             orientation=given.orientation)
    counts = Counter(row["status"] for row in table.rows)
    return f"{given.out}: " + ", ".join(f"{counts[status]} {status}" for status in ("ok", "error", "skipped"))
