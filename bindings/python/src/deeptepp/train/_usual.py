"""What the tumours of a cohort are like, so that the model can warn of one that is unlike all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..volume import Volume

HARD = [0.05, 50]  # mm; nothing else is refused for its voxels
SLACK = 1e-3  # of a range's ends, which are rounded and may be one


def measures(images: Sequence[Volume], mask: Volume, label: int | None) -> dict[str, Any]:
    """mask_ml; intensity: each image's mean within the tumour. Both None where the mask lies on another grid."""
    voxels, spacing = mask.to_ras()
    rounded = np.rint(voxels)
    tumour = rounded != 0 if label is None else rounded == label
    means = []
    for image in images:
        values, _ = image.to_ras()
        if values.shape != tumour.shape:
            return {"mask_ml": None, "intensity": None}
        means.append(float(values[tumour].mean(dtype=np.float64)))
    return {"mask_ml": float(tumour.sum() * np.prod(spacing) / 1000), "intensity": means}


def _range(values: Any) -> list[float]:
    """The smallest and the largest, and a little more."""
    low, high = float(np.min(values)), float(np.max(values))
    return [float(f"{low - SLACK * abs(low):.4g}"), float(f"{high + SLACK * max(abs(high), SLACK):.4g}")]


def section(given: dict[str, Any], spacings: Sequence[Sequence[float]], volumes: Sequence[float | None],
            intensities: Sequence[Sequence[float] | None]) -> dict[str, Any]:
    """The input section with the cohort's ranges, where it has none of its own."""
    found: dict[str, Any] = {}
    if volumes and None not in volumes:
        found["mask_ml"] = _range(volumes)
    if intensities and None not in intensities:
        found["intensity"] = [_range(channel) for channel in np.array(intensities, dtype=float).T]
    usual = {**found, **given.get("usual", {})}
    return {"spacing_mm": {"hard": HARD, "usual": _range(spacings)}, **given, **({"usual": usual} if usual else {})}
