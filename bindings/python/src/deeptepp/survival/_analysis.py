"""Does treatment do something else in another tier?"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import math
import platform
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _page, _rows
from ._cuts import Cuts, Path
from ._curves import Curve, kaplan_meier
from ._fits import ADJUSTMENTS, Row, arm_rows, contrast_rows, curves_of, interactions
from ._frame import Frame, Pair, Settings, counting_process, frame_of, refuse_other_cuts, text
from ._notes import notes_of

CONTRASTS: tuple[Pair, ...] = (("none", "single"), ("single", "dual"))


@dataclass(frozen=True)
class Analysis:
    """What analyse found, in the order in which it is to be read; `print` it for the page.

    rows, n, events  of the table; used; among them
    excluded         how many rows by reason
    follow_up        median, those with an event as the censored ones
    cells            n and events by tier and treatment
    interaction      the likelihood ratio tests: test, chisq, df, p
    contrasts        by tier, and "All" for context: n, events, hazard ratios, test, p, p_adjusted, differences at the
                     horizon
    arms             medians, survival and restricted means at the horizon
    notes            (topic, text): what keeps it from being believed
    curves           Kaplan-Meier by tier and treatment
    """

    settings: Settings
    rows: int
    n: int
    events: int
    excluded: dict[str, int]
    follow_up: float
    cells: list[Row]
    interaction: list[Row]
    contrasts: list[Row]
    arms: list[Row]
    notes: list[tuple[str, str]]
    partition: dict[str, int]
    cuts: Cuts | None
    model_sha256: str | None
    versions: dict[str, str]
    call: str
    curves: dict[str, dict[str, Curve]] = field(repr=False)
    kind: str = ""

    def __str__(self) -> str:
        return "\n".join(_page.page(self))

    def summary(self) -> str:
        """The page, and each arm's median, survival and restricted mean."""
        return "\n".join([str(self), "", *_page.arm_lines(self)])

    def tidy(self) -> Any:
        """Every number in a long table: term, tier, contrast, estimate, conf_low, conf_high, statistic, df, p_value,
        p_adjusted, n, events. A frame of polars where the data were one, else of pandas."""
        tests = [_long(row["test"], None, None, statistic=row["chisq"], df=row["df"], p_value=row["p"], n=self.n,
                       events=self.events) for row in self.interaction]
        tested = "adjusted_hr" if self.settings.adjust else "hr"
        rows = [_effect(row, term, name, bounds, name == tested)
                for term, name, bounds in EFFECTS if name != "adjusted_hr" or self.settings.adjust
                for row in self.contrasts]
        return importlib.import_module(self.kind or "pandas").DataFrame([*tests, *rows])

    def plot(self, kind: str = "survival") -> Any:
        """A figure of matplotlib: "survival" (Kaplan-Meier by tier and treatment, with numbers at risk) or "forest"
        (hazard ratios by tier). The caller shows, saves or closes it."""
        from . import _plots

        return _plots.figure(self, kind)

    def to_html(self, path: Path, *, model: Path | None = None, performance: Any = None) -> None:
        """The page with its figures as one HTML file, whole or not at all, and the items of TRIPOD+AI, CLAIM and
        METRICS: those that are known filled, the others marked "author".

        model        the model file, for what it says of itself
        performance  what performance() gave for the same scores
        """
        from . import _report

        _report.write(self, path, model, performance)


EFFECTS = (("hazard ratio", "hr", "hr"), ("adjusted hazard ratio", "adjusted_hr", "adjusted"),
           ("survival difference", "d_survival", "d_survival"), ("restricted mean difference", "d_rmst", "d_rmst"))
LONG = ("estimate", "conf_low", "conf_high", "statistic", "df", "p_value", "p_adjusted", "n", "events")


def _long(term: str, tier: str | None, contrast: str | None, **given: float) -> Row:
    return {"term": term, "tier": tier, "contrast": contrast,
            **{name: float(given.get(name, math.nan)) for name in LONG}}


def _effect(row: Row, term: str, name: str, bounds: str, tested: bool) -> Row:
    test = {"statistic": row["statistic"], "p_value": row["p"], "p_adjusted": row["p_adjusted"]} if tested else {}
    return _long(term, row["tier"], _page.contrast(row), estimate=row[name], conf_low=row[f"{bounds}_low"],
                 conf_high=row[f"{bounds}_high"], n=row["n"], events=row["events"], **test)


def analyse(df: Any, *, horizon: float, duration_col: str = "rfs_time", event_col: str = "rfs_event",
            treatment_col: str = "treatment", tier_col: str = "tier", score_col: str | None = "score",
            adjust: Sequence[str] = (), strata: Sequence[str] = (), contrasts: Sequence[Pair] | None = None,
            p_adjust: str = "holm", cuts: Cuts | None = None, unit: str = "", endpoint: str = "", training: Any = None,
            start_col: str | None = None, landmark: float | None = None, counting: bool = False) -> Analysis:
    """Treatment by tier: counts, then whether the effect of treatment differs between tiers, then the effects within
    them with raw and adjusted p-values, then what keeps them from being believed. Research use only.

    df             a row a patient: a frame of pandas or polars, a path, a Cohort, or a list of dicts
    horizon        of survival and restricted mean differences, in the unit of the times
    duration_col   time from time zero, above 0; event_col: 1 for an event, 0 for none
    treatment_col  the arm; tier_col: the tier; score_col: higher for a higher risk, None: no test with the score
    adjust         columns that every Cox model gets: numbers as they are, texts as categories
    strata         columns by which Cox models and log-rank tests are stratified
    contrasts      pairs of arms, the reference first; None: none and single, single and dual, those that are there
    p_adjust       holm, hochberg, hommel, bonferroni, BH, BY or none, over the tests within tiers
    cuts           the cut-points behind the tiers, for their source; without a column of tiers they make them
    unit, endpoint what is shown for them
    training       a table of the cases that the model has seen: shared ids and images are refused
    start_col      when treatment started, 0 for none; times above 0 are refused without a landmark or counting
    landmark       only those followed up longer, by the treatment they have by then; times, and the horizon, count from
                   then on
    counting       time before the start of treatment counts for the reference arm

    Rows that cannot be used are left out and counted. ValueError: an event that is neither 0 nor 1, a patient who comes
    twice, rows of the partition training, scores of several models. Mixed partitions, and a cut-point that was searched
    in outcomes, are a UserWarning. Ties by Efron; hazard ratios and differences with 95 % intervals. Needs the extra
    survival. Any thread.
    """
    columns = _rows.columns_of(df)
    pairs = contrasts_of(contrasts, columns.column(treatment_col, "the treatment"))
    own = [name for name in (*adjust, *strata) if name in (duration_col, event_col, treatment_col, tier_col)]
    if own:
        raise ValueError(f"adjust or strata has {own[0]}, which the analysis is about, wanted other columns")
    asked = Settings(duration_col, event_col, treatment_col, tier_col, score_col, _names(adjust, "adjust"),
                     _names(strata, "strata"), pairs, _above_0(horizon, "horizon"), _method(p_adjust), unit, endpoint,
                     start_col, None if landmark is None else _above_0(landmark, "landmark"), counting)
    kept, frame, left_out = frame_of(columns, asked, cuts)
    partition, model, compared = _source(kept, cuts, training)
    if cuts is not None:
        refuse_other_cuts(kept, asked, cuts)
    _rows.warn_of_mixture(partition)
    return _found(asked, frame, columns, left_out, (partition, cuts, model, compared))


def _found(asked: Settings, frame: Frame, columns: _rows.Columns, left_out: dict[str, int], about: Any) -> Analysis:
    partition, cuts, model, compared = about
    fitted = counting_process(frame) if asked.counting else frame
    said: list[str] = []
    tests = interactions(fitted, asked, said)
    curves = {} if asked.counting else curves_of(frame)
    arms = arm_rows(fitted, asked, curves)
    contrasts = contrast_rows(fitted, asked, arms, said)
    notes = notes_of(asked, arms, said, cuts, model, partition, compared)
    return Analysis(asked, columns.n, len(frame), int(frame.event.sum()), left_out, _follow_up(frame), cells_of(frame),
                    tests, contrasts, arms, notes, partition, cuts, model, versions(), _call(asked), curves,
                    columns.kind)


def _follow_up(frame: Frame) -> float:
    return kaplan_meier(frame.time, 1 - frame.event).median()[0] if (frame.event == 0).any() else math.nan


def cells_of(frame: Frame) -> list[Row]:
    return [{"tier": tier, "treatment": arm, "n": int(here.sum()), "events": int(frame.event[here].sum())}
            for j, arm in enumerate(frame.arms) for i, tier in enumerate(frame.tiers)
            for here in [(frame.tier == i) & (frame.treatment == j)]]


# ---- What was asked ----


def _names(given: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError(f"{what} is \"{given}\", wanted a list of names of columns")
    return tuple(given)


def _above_0(value: float, what: str) -> float:
    if not (isinstance(value, (int, float, np.number)) and math.isfinite(value) and value > 0):
        raise ValueError(f"{what} is {value}, wanted a time above 0 in the unit of the times, such as 5 years")
    return float(value)


def _method(name: str) -> str:
    if name not in ADJUSTMENTS:
        raise ValueError(f"p_adjust is \"{name}\", wanted {', '.join(ADJUSTMENTS)}")
    return name


def contrasts_of(given: Sequence[Pair] | None, treatment: Sequence[Any]) -> tuple[Pair, ...]:
    """given None: the paper's pairs, of which those count that the data have."""
    pairs = [tuple(map(text, pair)) for pair in (CONTRASTS if given is None else given)]
    if not pairs or any(len(pair) != 2 or pair[0] == pair[1] for pair in pairs):
        raise ValueError(f"contrasts are {given}, wanted pairs of arms such as [(\"none\", \"single\")]")
    arms = {text(cell) for cell in treatment if cell is not None}
    there = [pair for pair in pairs if arms.issuperset(pair)]
    if not there or (given is not None and len(there) < len(pairs)):
        absent = next(pair for pair in pairs if pair not in there)
        raise ValueError(f"contrasts name {', '.join(absent)}, the data have the arms {', '.join(sorted(arms))}, "
                         "wanted pairs of these")
    return tuple((pair[0], pair[1]) for pair in there)


def _source(kept: _rows.Columns, cuts: Cuts | None,
            training: Any) -> tuple[dict[str, int], str | None, tuple[str, ...]]:
    """(partitions, the scores' model, what was compared with the training cases)."""
    partition = _rows.partitions(kept, ("training",), "wanted none in a test: the model has seen these cases. Leave "
                                 "them out, or score others")
    _rows.refuse_repeats(kept)
    compared = _rows.refuse_seen(kept, training)
    model = _rows.models(kept, None)
    if cuts is not None and model and cuts.model_sha256 not in (None, model):
        raise ValueError(f"the cut-points are of model {str(cuts.model_sha256)[:12]}, the scores of model "
                         f"{model[:12]}, wanted those of one model")
    if cuts is not None and cuts.method == "maxstat":
        warnings.warn("the cut-point was searched in outcomes: in the patients it was searched in, every p-value is "
                      "too small", stacklevel=3)
    return partition, model, compared


def versions() -> dict[str, str]:
    from .. import __version__

    return {"Python": platform.python_version(), "deeptepp": __version__,
            "statsmodels": importlib.metadata.version("statsmodels")}


def _call(asked: Settings) -> str:
    """What differs from the defaults."""
    usual = {name: known.default for name, known in inspect.signature(analyse).parameters.items()}
    shown = [f"{name}={list(value) if isinstance(value, tuple) else value!r}" for name in usual
             for value in [getattr(asked, name, usual[name])] if value != usual[name]]
    return f"analyse(df, {', '.join(shown)})"
