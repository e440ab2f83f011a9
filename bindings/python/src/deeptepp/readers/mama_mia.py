"""MAMA-MIA as it is downloaded (1,506 cases, CC BY-NC 4.0)."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ._files import SUFFIXES, Folder, need
from ._outcomes import Outcome, number, outcome
from ._phases import Phase, acquisition_times, choose, parse_phases
from ._sheets import cell_text, read_sheet, records, require
from ._table import MISSING, Builder, CohortTable, Purpose, Unusable, channel_columns

_SHEET = ("clinical_and_imaging_info.xlsx", "clinical_and_imaging_info.csv", "clinical_and_imaging_info.tsv")
_WANTED = ("patient_id", "dataset", "anti_her2_neu_therapy", "days_to_follow_up", "days_to_recurrence",
           "days_to_metastasis", "days_to_death", "num_phases", "acquisition_times")
_PLACED = ("patient_id", "site")
_OUTCOMES = ("treatment", "rfs_time", "rfs_event", "os_time", "os_event", "site", "partition")


def read_mama_mia(folder: str | os.PathLike[str], *, masks: Literal["expert", "automatic"] = "expert",
                  phases: int | str | Mapping[str, int | str] = 1, within: float | None = None) -> CohortTable:
    """The cohort table of MAMA-MIA's folder, a row for each row of its sheet.

    masks: which segmentations. phases: which volume each channel of the model is: a mapping from the channel's name to
    the phase's number (0 before contrast, 1 the first after it; -1 the last), or to its time as text, "120s": the phase
    after contrast whose acquisition time lies nearest, the earlier one of two. A single number or time is the only
    channel, and the column `image`. within: with times, the largest distance in seconds (default: any).

    rfs: the earlier of recurrence and metastasis where either stands above 0, else followed up to `days_to_follow_up`
    where `days_to_recurrence` is 0; where that is missing it is unknown. Days.

    Raises FileNotFoundError for a missing folder or sheet, ValueError for a sheet or an argument that cannot be meant,
    ImportError where the sheet is .xlsx and openpyxl is not installed.
    """
    if masks not in ("expert", "automatic"):
        raise ValueError(f"masks is \"{masks}\", wanted \"expert\" or \"automatic\"")
    root = Folder(folder)
    source = _Source(need(root, "images"), need(need(root, "segmentations"), masks), parse_phases(phases), within)
    sheet = _sheet(root)
    columns, rows = records(read_sheet(sheet, "dataset_info"), sheet)
    require(columns, _WANTED, sheet)
    made = [*channel_columns(source.phases), *_seconds_columns(source.phases), "mask", *_OUTCOMES]
    builder = Builder(made, [name for name in columns if name not in _PLACED])
    partitions = _partitions(root)
    for row in rows:
        _add(builder, source, row, partitions)
    _folders_without_a_row(builder, source)
    return builder.table(os.fspath(root.path))


def _sheet(root: Folder) -> Path:
    found = root.find(*_SHEET)
    if found is None:
        raise FileNotFoundError(f"{root.path}: no {_SHEET[0]} there (nor .csv)")
    return root.path / found


def _seconds_columns(phases: Mapping[str | None, Phase]) -> list[str]:
    return ["seconds" if name is None else f"seconds:{name}" for name in phases]


@dataclass(frozen=True)
class _Source:
    images: Folder
    masks: Folder
    phases: Mapping[str | None, Phase]
    within: float | None

    def cells(self, identifier: str, row: Mapping[str, str]) -> dict[str, str]:
        """Paths, relative to the data set's folder, and seconds of the phases."""
        volumes = self._volumes(identifier)
        times = acquisition_times(row["acquisition_times"], row["num_phases"])
        chosen = choose(self.phases, volumes, times, row["num_phases"], self.within)
        mask = self.masks.find(*(identifier + suffix for suffix in SUFFIXES))
        if mask is None:
            raise Unusable("mask missing")
        cells = dict(zip(channel_columns(self.phases), (volumes[i] for i in chosen)))
        if isinstance(times, list):
            seconds = (cell_text(times[i]) if i < len(times) else MISSING for i in chosen)
            cells |= dict(zip(_seconds_columns(self.phases), seconds))
        root = self.images.path.parent
        return cells | {"mask": (self.masks.path / mask).relative_to(root).as_posix()}

    def _volumes(self, identifier: str) -> dict[int, str]:
        """Paths by the phase's number."""
        folder = self.images.sub(identifier)
        if folder is None:
            raise Unusable("image folder missing")
        name = re.compile(re.escape(identifier.casefold()) + r"_(\d{4})\.nii(\.gz)?")
        found: dict[int, str] = {}
        for folded, names in folder.names.items():
            match = name.fullmatch(folded)
            if match is None:
                continue
            if len(names) > 1 or int(match[1]) in found:
                raise Unusable("two files of one phase")
            found[int(match[1])] = (self.images.path.name + "/" + folder.path.name + "/" + names[0])
        return found


def _add(builder: Builder, source: _Source, row: dict[str, str], partitions: Mapping[str, str]) -> None:
    identifier = row["patient_id"]
    if not identifier:
        raise ValueError(f"the sheet's row {len(builder.rows) + 1} has no patient_id, wanted one")
    reasons: dict[Purpose, str] = {}
    cells = {name: cell for name, cell in row.items() if name != "patient_id"}
    try:
        cells |= source.cells(identifier, row)
    except Unusable as error:
        reasons["images"] = str(error)
    try:
        cells["rfs_time"], cells["rfs_event"] = _rfs(row)
    except Unusable as error:
        reasons["rfs"] = str(error)
    cells["os_time"], cells["os_event"] = _os(row)
    cells["treatment"] = {"0": "none", "1": "any"}.get(row["anti_her2_neu_therapy"].removesuffix(".0"), MISSING)
    cells["partition"] = partitions.get(identifier.casefold(), MISSING)
    builder.add(identifier, row["dataset"], cells, reasons)


def _rfs(row: Mapping[str, str]) -> Outcome:
    """0 stands beside a long follow-up and is no event; missing is unknown."""
    times = [number(row[name], name) for name in ("days_to_recurrence", "days_to_metastasis")]
    if any(time is not None and time < 0 for time in times):
        raise Unusable("days_to_recurrence or days_to_metastasis below 0")
    events = [time for time in times if time]
    if events:
        return outcome(min(events), 1, "days_to_recurrence")
    if times[0] is None:
        raise Unusable("days_to_recurrence missing")
    return outcome(number(row["days_to_follow_up"], "days_to_follow_up"), 0, "days_to_follow_up")


def _os(row: Mapping[str, str]) -> Outcome:
    try:
        death = number(row["days_to_death"], "days_to_death")
        if death is None or death != 0:
            return outcome(death, 1, "days_to_death")
        return outcome(number(row["days_to_follow_up"], "days_to_follow_up"), 0, "days_to_follow_up")
    except Unusable:
        return MISSING, MISSING


def _partitions(root: Folder) -> dict[str, str]:
    """By id, folded; train_test_splits.csv has a column of ids for each, not of one length."""
    name = root.find("train_test_splits.csv")
    if name is None:
        return {}
    path = root.path / name
    columns, rows = records(read_sheet(path), path)
    require(columns, ("train_split", "test_split"), path)
    found: dict[str, str] = {}
    for part in ("train", "test"):
        for identifier in (row[f"{part}_split"].casefold() for row in rows if row[f"{part}_split"]):
            if found.setdefault(identifier, part) != part:
                raise ValueError(f"{path}: \"{identifier}\" is in both partitions, wanted one")
    return found


def _folders_without_a_row(builder: Builder, source: _Source) -> None:
    rows = {row["participant_id"].casefold() for row in builder.rows}
    for folded, (name, *_) in source.images.names.items():
        if folded not in rows and re.fullmatch(r"[a-z0-9]+_\d+", folded) and (source.images.path / name).is_dir():
            builder.exclude(name, name.rpartition("_")[0].upper(), "images", "folder without a row of the sheet")
