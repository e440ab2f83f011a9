"""Calls into the library: errors become exceptions, signals and exceptions end a call, lines of its log are logged."""

from __future__ import annotations

import importlib
import logging
import operator
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

import numpy as np

from ._native import ffi, lib
from .errors import error_of

Progress = bool | Callable[[float], object] | None

logger = logging.getLogger("deeptepp")
logger.addHandler(logging.NullHandler())
_LEVELS = {lib.DEEPTEPP_LOG_INFO: logging.INFO, lib.DEEPTEPP_LOG_WARNING: logging.WARNING,
           lib.DEEPTEPP_LOG_ERROR: logging.ERROR}


class Call:
    """The calls that one thread makes for one task, within `with`.

    The library calls back on the thread that called it, so what a callback has to know is the thread's current Call.
    progress has to be told of a task that takes several calls: part() says how much of it the next one is.
    """

    def __init__(self, progress: Callable[[float], object] | None = None) -> None:
        self.error = ffi.new("deeptepp_error *")
        self.raised: BaseException | None = None
        self.progress = progress
        self._low = 0.0
        self._high = 1.0
        self._outer: Call | None = None

    def __enter__(self) -> Call:
        self._outer = _current()
        _thread.call = self
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> Literal[False]:
        _thread.call = self._outer
        return False

    def part(self, low: float, high: float) -> None:
        """The next call's progress runs from low to high of the whole."""
        self._low, self._high = low, high

    def advance(self, fraction: float) -> None:
        if self.progress is not None:
            self.progress(self._low + fraction * (self._high - self._low))

    def check(self, status: int, volumes: tuple[str, ...] = ()) -> None:
        """Raises what a callback has raised, or the error of a call that failed.

        volumes: the channels in the order in which the case got them.
        """
        if self.raised is not None:
            raised, self.raised = self.raised, None
            try:
                raise raised
            finally:
                del raised
        if status != lib.DEEPTEPP_OK:
            about = tuple(_volume_name(n, volumes) for n in self.error.volumes if n != lib.DEEPTEPP_NO_VOLUME)
            raise error_of(status, text(self.error.message), about)


def _volume_name(number: int, volumes: tuple[str, ...]) -> str:
    if number == lib.DEEPTEPP_MASK_VOLUME:
        return "mask"
    return volumes[number - 1] if number <= len(volumes) else f"image {number}"


# ---- Callbacks ----

_thread = threading.local()


def _current() -> Call | None:
    call: Call | None = getattr(_thread, "call", None)
    return call


def _keep(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    """An exception may not pass through C: the call keeps the first, and on_cancel ends it."""
    call = _current()
    if call is not None and call.raised is None:
        call.raised = value.with_traceback(trace)


@ffi.def_extern(error=1, onerror=_keep)  # type: ignore[untyped-decorator]
def on_cancel(user: Any) -> int:
    """Entering it runs the handlers of signals that have come: a KeyboardInterrupt leaves it here."""
    call = _current()
    return int(call is not None and call.raised is not None)


@ffi.def_extern(onerror=_keep)  # type: ignore[untyped-decorator]
def on_progress(user: Any, fraction: float) -> None:
    call = _current()
    if call is not None and call.raised is None:
        call.advance(fraction)


@ffi.def_extern(onerror=_keep)  # type: ignore[untyped-decorator]
def on_log(user: Any, level: int, line: Any) -> None:
    call = _current()
    if call is None or call.raised is None:
        logger.log(_LEVELS.get(level, logging.INFO), "%s", text(line))


CALLBACKS = ffi.new("deeptepp_callbacks *", {
    "struct_size": ffi.sizeof("deeptepp_callbacks"), "log": lib.on_log, "progress": lib.on_progress,
    "cancel": lib.on_cancel,
})


# ---- Progress ----


class Bar:
    """progress=True: a bar of tqdm's, where that is installed; progress=callable: that one; neither: None."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._bar: Any = None
        self.callable: Callable[[float], object] | None = None
        if progress is True:
            self._bar = _tqdm(title)
            self.callable = self._move if self._bar is not None else None
        elif callable(progress):
            self.callable = progress
        elif progress not in (None, False):
            raise TypeError(f"progress is {progress!r}, wanted True, False, None or a callable")

    def _move(self, fraction: float) -> None:
        self._bar.update(round(100 * fraction) - self._bar.n)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *rest: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _tqdm(title: str) -> Any:
    try:
        tqdm = importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        logger.info("progress=True shows nothing: tqdm is not installed")
        return None
    return tqdm(total=100, desc=title, unit="%", leave=False)


# ---- Texts, structs, handles ----


def text(pointer: Any) -> str:
    """A text of the library's, which is UTF-8."""
    return str(ffi.string(pointer).decode("utf-8", "replace"))


def text_or_none(pointer: Any) -> str | None:
    return None if pointer == ffi.NULL else text(pointer)


def c_text(value: str, what: str) -> bytes:
    """A text for the library, which ends at the first NUL."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r}, wanted a str")
    if "\0" in value:
        raise ValueError(f"{what} is {value!r}: a NUL in it")
    return value.encode("utf-8", "surrogateescape")


def c_path(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> bytes:
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"path {os.fspath(path)!r}: a NUL in it")
    return encoded


def number(value: float) -> float | None:
    """None for the NaN with which a getter says that there is none."""
    return None if value != value else float(value)


def whole(value: Any, what: str, high: int = 2**62) -> int | None:
    """A number above 0, or None for the default."""
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{what} is {value!r}, wanted a whole number or None")
    found = operator.index(value)
    if not 1 <= found <= high:
        raise ValueError(f"{what} is {found}, wanted 1 to {high}, or None for the default")
    return found


def options(kind: str, **fields: Any) -> Any:
    """A struct of options; fields that are None keep the default, 0."""
    given = {name: value for name, value in fields.items() if value is not None}
    return ffi.new(f"{kind} *", {"struct_size": ffi.sizeof(kind), **given})
