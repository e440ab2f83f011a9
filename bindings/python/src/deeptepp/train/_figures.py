"""The page's figures, each as the bytes of a PNG. Nothing of the host's matplotlib is changed."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..survival import Concordance
from ..survival._curves import Curve

WIDTH, DPI = 8.0, 144  # inches
COLOURS = ("#2166ac", "#d08770", "#b2182b")  # of thirds, from the lowest
GREY = "#777777"
TICKS = 6


def _figure(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, Any]:
    figure = importlib.import_module("matplotlib.figure").Figure((WIDTH, height), dpi=DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def learning(histories: Sequence[Sequence[tuple[float, float | None]]], best: Sequence[int]) -> bytes:
    """A panel a fold; the epoch whose weights were kept is marked. Losses on scales of their own: a Cox loss depends on
    how many cases are at risk, in a batch or in a whole part."""
    columns = min(3, len(histories))
    rows = -(-len(histories) // columns)
    figure, panels = _figure(2.6 * rows, rows, columns, sharex=True)
    for k, axes in enumerate(panels.flat):
        if k >= len(histories):
            axes.set_visible(False)
            continue
        _course(axes, [epoch[0] for epoch in histories[k]], GREY, "training loss" if k % columns == 0 else "")
        if histories[k][0][1] is not None:
            last = k % columns == columns - 1 or k == len(histories) - 1
            _course(axes.twinx(), [epoch[1] for epoch in histories[k]], COLOURS[0], "validation loss" if last else "")
        axes.axvline(best[k], color=COLOURS[2], linewidth=1, linestyle=":")
        axes.set_title(f"fold {k}: epoch {best[k]} kept", fontsize="medium", color=COLOURS[2])
        axes.set_xlabel("epoch")
        axes.tick_params(axis="x", labelbottom=True)
    return _png(figure)


def _course(axes: Any, losses: Sequence[float | None], colour: str, label: str) -> None:
    axes.plot(np.arange(1, len(losses) + 1), losses, color=colour)
    axes.set_ylabel(label, color=colour)
    axes.tick_params(axis="y", colors=colour, labelsize="small")
    axes.spines["top"].set_visible(False)


def concordances(folds: Sequence[Concordance | None], pooled: Concordance | None) -> bytes:
    """A line a fold with its interval, and all together."""
    rows = [*((f"fold {k}", found) for k, found in enumerate(folds)), ("all", pooled)]
    figure, panels = _figure(0.9 + 0.3 * len(rows))
    axes = panels[0, 0]
    for y, (name, found) in enumerate(reversed(rows)):
        if found is not None:
            colour = COLOURS[2] if name == "all" else COLOURS[0]
            axes.plot([found.low, found.high], [y, y], color=colour)
            axes.plot([found.c], [y], "o", color=colour)
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("Harrell's C of out-of-fold scores, 95 % interval; dotted: chance")
    _plain(axes)
    return _png(figure)


def survival(curves: Mapping[str, Curve], time: str) -> bytes:
    """Kaplan-Meier with the numbers at risk below."""
    figure, panels = _figure(4.6, 2, 1, sharex=True, height_ratios=[4, 1])
    axes, table = panels[:, 0]
    end = max(curve.last for curve in curves.values())
    for (name, curve), colour in zip(curves.items(), COLOURS):
        left = [1.0, *curve.survival]
        axes.step([0, *curve.times, curve.last], [*left, left[-1]], where="post", color=colour,
                  label=f"{name} of the scores")
        axes.plot(curve.censored, np.array(left)[np.searchsorted(curve.times, curve.censored, side="right")], "|",
                  color=colour, markersize=5)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, end)
    axes.set_ylabel("without event")
    axes.legend(frameon=False, loc="lower left", fontsize="small")
    _at_risk(table, [*curves.values()], [tick for tick in axes.get_xticks() if 0 <= tick <= end])
    table.set_xlabel(f"{time}; ticks: censored")
    _plain(axes)
    return _png(figure)


def _at_risk(axes: Any, curves: Sequence[Curve], ticks: Sequence[float]) -> None:
    for y, (curve, colour) in enumerate(zip(curves, COLOURS)):
        for tick in ticks:
            axes.text(tick, -y, str(curve.at_risk_at(tick)), ha="center", va="center", color=colour, fontsize="small",
                      clip_on=False)
    axes.set_ylim(-len(curves) + 0.4, 0.6)
    axes.set_yticks([])
    axes.set_ylabel("at risk", rotation=0, ha="right", va="center", labelpad=14)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
