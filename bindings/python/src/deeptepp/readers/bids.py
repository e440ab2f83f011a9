"""A BIDS data set with masks among its derivatives."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ._files import SUFFIXES
from ._sheets import read_sheet, records, require
from ._table import Builder, CohortTable, Purpose, Unusable, by_column, known

_OUTCOMES = ("rfs_time", "rfs_event")


def read_bids(folder: str | os.PathLike[str], *, image: str | Mapping[str, str], mask: str, derivative: str,
              session: str | None = None) -> CohortTable:
    """The cohort table of a BIDS folder, a row for each row of `participants.tsv`, with its columns.

    image: what stands between the subject's and session's part of a name and its extension, all of it: "T1w",
    "ce-gadolinium_acq-post_T1w"; or one a channel, by name. mask: likewise, "space-orig_desc-tumour_mask".
    derivative: the folder of the masks, relative to `folder`: "derivatives/tumour" ("." where they lie beside the
    images). session: the label of the session to take, without which a subject that has sessions is refused; its row
    of `sub-X_sessions.tsv` gives columns too, after the participants'.

    A name that has more entities than are asked for is another file. Where the table has `rfs_time` and
    `rfs_event`, those for whom they are missing are counted.

    Raises FileNotFoundError for a missing participants.tsv or derivative, ValueError for a table or an argument that
    cannot be meant.
    """
    root = Path(folder)
    if not (root / derivative).is_dir():
        raise FileNotFoundError(f"{root}: no folder \"{derivative}\" there")
    wanted = {column: _parse(text) for column, text in by_column(image).items()} | {"mask": _parse(mask)}
    source = _Source(root, root / derivative, wanted, session and session.removeprefix("ses-"))
    columns, rows = _participants(root / "participants.tsv")
    rows, more = _sessions(source, columns, rows)
    builder = Builder(list(wanted), [name for name in (*columns, *more) if name != "participant_id"])
    dataset = _name(root)
    for row in rows:
        _add(builder, source, row, dataset, columns)
    for name in sorted(path.name for path in root.glob("sub-*") if path.is_dir()):
        if name not in {_subject(row) for row in rows}:
            builder.exclude(name, dataset, "images", "folder without a row of participants.tsv")
    return builder.table(os.fspath(root))


Name = tuple[frozenset[str], str]  # entities and suffix


def _parse(text: str) -> Name:
    """Entities in any order, then the suffix."""
    *entities, suffix = text.split("_")
    if not re.fullmatch(r"([A-Za-z]+-[A-Za-z0-9+]+_)*[A-Za-z0-9]+", text):
        raise ValueError(f"\"{text}\", wanted entities and a suffix: \"acq-post_T1w\"")
    return frozenset(entities), suffix


@dataclass(frozen=True)
class _Source:
    root: Path
    masks: Path
    wanted: Mapping[str, Name]
    session: str | None

    def cells(self, subject: str) -> dict[str, str]:
        """Paths by column, relative to the data set."""
        found = {}
        for column, name in self.wanted.items():
            top = (self.masks if column == "mask" else self.root) / subject
            files = [file for file in self._files(top) if self._name(file, subject) == name]
            if len(files) != 1:
                raise Unusable(f"{column} missing" if not files else f"{column} stands in two files")
            found[column] = files[0].relative_to(self.root).as_posix()
        return found

    def _files(self, top: Path) -> list[Path]:
        """Volumes of the session in the folders of a subject's datatypes."""
        if self.session is not None:
            top = top / f"ses-{self.session}"
        elif any(top.glob("ses-*")):
            raise ValueError(f"{top}: has sessions, and none is named: session=")
        return sorted(file for file in top.glob("*/*") if file.name.endswith(SUFFIXES))

    def _name(self, file: Path, subject: str) -> Name | None:
        stem = file.name.removesuffix(".gz").removesuffix(".nii")
        start = subject + ("_" if self.session is None else f"_ses-{self.session}_")
        *entities, suffix = stem.removeprefix(start).split("_")
        return (frozenset(entities), suffix) if stem.startswith(start) else None


def _participants(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    columns, rows = records(read_sheet(path), path)
    require(columns, ("participant_id",), path)
    return columns, rows


def _subject(row: Mapping[str, str]) -> str:
    """Older tools leave the prefix out of the table."""
    identifier = row["participant_id"]
    return identifier if identifier.startswith("sub-") else f"sub-{identifier}"


def _sessions(source: _Source, columns: list[str],
              rows: list[dict[str, str]]) -> tuple[list[dict[str, str]], list[str]]:
    """Rows with the columns of the session's row, and the names of those."""
    if source.session is None:
        return rows, []
    more: dict[str, None] = {}
    found = []
    for row in rows:
        path = source.root / _subject(row) / f"{_subject(row)}_sessions.tsv"
        cells = _session(path, source.session) if path.is_file() else {}
        clash = sorted(set(cells) & set(columns))
        if clash:
            raise ValueError(f"{path}: column \"{clash[0]}\" stands in participants.tsv too, wanted in one of them")
        more |= dict.fromkeys(cells)
        found.append(row | cells)
    return found, list(more)


def _session(path: Path, session: str) -> dict[str, str]:
    columns, rows = records(read_sheet(path), path)
    require(columns, ("session_id",), path)
    return next((row for row in rows if row["session_id"] in (session, f"ses-{session}")), {})


def _name(root: Path) -> str:
    path = root / "dataset_description.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: no JSON ({error}), wanted a description as BIDS has it") from None
    return str(described.get("Name", "")) if isinstance(described, dict) else ""


def _add(builder: Builder, source: _Source, row: dict[str, str], dataset: str, columns: list[str]) -> None:
    if not known(row["participant_id"]):
        raise ValueError(f"participants.tsv: row {len(builder.rows) + 1} has no participant_id, wanted one")
    reasons: dict[Purpose, str] = {}
    cells = dict(row)
    try:
        cells |= source.cells(_subject(row))
    except Unusable as error:
        reasons["images"] = str(error)
    absent = [name for name in _OUTCOMES if not known(row.get(name, ""))]
    if absent and set(_OUTCOMES) <= set(columns):
        reasons["rfs"] = f"{absent[0]} missing"
    builder.add(row["participant_id"], dataset, cells, reasons)
