"""Tensors by PyTorch's names of their types, made of storages and of the calls that rebuild them in a pickle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ._pickles import Made, Maker, Name

Array = npt.NDArray[Any]

# NumPy has no bfloat16: its bits are here.
RAW = {"float32": "<f4", "float64": "<f8", "float16": "<f2", "bfloat16": "<u2", "int64": "<i8", "int32": "<i4",
       "int16": "<i2", "int8": "<i1", "uint8": "<u1", "bool": "?", "complex64": "<c8", "complex128": "<c16",
       "qint8": "<i1", "quint8": "<u1", "qint32": "<i4"}
WEIGHTS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}  # and what safetensors calls them
STORAGES = {"FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
            "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
            "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
            "ComplexDoubleStorage": "complex128", "QInt8Storage": "qint8", "QUInt8Storage": "quint8",
            "QInt32Storage": "qint32"}
UNTYPED = "UntypedStorage"
MAX_RANK = 16
MAX_EXTENT = 2**62


class Archive(Protocol):
    """Where the bytes of storages lie."""

    def read(self, key: str) -> bytes: ...


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Numbers in a row. dtype "": bytes, whose type the tensor says. start: of a view, in the storage of that key."""

    archive: Archive
    key: str
    dtype: str
    start: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """load gives the values in C order, of the type RAW says; fault: why there are none, or ""."""

    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], Array]
    fault: str = ""

    def raw(self) -> Array:
        return self.load()

    def float32(self) -> npt.NDArray[np.float32]:
        """What the library computes with. For the types of WEIGHTS."""
        values = self.raw()
        if self.dtype == "bfloat16":
            return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        with np.errstate(over="ignore"):
            return values.astype(np.float32)


class TensorFault(Exception):
    """A tensor whose numbers the file does not hold as it says."""


# ---- Views of storages ----


def _is_sizes(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) <= MAX_RANK and \
        all(type(n) is int and 0 <= n < MAX_EXTENT for n in value)


def _values(storage: Storage, dtype: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Copied out of the storage; nothing is made larger than what is stored."""
    kind = np.dtype(RAW[dtype])
    stored = storage.archive.read(storage.key)
    whole = np.frombuffer(stored, kind, len(stored) // kind.itemsize)
    count, first = prod(shape), storage.start + offset
    if count == 0:
        return np.empty(shape, kind)
    if first + sum((n - 1) * step for n, step in zip(shape, strides)) >= whole.size:
        raise TensorFault("reaches past its storage")
    if count > whole.size:
        raise TensorFault("has more values than its storage, wanted each stored (torch's clone())")
    view = np.lib.stride_tricks.as_strided(whole[first:], shape, [step * kind.itemsize for step in strides],
                                           writeable=False)
    return np.array(view, order="C")


def _view(storage: object, dtype: str, offset: object, shape: object, strides: object) -> Tensor | None:
    """None: the arguments are none of a tensor."""
    if not (_is_sizes(shape) and _is_sizes(strides) and _is_sizes((offset,))):
        return None
    assert isinstance(shape, (tuple, list)) and isinstance(strides, (tuple, list)) and isinstance(offset, int)
    sizes, steps, first = tuple(shape), tuple(strides), offset
    if len(sizes) != len(steps):
        return None
    if not isinstance(storage, Storage):
        return _faulty(dtype, sizes, "stored by pickle itself, wanted what torch.save writes")
    if dtype not in RAW:
        return _faulty(dtype, sizes, "")
    own = storage
    return Tensor(dtype, sizes, lambda: _values(own, dtype, first, sizes, steps))


def _faulty(dtype: str, shape: object, fault: str) -> Tensor:
    def load() -> Array:
        raise TensorFault(fault or dtype)
    return Tensor(dtype, tuple(shape) if isinstance(shape, (tuple, list)) and _is_sizes(shape) else (), load, fault)


# ---- Calls that rebuild tensors ----


def _dtype(value: object) -> str:
    return value.name if isinstance(value, Name) else "of an unknown type"


def _rebuild(arguments: tuple[Any, ...]) -> object:
    """(storage, offset, shape, strides[, requires_grad, hooks, metadata])"""
    storage, offset, shape, strides = arguments[:4] if len(arguments) >= 4 else (None,) * 4
    dtype = storage.dtype if isinstance(storage, Storage) else "a tensor"
    if len(arguments) > 6 and arguments[6]:
        return _faulty(dtype, shape, "lazily conjugated or negated")
    return _view(storage, dtype or "uint8", offset, shape, strides)


def _rebuild_typed(arguments: tuple[Any, ...]) -> object:
    """(storage, offset, shape, strides, requires_grad, hooks, dtype[, metadata])"""
    if len(arguments) < 7:
        return None
    storage, offset, shape, strides = arguments[:4]
    return _view(storage, _dtype(arguments[6]), offset, shape, strides)


def _rebuild_quantised(arguments: tuple[Any, ...]) -> object:
    storage, _, shape = arguments[:3] if len(arguments) >= 3 else (None,) * 3
    return _faulty(storage.dtype if isinstance(storage, Storage) else "quantised", shape, "quantised")


def _rebuild_sparse(arguments: tuple[Any, ...]) -> object:
    data = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], tuple) else ()
    values = next((part for part in reversed(data) if isinstance(part, Tensor)), None)
    sizes = [part for part in data if isinstance(part, (tuple, list)) and _is_sizes(part)]
    return _faulty(values.dtype if values else "a tensor", sizes[-1] if sizes else (), "sparse")


def _rebuild_meta(arguments: tuple[Any, ...]) -> object:
    dtype, shape = arguments[:2] if len(arguments) >= 2 else (None, None)
    return _faulty(_dtype(dtype), shape, "on the device meta")


def _rebuild_wrapper(arguments: tuple[Any, ...]) -> object:
    """(class, dtype, shape, ...): a distributed tensor's, say."""
    kind, dtype, shape = arguments[:3] if len(arguments) >= 3 else (None,) * 3
    return _faulty(_dtype(dtype), shape, f"a {kind}" if isinstance(kind, Name) else "wrapped")


def _rebuild_other(arguments: tuple[Any, ...]) -> object:
    return _faulty("a tensor", (), "of a kind without plain values")


def _first(arguments: tuple[Any, ...]) -> object:
    """Of a parameter: its tensor."""
    return arguments[0] if arguments and isinstance(arguments[0], Tensor) else None


def _rebuild_subclass(arguments: tuple[Any, ...]) -> object:
    """(what rebuilds it, class, its arguments, state): MONAI's MetaTensor is one."""
    if len(arguments) < 3 or not isinstance(arguments[0], Name) or not isinstance(arguments[2], tuple):
        return None
    maker = REBUILT.get(arguments[0].name)
    return maker(arguments[2]) if maker is not None else None


REBUILT: dict[str, Maker] = {
    "_rebuild_tensor": _rebuild, "_rebuild_tensor_v2": _rebuild, "_rebuild_tensor_v3": _rebuild_typed,
    "_rebuild_parameter": _first, "_rebuild_parameter_with_state": _first, "_rebuild_qtensor": _rebuild_quantised,
    "_rebuild_sparse_tensor": _rebuild_sparse, "_rebuild_sparse_csr_tensor": _rebuild_sparse,
    "_rebuild_meta_tensor_no_storage": _rebuild_meta, "_rebuild_wrapper_subclass": _rebuild_wrapper,
    "_rebuild_nested_tensor": _rebuild_other, "_rebuild_device_tensor_from_numpy": _rebuild_other,
    "_rebuild_device_tensor_from_cpu_tensor": _rebuild_other,
}


# ---- Plain containers ----


def _mapping(arguments: tuple[Any, ...]) -> object:
    return {} if not arguments else None


def _sequence(arguments: tuple[Any, ...]) -> object:
    if not arguments:
        return []
    return list(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)) else None


def _default_mapping(arguments: tuple[Any, ...]) -> object:
    return {}


MAKERS: dict[Name, Maker] = {
    **{Name("torch._utils", name): maker for name, maker in REBUILT.items()},
    Name("torch._tensor", "_rebuild_from_type_v2"): _rebuild_subclass,
    Name("collections", "OrderedDict"): _mapping, Name("collections", "defaultdict"): _default_mapping,
    Name("torch", "Size"): _sequence,
    **{Name(module, name): _sequence for module in ("builtins", "__builtin__")
       for name in ("set", "frozenset", "list")},
}


# ---- Storages ----


def storage_of(identity: object, archive: Archive) -> object:
    """Of a persistent id: ("storage", type, key, device, numbers[, view]), or ("module", class, ...)."""
    if not isinstance(identity, tuple) or len(identity) < 2:
        return Made("a persistent id", identity)
    if identity[0] == "module":
        return identity[1]
    if identity[0] != "storage" or len(identity) < 5 or not isinstance(identity[1], Name) or \
            not isinstance(identity[2], str):
        return Made("a persistent id", identity)
    view = identity[5] if len(identity) > 5 else None
    start = view[1] if isinstance(view, tuple) and len(view) == 3 and _is_sizes((view[1],)) else 0
    name = identity[1].name
    dtype = "" if name == UNTYPED else STORAGES.get(name, name)
    return Storage(archive, identity[2], dtype, start)
