"""The JSON beside a table of scores: what its columns are (BIDS), and the run."""

from __future__ import annotations

import datetime
import json
import os
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from ._rows import Cells, Done
from .model import Model

RESEARCH = "Research use only. Not a medical device."

COLUMNS = {
    "score": "The model's risk score",
    "score_sd": "Standard deviation of the score over the rotated views: not an uncertainty of the score",
    "n_views": "Rotated views that the score is the mean of",
    "tier": "The score's tier by the model's cut-points",
    "cutpoint_distance": "Score minus the nearest cut-point",
    "status": "ok; error: not scored, error_code and error_message say why; skipped: no imaging",
    "error_code": "Name of the error",
    "error_message": "What is wrong: the thing, the value found, the value wanted",
    "warnings": "Names of the result's warnings, joined by ;",
    "image_sha256": "SHA-256 of the images' files in the model's order of channels, joined by ;",
    "mask_sha256": "SHA-256 of the mask's file",
    "mask_voxels": "Voxels of the tumour that was scored",
    "spacing_mm": "Voxel sizes of the first channel's image along i, j, k, joined by ;",
    "precision": "What the score was computed in: of a bf16 model f32 near a cut-point",
    "model_sha256": "SHA-256 of the model file",
    "options": "Options of the run",
    "library_version": "Version of libdeeptepp",
}


def path_of(out: str) -> str:
    """The JSON beside a table."""
    return f"{os.path.splitext(out)[0]}.json"


def refuse_other(path: str) -> None:
    """A JSON that no run has written."""
    if os.path.exists(path) and not read(path):
        raise FileExistsError(f"{path} exists and was not written by such a run: give out another name, or move it")


def read(path: str) -> dict[str, Any]:
    """What a run wrote there; empty where it is none of a run's."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("deeptepp"), dict) else {}


def sidecar(model: Model, rows: list[Cells], done: Sequence[Done], results: Sequence[str],
            shard: tuple[int, int] | None) -> bytes:
    columns = {name: _column(model, name) for name in results}
    return (json.dumps({**columns, "deeptepp": _run(model, rows, done, shard)}, indent=2, ensure_ascii=False)
            + "\n").encode("utf-8", "replace")


def _column(model: Model, name: str) -> dict[str, Any]:
    if name.startswith("survival:"):
        unit = model.info.get("calibration.unit", "the model's unit of time")
        return {"Description": f"Calibrated probability of no event until {name.removeprefix('survival:')} {unit}"}
    units = {"Units": "mm"} if name == "spacing_mm" else {}
    levels = {"Levels": {tier: f"{i}, from 0 for the lowest" for i, tier in enumerate(model.tiers)}}
    return {"Description": COLUMNS[name], **units, **(levels if name == "tier" and model.tiers else {})}


def _run(model: Model, rows: list[Cells], done: Sequence[Done], shard: tuple[int, int] | None) -> dict[str, Any]:
    first = rows[0] if rows else {}
    return {
        "research_use_only": RESEARCH,
        "cases": len(rows),
        "status": _counts(rows, "status"),
        "error_code": _counts(rows, "error_code"),
        "shard": None if shard is None else list(shard),
        "options": first.get("options"),
        "model": {"name": model.name, "sha256": model.sha256},
        "library_version": first.get("library_version"),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "scored_in_this_run": len(done),
        "elapsed_seconds": {"reading": _times([d.reading for d in done]), "scoring": _times([d.scoring for d in done])},
    }


def _counts(rows: list[Cells], column: str) -> dict[str, int]:
    return dict(sorted(Counter(str(row[column]) for row in rows if row[column] is not None).items()))


def _times(seconds: list[float]) -> dict[str, float] | None:
    return {"total": round(sum(seconds), 3), "median": round(median(seconds), 3)} if seconds else None
