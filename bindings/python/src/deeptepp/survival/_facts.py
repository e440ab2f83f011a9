"""What is known of an analysis, as one sentence an item of a checklist."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..model import open_model
from . import _page
from ._cuts import Path
from ._notes import tiers_note
from ._page_text import interval, with_unit
from ._rows import counted

if TYPE_CHECKING:
    from ._analysis import Analysis
    from ._performance import Performance


def model_facts(path: Path | None, sha256: str | None) -> dict[str, str]:
    """What the model file says of itself, flattened; "sha256" is there too. Scores of another model are refused."""
    if path is None:
        return {}
    with open_model(path, threads=1) as model:
        info = {**model.info, "sha256": model.sha256}
    if sha256 is not None and info["sha256"] != sha256:
        raise ValueError(f"{path} is the model {info['sha256'][:12]}, the scores are of {sha256[:12]}, wanted those of "
                         "one model")
    return info


def facts_of(found: Analysis, performance: Performance | None, info: Mapping[str, str]) -> dict[str, str]:
    """Answers by name; an absent one is the author's."""
    known = {**_of_analysis(found), **_of_performance(performance), **_of_model(found, info)}
    return {name: text for name, text in known.items() if text}


def _of_analysis(found: Analysis) -> dict[str, str]:
    asked, software = found.settings, ", ".join(f"{name} {version}" for name, version in found.versions.items())
    partition = next(text for topic, text in found.notes if topic == "partition")
    return {
        "outcome": f"{asked.endpoint or f'{asked.duration_col}, {asked.event_col}'}; horizon "
                   f"{with_unit(asked.horizon, asked.unit)}",
        "excluded": f"Left out: {counted(found.excluded)}; nothing was imputed here" if found.excluded else
                    "No row was left out; nothing was imputed here",
        "flow": f"{_page.counts(found)}",
        "cells": "; ".join(f"{cell['tier']}, {cell['treatment']}: {cell['n']} ({cell['events']} events)"
                           for cell in found.cells),
        "partition": partition,
        "disjoint": "No " + partition.partition(" No ")[2] if " among the training cases" in partition else "",
        "tiers": tiers_note(found.cuts, found.model_sha256) if found.cuts else "",
        "confounding": next(text for topic, text in found.notes if topic == "confounding"),
        "uncertainty": "95 % intervals; likelihood ratio for the interaction; "
                       f"{asked.p_adjust} over the tests within tiers",
        "measures": "Hazard ratios, differences in survival and in restricted mean time at the horizon",
        "software": f"deeptepp, open source (Apache-2.0): {software}",
        "checklists": "The items of TRIPOD+AI and CLAIM are on this page",
    }


def _of_performance(found: Performance | None) -> dict[str, str]:
    if found is None:
        return {}
    c = found.concordance
    rows = [f"until {with_unit(row['time'], found.unit)} observed to expected "
            f"{interval(row['oe'], row['oe_low'], row['oe_high'])}, slope "
            f"{interval(row['slope'], row['slope_low'], row['slope_high'])}" for row in found.calibration]
    first = f"Harrell's C {interval(c.c, c.low, c.high, 3)}"
    return {"performance": "; ".join([first, *rows]), "calibration": "; ".join(rows),
            "measures": "Harrell's C" + ("; observed to expected, slope, net benefit" if rows else "") +
                        "; hazard ratios, differences in survival and in restricted mean time at the horizon"}


def _of_model(found: Analysis, info: Mapping[str, str]) -> dict[str, Any]:
    if not info:
        return {"model": f"Model file of SHA-256 {found.model_sha256}" if found.model_sha256 else ""}
    named = {name: info.get(name, "") for name in ("intended_use", "training_cohort", "limitations")}
    recipe = ", ".join(f"{key.removeprefix('input.')} {value}" for key, value in info.items()
                       if key.startswith("input."))
    training = "; ".join(f"{key.removeprefix('provenance.')}: {value}" for key, value in info.items()
                         if key.startswith("provenance."))
    members = int(info.get("members", "1")) if info.get("members", "1").isdecimal() else math.nan
    return {**named, "learned": "None are hand-crafted: the network learns its own", "input": recipe,
            "provenance": training,
            "tiers": f"Tiers: {info['tiers.source']}" if "tiers.source" in info else
            (tiers_note(found.cuts, found.model_sha256) if found.cuts else ""),
            "network": f"{info.get('network.architecture', '')}, {info.get('parameters', '?')} parameters a member",
            "members": f"The mean of {members} networks and {info.get('views', '?')} views",
            "prediction": f"{info.get('score.rule', '')} of class {info.get('score.class', '')}, the mean over views "
                          "and members; the model file holds every step",
            "model": f"{info.get('name', '')} {info.get('version', '')}, licence {info.get('licence', '')}, model file "
                     f"of SHA-256 {info['sha256']}"}
