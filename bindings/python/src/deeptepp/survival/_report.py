"""An analysis as one HTML file."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._sidecar import RESEARCH
from .._table import write_whole
from . import _page
from ._checklists import CHECKLISTS
from ._cuts import Path
from ._facts import facts_of, model_facts
from ._page_text import fixed, interval, p_text
from ._performance import Performance

if TYPE_CHECKING:
    from ._analysis import Analysis

DPI = 150

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.research { color: #8a1c00; font-weight: 600; margin-top: .2rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; vertical-align: top; }
th { border-bottom: 1px solid #888; font-weight: 600; }
th:first-child, td:first-child, .texts td, .texts th { text-align: left; }
.texts { width: 100%; table-layout: fixed; } .texts td { overflow-wrap: anywhere; }
.texts th:nth-child(1) { width: 3rem; } .texts th:nth-child(2) { width: 18rem; }
.pairs td:first-child { width: 11rem; }
.author { color: #777; font-style: italic; }
.first { border-left: 4px solid #0072b2; padding: .1rem 1rem; background: #f3f8fb; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; } figcaption { color: #555; font-size: .9rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; color: #555; }
summary { cursor: pointer; font-weight: 600; margin: .8rem 0; } .wide { overflow-x: auto; }
"""


def write(found: Analysis, path: Path, model: Path | None, performance: Any) -> None:
    _refuse_other(found, performance)
    info = model_facts(model, found.model_sha256)
    write_whole(page(found, performance, info).encode(), os.fspath(path))


def _refuse_other(found: Analysis, performance: Any) -> None:
    if performance is None:
        return
    if not isinstance(performance, Performance):
        raise TypeError(f"performance is of type {type(performance).__name__}, wanted what performance() gave, or None")
    if performance.model_sha256 != found.model_sha256:
        one, other = ((model or "none stated")[:12] for model in (performance.model_sha256, found.model_sha256))
        raise ValueError(f"performance is of model {one}, the analysis of model {other}, wanted that of the same "
                         "scores")


def page(found: Analysis, performance: Any, info: Mapping[str, str]) -> str:
    title = escape(_page.title(found))
    parts = [f"<h1>{title}</h1>", f'<p class="research">{escape(RESEARCH)}</p>', *_counts(found),
             *_interaction(found), *_within(found), *_differences(found), *_notes(found), *_performance(performance),
             *_model(info), *_checklists(facts_of(found, performance, info)),
             f"<h2>How it was made</h2><pre>{escape(chr(10).join(_page.foot(found)))}</pre>"]
    return ("<!DOCTYPE html>\n"
            f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n")


def escape(text: str) -> str:
    return html.escape(str(text))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    head = f"<thead><tr>{cells}</tr></thead>" if header else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    return f'<div class="wide"><table class="{kind}">{head}<tbody>\n{body}</tbody></table></div>'


def picture(figure: Any, words: str) -> str:
    """words: what it shows, also for those who do not see it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    data = base64.b64encode(file.getvalue()).decode()
    width = round(figure.get_figwidth() * 96)
    return f'<figure><img width="{width}" alt="{escape(words)}" src="data:image/png;base64,{data}">' \
           f"<figcaption>{escape(words)}</figcaption></figure>"


# ---- The sections, in the order in which they are to be read ----


def _counts(found: Analysis) -> list[str]:
    left_out = [[reason, str(count)] for reason, count in found.excluded.items()]
    return [f"<p>{escape(_page.counts(found))}.</p>", "<h2>Patients (events)</h2>", table(*_page.count_table(found)),
            *([table(["left out", "rows"], left_out)] if left_out else [])]


def _interaction(found: Analysis) -> list[str]:
    head = "<h2>1. Does the effect of treatment differ between tiers?</h2>"
    if not found.interaction:
        return [head, "<p>Not tested: there is one tier and no score.</p>"]
    rows = [[row["test"], fixed(row["chisq"]), str(row["df"]), p_text(row["p"])] for row in found.interaction]
    words = escape(_page.interaction_words(found) + _page.disagreement(found))
    return [head, '<div class="first">', table(["", "likelihood ratio", "df", "p"], rows), f"<p>{words}</p></div>"]


def _within(found: Analysis) -> list[str]:
    overall = "".join(f"<li>{escape(line)}</li>" for line in _page.overall_lines(found))
    return ["<h2>2. Within tiers</h2>", table(*_page.within_table(found)),
            f"<p>{escape(_page.within_words(found))}</p>",
            picture(found.plot("forest"), "Hazard ratios with 95 % intervals, by tier and contrast; all tiers together "
                    "for context."),
            f"<p>All tiers together, for context:</p><ul>{overall}</ul>"]


def _differences(found: Analysis) -> list[str]:
    if found.settings.counting:
        return []
    return [f"<h2>{escape(_page.horizon_words(found))}</h2>", table(*_page.difference_table(found)),
            picture(found.plot(), "Kaplan-Meier curves by tier and treatment, with the numbers at risk; ticks are "
                    "censored cases, the dotted line is the horizon."),
            "<details><summary>Each arm</summary>", table(*_page.arm_table(found)), "</details>"]


def _notes(found: Analysis) -> list[str]:
    items = "".join(f"<li>{escape(text)}</li>\n" for _, text in found.notes)
    return [f"<h2>Before believing it</h2>\n<ul>{items}</ul>"]


def _performance(found: Any) -> list[str]:
    if found is None:
        return []
    rows = [[row["term"], fixed(row["time"], 2), interval(row["estimate"], row["conf_low"], row["conf_high"], 3)]
            for row in found.measures()]
    pictures = [picture(found.plot(), "Observed against expected risk by group of equal size, with 95 % intervals.")] \
        if found.groups else []
    return ["<h2>Performance of the score</h2>", table(["", "time", "estimate (95 %)"], rows), *pictures]


def _model(info: Mapping[str, str]) -> list[str]:
    keys = ("name", "version", "weights", "training_cohort", "intended_use", "limitations", "tiers.source",
            "calibration.source", "sha256")
    rows = [[key, info[key]] for key in keys if key in info]
    return ["<h2>The model, as its file says</h2>", table([], rows, "texts pairs")] if rows else []


def _checklists(known: Mapping[str, str]) -> list[str]:
    made = ["<h2>Reporting</h2>", "<p>Items in short; the guidelines' own wording counts. What a machine cannot know "
            'is marked <span class="author">author</span>, and what it filled in wants an author\'s eye.</p>']
    for name, items in CHECKLISTS.items():
        rows = "".join(f"<tr><td>{number}</td><td>{escape(item)}</td>{_answer(known.get(fact, ''))}</tr>\n"
                       for number, item, fact in items)
        filled = sum(bool(known.get(fact)) for _, _, fact in items)
        made.append(f"<details><summary>{escape(name)}: {filled} of {len(items)} filled</summary>"
                    '<table class="texts"><thead><tr><th scope="col"></th><th scope="col">item</th><th scope="col">'
                    f"answer</th></tr></thead><tbody>\n{rows}</tbody></table></details>")
    return made


def _answer(text: str) -> str:
    return f"<td>{escape(text)}</td>" if text else '<td class="author">author</td>'
