"""Pickles read as data. Every name in one becomes a placeholder: nothing is imported, called, or set on an object."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, cast

MAX_STEPS = 10_000_000  # each may make an object of some 60 bytes
MAX_BYTES = 1 << 30

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
            "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
            "SHORT_BINUNICODE", "BINUNICODE8"}
PLAIN_KEYS = (str, int, float, bool, bytes, type(None))


class PickleFault(Exception):
    """Not a pickle, or not one that could be read."""


@dataclass(frozen=True, slots=True)
class Name:
    """What the pickle would import. It is not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Made:
    """What a call would have made, were it made: the maker, its arguments, and all that was put into it."""

    maker: object
    arguments: object
    states: list[object] = field(default_factory=list)
    items: list[object] = field(default_factory=list)
    entries: dict[Any, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"a {self.maker}" if isinstance(self.maker, Name) else "an object"


# Makes plain data of a call's arguments; None: they are not what they should be.
Maker = Callable[[tuple[Any, ...]], object]


class Bounded:
    """A file from where it stands on, of which no more is asked for than there is."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file = file
        self._left = min(left, MAX_BYTES)

    def read(self, count: int) -> bytes:
        data = self._file.read(max(0, min(count, self._left)))
        self._left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self._file.readline(self._left)
        self._left -= len(data)
        return data


def load(file: IO[bytes], left: int, makers: Mapping[Name, Maker], persistent: Callable[[object], object]) -> object:
    """The pickle that begins where the file stands and has at most `left` bytes.

    makers      which calls plain data is made of, by this module's caller; all others become Made
    persistent  makes data of a persistent id
    """
    machine = _Machine(makers, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], Bounded(file, left)))):
            if count > MAX_STEPS:
                raise PickleFault(f"it has more than {MAX_STEPS:,} steps")
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except (IndexError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise PickleFault("its pickle is broken") from error


class _Machine:
    """Nothing here recurses, compares or hashes what the pickle has nested."""

    def __init__(self, makers: Mapping[Name, Maker], persistent: Callable[[object], object]) -> None:
        self.stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, object] = {}
        self._makers = makers
        self._persistent = persistent

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in LITERALS:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        else:
            step = _STEPS.get(opcode)
            if step is None:
                raise PickleFault(f"its pickle uses {opcode}, which torch.save does not")
            step(self, argument)

    def marked(self) -> list[Any]:
        """What lies above the mark, which goes."""
        items, self.stack = self.stack, self._outer.pop()
        return items

    # ---- Stack and memo ----

    def mark(self, _: Any) -> None:
        self._outer.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.marked()

    def pop_mark(self, _: Any) -> None:
        self.marked()

    def dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def get(self, index: int) -> None:
        self.stack.append(self._memo[index])

    def put(self, index: int) -> None:
        self._memo[index] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def nothing(self, _: Any) -> None:
        pass

    # ---- Containers; a set is a list here, for its items may be anything ----

    def empty_list(self, _: Any) -> None:
        self.stack.append([])

    def empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def list_(self, _: Any) -> None:
        items = self.marked()
        self.stack.append(items)

    def tuple_(self, _: Any) -> None:
        items = self.marked()
        self.stack.append(tuple(items))

    def dict_(self, _: Any) -> None:
        items = self.marked()
        self.stack.append({})
        self._set(items)

    def empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def tuple1(self, _: Any) -> None:
        self._tuple(1)

    def tuple2(self, _: Any) -> None:
        self._tuple(2)

    def tuple3(self, _: Any) -> None:
        self._tuple(3)

    def _tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self.marked())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        target = target.items if isinstance(target, Made) else target
        if type(target) is not list:
            raise TypeError
        target.extend(items)

    def setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def setitems(self, _: Any) -> None:
        self._set(self.marked())

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        target = target.entries if isinstance(target, Made) else target
        if type(target) is not dict or len(items) % 2:
            raise TypeError
        target.update((_key(key), value) for key, value in zip(items[::2], items[1::2]))

    # ---- Names and calls ----

    def global_(self, argument: str) -> None:
        self.stack.append(_name(argument))

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Name(_text(module), _text(name)))

    def extension(self, code: int) -> None:
        """Of copyreg's registry, which is not asked."""
        self.stack.append(Name("copyreg", f"extension {code}"))

    def inst(self, argument: str) -> None:
        items = self.marked()
        self.stack.append(Made(_name(argument), tuple(items)))

    def obj(self, _: Any) -> None:
        items = self.marked()
        self.stack.append(Made(items[0], tuple(items[1:])))

    def newobj(self, _: Any) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        self.stack.append(Made(maker, arguments))

    def newobj_ex(self, _: Any) -> None:
        keywords, arguments, maker = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.stack.append(Made(maker, (arguments, keywords)))

    def reduce(self, _: Any) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        maker = self._makers.get(name) if isinstance(name, Name) and type(arguments) is tuple else None
        made = maker(arguments) if maker is not None else None
        self.stack.append(Made(name, arguments) if made is None else made)

    def build(self, _: Any) -> None:
        """Plain data has no state: what an OrderedDict carries besides its items is left."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], Made):
            self.stack[-1].states.append(state)

    def persid(self, argument: Any) -> None:
        self.stack.append(self._persistent(argument))

    def binpersid(self, _: Any) -> None:
        self.stack.append(self._persistent(self.stack.pop()))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name(argument: str) -> Name:
    module, _, name = argument.partition(" ")
    return Name(module, name)


def _key(value: object) -> object:
    """Nested tuples take for ever to hash, or too much stack; they stand for themselves alone."""
    return value if isinstance(value, (*PLAIN_KEYS, Name, Made)) else Made(None, value)


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.nothing, "FRAME": _Machine.nothing, "STOP": _Machine.nothing,
    "MARK": _Machine.mark, "POP": _Machine.pop, "POP_MARK": _Machine.pop_mark, "DUP": _Machine.dup,
    "GET": _Machine.get, "BINGET": _Machine.get, "LONG_BINGET": _Machine.get,
    "PUT": _Machine.put, "BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put, "MEMOIZE": _Machine.memoize,
    "EMPTY_LIST": _Machine.empty_list, "EMPTY_SET": _Machine.empty_list, "EMPTY_DICT": _Machine.empty_dict,
    "EMPTY_TUPLE": _Machine.empty_tuple, "LIST": _Machine.list_, "FROZENSET": _Machine.list_, "TUPLE": _Machine.tuple_,
    "DICT": _Machine.dict_, "TUPLE1": _Machine.tuple1, "TUPLE2": _Machine.tuple2, "TUPLE3": _Machine.tuple3,
    "APPEND": _Machine.append, "APPENDS": _Machine.appends, "ADDITEMS": _Machine.appends,
    "SETITEM": _Machine.setitem, "SETITEMS": _Machine.setitems,
    "GLOBAL": _Machine.global_, "STACK_GLOBAL": _Machine.stack_global, "INST": _Machine.inst, "OBJ": _Machine.obj,
    "EXT1": _Machine.extension, "EXT2": _Machine.extension, "EXT4": _Machine.extension,
    "NEWOBJ": _Machine.newobj, "NEWOBJ_EX": _Machine.newobj_ex, "REDUCE": _Machine.reduce, "BUILD": _Machine.build,
    "PERSID": _Machine.persid, "BINPERSID": _Machine.binpersid,
}
