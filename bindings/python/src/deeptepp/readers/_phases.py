"""Phases of a dynamic series by number and by time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ._table import Unusable, known

_NUMBER = r"\d+(?:\.\d+)?"


@dataclass(frozen=True)
class Phase:
    """One of them: the number in the series (below 0: from its end), or the seconds after the first volume."""

    order: int = 0
    seconds: float | None = None


def parse_phases(phases: int | str | Mapping[str, int | str]) -> dict[str | None, Phase]:
    """By the channel's name; None for a single one without a name."""
    if not isinstance(phases, Mapping):
        return {None: _parse(phases)}
    if not phases or not all(phases):
        raise ValueError("phases is empty or has an empty name, wanted a phase a channel: {\"pre\": 0, \"post\": 1}")
    return {name: _parse(phase) for name, phase in phases.items()}


def _parse(phase: int | str) -> Phase:
    if isinstance(phase, str) and re.fullmatch(_NUMBER + "s", phase):
        return Phase(seconds=float(phase[:-1]))
    if isinstance(phase, bool) or not re.fullmatch(r"-?\d{1,4}", str(phase)):
        raise ValueError(f"phase \"{phase}\", wanted a number of the series (0, 1, -1) or a time (\"120s\")")
    return Phase(order=int(phase))


def acquisition_times(cell: str, phases: str) -> list[float] | str:
    """Seconds of all phases, or why they cannot be used."""
    if not known(cell):
        return "acquisition_times missing"
    if not re.fullmatch(rf"\[\s*{_NUMBER}(\s*,\s*{_NUMBER})*\s*\]", cell):
        return "acquisition_times cannot be read"
    times = [float(each) for each in re.findall(_NUMBER, cell)]
    if any(later <= earlier for earlier, later in zip(times, times[1:])):
        return "acquisition_times do not grow"
    if _whole(phases) not in (None, len(times)):
        return "acquisition_times not as many as num_phases"
    return times


def _whole(cell: str) -> int | None:
    """num_phases, which some writers give a point; None where it is missing."""
    if not known(cell):
        return None
    if not re.fullmatch(r"\d+(\.0+)?", cell):
        raise Unusable("num_phases not a whole number")
    return int(float(cell))


def choose(phases: Mapping[str | None, Phase], volumes: Mapping[int, str], times: list[float] | str, count: str,
           within: float | None) -> list[int]:
    """The number of each channel's phase, all of them among the volumes, no two alike."""
    if not volumes:
        raise Unusable("no volume in the image folder")
    last = _whole(count)
    last = max(volumes) + 1 if last is None else last
    found = [_nearest(phase.seconds, times, within) if phase.seconds is not None
             else phase.order if phase.order >= 0 else last + phase.order for phase in phases.values()]
    for number in found:
        if number not in volumes:
            raise Unusable(f"phase {number} missing" if number >= 0 else "fewer phases than asked for")
    if len(set(found)) < len(found):
        raise Unusable("two channels fall on one phase")
    return found


def _nearest(seconds: float, times: list[float] | str, within: float | None) -> int:
    if isinstance(times, str):
        raise Unusable(times)
    after = range(1, len(times))
    if not after:
        raise Unusable("no phase after contrast")
    best = min(after, key=lambda i: abs(times[i] - times[0] - seconds))
    if within is not None and abs(times[best] - times[0] - seconds) > within:
        raise Unusable("no phase near enough in time")
    return best
