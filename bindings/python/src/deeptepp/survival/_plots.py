"""Figures by matplotlib, without pyplot: nothing of the caller's is touched."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._sidecar import RESEARCH
from ._fits import Row
from ._frame import ALL
from ._page import contrast, title
from ._page_text import interval, p_phrase, with_unit

if TYPE_CHECKING:
    from ._analysis import Analysis
    from ._curves import Curve
    from ._performance import Performance

# Told apart by those who see red and green alike too (Okabe and Ito), each with a line of its own.
COLOURS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
LINES = ("-", (0, (6, 2)), (0, (2, 1.5)), "-.", (0, (8, 2, 2, 2)), (0, (1, 1)))
SMALL = 8


def _new(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("figures need matplotlib: pip install 'deeptepp[survival]', or Debian's "
                          "python3-matplotlib") from None
    return Figure(figsize=(width, height), layout="constrained")


def figure(found: Analysis, kind: str) -> Any:
    if kind not in ("survival", "forest"):
        raise ValueError(f"kind is \"{kind}\", wanted survival or forest")
    return survival(found) if kind == "survival" else forest(found)


def _heading(figure: Any, found: Analysis, room: str = "") -> None:
    """room: lines left free below it."""
    tests = ", ".join(f"{row['test']}: {p_phrase(row['p'])}" for row in found.interaction)
    figure.suptitle(f"{title(found)}\n{f'Interaction, {tests}' if tests else 'Interaction not tested'}{room}",
                    fontsize=10, ha="left", x=0.01)
    figure.supxlabel(RESEARCH, fontsize=7, color="#555555", x=0.99, ha="right")


def _frameless(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)


# ---- Kaplan-Meier ----


def survival(found: Analysis) -> Any:
    """A panel a tier, a line a treatment, with the numbers at risk below it."""
    if not found.curves:
        raise ValueError("an analysis of a counting process has no Kaplan-Meier curves, wanted one without")
    tiers = [tier for tier in found.curves if tier != ALL or len(found.curves) == 1]
    arms = list(dict.fromkeys(row["treatment"] for row in found.arms))
    made = _new(max(5.5, 3.4 * len(tiers)), 4.4 + 0.2 * len(arms))
    panels = made.subplots(2, len(tiers), squeeze=False, sharex=True,
                           gridspec_kw={"height_ratios": [4, 0.3 + 0.22 * len(arms)]})
    end = max(curve.last for curves in found.curves.values() for curve in curves.values())
    ticks = _ticks(end)
    for j, tier in enumerate(tiers):
        _curves(panels[0, j], found, tier, arms)
        _at_risk(panels[1, j], found.curves[tier], arms, ticks, first=j == 0)
        panels[1, j].set_xticks(ticks)
        panels[1, j].set_xlim(0, end)
        panels[1, j].set_xlabel(f"time{f', {found.settings.unit}' if found.settings.unit else ''}", fontsize=9)
        panels[0, j].tick_params(labelleft=j == 0)
    panels[0, 0].set_ylabel("free of the event", fontsize=9)
    lines, labels = panels[0, 0].get_legend_handles_labels()
    below = 0.98 - 0.36 / made.get_figheight()  # under two lines of 10 points
    made.legend(lines, labels, fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(0.01, below),
                borderpad=0.2, borderaxespad=0, ncol=len(arms))
    _heading(made, found, "\n ")
    return made


def _ticks(end: float) -> Any:
    step = 10 ** math.floor(math.log10(end))
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if end / (step * part) <= 6)
    return np.arange(0, end + 1e-9, step)


def _curves(axes: Any, found: Analysis, tier: str, arms: list[str]) -> None:
    n = sum(row["n"] for row in found.cells if tier in (row["tier"], ALL))
    for code, arm in enumerate(arms):
        style = {"color": COLOURS[code % len(COLOURS)], "linestyle": LINES[code % len(LINES)], "linewidth": 1.6}
        curve = found.curves[tier].get(arm)
        if curve is None:
            axes.plot([], [], label=arm, **style)
            continue
        axes.step([0, *curve.times, curve.last], [1, *curve.survival, curve.at(curve.last)[0]], where="post", label=arm,
                  **style)
        axes.plot(curve.censored, [curve.at(time)[0] for time in curve.censored], "|", color=style["color"],
                  markersize=3.5, markeredgewidth=0.5, alpha=0.6)
    axes.axvline(found.settings.horizon, color="#bbbbbb", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_title(f"{tier} (n = {n})", fontsize=9, loc="left")
    axes.set_ylim(0, 1.02)
    _frameless(axes)


def _at_risk(axes: Any, curves: dict[str, Curve], arms: list[str], ticks: Any, first: bool) -> None:
    axes.set_ylim(len(arms) - 0.4, -0.9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks(range(len(arms)) if first else [], arms if first else [], fontsize=SMALL)
    axes.tick_params(axis="y", length=0, pad=14)
    axes.tick_params(axis="x", labelsize=SMALL)
    for code, arm in enumerate(arms):
        for time in ticks:
            count = curves[arm].at_risk_at(time) if arm in curves else 0
            axes.text(time, code, str(count), ha="center", va="center", fontsize=SMALL,
                      color=COLOURS[code % len(COLOURS)], clip_on=False)
    if first:
        axes.text(0, -0.75, "at risk", fontsize=SMALL, color="#555555", ha="left", va="center")


# ---- Hazard ratios ----


def forest(found: Analysis) -> Any:
    """A row a tier and contrast; adjusted where the analysis is."""
    name, bounds = ("adjusted_hr", "adjusted") if found.settings.adjust else ("hr", "hr")
    lines = _forest_lines(found)
    made = _new(8, 1.5 + 0.3 * len(lines))
    axes = made.subplots()
    _forest_axes(axes, *_forest_range(found, name, bounds), len(lines))
    for place, (text, row) in enumerate(lines):
        axes.text(-0.02, place, text, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=9,
                  fontweight="bold" if row is None else "normal")
        if row is not None:
            _forest_row(axes, place, row, name, bounds)
    axes.text(1.02, -0.95, f"{'adjusted ' if found.settings.adjust else ''}hazard ratio (95 %)   n (events)",
              transform=axes.get_yaxis_transform(), fontsize=SMALL, color="#555555", va="center")
    _heading(made, found)
    return made


def _forest_axes(axes: Any, low: float, high: float, count: int) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1, color="#999999", linewidth=0.8, zorder=0)
    axes.set_ylim(count - 0.5, -1.3)
    axes.set_yticks([])
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _forest_lines(found: Analysis) -> list[tuple[str, Row | None]]:
    lines: list[tuple[str, Row | None]] = []
    for pair in dict.fromkeys(contrast(row) for row in found.contrasts):
        rows = [row for row in found.contrasts if contrast(row) == pair]
        lines.append((pair, None))
        lines += [(row["tier"] if row["tier"] != ALL else "All tiers", row)
                  for row in sorted(rows, key=lambda row: bool(row["tier"] == ALL))]
    return lines


def _forest_row(axes: Any, place: int, row: Row, name: str, bounds: str) -> None:
    middle, low, high = row[name], row[f"{bounds}_low"], row[f"{bounds}_high"]
    if math.isfinite(middle):
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=1.2)
        axes.plot(middle, place, "D" if row["tier"] == ALL else "s", color=COLOURS[0], markersize=6,
                  markerfacecolor="white" if row["tier"] == ALL else COLOURS[1])
    axes.text(1.02, place, f"{interval(middle, low, high)}   {row['n']} ({row['events']})",
              transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)


def _forest_range(found: Analysis, name: str, bounds: str) -> tuple[float, float]:
    """Of all intervals, cut at 20 times either way."""
    ends = [row[f"{bounds}_{end}"] for row in found.contrasts for end in ("low", "high") if math.isfinite(row[name])]
    return max(0.05, min([0.5, *ends]) * 0.9), min(20.0, max([2.0, *ends]) * 1.1)


# ---- Calibration ----


def calibration(found: Performance) -> Any:
    """Observed against expected risk, a panel a time."""
    if not found.groups:
        raise ValueError("no risks were given, or too few differ, wanted performance() with risk= for this figure: a "
                         "score is no probability")
    times = list(dict.fromkeys(row["time"] for row in found.groups))
    made = _new(max(4.2, 3.6 * len(times)), 4.4)
    top = min(1.0, 1.08 * max(max(row["high"], row["expected"]) for row in found.groups))
    for axes, time in zip(made.subplots(1, len(times), squeeze=False)[0], times):
        _calibration_panel(axes, found, time, top)
    made.suptitle(f"Calibration: {found.title}", fontsize=10, ha="left", x=0.01)
    made.supxlabel(RESEARCH, fontsize=7, color="#555555", x=0.99, ha="right")
    return made


def _calibration_panel(axes: Any, found: Performance, time: float, top: float) -> None:
    rows = [row for row in found.groups if row["time"] == time]
    numbers = next(row for row in found.calibration if row["time"] == time)
    expected, observed = ([row[name] for row in rows] for name in ("expected", "observed"))
    errors = [[max(0.0, row["observed"] - row["low"]) for row in rows], [max(0.0, row["high"] - row["observed"])
                                                                       for row in rows]]
    axes.plot([0, top], [0, top], color="#999999", linewidth=0.8)
    axes.errorbar(expected, observed, yerr=errors, fmt="o", color=COLOURS[1], markersize=5, linewidth=1.2)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_aspect("equal")
    axes.set_xlabel("expected risk", fontsize=9)
    axes.set_ylabel("observed risk (Kaplan-Meier)", fontsize=9)
    axes.set_title(f"until {with_unit(time, found.unit)}\nobserved to expected {numbers['oe']:.2f}, slope "
                   f"{numbers['slope']:.2f}", fontsize=9, loc="left")
    _frameless(axes)
