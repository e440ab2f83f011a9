"""From a checkpoint's names to the network's: what is left out, renamed, or wrapped around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._description import ConversionError, plural
from ._objects import MAX_NAME, State, stems
from ._tensors import Tensor

# What PyTorch's own wrappers put into the middle of names.
WRAPPERS = {"_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod", "_forward_module", "_fpw_module"}
AVERAGED = "n_averaged"  # the counter of torch.optim.swa_utils.AveragedModel
HEADS = ("fc", "classifier", "head", "linear", "last_linear")
LISTED = 4
# torchvision's video networks: (pattern, ours).
VIDEO = (
    (re.compile(r"stem\.0\.(.+)"), r"conv1.\1"), (re.compile(r"stem\.1\.(.+)"), r"bn1.\1"),
    (re.compile(r"(layer\d+\.\d+)\.conv(\d)\.0\.(.+)"), r"\1.conv\2.\3"),
    (re.compile(r"(layer\d+\.\d+)\.conv(\d)\.1\.(.+)"), r"\1.bn\2.\3"),
)


@dataclass
class Wishes:
    """What the user asked for, and which of it has found something."""

    entry: str | None = None
    drop: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    used: set[str] = field(default_factory=set)


@dataclass
class Found:
    """A network's tensors by the library's names; notes: what was done to the names, in words."""

    tensors: dict[str, Any]
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def under(name: str, start: str) -> bool:
    """Is it that name, or one under it?"""
    return name == start or name.startswith(start.rstrip(".") + ".")


def listed(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:LISTED]) + (f" and {len(every) - LISTED} more" if len(every) > LISTED else "")


# ---- Options ----


def without_dropped(state: State, wishes: Wishes) -> State:
    kept: State = {}
    for name, value in state.items():
        matching = {part for part in wishes.drop if part and under(name, part)}
        wishes.used.update(f"--drop {part}" for part in matching)
        if not matching:
            kept[name] = value
    return kept


def renamed(state: State, wishes: Wishes, done: set[str]) -> State:
    """done: the renamings that have found something in this checkpoint; each acts once."""
    for old, new in wishes.rename:
        option = f"--rename {old}={new}"
        if option in done or not any(under(name, old) for name in state):
            continue
        done.add(option)
        wishes.used.add(option)
        state = unique_names((moved(name, old, new) if under(name, old) else name, name, value)
                             for name, value in state.items())
    return state


def moved(name: str, old: str, new: str) -> str:
    rest = name[len(old.rstrip(".")):]
    return (new.rstrip(".") + rest).lstrip(".")


def unique_names(items: Iterable[tuple[str, str, Any]]) -> State:
    """items: (new name, old name, value)."""
    state: State = {}
    before: dict[str, str] = {}
    for new, old, value in items:
        if new in state:
            raise ConversionError(f"{before[new]} and {old} would both be {new}, wanted one of them: --drop {old} "
                                  "leaves it out")
        state[new], before[new] = value, old
    return state


# ---- Prefixes ----


def without_wrappers(state: State) -> State:
    def plain(name: str) -> str:
        return ".".join(part for part in name.split(".") if part not in WRAPPERS)
    return unique_names((plain(name), name, value) for name, value in state.items())


def prefix_of(state: State) -> str:
    """What stands before the network's names; "features." is one of the published network's own."""
    found = stems(state)
    prefix = found[0] if len(found) == 1 else ""
    if not prefix.endswith("features."):
        return prefix
    own = prefix.removesuffix("features.")
    pmg2d = any(name.startswith((f"{own}conv_block", f"{own}classifier_concat")) for name in state)
    stem = state.get(f"{prefix}conv1.weight")
    return own if pmg2d or not isinstance(stem, Tensor) or len(stem.shape) == 4 else prefix


def is_head(name: str) -> bool:
    return name.split(".")[0] in HEADS


def refuse_blocked(state: State, prefix: str) -> None:
    """Names beside a network's prefix that are no head."""
    others = [name for name in state if not name.startswith(prefix) and not is_head(name)]
    if others:
        tops = dict.fromkeys(name.split(".")[0] for name in others)
        options = " ".join(f"--drop {top}" for top in tops)
        raise ConversionError(f"the network's names begin with {prefix}, and {plural(len(others), 'name')} beside it "
                              f"{'does' if len(others) == 1 else 'do'} not: {listed(others)}; {options} leaves "
                              f"{'it' if len(others) == 1 else 'them'} out")


def stripped(state: State, wishes: Wishes, done: set[str]) -> State:
    """A prefix goes part by part, so that options find names with any part of it."""
    while prefix := prefix_of(state):
        first = prefix.split(".")[0] + "."
        if not all(name.startswith(first) for name in state):
            refuse_blocked(state, prefix)
            first = prefix
        state = unique_names((name.removeprefix(first), name, value) for name, value in state.items())
        state = renamed(without_dropped(state, wishes), wishes, done)
    return state


# ---- Names of other houses ----


def from_video(state: State) -> State:
    """Of torchvision's r3d_18, which has a Sequential for each convolution and its norm."""
    def ours(name: str) -> str:
        for pattern, replacement in VIDEO:
            if pattern.fullmatch(name):
                return pattern.sub(replacement, name)
        return name
    return unique_names((ours(name), name, value) for name, value in state.items())


def head_of(state: Mapping[str, Any]) -> str | None:
    """The name of the one linear layer that is all there is of a head; None: there is none such, or several."""
    own = [name for name in state if is_head(name)]
    layers = {name.rpartition(".")[0] for name in own}
    if len(layers) != 1:
        return None
    (layer,) = layers
    weight = state.get(f"{layer}.weight")
    return layer if isinstance(weight, Tensor) and len(weight.shape) == 2 else None


def is_published(state: State) -> bool:
    return any(name.startswith(("features.", "conv_block", "classifier_concat")) for name in state)


def refuse_long(names: Iterable[str]) -> None:
    longest = max(names, key=len, default="")
    if len(longest) > MAX_NAME:
        raise ConversionError(f"a name has {len(longest)} characters, wanted at most {MAX_NAME}: {longest[:80]}...")


def plain(state: State, wishes: Wishes) -> Found:
    """A state dict with one network."""
    refuse_long(state)
    done: set[str] = set()
    state = renamed(without_dropped(without_wrappers(state), wishes), wishes, done)
    counter = [name for name, value in state.items() if name.rpartition(".")[2] == AVERAGED and
               isinstance(value, Tensor) and not value.shape]
    state = {name: value for name, value in state.items() if name not in counter}
    found = Found(stripped(state, wishes, done), counter)
    if is_published(found.tensors):
        return found
    if "stem.0.weight" in found.tensors:
        found.tensors = from_video(found.tensors)
        found.notes.append("names of torchvision's video networks")
    layer = head_of(found.tensors)
    if layer is not None and layer != "fc":
        found.tensors = unique_names(("fc" + name[len(layer):] if under(name, layer) else name, name, value)
                                     for name, value in found.tensors.items())
        found.notes.append(f"{layer} is read as fc")
    return found
