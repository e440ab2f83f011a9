"""Duke-Breast-Cancer-MRI's own clinical sheet (922 patients, CC BY-NC 4.0)."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ._outcomes import Outcome, number, outcome
from ._sheets import read_sheet
from ._table import MISSING, Builder, CohortTable, Purpose, Unusable, by_column, known

_ID = "Patient ID"
_EVENT = "Recurrence event(s)"
_LOCAL = "Days to local recurrence (from the date of diagnosis)"
_DISTANT = "Days to distant recurrence(from the date of diagnosis)"
_DEATH = "Days to death (from the date of diagnosis)"
_LAST_LOCAL = "Days to last local recurrence free assessment (from the date of diagnosis)"
_LAST_DISTANT = "Days to last distant recurrence free assemssment(from the date of diagnosis)"  # as it is spelt there
_TREATMENTS = ("Neoadjuvant Anti-Her2 Neu Therapy", "Adjuvant Anti-Her2 Neu Therapy")
_WANTED = (_ID, _EVENT, _LOCAL, _DISTANT, _DEATH, _LAST_LOCAL, _LAST_DISTANT, *_TREATMENTS)
_OUTCOMES = ("treatment", "rfs_time", "rfs_event", "os_time", "os_event")
# Not collected, not pertinent, not applicable.
_MISSING = frozenset(("NC", "NP", "NA"))
_HEADER_ROWS = 5


def read_duke_sheet(path: str | os.PathLike[str], *, images: str | Mapping[str, str] | None = None,
                    mask: str | None = None, folder: str | os.PathLike[str] | None = None,
                    ids: Literal["duke", "mama-mia"] = "duke") -> CohortTable:
    """The cohort table of the clinical sheet: .xlsx, .csv or .tsv, with its rows of groups and codes or without them.

    images, mask: where the user's own NIfTI files lie, relative to `folder` (default: the sheet's), with `{id}` for
    the participant's id: `images={"post": "{id}/post.nii.gz"}, mask="{id}/mask.nii.gz"`; a text alone is the only
    channel. Without them the table has no images, to be joined to another by id. ids: "duke" gives Breast_MRI_001 as
    the sheet does, "mama-mia" gives DUKE_001.

    rfs: with an event the smaller of the days to local and distant recurrence, without one the larger of the days to
    the last assessments. os: days to death, or, where that is NP, followed up to the larger of the last assessments.
    The age at last contact counts from birth or diagnosis, which the sheet leaves open, and is not used. Cells NC, NP
    and NA become missing.

    Raises FileNotFoundError, ValueError for a sheet without these columns or with an id twice, ImportError where the
    sheet is .xlsx and openpyxl is not installed.
    """
    if ids not in ("duke", "mama-mia"):
        raise ValueError(f"ids is \"{ids}\", wanted \"duke\" or \"mama-mia\"")
    if (images is None) != (mask is None):
        raise ValueError("images and mask go together: one of them is missing")
    files = _templates(images, mask)
    root = Path(path).parent if folder is None else Path(folder)
    columns, rows = _records(path)
    builder = Builder([*files, *_OUTCOMES], [name for name in columns if name != _ID])
    for row in rows:
        _add(builder, row, files, root, ids)
    return builder.table(os.fspath(root))


def _templates(images: str | Mapping[str, str] | None, mask: str | None) -> dict[str, str]:
    """Of the files, by column."""
    if images is None or mask is None:
        return {}
    files = by_column(images) | {"mask": mask}
    for column, template in files.items():
        if "{id}" not in template:
            raise ValueError(f"{column} is \"{template}\", wanted {{id}} where the participant's id stands")
    return files


def _plain(name: str) -> str:
    """A column's name without what differs between copies: letter case, blanks, line ends."""
    return re.sub(r"\s+", "", name).casefold().replace("assemssment", "assessment")


def _records(path: str | os.PathLike[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows below the row that holds "Patient ID"; the one of codes under it has no id."""
    rows = read_sheet(path)
    at = next((i for i, row in enumerate(rows[:_HEADER_ROWS]) if _plain(_ID) in map(_plain, row)), None)
    if at is None:
        raise ValueError(f"{os.fspath(path)}: no \"{_ID}\" in the first {_HEADER_ROWS} rows, wanted the names")
    places = _places(rows[at], path)
    found = [{name: row[i] if i < len(row) else "" for i, name in places.items()} for row in rows[at + 1:]]
    first = next((i for i, row in enumerate(found) if row[_ID]), len(found))
    for i, row in enumerate(found[first:], at + 2 + first):
        if not row[_ID] and any(map(known, row.values())):
            raise ValueError(f"{os.fspath(path)}: row {i} has no \"{_ID}\", wanted one a patient")
    return list(places.values()), [row for row in found if row[_ID]]


def _places(header: list[str], path: str | os.PathLike[str]) -> dict[int, str]:
    """Names by place; a name that comes again, such as the other breast's Nottingham grade, gets .1, .2."""
    wanted = {_plain(name): name for name in _WANTED}
    seen: dict[str, int] = {}
    places: dict[int, str] = {}
    for i, cell in enumerate(header):
        name = wanted.get(_plain(cell), re.sub(r"\s+", " ", cell))
        if not name or name.startswith("Unnamed:"):
            continue
        count = seen.setdefault(name, 0)
        seen[name] += 1
        if count and name in _WANTED:
            raise ValueError(f"{os.fspath(path)}: column \"{name}\" stands there twice, wanted once")
        places[i] = f"{name}.{count}" if count else name
    for name in _WANTED:
        if name not in seen:
            raise ValueError(f"{os.fspath(path)}: no column \"{name}\", wanted Duke-Breast-Cancer-MRI's clinical sheet")
    return places


def _add(builder: Builder, row: dict[str, str], files: Mapping[str, str], root: Path, ids: str) -> None:
    identifier = row[_ID]
    if ids == "mama-mia":
        identifier = re.sub(r"(?i)^Breast_MRI_(?=\d)", "DUKE_", identifier)
    reasons: dict[Purpose, str] = {}
    cells = {name: MISSING if cell in _MISSING else cell for name, cell in row.items() if name != _ID}
    paths = {column: template.replace("{id}", identifier) for column, template in files.items()}
    absent = [column for column, path in paths.items() if not (root / path).is_file()]
    if absent:
        reasons["images"] = f"{absent[0]} missing"
    else:
        cells |= paths
    try:
        cells["rfs_time"], cells["rfs_event"] = _rfs(cells)
    except Unusable as error:
        reasons["rfs"] = str(error)
    cells["os_time"], cells["os_event"] = _os(cells, row[_DEATH])
    cells["treatment"] = _treatment(cells)
    builder.add(identifier, "DUKE", cells, reasons)


def _times(cells: Mapping[str, str], *names: str) -> list[float]:
    found = (number(cells[name], name.partition(" (")[0].partition("(")[0]) for name in names)
    return [time for time in found if time is not None]


def _rfs(cells: Mapping[str, str]) -> Outcome:
    event = number(cells[_EVENT], _EVENT)
    if event not in (0, 1):
        raise Unusable(f"{_EVENT} missing" if event is None else f"{_EVENT} not 0 or 1")
    recurrences = _times(cells, _LOCAL, _DISTANT)
    if event:
        return outcome(min(recurrences, default=None), 1, "time of recurrence")
    if any(time > 0 for time in recurrences):
        raise Unusable("time of recurrence without an event")
    return outcome(max(_times(cells, _LAST_LOCAL, _LAST_DISTANT), default=None), 0, "last assessment")


def _os(cells: Mapping[str, str], death: str) -> Outcome:
    """NP says that nobody died; NC, NA and nothing do not."""
    try:
        if death == "NP":
            return outcome(max(_times(cells, _LAST_LOCAL, _LAST_DISTANT), default=None), 0, "last assessment")
        return outcome(number(cells[_DEATH], "days to death"), 1, "days to death")
    except Unusable:
        return MISSING, MISSING


def _treatment(cells: Mapping[str, str]) -> str:
    """One bit: any therapy against HER2, before or after surgery. The sheet's codes: 1 yes, 0 or 2 no."""
    said = {cells[name].removesuffix(".0") for name in _TREATMENTS}
    return "any" if "1" in said else "none" if said <= {"0", "2"} else MISSING
