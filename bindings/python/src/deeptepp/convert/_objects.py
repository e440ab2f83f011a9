"""Networks within what a checkpoint holds: mappings, objects saved whole, modules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ._description import ConversionError
from ._pickles import Made, Name
from ._tensors import Tensor

WRAPPER_DEPTH = 6
MAX_ENTRIES = 1_000_000  # of all modules of a network
MAX_NAME = 1000
# A network's own first convolution: no block's.
STEM = re.compile(r"(?:(.+)\.)?(?:conv1|stem\.0)\.(?:weight(?:_g|_orig)?|parametrizations\.weight\.original0?)")
IN_BLOCK = re.compile(r"(^|\.)layer\d+\.\d+(\.|$)")

PARTS = ("_parameters", "_buffers", "_modules")

State = dict[str, Any]


def label(key: object) -> str:
    """A key as a name. Others than these may be of any size, or nested."""
    return key if isinstance(key, str) else str(key) if type(key) is int and abs(key) < 2**63 else "?"


# ---- Modules saved whole ----


def _attributes(value: object) -> dict[Any, object]:
    """What __setstate__ would get: a dict, or one with the slots beside it."""
    found: dict[Any, object] = {}
    if isinstance(value, Made):
        for state in value.states:
            parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
            for part in parts:
                found.update(part if isinstance(part, dict) else {})
    return found


def _is_module(attributes: dict[Any, object]) -> bool:
    return all(isinstance(attributes.get(key), dict) for key in PARTS)


def _own(attributes: dict[Any, object]) -> Iterator[tuple[object, object]]:
    """Parameters, then buffers, without those that a state dict leaves out."""
    fleeting = attributes.get("_non_persistent_buffers_set")
    left_out = {name for name in fleeting if isinstance(name, str)} if isinstance(fleeting, list) else set()
    for key in ("_parameters", "_buffers"):
        held = attributes[key]
        assert isinstance(held, dict)
        yield from ((name, value) for name, value in held.items()
                    if value is not None and not (key == "_buffers" and name in left_out))


class _Modules:
    """A module's tensors by name, in state_dict()'s order. A module may stand at several places, so what is looked at
    is counted."""

    def __init__(self) -> None:
        self._known: dict[int, dict[Any, object]] = {}
        self._left = MAX_ENTRIES

    def attributes(self, part: object) -> dict[Any, object]:
        if id(part) not in self._known:
            self._known[id(part)] = _attributes(part)
        return self._known[id(part)]

    def spend(self, at: str, module: dict[Any, object]) -> None:
        self._left -= 1 + sum(len(held) for key in PARTS if isinstance(held := module[key], dict))
        if self._left < 0:
            raise ConversionError(f"has more than {MAX_ENTRIES:,} parts of modules")
        if len(at) > MAX_NAME:
            raise ConversionError(f"has modules whose names are longer than {MAX_NAME} characters")

    def state(self, attributes: dict[Any, object]) -> State:
        state: State = {}
        waiting = [("", attributes)]
        while waiting:
            at, module = waiting.pop()
            self.spend(at, module)
            state.update((at + label(name), value) for name, value in _own(module))
            inner = module["_modules"]
            assert isinstance(inner, dict)
            parts = [(f"{at}{label(name)}.", self.attributes(part)) for name, part in inner.items()]
            waiting.extend(part for part in reversed(parts) if _is_module(part[1]))
        return state


# ---- Wrappers ----


def contents(value: object) -> dict[Any, object] | None:
    """What a mapping, a list or an object holds, by name; a module as its state dict. None: something else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, tuple)):
        return {str(i): item for i, item in enumerate(value) if isinstance(item, (dict, list, tuple, Made))}
    if not isinstance(value, Made):
        return None
    attributes = _attributes(value)
    return dict(_Modules().state(attributes)) if _is_module(attributes) else {**attributes, **value.entries}


def is_network(state: dict[Any, object]) -> bool:
    """Both networks have a stem."""
    return any(isinstance(name, str) and isinstance(value, Tensor) and STEM.fullmatch(name)
               for name, value in state.items())


def is_flat(state: dict[Any, object]) -> bool:
    return bool(state) and all(isinstance(value, Tensor) for value in state.values())


def names_network(state: dict[Any, object]) -> bool:
    """By its names, whatever stands under them."""
    return any(isinstance(name, str) and STEM.fullmatch(name) for name in state)


def states(value: object, wanted: Any = is_network) -> list[tuple[str, State]]:
    """[(dotted path, state dict)] of all that are wanted; each is looked at once, however often it is there."""
    found: list[tuple[str, State]] = []
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    seen: set[int] = set()
    while waiting:
        path, part = waiting.pop()
        held = contents(part) if id(part) not in seen else None
        seen.add(id(part))
        if held is None:
            continue
        if wanted(held):
            found.append((".".join(path), {label(name): value for name, value in held.items()}))
        elif len(path) < WRAPPER_DEPTH:
            waiting.extend(reversed([((*path, key), item) for key, item in held.items() if isinstance(key, str)]))
    return found


def keys_of(value: object) -> str:
    """What is there instead of a network, for a message."""
    held = None if isinstance(value, (list, tuple)) else contents(value)
    if held is None:
        return str(value)[:80] if isinstance(value, (Name, float)) else f"a {type(value).__name__}"
    return ", ".join(label(key)[:80] for key in list(held)[:8]) or "nothing"


# ---- Several networks in one state dict ----


def stems(names: Iterable[str]) -> list[str]:
    """What stands before each network's first convolution: "", or with a dot at the end."""
    found: dict[str, None] = {}
    for name in names:
        match = STEM.fullmatch(name)
        if match and not IN_BLOCK.search(match[1] or ""):
            before = f"{match[1]}." if match[1] else ""
            found[before] = None
    return list(found)
