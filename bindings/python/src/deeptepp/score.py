"""What a case's score is, and what should be known of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ._calls import number, text, text_or_none
from ._native import ffi, lib


class ScoreWarning(NamedTuple):
    """What a careful reader should know before using the number; name is such as "DEEPTEPP_WARN_PADDED"."""

    code: int
    name: str
    message: str


class Survival(NamedTuple):
    """The probability of being free of the event at a time, in the unit that model.info["calibration.unit"] says."""

    time: float
    probability: float


class UsedCovariate(NamedTuple):
    """A covariate as it was used; filled: value is the model's substitute for a missing one; term: what it adds."""

    name: str
    unit: str | None
    value: float
    filled: bool
    term: float


class MaskPart(NamedTuple):
    """A connected part of the mask; distance: from the largest, in mm between the nearest voxels' centres."""

    voxels: int
    distance: float


class ScoredMask(NamedTuple):
    """The mask that was scored.

    label         the value that marks the tumour
    voxels        of the tumour: with largest_part those of that part alone
    part_count    connected parts (26 neighbours); parts: the 64 largest, by size
    low, high     the tumour's first and last voxel along i, j, k of the grid it was scored on
    rounding      the largest distance of a value from a whole number; 0: they are whole
    share         of the tumour's voxels, 0 to 1, that the network's region holds; view_shares: in each view
    """

    label: int
    voxels: int
    part_count: int
    parts: tuple[MaskPart, ...]
    low: tuple[int, int, int]
    high: tuple[int, int, int]
    rounding: float
    share: float
    view_shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """A case's score. Plain values, which live on without the model; pickles. What is not there is None."""

    score: float
    """Unit and range are the model's."""
    score_sd: float | None
    """Standard deviation over views: how much the angle matters, not an uncertainty of the score. None: one view."""
    view_scores: tuple[float, ...]
    member_scores: tuple[float, ...]
    tier: int | None
    """From 0 for the lowest; None where the model has no cut-points."""
    tier_name: str | None
    cutpoint_distance: float | None
    """Score minus the nearest cut-point."""
    survival: tuple[Survival, ...]
    covariates: tuple[UsedCovariate, ...]
    mask: ScoredMask
    guidance: str | None
    """What the paper proposes for the tier, with its evidence. Research use only."""
    warnings: tuple[ScoreWarning, ...]
    precision: str
    """"f32" or "bf16": what it was computed in. "f32" of a model in "bf16": near a cut-point."""
    json: str = field(repr=False)
    """All of it and the provenance, as docs/result.md describes."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON as a dict, of its own each time."""
        found: dict[str, Any] = json.loads(self.json)
        return found

    def __float__(self) -> float:
        return self.score

    def __repr__(self) -> str:
        parts = [f"{self.score:.6f}"]
        if self.tier is not None:
            parts.append(f"tier {self.tier} {self.tier_name!r}")
            parts.append(f"{self.cutpoint_distance:+.6f} from the nearest cut-point")
        names = ", ".join(warning.name.removeprefix("DEEPTEPP_WARN_") for warning in self.warnings)
        parts.append(f"warnings: {names}" if names else "no warnings")
        return f"<Score {'; '.join(parts)}>"


def score_of(result: Any) -> Score:
    """A result of the library, read out; it may be freed afterwards."""
    return Score(
        score=float(lib.deeptepp_result_score(result)),
        score_sd=number(lib.deeptepp_result_score_sd(result)),
        view_scores=_each(result, lib.deeptepp_result_view_count, lib.deeptepp_result_view_score),
        member_scores=_each(result, lib.deeptepp_result_member_count, lib.deeptepp_result_member_score),
        tier=None if lib.deeptepp_result_tier(result) < 0 else int(lib.deeptepp_result_tier(result)),
        tier_name=text_or_none(lib.deeptepp_result_tier_name(result)),
        cutpoint_distance=number(lib.deeptepp_result_cutpoint_distance(result)),
        survival=_each(result, lib.deeptepp_result_survival_count, _survival),
        covariates=_each(result, lib.deeptepp_result_covariate_count, _covariate),
        mask=_mask(result, lib.deeptepp_result_mask(result)),
        guidance=text_or_none(lib.deeptepp_result_guidance(result)),
        warnings=_each(result, lib.deeptepp_result_warning_count, _warning),
        precision=_PRECISIONS.get(int(lib.deeptepp_result_precision(result)), "unknown"),
        json=text(lib.deeptepp_result_json(result)),
    )


def _each(result: Any, count: Callable[[Any], int], getter: Callable[[Any, int], Any]) -> tuple[Any, ...]:
    return tuple(getter(result, i) for i in range(count(result)))


def _survival(result: Any, index: int) -> Survival:
    return Survival(lib.deeptepp_result_survival_time(result, index), lib.deeptepp_result_survival(result, index))


def _covariate(result: Any, index: int) -> UsedCovariate:
    return UsedCovariate(
        text(lib.deeptepp_result_covariate_name(result, index)),
        text_or_none(lib.deeptepp_result_covariate_unit(result, index)),
        lib.deeptepp_result_covariate_value(result, index),
        bool(lib.deeptepp_result_covariate_filled(result, index)),
        lib.deeptepp_result_covariate_term(result, index),
    )


def _mask(result: Any, mask: Any) -> ScoredMask:
    low, high = ffi.new("int64_t[3]"), ffi.new("int64_t[3]")
    lib.deeptepp_mask_box(mask, low, high)
    count = int(lib.deeptepp_mask_part_count(mask))
    parts = ((lib.deeptepp_mask_part_voxels(mask, i), lib.deeptepp_mask_part_distance(mask, i)) for i in range(count))
    return ScoredMask(
        label=lib.deeptepp_mask_label(mask),
        voxels=lib.deeptepp_mask_voxels(mask),
        part_count=count,
        parts=tuple(MaskPart(*part) for part in itertools.takewhile(lambda part: part[0] > 0, parts)),
        low=(low[0], low[1], low[2]),
        high=(high[0], high[1], high[2]),
        rounding=lib.deeptepp_mask_rounding(mask),
        share=lib.deeptepp_result_mask_share(result),
        view_shares=_each(result, lib.deeptepp_result_view_count, lib.deeptepp_result_view_mask_share),
    )


_PRECISIONS = {lib.DEEPTEPP_PRECISION_F32: "f32", lib.DEEPTEPP_PRECISION_BF16: "bf16"}
_WARNINGS = ffi.typeof("deeptepp_warning").elements


def _warning(result: Any, index: int) -> ScoreWarning:
    code = int(lib.deeptepp_result_warning_code(result, index))
    return ScoreWarning(code, _WARNINGS.get(code, "DEEPTEPP_WARN_UNKNOWN"),
                        text(lib.deeptepp_result_warning_message(result, index)))
