"""Frozen cut-points, with where they come from; the same JSON from R and Python."""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import _rows
from ._columns import numbers

Path = str | os.PathLike[str]

PROBS = (0.605, 0.803)  # the paper's shares of 726: 439, 144, 143
METHODS = ("quantiles", "given", "maxstat")
NAMES = {1: ("Low", "High"), 2: ("Low", "Moderate", "High")}
KEYS = ("cutpoints", "names", "method", "probs", "p_value", "source", "n", "model_sha256")


@dataclass(frozen=True)
class Cuts:
    """Cut-points of a score. A score equal to one belongs to the lower tier.

    cutpoints     1 to 15, rising strictly
    names         of the tiers, lowest first: one more
    method        "quantiles", "given", or "maxstat" (made by R's tepp_cutpoint_maxstat)
    source        one sentence: cohort, n, partition, date
    probs         of quantiles; else None
    p_value       of maxstat, corrected for having searched; else None
    n             scores that they come from; None where given
    model_sha256  of the model file that made the scores; None where it is not known
    """

    cutpoints: tuple[float, ...]
    names: tuple[str, ...]
    method: str
    source: str
    probs: tuple[float, ...] | None = None
    p_value: float | None = None
    n: int | None = None
    model_sha256: str | None = None

    def __post_init__(self) -> None:
        points = numbers(self.cutpoints, "cutpoints")
        if not (1 <= points.size <= 15 and (np.diff(points) > 0).all()):
            raise ValueError(f"cutpoints are {_list(points)}, wanted 1 to 15, rising strictly")
        if len(self.names) != points.size + 1 or len(set(self.names)) != len(self.names) or \
                not all(isinstance(name, str) and name for name in self.names):
            raise ValueError(f"names are {_list(self.names)}, wanted {points.size + 1} different texts, the lowest "
                             "tier's first")
        if self.method not in METHODS:
            raise ValueError(f"method is \"{self.method}\", wanted {', '.join(METHODS)}")
        if self.p_value is not None and not (isinstance(self.p_value, (int, float)) and 0 <= self.p_value <= 1):
            raise ValueError(f"p_value is {self.p_value!r}, wanted a number from 0 to 1, or none")
        if not (isinstance(self.source, str) and self.source.strip()):
            raise ValueError("source is empty, wanted one sentence: cohort, n, partition, date")

    @staticmethod
    def given(cutpoints: Sequence[float], names: Sequence[str] | None = None, *, source: str = "",
              model_sha256: str | None = None) -> Cuts:
        """Cut-points that are known.

        cutpoints  rising strictly
        names      lowest first; None: Low, High for one cut-point and Low, Moderate, High for two
        source     where they come from; "" says no more than that they were given, and when
        """
        points = tuple(map(float, cutpoints))
        return Cuts(points, _names(names, len(points)), "given", source or f"Given numbers, {today()}",
                    model_sha256=model_sha256)

    @staticmethod
    def from_quantiles(score: Any, probs: Sequence[float] = PROBS, names: Sequence[str] | None = None, *,
                       cohort: str = "", source: str = "", model_sha256: str | None = None) -> Cuts:
        """Quantiles (type 7, the default of R and NumPy) of the scores of a reference cohort.

        score         scores; or a table of them (a path, a frame of pandas or polars, a Cohort, a list of dicts) with
                      a column score, whose rows that are not scored are left out and counted
        probs         within 0 to 1, rising strictly
        names         as for given
        cohort        its name, for the source; "" takes a table's file name
        source        in place of the sentence that is made of all this
        model_sha256  of the model that made the scores; a table that names another is refused, and so is one with rows
                      of the partition "training": a network's scores of its own training cases are no reference
        """
        values, where, sha256 = _scores(score, cohort, model_sha256)
        shares = numbers(probs, "probs")
        if not (shares.min() > 0 and shares.max() < 1 and (np.diff(shares) > 0).all()):
            raise ValueError(f"probs are {_list(shares)}, wanted within 0 to 1, rising strictly")
        points = np.quantile(values, shares)
        if not (np.diff(points) > 0).all():
            raise ValueError(f"the quantiles of {values.size} scores are {_list(points)}, wanted rising strictly: the "
                             "scores have too many that are equal")
        words = " and ".join(f"{share:g}" for share in shares)
        made = f"Quantiles {words} (type 7) of the scores of {where}, {today()}"
        return Cuts(tuple(map(float, points)), _names(names, points.size), "quantiles", source or made,
                    tuple(map(float, shares)), None, int(values.size), sha256)

    @staticmethod
    def read(path: Path) -> Cuts:
        """Of a JSON that write, or R's tepp_write_cuts, made."""
        found = read_object(path, KEYS, ("cutpoints", "names", "method", "source"))
        for key in ("cutpoints", "names"):
            if not isinstance(found[key], list):
                raise ValueError(f"{os.fspath(path)}: {key} is {json.dumps(found[key])[:80]}, wanted an array")
        probs = found.get("probs")
        try:
            return Cuts(tuple(found["cutpoints"]), tuple(found["names"]), found["method"], found["source"],
                        None if probs is None else tuple(probs), found.get("p_value"), found.get("n"),
                        found.get("model_sha256"))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all; numbers read back to the last bit."""
        write_object({key: asdict(self)[key] for key in KEYS}, path)

    def section(self) -> dict[str, Any]:
        """As a model file's description has it."""
        return {"names": list(self.names), "cutpoints": list(self.cutpoints), "source": self.source}

    def names_of(self, score: Any) -> list[str | None]:
        """The tier of each score, of a float64 array; None for NaN."""
        places = np.searchsorted(self.cutpoints, score, side="left")
        return [None if np.isnan(s) else self.names[p] for s, p in zip(score, places)]

    def assign(self, score: Any) -> Any:
        """The tier of each score: an ordered pandas.Categorical, of a polars.Series one of an Enum. Missing scores have
        none."""
        polars = sys.modules.get("polars")
        series = polars is not None and isinstance(score, polars.Series)
        values = np.array([np.nan if value is None else value for value in score], dtype=np.float64)
        if series and polars is not None:
            return polars.Series("tier", self.names_of(values), dtype=polars.Enum(list(self.names)))
        import pandas

        return pandas.Categorical(self.names_of(values), categories=list(self.names), ordered=True)

    def __str__(self) -> str:
        return f"{' | '.join(self.names)} at {_list(self.cutpoints)}: {self.source}"


def _names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None and count not in NAMES:
        raise ValueError(f"{count} cut-points without names, wanted names for {count + 1} tiers")
    return NAMES[count] if names is None else tuple(names)


def _scores(score: Any, cohort: str, sha256: str | None) -> tuple[Any, str, str | None]:
    """(values, which cases, the model that made them)."""
    is_row = hasattr(score, "shape") and len(score.shape) == 1
    if is_row or isinstance(score, (list, tuple)) and not (score and hasattr(score[0], "keys")):
        values = numbers(score, "score")
        return values, f"{values.size} cases of {cohort or 'a cohort without a name'} (partition not stated)", sha256
    whole = _rows.columns_of(score)
    missing = _rows.missing_number(whole, "score", "the scores")
    kept, left_out = _rows.usable(whole, [*_rows.scoring_reasons(whole), missing])
    _rows.partitions(kept, ("training",), "wanted out-of-fold scores or those of other cases: a model's scores of its "
                     "own training cases are no reference")
    made = _rows.models(kept, sha256)
    return kept.numbers("score", "the scores"), _rows.sentence(kept, cohort, left_out), made or sha256


def _list(values: Any) -> str:
    return ", ".join(value if isinstance(value, str) else f"{value:.6g}" for value in values)


# ---- What cut-points and calibrations share ----


def today() -> str:
    """UTC; SOURCE_DATE_EPOCH, where it is set, is the day, for files that can be made again."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.now(datetime.timezone.utc)
    return (datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc) if epoch else now).date().isoformat()


def read_object(path: Path, keys: Sequence[str], required: Sequence[str]) -> dict[str, Any]:
    """Of a JSON file with exactly these keys."""
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} holds no object, wanted one with {', '.join(required)}")
    wrong = [f"lacks {key}" for key in required if key not in found] + \
        [f"has the unknown key {key}" for key in found if key not in keys]
    if wrong:
        raise ValueError(f"{name} {', '.join(wrong)}, wanted {', '.join(keys)}")
    return found


def write_object(value: dict[str, Any], path: Path) -> None:
    from .._table import write_whole

    write_whole((json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(), os.fspath(path))
