"""A training's page: HTML in one file, its images inside."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .._rows import Cells
from .._sidecar import RESEARCH
from ..survival import Concordance
from . import _figures, _measures
from ._fold import Trained
from ._folds import Fold
from ._measures import Scored
from ._settings import Settings
from ._warm import WarmStart

STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; font-size: 0.9rem } td, th { text-align: left; padding: 0.2rem 1rem 0.2rem 0;
border-bottom: 1px solid #ddd; vertical-align: top } img { max-width: 100% } pre { overflow-x: auto; font-size: 0.8rem }
.research { border-left: 4px solid #b2182b; padding-left: 0.8rem }"""


@dataclass(frozen=True)
class Story:
    """What the page tells. facts: a name and a text each; left_out: id and cells."""

    settings: Settings
    facts: Sequence[tuple[str, str]]
    folds: Sequence[Fold]
    trained: Sequence[Trained]
    scored: Sequence[Scored]
    left_out: Sequence[tuple[str, Cells]]
    start: WarmStart | None


def page(story: Story) -> str:
    by_fold = _measures.of_folds(story.scored, len(story.folds))
    pooled = _measures.concordance_of(story.scored)
    training = story.settings.training
    parts = [
        f"<h1>{_text(story.settings.description['name'])}</h1>",
        f'<p class="research"><b>{RESEARCH}</b> A score means what its training cohort makes it mean.</p>',
        _table(("", ""), story.facts),
        "<h2>Out-of-fold scores</h2>",
        "<p>Each case is scored by the one network that has not seen its patient.</p>",
        _table(("", "cases", "events", "C (95 % interval)"), _rows(story, by_fold, pooled)),
        *_repeated(story.scored),
        _image(_figures.concordances(by_fold, pooled), "Concordance by fold"),
        "<h2>By third of the score</h2>",
        _image(_figures.survival(_measures.thirds(story.scored), training.time), "Kaplan-Meier curves"),
        "<p>Thirds of these very scores: they show the order of risk, and are no cut-points.</p>",
        "<h2>Learning</h2>",
        _image(_figures.learning([one.history for one in story.trained], [one.best for one in story.trained]),
               "Learning curves"),
        f"<p>{_stopping(training)}</p>",
        "<h2>Cases left out</h2>",
        _left_out(story.left_out),
        *_warm(story.start),
        "<h2>Settings</h2>",
        f"<pre>{_text(json.dumps(story.settings.plain(), indent=2))}</pre>",
    ]
    title = _text(story.settings.description["name"])
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n")


def _text(value: object) -> str:
    return html.escape(str(value))


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{_text(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _image(png: bytes, title: str) -> str:
    return f'<img alt="{title}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _repeated(found: Sequence[Scored]) -> list[str]:
    patients = len({one.case.patient for one in found})
    if patients == len(found):
        return []
    return [f"<p>{len(found)} cases of {patients} patients: the intervals take cases for independent, and are too "
            "narrow.</p>"]


def _rows(story: Story, by_fold: Sequence[Concordance | None], pooled: Concordance | None) -> list[tuple[Any, ...]]:
    parts = [[one for one in story.scored if one.fold == k] for k in range(len(story.folds))]
    named = [*((f"fold {k}", part, found) for k, (part, found) in enumerate(zip(parts, by_fold))),
             ("all", list(story.scored), pooled)]
    return [(name, len(part), sum(one.case.event for one in part), found or "no pair can be compared")
            for name, part, found in named]


def _stopping(training: Any) -> str:
    if not training.validation:
        return f"All {training.epochs} epochs were run: there was no validation part."
    return (f"At most {training.epochs} epochs; a fold ends {training.patience} epochs after its lowest validation "
            "loss, and keeps the weights of that epoch. The validation part is the fold's own; out-of-fold cases "
            "decide nothing. The training loss is over batches, that of validation over the whole part at once"
            + (": the two Cox losses differ by the cases at risk, and only their courses compare."
               if training.loss == "cox" else "."))


def _warm(start: WarmStart | None) -> list[str]:
    if start is None:
        return []
    rows = [(word, len(names), ", ".join(names)) for word, names in
            (("used", start.used), ("left out", start.left_out), ("newly made", start.made))]
    return ["<h2>Warm start</h2>", f"<p>{_text(start.path)}, SHA-256 {start.sha256}</p>",
            _table(("", "tensors", ""), rows)]


def _left_out(found: Sequence[tuple[str, Cells]]) -> str:
    if not found:
        return "<p>None.</p>"
    return _table(("case", "status", "code", "why"),
                  [(name, cells["status"], cells.get("error_code") or "", cells.get("error_message") or "no imaging")
                   for name, cells in found])
