"""What a cohort's columns mean to a model; what does not fit is refused before anything is scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ._native import lib
from ._calls import text
from ._rows import Cells, Options, Task
from ._table import Cohort, is_missing, number_text
from .model import Model

BEFORE = ("score", "score_sd", "n_views", "tier", "cutpoint_distance")
AFTER = ("status", "error_code", "error_message", "warnings", "image_sha256", "mask_sha256", "mask_voxels",
         "spacing_mm", "precision", "model_sha256", "options", "library_version")
IDS = ("participant_id", "case_id", "id")


class Plan(NamedTuple):
    """Columns by what they are; images and covariates in the model's order."""

    id: str
    images: dict[str, str]
    mask: str
    label: str | None
    covariates: tuple[str, ...]
    results: tuple[str, ...]

    def task(self, index: int, row: Cells) -> Task:
        return Task(index, tuple((channel, column, row[column]) for channel, column in self.images.items()),
                    row[self.mask], None if self.label is None else row[self.label],
                    tuple((name, row[name]) for name in self.covariates))


def plan_of(model: Model, cohort: Cohort) -> Plan:
    results = result_columns(model)
    taken = [name for name in cohort.columns if name in results]
    if taken:
        raise ValueError(f"the cohort has a column \"{taken[0]}\", which is the name of a result: rename it")
    covariates = model.covariates
    for covariate in covariates:
        if covariate.substitute is None and covariate.name not in cohort.columns:
            raise ValueError(f"the cohort has no column \"{covariate.name}\", wanted one of that name: the model needs "
                             "this covariate")
    identity = id_column(cohort.columns)
    refuse_ids([row[identity] for row in cohort.rows], identity)
    mask = _one(cohort.columns, ("mask", "Mask"))
    if mask is None:
        raise ValueError(f"the cohort has no column \"mask\"; its columns are {_listed(cohort.columns)}")
    return Plan(identity, _images(cohort.columns, model.channels), mask, "label" if "label" in cohort.columns else None,
                tuple(c.name for c in covariates if c.name in cohort.columns), results)


def result_columns(model: Model) -> tuple[str, ...]:
    return (*BEFORE, *(f"survival:{number_text(time)}" for time in model.survival_times), *AFTER)


def _listed(columns: Sequence[str]) -> str:
    """Names; of many the first."""
    names = ", ".join(f"\"{name}\"" for name in columns[:8])
    return f"{names} and {len(columns) - 8} more" if len(columns) > 8 else names or "none"


def id_column(columns: Sequence[str]) -> str:
    found = [name for name in IDS if name in columns]
    if not found:
        raise ValueError(f"the cohort has no column of ids, wanted participant_id, case_id or id; its columns are "
                         f"{_listed(columns)}")
    return found[0]


def refuse_ids(ids: Sequence[str | None], column: str) -> None:
    seen: set[str | None] = set()
    for i, name in enumerate(ids, 1):
        if is_missing(name):
            raise ValueError(f"the cohort's row {i} has no {column}, wanted one in each row")
        if name in seen:
            raise ValueError(f"the cohort has {column} \"{name}\" twice, wanted each once")
        seen.add(name)


def _one(columns: Sequence[str], names: tuple[str, str]) -> str | None:
    found = [name for name in names if name in columns]
    if len(found) > 1:
        raise ValueError(f"the cohort has the columns \"{found[0]}\" and \"{found[1]}\", wanted one of them")
    return found[0] if found else None


def _images(columns: Sequence[str], channels: Sequence[str]) -> dict[str, str]:
    single = _one(columns, ("image", "Image"))
    named = [name for name in columns if name.startswith("image:")]
    wanted = [f"image:{channel}" for channel in channels]
    if single is not None and named:
        raise ValueError(f"the cohort has the columns \"{single}\" and \"{named[0]}\", wanted one kind of them")
    if single is not None and len(channels) == 1:
        return {channels[0]: single}
    if set(named) != set(wanted):
        found = _listed([single] if single else named)
        raise ValueError(f"the cohort's image columns are {found}, wanted {_listed(wanted)}: one a channel of the "
                         "model")
    return dict(zip(channels, wanted))


def constants(model: Model, options: Options) -> Cells:
    """The cells that are the same in each row of a run."""
    threads = "" if model.threads is None else str(model.threads)
    return {"model_sha256": model.sha256, "library_version": text(lib.deeptepp_version()),
            "options": f"largest_part={'true' if options.largest_part else 'false'};mask_grid={options.mask_grid};"
                       f"orientation={options.orientation or ''};threads={threads};precision={model.precision}"}


def shard_of(name: str, count: int) -> int:
    """Of 1 to count, by FNV-1a of the id: new patients do not reshuffle the others."""
    found = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        found = (found ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return ((found ^ found >> 32) & 0xFFFFFFFF) % count + 1
