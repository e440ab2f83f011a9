"""The fits of an analysis, as rows of numbers: NaN where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._concordance import NORMAL_975
from ._cox import CoxFit, cox, statsmodels
from ._curves import Curve, kaplan_meier, log_rank
from ._frame import ALL, Frame, Pair, Settings

Row = dict[str, Any]
NAN = float("nan")

# R's names of p.adjust's methods, and statsmodels'
ADJUSTMENTS = {"holm": "holm", "hochberg": "simes-hochberg", "hommel": "hommel", "bonferroni": "bonferroni",
               "BH": "fdr_bh", "fdr": "fdr_bh", "BY": "fdr_by", "none": ""}


def p_of(chisq: float, df: float) -> float:
    """Upper tail of chi-squared."""
    from scipy.stats import chi2

    return float(chi2.sf(chisq, df))


def adjusted(p: Sequence[float], method: str) -> Any:
    found = np.array(p, dtype=np.float64)
    known = np.isfinite(found)
    if known.any() and ADJUSTMENTS[method]:
        multipletests = statsmodels("stats.multitest").multipletests
        found[known] = multipletests(found[known], method=ADJUSTMENTS[method])[1]
    return found


# ---- The interaction ----


def interactions(frame: Frame, settings: Settings, said: list[str]) -> list[Row]:
    kinds = [("tier", indicators(frame.tier, len(frame.tiers)))] if len(frame.tiers) > 1 else []
    kinds += [("score", frame.score.reshape(-1, 1))] if settings.score_col is not None else []
    return [_interaction(frame, name, columns, said) for name, columns in kinds]


def indicators(codes: Any, count: int) -> Any:
    """A column for each but the first."""
    return (codes[:, None] == np.arange(1, count)).astype(np.float64)


def _interaction(frame: Frame, name: str, columns: Any, said: list[str]) -> Row:
    treatment = indicators(frame.treatment, len(frame.arms))
    products = (columns[:, :, None] * treatment[:, None, :]).reshape(len(frame), -1)
    small = fit(frame, [columns, treatment])
    large = fit(frame, [columns, treatment, products])
    test = f"{name} x treatment"
    for model in (small, large):
        if not model.finite:
            said.append(f"{test}: a coefficient may be infinite, as where a group has no event.")
    chisq, df = max(0.0, 2 * (large.loglik - small.loglik)), large.df - small.df
    return {"test": test, "chisq": chisq, "df": df, "p": p_of(chisq, df) if df else NAN}


def fit(frame: Frame, parts: Sequence[Any], adjusting: bool = True) -> CoxFit:
    design = np.concatenate([*parts, *([frame.adjust] if adjusting else [])], axis=1)
    return cox(frame.time, frame.event, design, frame.strata, frame.entry)


# ---- Arms ----


def curves_of(frame: Frame) -> dict[str, dict[str, Curve]]:
    """By tier, "All" for all together, and arm; arms without patients are not there."""
    made: dict[str, dict[str, Curve]] = {}
    for tier, part in parts_of(frame):
        made[tier] = {}
        for code, arm in enumerate(frame.arms):
            here = part.treatment == code
            if here.any():
                made[tier][arm] = kaplan_meier(part.time[here], part.event[here])
    return made


def parts_of(frame: Frame) -> list[tuple[str, Frame]]:
    return [(ALL, frame), *((tier, frame.where(frame.tier == code)) for code, tier in enumerate(frame.tiers))]


def arm_rows(frame: Frame, settings: Settings, curves: dict[str, dict[str, Curve]]) -> list[Row]:
    return [_arm_row(part.event[part.treatment == code], tier, arm, settings, curves.get(tier, {}).get(arm))
            for tier, part in parts_of(frame) for code, arm in enumerate(frame.arms)]


def _arm_row(event: Any, tier: str, arm: str, settings: Settings, curve: Curve | None) -> Row:
    row: Row = {"tier": tier, "treatment": arm, "n": len(event), "events": int(event.sum())}
    row |= {name: NAN for name in ("median", "median_low", "median_high", "survival", "survival_se", "rmst", "rmst_se")}
    if curve is None or settings.counting:
        return row
    row["median"], row["median_low"], row["median_high"] = curve.median()
    if curve.last >= settings.horizon or (curve.survival.size and curve.survival[-1] == 0):
        row["survival"], row["survival_se"] = curve.at(settings.horizon)
        row["rmst"], row["rmst_se"] = curve.restricted_mean(settings.horizon)
    return row


# ---- Contrasts ----


def contrast_rows(frame: Frame, settings: Settings, arms: Sequence[Row], said: list[str]) -> list[Row]:
    rows: list[Row] = []
    for tier, part in parts_of(frame):
        fits = _arm_fits(part, settings, said, tier)
        rows += [_contrast_row(part, tier, pair, settings, fits, said) | _differences(arms, tier, pair)
                 for pair in settings.contrasts]
    within = [row for row in rows if row["tier"] != ALL]
    for row, p in zip(within, adjusted([row["p"] for row in within], settings.p_adjust)):
        row["p_adjusted"] = float(p)
    return rows


@dataclass(frozen=True)
class ArmFits:
    """One model of all arms of a tier; arms: codes of those that have patients, the reference first."""

    arms: list[int]
    plain: CoxFit
    adjusted: CoxFit | None


def _arm_fits(part: Frame, settings: Settings, said: list[str], tier: str) -> ArmFits | None:
    """None where there is nothing to compare."""
    arms = sorted(set(part.treatment.tolist()))
    if len(arms) < 2 or not part.event.any():
        return None
    columns = (part.treatment[:, None] == np.array(arms[1:])).astype(np.float64)
    plain = fit(part, [columns], adjusting=False)
    with_others = fit(part, [columns]) if settings.adjust else None
    for found, what in ((plain, tier), (with_others, f"{tier}, adjusted")):
        if found is not None and not found.finite:
            said.append(f"{what}: a coefficient may be infinite, as where a group has no event.")
    return ArmFits(arms, plain, with_others)


def _contrast_row(part: Frame, tier: str, pair: Pair, settings: Settings, fits: ArmFits | None,
                  said: list[str]) -> Row:
    codes = [part.arms.index(arm) for arm in pair]
    part = part.where(np.isin(part.treatment, codes))
    events = [int(part.event[part.treatment == code].sum()) for code in codes]
    row: Row = {"tier": tier, "from": pair[0], "to": pair[1], "n": len(np.unique(part.patient)), "events": sum(events)}
    row |= {name: NAN for name in ("hr", "hr_low", "hr_high", "adjusted_hr", "adjusted_low", "adjusted_high")}
    row |= {"test": None, "statistic": NAN, "p": NAN, "p_adjusted": NAN}
    lacks = "an arm has no patient" if len(set(part.treatment.tolist())) < 2 else "" if sum(events) else "no event"
    finite = not lacks and all(events)
    if not finite:
        what = f"not compared, {lacks}" if lacks else "no hazard ratio, an arm has no event"
        said.append(f"{tier}, {pair[1]} v {pair[0]}: {what}.")
    if fits is not None and finite:
        row |= _ratio(fits.plain, fits.arms, codes, "hr", "hr")
        row |= _ratio(fits.adjusted, fits.arms, codes, "adjusted_hr", "adjusted") if fits.adjusted else {}
    if not lacks and fits is not None and (finite or not fits.adjusted):
        row |= _test(part, codes, settings, fits)
    return row


def _log_ratio(found: CoxFit, arms: Sequence[int], codes: Sequence[int]) -> tuple[float, float]:
    """(log hazard ratio of the second arm to the first, its standard error)."""
    weights = np.array([float(arm == codes[1]) - float(arm == codes[0]) for arm in arms[1:]])
    k = len(weights)
    return float(weights @ found.coef[:k]), float(np.sqrt(weights @ found.covariance[:k, :k] @ weights))


def _ratio(found: CoxFit, arms: Sequence[int], codes: Sequence[int], name: str, bounds: str) -> Row:
    middle, se = _log_ratio(found, arms, codes)
    low, ratio, high = (float(np.exp(middle + sign * NORMAL_975 * se)) for sign in (-1, 0, 1))
    return {name: ratio, f"{bounds}_low": low, f"{bounds}_high": high}


def _test(part: Frame, codes: Sequence[int], settings: Settings, fits: ArmFits) -> Row:
    """Log-rank, or of an adjusted analysis Wald's; of a counting process, which survdiff does not take, the score test
    of a Cox model, which is its like."""
    second = (part.treatment == codes[1]).astype(np.int64)
    if fits.adjusted is not None:
        middle, se = _log_ratio(fits.adjusted, fits.arms, codes)
        name, chisq = "Wald, adjusted", (middle / se) ** 2
    elif settings.counting:
        name, chisq = "score test", fit(part, [second.reshape(-1, 1)], adjusting=False).score
    else:
        name, chisq = "log-rank", log_rank(part.time, part.event, second, part.strata)
    return {"test": name, "statistic": chisq, "p": p_of(chisq, 1)}


def _differences(arms: Sequence[Row], tier: str, pair: Pair) -> Row:
    one, other = (next(row for row in arms if row["tier"] == tier and row["treatment"] == arm) for arm in pair)
    row: Row = {}
    for name in ("survival", "rmst"):
        middle = other[name] - one[name]
        half = NORMAL_975 * float(np.hypot(one[f"{name}_se"], other[f"{name}_se"]))
        half = half if half else NAN  # of two arms without an event nothing is known of how sure it is
        most = 1.0 if name == "survival" else np.inf
        row |= {f"d_{name}": middle, f"d_{name}_low": float(max(-most, middle - half)) if half == half else NAN,
                f"d_{name}_high": float(min(most, middle + half)) if half == half else NAN}
    return row
