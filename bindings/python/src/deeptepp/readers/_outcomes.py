"""Times and events from cells."""

import math

from ._sheets import cell_text
from ._table import Unusable, known

Outcome = tuple[str, str]  # time and event


def number(cell: str, name: str) -> float | None:
    """None where the cell is missing."""
    if not known(cell):
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Unusable(f"{name} not a number")
    return value


def outcome(time: float | None, event: int, name: str) -> Outcome:
    """A time that can be analysed."""
    if time is None:
        raise Unusable(f"{name} missing")
    if time <= 0:
        raise Unusable(f"{name} not above 0")
    return cell_text(time), str(event)
