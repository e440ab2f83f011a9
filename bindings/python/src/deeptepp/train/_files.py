"""What training leaves: the model file and the table of out-of-fold scores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _table
from .._rows import Cells
from ..convert import _description
from ..convert._model import Network, container, self_test_score, try_out, write
from ..convert._tensors import Tensor
from ._cohort import PARTITION, RESULTS, Roster
from ._settings import Settings, section

Weights = Mapping[str, npt.NDArray[np.float32]]


def _tensor(values: npt.NDArray[np.float32]) -> Tensor:
    return Tensor("float32", values.shape, lambda: values)


def write_model(path: str, settings: Settings, members: Sequence[Weights], description: dict[str, Any]) -> str:
    """Opened and self-tested by the library before it has its name. Returns the SHA-256."""
    network = Network(section(settings.network, len(members)),
                      [{name: _tensor(values) for name, values in own.items()} for own in members], [], [])
    complete = _description.complete(description, network.section, self_test_score(description, network))
    prefixes = network.section.get("members", [""])
    named = {prefix + name: value for prefix, own in zip(prefixes, network.members) for name, value in own.items()}
    tolerance = complete["self_test"].get("tolerance", _description.DEFAULT_TOLERANCE)
    pieces = container(named, json.dumps(complete, ensure_ascii=False, allow_nan=False))
    return write(path, pieces, lambda temporary: try_out(temporary, settings.path, tolerance))


def beside(out: str, ending: str) -> str:
    return os.path.splitext(out)[0] + ending


def write_table(path: str, roster: Roster, results: Mapping[int, Cells]) -> None:
    """The cohort's columns, then the results. results: by index in the table."""
    columns = [*(name for name in roster.table.columns if name != PARTITION), *RESULTS, PARTITION]
    rows: list[Cells] = []
    for at, row in enumerate(roster.table.rows):
        own = {**dict.fromkeys(RESULTS), PARTITION: row.get(PARTITION), **results[at]}
        rows.append({**{name: None if _table.is_missing(row[name]) else row[name] for name in roster.table.columns},
                     **own})
    _table.write_whole(_table.table_bytes(columns, rows, _table.separator_of(path)), path)
