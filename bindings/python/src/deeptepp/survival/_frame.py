"""From a table to the arrays that an analysis fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import _rows
from ._cuts import Cuts
from ._rows import Columns, Reasons

Pair = tuple[str, str]

TIERS = "tier"
ALL = "All"  # the tiers together
ARRAYS = ("time", "event", "treatment", "tier", "score", "adjust", "strata", "start", "patient")


@dataclass(frozen=True)
class Settings:
    """What an analysis was asked for: names of columns, and the rest."""

    duration_col: str
    event_col: str
    treatment_col: str
    tier_col: str
    score_col: str | None
    adjust: tuple[str, ...]
    strata: tuple[str, ...]
    contrasts: tuple[Pair, ...]
    horizon: float
    p_adjust: str
    unit: str
    endpoint: str
    start_col: str | None
    landmark: float | None
    counting: bool

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(arm for pair in self.contrasts for arm in pair))


@dataclass(frozen=True)
class Frame:
    """Cases as arrays of one length. treatment, tier: codes into arms and tiers; adjust: (n, k), a column a term;
    strata: codes or None; start: of treatment, or None;
    patient: its number, twice where a counting process splits its time; entry: of a counting process, or None."""

    time: Any
    event: Any
    treatment: Any
    tier: Any
    score: Any
    adjust: Any
    strata: Any
    start: Any
    patient: Any
    entry: Any
    arms: tuple[str, ...]
    tiers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time)

    def where(self, keep: Any) -> Frame:
        parts: dict[str, Any] = {name: getattr(self, name) for name in (*ARRAYS, "entry")}
        kept: dict[str, Any] = {name: None if part is None else part[keep] for name, part in parts.items()}
        return replace(self, **kept)


def frame_of(columns: Columns, settings: Settings, cuts: Cuts | None) -> tuple[Columns, Frame, dict[str, int]]:
    """(the rows that are used, their arrays, how many others there are by reason)."""
    tier, order = tiers_of(columns, settings, cuts)
    start = starts_of(columns, settings)
    columns = replace(columns, cells={**columns.cells, TIER: tier, ARM: arms_of(columns, settings, start)})
    kept, left_out = _rows.usable(columns, _reasons(columns, settings, start))
    if start is not None:
        start = start[list(kept.index)]
    present = set(kept.cells[TIER])
    tiers = tuple(name for name in order if name in present)
    arrays = Frame(kept.numbers(settings.duration_col, "the time") - (settings.landmark or 0),
                   kept.numbers(settings.event_col, "the event"), _codes(kept.cells[ARM], settings.arms),
                   _codes(kept.cells[TIER], tiers),
                   None if settings.score_col is None else kept.numbers(settings.score_col, "the score"),
                   adjusting(kept, settings.adjust), strata_of(kept, settings.strata), start, np.arange(kept.n), None,
                   settings.arms, tiers)
    return kept, arrays, left_out


TIER, ARM = "\0tier", "\0arm"  # as texts, beside whatever the table has


def _codes(cells: Sequence[Any], names: Sequence[str]) -> Any:
    places = {name: code for code, name in enumerate(names)}
    return np.array([places[cell] for cell in cells], dtype=np.int64)


def text(cell: Any) -> str:
    """Of a label that may be a number: 0, not 0.0."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _reasons(columns: Columns, settings: Settings, start: Any) -> Reasons:
    found = [*_rows.outcome_reasons(columns, settings.duration_col, settings.event_col)]
    if settings.landmark is not None:
        time = columns.numbers(settings.duration_col, "the time")
        found.append(("followed up no longer than the landmark", ~(time > settings.landmark)))
    if start is not None:
        found.append(("start of treatment missing", np.isnan(start)))
    arms = np.array(columns.cells[ARM], dtype=object)
    found.append((f"{settings.treatment_col} missing", np.array([arm is None for arm in arms])))
    found += [(f"{settings.treatment_col} \"{arm}\" is in no contrast", arms == arm)
              for arm in dict.fromkeys(arms) if arm is not None and arm not in settings.arms]
    if settings.score_col is not None:
        found.append(_rows.missing_number(columns, settings.score_col, "the score"))
    found.append(("tier missing", np.array([cell is None for cell in columns.cells[TIER]])))
    return found + [_rows.missing_text(columns, name, "to adjust or stratify for")
                    for name in (*settings.adjust, *settings.strata)]


# ---- Tiers ----


def tiers_of(columns: Columns, settings: Settings, cuts: Cuts | None) -> tuple[list[str | None], list[str]]:
    """(each row's tier, their order: a frame's own, else that of the cut-points, else that of the lowest score)."""
    absent = settings.tier_col == TIERS and TIERS not in columns.cells
    if absent and cuts is not None and settings.score_col is not None:
        return cuts.names_of(columns.numbers(settings.score_col, "the score")), list(cuts.names)
    cells = [None if cell is None else text(cell) for cell in columns.column(settings.tier_col, "the tier")]
    found = {cell for cell in cells if cell is not None}
    if ALL in found:
        raise ValueError(f"{settings.tier_col} has a tier \"{ALL}\", which is the name of all of them together, wanted "
                         "another")
    for order in (columns.orders.get(settings.tier_col, ()), cuts.names if cuts else ()):
        if order and found <= set(order):
            return cells, list(order)
    if settings.score_col is None:
        return cells, sorted(found)
    score = columns.numbers(settings.score_col, "the score")
    least = {name: min((s for s, cell in zip(score, cells) if cell == name and s == s), default=np.inf)
             for name in sorted(found)}
    return cells, sorted(found, key=lambda name: (least[name], name))


def refuse_other_cuts(kept: Columns, settings: Settings, cuts: Cuts) -> None:
    """Tiers that are there must be those that cuts makes, if it is to stand as their source. kept: frame_of's."""
    if settings.score_col is None:
        return
    wanted = cuts.names_of(kept.numbers(settings.score_col, "the score"))
    for i, (cell, name) in enumerate(zip(kept.cells[TIER], wanted)):
        if cell != name:
            raise ValueError(f"{settings.tier_col} is \"{cell}\" in row {kept.row(i)}, where cuts make \"{name}\" "
                             "of the score, wanted the tiers of cuts")


# ---- What Cox models get beside treatment ----


def adjusting(columns: Columns, names: Sequence[str]) -> Any:
    """Numbers as they are, texts a column for each but the first in alphabetical order."""
    made: list[Any] = [np.empty((columns.n, 0))]
    for name in names:
        cells = columns.column(name, "to adjust for")
        try:
            made.append(np.array([float(cell) for cell in cells]).reshape(-1, 1))
        except (TypeError, ValueError):
            levels = sorted({text(cell) for cell in cells})[1:]
            made.append(np.array([[text(cell) == level for level in levels] for cell in cells], dtype=np.float64))
    return np.concatenate(made, axis=1)


def strata_of(columns: Columns, names: Sequence[str]) -> Any:
    if not names:
        return None
    labels = list(zip(*(map(text, columns.column(name, "to stratify by")) for name in names)))
    return _label_codes(labels)


def _label_codes(labels: Sequence[Any]) -> Any:
    places = {label: code for code, label in enumerate(sorted(set(labels)))}
    return np.array([places[label] for label in labels])


# ---- Treatment that starts after time zero ----


def starts_of(columns: Columns, settings: Settings) -> Any:
    """Of each row, 0 in the reference arm; None without a column of it."""
    if settings.landmark is not None and settings.counting:
        raise ValueError(f"landmark is {settings.landmark:g} and counting is True, wanted one of them: each has its "
                         "own clock")
    if settings.start_col is None:
        if settings.counting:
            raise ValueError("counting is True without start_col, wanted the column of the time at which treatment "
                             "started")
        return None
    start = columns.numbers(settings.start_col, "when treatment started")
    arm = columns.column(settings.treatment_col, "the treatment")
    _take_reference(start, np.array([cell is not None and text(cell) == settings.arms[0] for cell in arm]), settings)
    late = int((start > 0).sum())
    if late and settings.landmark is None and not settings.counting:
        raise ValueError(f"{settings.start_col} is after time zero in {late} rows, wanted 0: until then a patient of "
                         "that arm cannot have had an event, which looks like a benefit. Give landmark= a time, or "
                         "counting=True")
    return start


def _take_reference(start: Any, here: Any, settings: Settings) -> None:
    """Until a treatment starts its patients count for the reference, which must be no treatment that starts later."""
    later = int((start[here] > 0).sum())
    if later:
        raise ValueError(f"{settings.start_col} is above 0 in {later} rows of \"{settings.arms[0]}\", the first arm of "
                         "contrasts, wanted 0 or missing there: that arm's treatment is taken to start at time zero")
    start[here] = 0


def arms_of(columns: Columns, settings: Settings, start: Any) -> list[str | None]:
    """Each row's treatment, with a landmark that which it has by then."""
    found = [None if cell is None else text(cell) for cell in columns.column(settings.treatment_col, "the treatment")]
    if settings.landmark is not None and start is not None:
        found = [settings.arms[0] if s > settings.landmark else arm for arm, s in zip(found, start)]
    return found


def counting_process(frame: Frame) -> Frame:
    """A row's time before its start counts for the reference arm."""
    late = frame.start > 0
    splits = late & (frame.start < frame.time)
    before, after = frame.where(late), frame.where(splits | ~late)
    ended = before.start < before.time
    before = replace(before, event=np.where(ended, 0.0, before.event), time=np.minimum(before.start, before.time),
                     treatment=np.zeros(len(before), dtype=np.int64), entry=np.zeros(len(before)))
    after = replace(after, entry=np.maximum(after.start, 0))
    joined: dict[str, Any] = {name: None if getattr(frame, name) is None else
                              np.concatenate([getattr(before, name), getattr(after, name)]) for name in ARRAYS}
    return replace(frame, **joined, entry=np.concatenate([before.entry, after.entry]))
