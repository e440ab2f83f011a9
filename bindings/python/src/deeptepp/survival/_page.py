"""The page of an analysis, in the order in which it is to be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._sidecar import RESEARCH
from ._fits import Row
from ._frame import ALL
from ._page_text import digits_for, figures, fixed, interval, p_phrase, p_text, table_lines, with_unit, wrapped

if TYPE_CHECKING:
    from ._analysis import Analysis

Table = tuple[list[str], list[list[str]]]  # header, rows


def page(found: Analysis) -> list[str]:
    parts = (head(found), ["Patients (events)", *indented(count_table(found))],
             ["1. Does the effect of treatment differ between tiers?", *interaction_lines(found)],
             ["2. Within tiers", *indented(within_table(found)), f"  {within_words(found)}"],
             *([] if found.settings.counting else [[horizon_words(found), *indented(difference_table(found))]]),
             ["All tiers together", *(f"  {line}" for line in overall_lines(found))],
             ["Before believing it", *(line for _, text in found.notes for line in wrapped(text))], foot(found))
    lines = [line for part in parts for line in ("", *part)]
    return lines[1:]


def head(found: Analysis) -> list[str]:
    left_out = [f"  left out: {reason}, {count}" for reason, count in found.excluded.items()]
    return [title(found), RESEARCH, "", counts(found), *left_out]


def title(found: Analysis) -> str:
    asked = found.settings
    return f"Treatment by tier: {asked.endpoint or f'{asked.duration_col}, {asked.event_col}'}"


def counts(found: Analysis) -> str:
    follow_up = "-" if math.isnan(found.follow_up) else with_unit(figures(found.follow_up), found.settings.unit)
    return f"{found.n} of {found.rows} rows, {found.events} events; median follow-up {follow_up}"


def indented(table: Table) -> list[str]:
    return [f"  {line}" for line in table_lines(*table)]


def count_table(found: Analysis) -> Table:
    arms = list(dict.fromkeys(cell["treatment"] for cell in found.cells))
    tiers = list(dict.fromkeys(cell["tier"] for cell in found.cells))
    cells = {(cell["tier"], cell["treatment"]): f"{cell['n']} ({cell['events']})" for cell in found.cells}
    return (["tier", *(f"{found.settings.treatment_col} {arm}" for arm in arms)],
            [[tier, *(cells[tier, arm] for arm in arms)] for tier in tiers])


def interaction_lines(found: Analysis) -> list[str]:
    if not found.interaction:
        return ["  Not tested: there is one tier and no score."]
    return [f"  {row['test']:<18} likelihood ratio {fixed(row['chisq'])} on {row['df']} df, {p_phrase(row['p'])}"
            for row in found.interaction] + wrapped(f"{interaction_words(found)}{disagreement(found)}", "  ")


def interaction_words(found: Analysis) -> str:
    """Of the first test, which is that of tiers where there are several."""
    p = found.interaction[0]["p"]
    if math.isnan(p):
        return "The test could not be made."
    if p < 0.05:
        return "The data speak against one effect in all tiers (at 5 %), if tiers and test were fixed beforehand."
    return ("No evidence (at 5 %) that the effect differs between tiers. A small p-value in one tier beside a large "
            "one in another, below, is no such evidence.")


def disagreement(found: Analysis) -> str:
    p = [row["p"] for row in found.interaction]
    divided = len(p) == 2 and not any(map(math.isnan, p)) and (p[0] < 0.05) != (p[1] < 0.05)
    return " Tiers and score disagree: two tests of one question, neither adjusted for the other." if divided else ""


def within(found: Analysis) -> list[Row]:
    return [row for row in found.contrasts if row["tier"] != ALL]


def within_table(found: Analysis) -> Table:
    adjusts = any(not math.isnan(row["adjusted_hr"]) for row in found.contrasts)
    header = ["tier", "contrast", "n", "events", "hazard ratio", *(["adjusted"] if adjusts else []), "p",
              f"{found.settings.p_adjust} p"]
    return header, [_within_row(row, adjusts) for row in within(found)]


def _within_row(row: Row, adjusts: bool) -> list[str]:
    more = [interval(row["adjusted_hr"], row["adjusted_low"], row["adjusted_high"])] if adjusts else []
    return [row["tier"], contrast(row), str(row["n"]), str(row["events"]),
            interval(row["hr"], row["hr_low"], row["hr_high"]), *more, p_text(row["p"]), p_text(row["p_adjusted"])]


def contrast(row: Row) -> str:
    return f"{row['to']} v {row['from']}"


def within_words(found: Analysis) -> str:
    rows = within(found)
    test = next((row["test"] for row in rows if row["test"]), "none")
    return (f"p: {test}; {found.settings.p_adjust} p: adjusted over the tests of this table, of which there are "
            f"{sum(not math.isnan(row['p']) for row in rows)}.")


def horizon_words(found: Analysis) -> str:
    return f"3. Differences at {with_unit(found.settings.horizon, found.settings.unit)}"


def difference_table(found: Analysis) -> Table:
    rows = within(found)
    digits = digits_for([row["d_rmst"] for row in rows])
    return (["tier", "contrast", "survival", "restricted mean"],
            [[row["tier"], contrast(row), interval(row["d_survival"], row["d_survival_low"], row["d_survival_high"]),
              interval(row["d_rmst"], row["d_rmst_low"], row["d_rmst_high"], digits)] for row in rows])


def overall_lines(found: Analysis) -> list[str]:
    """Context: one effect over all tiers, which is no test of tiers."""
    lines = []
    for row in found.contrasts:
        if row["tier"] == ALL:
            adjusted = "" if math.isnan(row["adjusted_hr"]) else \
                f", adjusted {interval(row['adjusted_hr'], row['adjusted_low'], row['adjusted_high'])}"
            ratio = interval(row["hr"], row["hr_low"], row["hr_high"])
            lines.append(f"{contrast(row)}: hazard ratio {ratio}{adjusted}")
    return lines


def foot(found: Analysis) -> list[str]:
    model = [f"model {found.model_sha256[:12]}"] if found.model_sha256 else []
    versions = [f"{name} {version}" for name, version in found.versions.items()]
    return [", ".join([*versions, *model]), *wrapped(found.call, "", "  ")]


def arm_table(found: Analysis) -> Table:
    digits = digits_for([row["rmst"] for row in found.arms])
    return (["tier", "treatment", "n", "events", "median", "survival", "se", "restricted mean", "se"],
            [[row["tier"], row["treatment"], str(row["n"]), str(row["events"]),
              fixed(row["median"], digits), fixed(row["survival"], 3), fixed(row["survival_se"], 3),
              fixed(row["rmst"], digits), fixed(row["rmst_se"], digits)]
             for row in found.arms])


def arm_lines(found: Analysis) -> Sequence[str]:
    asked = found.settings
    head = f"Arms; survival and restricted mean at {with_unit(asked.horizon, asked.unit)}"
    return [head, *indented(arm_table(found))]
