"""The table that readers give, and who is left out of what."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import _table
from .._table import Cohort

MISSING = "n/a"
# Of file cells, letter for letter.
MISSING_CELLS = frozenset(("", "n/a", "NA", "NaN", "nan", "None", "#N/A"))

Purpose = Literal["images", "rfs"]
Row = dict[str, str]


class Unusable(Exception):
    """A patient cannot be used for one purpose; the text is the reason, the same for all whom it concerns."""


@dataclass(frozen=True)
class Exclusion:
    """One patient who cannot be used for one purpose."""

    participant_id: str
    dataset: str
    purpose: Purpose
    reason: str


@dataclass(frozen=True)
class CohortTable(Cohort):
    """A Cohort, which score_cohort takes as it is, in the order of the source; missing cells are `n/a`.

    Every patient of the source has a row. One whose images cannot be used has neither image nor mask, so that scoring
    skips the row; `images_excluded` and `rfs_excluded` carry the reasons.
    """

    exclusions: tuple[Exclusion, ...] = ()

    def counts(self, *by: str) -> dict[tuple[str, ...], int]:
        """Number of exclusions by any of `purpose`, `dataset`, `reason` (default: purpose and reason), sorted."""
        names = by or ("purpose", "reason")
        found = Counter(tuple(str(getattr(each, name)) for name in names) for each in self.exclusions)
        return dict(sorted(found.items()))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a table that read_cohort reads: TSV, or CSV by the suffix.

        Paths become relative to the table's folder where they lie below it, and absolute elsewhere.
        """
        target = Path(path)
        separator = _table.separator_of(str(target))
        rows = [{name: self._written(name, row[name], target.absolute().parent) for name in self.columns}
                for row in self.rows]
        _table.write_whole(_table.table_bytes(self.columns, rows, separator), str(target))

    def _written(self, name: str, cell: str, beside: Path) -> str | None:
        if cell == MISSING:
            return None
        if not is_path(name):
            return cell
        whole = Path(self.folder).absolute() / cell
        return (whole.relative_to(beside) if whole.is_relative_to(beside) else whole).as_posix()


def is_path(column: str) -> bool:
    """Whether the column holds paths."""
    return column in ("image", "mask") or column.startswith("image:")


def known(cell: str) -> bool:
    """Whether a cell of a file holds something."""
    return cell not in MISSING_CELLS


def channel_columns(names: Iterable[str | None]) -> list[str]:
    """The image columns: `image:NAME` a channel, `image` for the one that has no name."""
    return ["image" if name is None else f"image:{name}" for name in names]


def by_column(images: str | Mapping[str, str]) -> dict[str, str]:
    """What was given a channel, or for the only one, by its column."""
    if isinstance(images, str):
        return {"image": images}
    return dict(zip(channel_columns(images), images.values()))


class Builder:
    """Rows and exclusions as they are found."""

    def __init__(self, made: Sequence[str], carried: Sequence[str]) -> None:
        """made: the columns that the reader fills; carried: those of the source, as they are."""
        made = ["participant_id", *made, "images_excluded", "rfs_excluded"]
        clash = sorted(set(made) & set(carried))
        if clash:
            raise ValueError(f"the source has a column \"{clash[0]}\", which is one that this reader makes: rename it")
        self.columns = made + list(carried)
        self.rows: list[Row] = []
        self.exclusions: list[Exclusion] = []
        self._seen: dict[str, str] = {}

    def exclude(self, identifier: str, dataset: str, purpose: Purpose, reason: str) -> None:
        self.exclusions.append(Exclusion(identifier, dataset, purpose, reason))

    def add(self, identifier: str, dataset: str, cells: Mapping[str, str], reasons: Mapping[Purpose, str]) -> None:
        """A patient's row; ids that differ in letter case alone are one id."""
        other = self._seen.setdefault(identifier.casefold(), identifier)
        if len(self._seen) == len(self.rows):
            raise ValueError(f"\"{identifier}\" stands in two rows (\"{other}\"), wanted one a patient")
        for purpose, reason in reasons.items():
            self.exclude(identifier, dataset, purpose, reason)
        row = dict.fromkeys(self.columns, MISSING)
        row |= {name: cell for name, cell in cells.items() if known(cell)}
        row |= {f"{purpose}_excluded": reason for purpose, reason in reasons.items()}
        self.rows.append(row | {"participant_id": identifier})

    def table(self, folder: str) -> CohortTable:
        return CohortTable(tuple(self.columns), self.rows, _table.absolute(folder), tuple(self.exclusions))
