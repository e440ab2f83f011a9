"""The files of a run: a table that grows while it goes on, and the whole one in its place at the end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from typing import Any

from . import _sidecar, _table
from ._plan import AFTER, Plan
from ._rows import Cells


class Journal:
    """out's `.part`, held by one run at a time; the system frees the lock when the process ends, however that is."""

    def __init__(self, out: str, columns: tuple[str, ...], resume: bool) -> None:
        self.out = out
        self.columns = columns
        self.separator = _table.separator_of(out)
        self.path = f"{out}.part"
        self.beside = _sidecar.path_of(out)
        if not resume:
            for path in (out, self.path, self.beside):
                if os.path.exists(path):
                    raise FileExistsError(f"{path} exists; resume=True goes on with it, or remove it")
        _sidecar.refuse_other(self.beside)
        self._file = _locked(self.path, resume)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *rest: object) -> None:
        if os.fstat(self._file).st_size == 0 and os.path.exists(self.path):
            os.unlink(self.path)
        os.close(self._file)

    def earlier(self) -> list[Cells]:
        """Rows of earlier runs with the same columns, the latest of a case last. A torn line at the end is cut off."""
        header = _table.line(self.columns, self.separator)
        rows = _rows(self.out, self.columns) if os.path.exists(self.out) else []
        with open(self.path, "rb") as file:
            data = file.read()
        end = _whole(data)
        if not data[:end].startswith(header):
            end = 0
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)
        if end == 0:
            self._write(header)
            return rows
        return rows + list(_dicts(_table.parse(data[:end], self.separator, self.path), self.columns))

    def append(self, row: Cells) -> None:
        self._write(_table.line((row[c] for c in self.columns), self.separator))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view):]
        os.fsync(self._file)

    def finish(self, rows: list[Cells], sidecar: bytes) -> None:
        _table.write_whole(_table.table_bytes(self.columns, rows, self.separator), self.out)
        _table.write_whole(sidecar, self.beside)
        os.unlink(self.path)


def _locked(path: str, resume: bool) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if resume else os.O_EXCL), 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.path.samestat(os.fstat(file), os.stat(path)):
                return file
        except OSError as error:
            os.close(file)
            if isinstance(error, BlockingIOError):
                raise FileExistsError(f"{path} is being written by another run, wanted one run at a time") from None
            raise OSError(f"{path} cannot be locked ({error.strerror}), wanted a file system that locks files, so that "
                          "two runs cannot write it at a time: give out elsewhere") from None
        os.close(file)  # the run that held it has ended and removed it meanwhile


def _whole(data: bytes) -> int:
    """Where the last whole record ends: after a line's end that is not within quotes."""
    end = data.rfind(b"\n") + 1
    while end and data[:end].count(b'"') % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _rows(path: str, columns: tuple[str, ...]) -> list[Cells]:
    found, rows = _table.read_table(path)
    if not set(AFTER) <= set(found):
        raise ValueError(f"{path} has no column \"{min(set(AFTER) - set(found))}\", wanted scores of an earlier run: "
                         "give out another name")
    return rows if found == columns else []


def _dicts(records: list[list[str]], columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    return (dict(zip(columns, record)) for record in records[1:] if len(record) == len(columns))


# ---- What need not be scored again ----


def reusable(earlier: list[Cells], rows: list[Cells], plan: Plan, fixed: Cells, separator: str) -> dict[int, Cells]:
    """Earlier results, by the row's place, whose row, model, options and library are still the same; files apart."""
    known = {row[plan.id]: row for row in earlier if row["status"] == "ok"}
    found = {}
    for i, row in enumerate(rows):
        old = known.get(row[plan.id])
        if old is not None and all(old[c] == _written(cell, separator) for c, cell in (row | fixed).items()):
            found[i] = {c: None if _table.is_missing(old[c]) else old[c] for c in plan.results}
    return found


def _written(cell: str | None, separator: str) -> str:
    return ("" if separator == "," else "n/a") if cell is None else cell
