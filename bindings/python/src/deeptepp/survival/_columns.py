"""Times, events and scores as checked arrays: faults name the argument, the value found and the value wanted."""

from __future__ import annotations

from typing import Any

import numpy as np


def numbers(values: Any, name: str) -> Any:
    """One-dimensional float64, all finite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is of type {type(values).__name__}, wanted numbers") from None
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has the shape {array.shape}, wanted one row of numbers")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{name} {bad[0] + 1} is {array[bad[0]]}, one of {bad.size} that are no number, wanted finite "
                         "ones: leave such cases out, and say how many")
    return array


def outcome(time: Any, event: Any) -> tuple[Any, Any]:
    """(times above 0, events as bool)."""
    times, events = numbers(time, "time"), numbers(event, "event")
    want_as_many(events, "event", times, "time")
    if times.min() <= 0:
        raise ValueError(f"time {times.argmin() + 1} is {times.min():g}, wanted above 0")
    bad = np.flatnonzero((events != 0) & (events != 1))
    if bad.size:
        raise ValueError(f"event {bad[0] + 1} is {events[bad[0]]:g}, wanted 0 (censored) or 1")
    return times, events == 1


def want_as_many(values: Any, name: str, others: Any, other: str) -> None:
    if len(values) != len(others):
        raise ValueError(f"{name} has {len(values)} values and {other} {len(others)}, wanted as many")
