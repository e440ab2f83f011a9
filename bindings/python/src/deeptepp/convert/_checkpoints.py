"""Tensors out of checkpoints that may come from anywhere: no code of theirs runs, and nothing is guessed."""

from __future__ import annotations

from typing import Any

from . import _archives
from ._checks import refuse_computed
from ._description import ConversionError
from ._names import Found, Wishes, is_head, plain, without_dropped, without_wrappers
from ._objects import State, is_flat, is_network, keys_of, names_network, states, stems
from ._pickles import Made
from ._tensors import Tensor

MAX_NETWORKS = 64


def alone(state: State, wishes: Wishes) -> list[tuple[str, State]]:
    """[(prefix, state dict)] of each network in one state dict; of several, each with its own names alone."""
    state = without_wrappers(without_dropped(state, wishes))
    prefixes = stems(state)
    if len(prefixes) > MAX_NETWORKS:
        raise ConversionError(f"holds more than {MAX_NETWORKS} networks")
    if len(prefixes) < 2:
        return [("", state)]
    starts = [prefix.removesuffix("features.") for prefix in prefixes]
    named = [start for start in starts if start]
    return [(start.rstrip("."), {name: value for name, value in state.items() if (
        name.startswith(start) if start else not name.startswith(tuple(named)))}) for start in starts]


def chosen(found: list[tuple[str, State]], wishes: Wishes, path: str) -> State:
    """The network that --entry names, or the only one."""
    if wishes.entry is not None:
        for name, state in found:
            if name == wishes.entry:
                return state
        names = ", ".join(name or "the file itself" for name, _ in found)
        raise ConversionError(f"{path}: no network under {wishes.entry}; found: {names or 'none'}")
    if len(found) > 1:
        names = ", ".join(name or "the file itself" for name, _ in found)
        raise ConversionError(f"{path}: holds several networks: {names}; choose one with --entry")
    return found[0][1]


def unwrap(content: object, path: str, wishes: Wishes) -> State:
    found = []
    for at, state in states(content):
        found += [(".".join(filter(None, (at, prefix))), own) for prefix, own in alone(state, wishes)]
    if found or wishes.entry is not None:
        return chosen(found, wishes, path)
    flat = states(content, is_flat)
    if flat and flat[0][0] == "":
        return flat[0][1]
    for _, state in states(content, names_network):
        name, value = next((name, value) for name, value in state.items() if names_network({name: value}))
        held = str(value)[:80] if isinstance(value, Made) else f"a {type(value).__name__}"
        raise ConversionError(f"{path}: {name} is {held}, wanted a tensor: torch.from_numpy makes one of an array")
    raise ConversionError(f"{path}: holds no network, no tensor is named ...conv1.weight; found: {keys_of(content)}")


def read(path: str, wishes: Wishes) -> Found:
    """A checkpoint's network, by the library's names as far as they can be told."""
    content = _archives.read(path)
    try:
        found = plain(unwrap(content, path, wishes), wishes)
    except ConversionError as error:
        named = str(error).startswith(f"{path}: ")
        raise ConversionError(str(error) if named else f"{path}: {error}") from error
    other = sorted(name for name, value in found.tensors.items() if not isinstance(value, Tensor))
    if other:
        raise ConversionError(f"{path}: no tensors: {', '.join(other)} (--drop NAME leaves one out)")
    refuse_computed(found.tensors, path)
    return found


def architecture_of(tensors: dict[str, Any], path: str) -> str:
    if any(name.startswith(("features.", "conv_block")) for name in tensors):
        return "pmg2d"
    stem = tensors.get("conv1.weight")
    if stem is not None and len(stem.shape) == 5:
        return "resnet3d"
    names = f"names such as {', '.join(sorted(tensors)[:4])}"
    found = names if stem is None else f"conv1.weight has rank {len(stem.shape)}"
    raise ConversionError(f"{path}: neither resnet3d (conv1.weight of rank 5) nor pmg2d (features.conv1.weight, "
                          f"conv_block1...): {found}")


# ---- A head from another file ----


def linear_layers(state: State) -> list[str]:
    """Names of layers with a weight of rank 2; "" where the names are weight and bias alone."""
    return [name.removesuffix("weight").rstrip(".") for name, value in state.items()
            if (name == "weight" or name.endswith(".weight")) and isinstance(value, Tensor) and len(value.shape) == 2]


def holds_linear(state: dict[Any, object]) -> bool:
    return bool(linear_layers({str(name): value for name, value in state.items()}))


def read_head(path: str) -> dict[str, Any]:
    """fc.weight and fc.bias: of a network, or of a file whose only linear layer is the head."""
    content = _archives.read(path)
    networks = states(content, is_network)
    if len(networks) == 1:
        found = plain(networks[0][1], Wishes()).tensors
        return {name: found[name] for name in ("fc.weight", "fc.bias") if name in found} or no_head(path, [])
    layers = [(layer, state) for _, state in states(content, holds_linear) for layer in linear_layers(state)]
    heads = [(layer, state) for layer, state in layers if is_head(layer)] or layers
    if len(heads) != 1:
        no_head(path, [layer or "weight" for layer, _ in heads])
    layer, state = heads[0]
    at = f"{layer}." if layer else ""
    return {f"fc.{part}": state[at + part] for part in ("weight", "bias") if isinstance(state.get(at + part), Tensor)}


def no_head(path: str, found: list[str]) -> dict[str, Any]:
    raise ConversionError(f"{path}: holds {', '.join(found) or 'no linear layer'}, wanted one linear layer for the "
                          "head: fc.weight and fc.bias")


def with_head(found: Found, head: dict[str, Any], path: str, head_path: str) -> None:
    here = sorted(name for name in found.tensors if is_head(name))
    if here:
        tops = " ".join(f"--drop {top}" for top in dict.fromkeys(name.split(".")[0] for name in here))
        raise ConversionError(f"{path}: has a head, {', '.join(here)}, and --head {head_path} brings another: {tops} "
                              "leaves its own out")
    found.tensors.update(head)
