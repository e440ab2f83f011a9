"""Networks within what a checkpoint holds: mappings, objects saved whole, modules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ._description import ConversionError
from ._pickles import Made
from ._tensors import Tensor

WRAPPER_DEPTH = 6
MAX_MODULES = 100_000
MAX_MODULE_DEPTH = 64
# A network's own first convolution: no block's.
STEM = re.compile(r"(?:(.+)\.)?(?:conv1|stem\.0)\.(?:weight(?:_g|_orig)?|parametrizations\.weight\.original0?)")
IN_BLOCK = re.compile(r"(^|\.)layer\d+\.\d+(\.|$)")

State = dict[str, Any]


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
    return all(isinstance(attributes.get(key), dict) for key in ("_parameters", "_buffers", "_modules"))


def _own(attributes: dict[Any, object]) -> Iterator[tuple[str, object]]:
    """Parameters, then buffers, without those that a state dict leaves out."""
    fleeting = attributes.get("_non_persistent_buffers_set")
    names = fleeting if isinstance(fleeting, list) else []
    for key in ("_parameters", "_buffers"):
        held = attributes[key]
        assert isinstance(held, dict)
        for name, value in held.items():
            if value is not None and not (key == "_buffers" and any(name is n or name == n for n in names)):
                yield str(name), value


def module_state(attributes: dict[Any, object]) -> State:
    """The state dict of a module by what it is made of, in state_dict()'s order."""
    state: State = {}
    waiting: list[tuple[str, dict[Any, object]]] = [("", attributes)]
    for _ in range(MAX_MODULES):
        if not waiting:
            return state
        at, module = waiting.pop()
        state.update((at + name, value) for name, value in _own(module))
        inner = module["_modules"]
        assert isinstance(inner, dict)
        parts = [(f"{at}{name}.", _attributes(part)) for name, part in inner.items()]
        if at.count(".") < MAX_MODULE_DEPTH:
            waiting.extend(part for part in reversed(parts) if _is_module(part[1]))
    raise ConversionError(f"has more than {MAX_MODULES:,} modules")


# ---- Wrappers ----


def contents(value: object) -> dict[Any, object] | None:
    """What a mapping or an object holds, by name; a module as its state dict. None: something else."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, Made):
        return None
    attributes = _attributes(value)
    return dict(module_state(attributes)) if _is_module(attributes) else {**attributes, **value.entries}


def is_network(state: dict[Any, object]) -> bool:
    """Both networks have a stem."""
    return any(isinstance(name, str) and isinstance(value, Tensor) and STEM.fullmatch(name)
               for name, value in state.items())


def is_flat(state: dict[Any, object]) -> bool:
    return bool(state) and all(isinstance(value, Tensor) for value in state.values())


def states(value: object, wanted: Any = is_network) -> list[tuple[str, State]]:
    """[(dotted path, state dict)] of all that are wanted; each is looked at once, however often it is there."""
    found: list[tuple[str, State]] = []
    waiting: list[tuple[str, int, object]] = [("", 0, value)]
    seen: set[int] = set()
    while waiting:
        path, depth, part = waiting.pop()
        held = contents(part) if id(part) not in seen else None
        seen.add(id(part))
        if held is None:
            continue
        if wanted(held):
            found.append((path, {str(name): value for name, value in held.items()}))
        elif depth < WRAPPER_DEPTH:
            inner = [(f"{path}.{key}".lstrip("."), depth + 1, item) for key, item in held.items()
                     if isinstance(key, str)]
            waiting.extend(reversed(inner))
    return found


def keys_of(value: object) -> str:
    """What is there instead of a network, for a message."""
    held = contents(value)
    return str(value)[:80] if held is None else ", ".join(map(str, list(held)[:8])) or "nothing"


# ---- Several networks in one state dict ----


def stems(names: Iterable[str]) -> list[str]:
    """What stands before each network's first convolution: "" or with a dot at the end. Without the "features." of
    the published network, which is one of its names."""
    found: dict[str, None] = {}
    for name in names:
        match = STEM.fullmatch(name)
        if match and not IN_BLOCK.search(match[1] or ""):
            before = f"{match[1]}." if match[1] else ""
            found[before] = None
    return list(found)
