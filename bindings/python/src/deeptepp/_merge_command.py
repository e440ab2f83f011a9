"""python -m deeptepp merge: one table of those of a cohort's shards."""

from __future__ import annotations

import sys

from ._parser import Parser
from .cohort import merge_scores


def main(argv: list[str]) -> int:
    """0; 2 where anything is refused, with one line on the standard error."""
    parser = Parser(prog="python -m deeptepp merge", description="Makes one table of those of a cohort's shards.")
    parser.add_argument("--cohort", required=True, metavar="TABLE", help="the whole cohort, CSV or TSV")
    parser.add_argument("--out", required=True, metavar="TABLE", help="CSV or TSV; a JSON is written beside it")
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="as cohort --shard wrote them")
    given = parser.parse_args(argv)
    try:
        merge_scores(given.tables, given.cohort, given.out)
    except (OSError, ValueError) as error:
        print(f"deeptepp: {error}", file=sys.stderr)
        return 2
    return 0
