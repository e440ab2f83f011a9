"""python -m deeptepp table: a cohort table of a public layout, and who is left out."""

import argparse
import os
import sys
from collections.abc import Sequence

from .._parser import Parser
from ._table import CohortTable, known
from .bids import read_bids
from .duke import read_duke_sheet
from .mama_mia import read_mama_mia

PROGRAM = "deeptepp table"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 with one line on the standard error."""
    given = _parse(argv)
    try:
        if os.path.exists(given.out):
            raise FileExistsError(f"{given.out} exists: remove it, or give another name")
        table = given.read(given)
        table.write(given.out)
    except (OSError, ValueError, ImportError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    print(summary(table))
    return 0


def summary(table: CohortTable) -> str:
    """Rows, those that can be used, and the exclusions by purpose, data set and reason."""
    columns = [name for name in ("mask", "rfs_time") if name in table.columns]
    usable = {"mask": "with images", "rfs_time": "with RFS"}
    lines = [f"{len(table.rows)} rows"]
    lines += [f"{sum(known(row[name]) for row in table.rows)} {usable[name]}" for name in columns]
    lines += [f"excluded, {purpose}: {count} {dataset or '-'}: {reason}"
              for (purpose, dataset, reason), count in table.counts("purpose", "dataset", "reason").items()]
    return "\n".join(lines)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog=f"python -m {PROGRAM}", description="Make a cohort table of a public data set's layout.")
    layouts = parser.add_subparsers(metavar="LAYOUT", required=True)
    _mama_mia(layouts.add_parser("mama-mia", help="MAMA-MIA's folder"))
    _duke(layouts.add_parser("duke", help="Duke-Breast-Cancer-MRI's clinical sheet"))
    _bids(layouts.add_parser("bids", help="a BIDS folder with masks among its derivatives"))
    for layout in layouts.choices.values():
        layout.add_argument("--out", required=True, metavar="FILE", help="the table to write, .tsv or .csv")
    return parser.parse_args(argv)


def _mama_mia(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--masks", choices=("expert", "automatic"), default="expert")
    parser.add_argument("--phase", action="append", default=[], metavar="[NAME=]PHASE",
                        help="a channel's phase: 0 before contrast, 1 the first after, -1 the last, 120s by time")
    parser.add_argument("--within", type=float, metavar="SECONDS", help="the largest distance of a phase by time")
    parser.set_defaults(read=lambda given: read_mama_mia(
        given.folder, masks=given.masks, phases=_channels(given.phase or ["1"], "--phase"), within=given.within))


def _duke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sheet", metavar="SHEET", help=".xlsx, .csv or .tsv")
    parser.add_argument("--image", action="append", default=[], metavar="[NAME=]PATH", help="with {id} in it")
    parser.add_argument("--mask", metavar="PATH", help="with {id} in it")
    parser.add_argument("--folder", metavar="FOLDER", help="what the paths are relative to (default: the sheet's)")
    parser.add_argument("--ids", choices=("duke", "mama-mia"), default="duke")
    parser.set_defaults(read=lambda given: read_duke_sheet(
        given.sheet, images=_channels(given.image, "--image") if given.image else None, mask=given.mask,
        folder=given.folder, ids=given.ids))


def _bids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--image", action="append", required=True, metavar="[NAME=]ENTITIES_SUFFIX")
    parser.add_argument("--mask", required=True, metavar="ENTITIES_SUFFIX")
    parser.add_argument("--derivative", required=True, metavar="FOLDER", help="of the masks: derivatives/tumour")
    parser.add_argument("--session", metavar="LABEL")
    parser.set_defaults(read=lambda given: read_bids(
        given.folder, image=_channels(given.image, "--image"), mask=given.mask, derivative=given.derivative,
        session=given.session))


def _channels(texts: Sequence[str], option: str) -> str | dict[str, str]:
    """One without a name, or several with names."""
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    pairs = [text.partition("=") for text in texts]
    found = {name: value for name, _, value in pairs}
    if len(found) < len(pairs) or not all(name and value for name, value in found.items()):
        raise ValueError(f"{option} {' '.join(texts)}, wanted NAME=VALUE once a channel, or one without a name")
    return found
