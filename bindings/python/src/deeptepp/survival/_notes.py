"""What keeps an analysis from being believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ._cuts import Cuts
from ._fits import Row
from ._frame import Settings
from ._page_text import is_nan, with_unit
from ._rows import counted


def notes_of(settings: Settings, arms: Sequence[Row], said: Sequence[str], cuts: Cuts | None, model: str | None,
             partition: Mapping[str, int], compared: Sequence[str]) -> list[tuple[str, str]]:
    """(topic, text)."""
    found = [("fit", text) for text in dict.fromkeys(said)]
    found += [("horizon", text) for text in _horizon(settings, arms)]
    return [*found, ("hazards", "Proportional hazards were not tested here: R's tepp_analyse() does it (cox.zph)."),
            ("confounding", _confounding(settings)), ("time zero", _time_zero(settings)),
            ("tiers", tiers_note(cuts, model)), ("partition", partition_note(partition, compared)),
            ("score", "A score is no probability: nothing here is a patient's risk. calibrate() gives risks where a "
                      "calibration cohort is there.")]


def _horizon(settings: Settings, arms: Sequence[Row]) -> list[str]:
    if settings.counting:
        return ["Survival at the horizon is not given for a counting process."]
    short = [f"{row['tier']} {row['treatment']}" for row in arms if is_nan(row["survival"]) and row["n"]]
    far = with_unit(settings.horizon, settings.unit)
    return [f"No follow-up as far as {far}: {', '.join(short)}."] if short else []


def _confounding(settings: Settings) -> str:
    adjusted = "Nothing was adjusted for" if not settings.adjust else \
        f"Adjusted for {', '.join(settings.adjust)}; what was not measured still differs"
    return ("Unless treatment was randomised, arms differ by indication and era (confounding), and a hazard ratio is "
            f"not an effect of treatment. {adjusted}.")


def _time_zero(settings: Settings) -> str:
    if settings.counting:
        return "Treatment started after time zero for some: time before it counts for the reference arm."
    if settings.landmark is not None:
        arms = "the treatment they had by then" if settings.start_col is not None else \
            "the table's treatment, which may have begun later: when was not given (start_col=)"
        return (f"Landmark at {with_unit(settings.landmark, settings.unit)}: those still followed up then, by {arms}; "
                "times count from then on.")
    if settings.start_col is not None:
        return "Treatment started at time zero in all rows."
    return ("Time zero must be the same event in all arms: treatment that starts later looks like a benefit. When it "
            "started was not given (start_col=).")


def tiers_note(cuts: Cuts | None, model: str | None) -> str:
    if cuts is None:
        made = f", of model {model[:12]}" if model else ""
        return f"Tiers are the table's{made}; where their cut-points come from was not given (cuts=)."
    searched = cuts.method == "maxstat"
    warned = " In the patients it was searched in, every p-value above is too small." if searched else ""
    return f"Tiers: {cuts.source.removesuffix('.')}.{warned}"


def seen_words(compared: Sequence[str]) -> str:
    """compared: the columns of which no value is in the table of training cases."""
    return f" No {' and no '.join(compared)} is among the training cases." if compared else ""


def partition_note(partition: Mapping[str, int], compared: Sequence[str]) -> str:
    if set(partition) == {"not stated"}:
        first = "Partition not stated: of cases that the model has seen nothing here would hold."
    else:
        first = f"Partition: {counted(partition)}{' (mixed)' if len(partition) > 1 else ''}."
    return first + seen_words(compared)
