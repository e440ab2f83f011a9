"""Cut-points and a calibration into a new model file: the tensors stay as they are, byte by byte.

    cuts = deeptepp.survival.Cuts.from_quantiles("model.out-of-fold.tsv")
    deeptepp.freeze.freeze("model.safetensors", "frozen.safetensors", cuts=cuts)
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import Any

from .convert._model import header_bytes, refuse_own_input, write
from .errors import DeepteppError
from .model import open_model
from .survival import Calibration, Cuts
from .survival._cuts import Path

CHUNK = 1 << 22
GUIDANCE_TIERS = 3


def freeze(model: Path, out: Path, *, cuts: Cuts | None = None, calibration: Calibration | None = None,
           tolerance: float | None = None, guidance: bool = False) -> dict[str, Any]:
    """Writes `out`, which is `model` with its description's `tiers` or `calibration` set; what is not given stays.

    cuts         the tiers (docs/model-format.md); cut-points of another model's scores are refused
    calibration  survival by score; that of another model's scores is refused
    tolerance    from 0: scores at most this far from a cut-point get a warning; None: the format's default
    guidance     the three tiers are meant as the paper's Low, Moderate and High: results quote what it proposes for
                 each, with its evidence. Research use only

    The file appears whole, opened and self-tested by the library, or not at all. Returns its description and "sha256".
    Raises ValueError, OSError, DeepteppError. Any thread.
    """
    source, target = os.fspath(model), os.fspath(out)
    if tolerance is not None and not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance is {tolerance}, wanted a number from 0")
    if cuts is None and calibration is None and tolerance is None and not guidance:
        raise ValueError("nothing to freeze, wanted cut-points, a calibration, a tolerance or guidance")
    refuse_own_input(target, [source])
    with open_model(source, threads=1) as opened:
        sha256 = opened.sha256
    for what, made in (("cut-points are", cuts), ("calibration is", calibration)):
        if made is not None and made.model_sha256 not in (None, sha256):
            raise ValueError(f"the {what} of scores of the model {str(made.model_sha256)[:12]}, wanted those of "
                             f"{source}, {sha256[:12]}")
    header, start = read_header(source)
    description = json.loads(header["__metadata__"]["deeptepp"])
    tiers = _tiers(description.get("tiers"), cuts, tolerance, guidance)
    description |= {"tiers": tiers} if tiers is not None else {}
    description |= {"calibration": calibration.section()} if calibration is not None else {}
    header["__metadata__"]["deeptepp"] = json.dumps(description, ensure_ascii=False, allow_nan=False)
    written = write(target, _pieces(source, header, start), lambda path: try_out(path, target))
    return {**description, "sha256": written}


def _tiers(found: dict[str, Any] | None, cuts: Cuts | None, tolerance: float | None,
           guidance: bool) -> dict[str, Any] | None:
    if cuts is None and found is None:
        if tolerance is not None or guidance:
            raise ValueError("the model has no tiers for a tolerance or guidance, wanted cut-points too")
        return None
    tiers = dict(found or {}) if cuts is None else _with_kept(cuts.section(), found or {})
    if tolerance is not None:
        tiers["tolerance"] = tolerance
    if guidance:
        if len(tiers["names"]) != GUIDANCE_TIERS:
            raise ValueError(f"guidance for {len(tiers['names'])} tiers, wanted 3: the paper's Low, Moderate and High")
        tiers["guidance"] = "deeptepp"
    return tiers


def _with_kept(tiers: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What the new cut-points do not say stays as it was; guidance, which is for three tiers, where there are three."""
    kept: dict[str, Any] = {key: found[key] for key in ("tolerance", "guidance") if key in found}
    if len(tiers["names"]) != GUIDANCE_TIERS:
        kept.pop("guidance", None)
    return {**tiers, **kept}


def try_out(path: str, called: str) -> None:
    """The library opens the file and, where it has a self-test, passes it. called: the file's name when it is done."""
    try:
        with open_model(path, threads=1) as model:
            if any(key.startswith("self_test.") for key in model.info):
                model.self_test()
    except DeepteppError as error:
        raise ValueError(f"{called}: the library refuses the model: "
                         f"{error.message.removeprefix(path + ': ')}") from error


def read_header(path: str) -> tuple[dict[str, Any], int]:
    """(the JSON of a model file that the library has opened, where the tensors' data begin)."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(size)), 8 + size


def _pieces(path: str, header: dict[str, Any], start: int) -> Iterator[bytes]:
    yield header_bytes(header)
    with open(path, "rb") as file:
        file.seek(start)
        while piece := file.read(CHUNK):
            yield piece
