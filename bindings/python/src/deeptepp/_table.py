"""Tables of text: CSV and TSV by RFC 4180, cells as they stand in the file, numbers as R writes them too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .volume import Path

MISSING = ("", "n/a", "NA", "NaN")

# Columns whose numbers keep all their digits.
EXACT = re.compile(r"score|score_sd|cutpoint_distance|survival:.*")


@dataclass(frozen=True)
class Cohort:
    """A table of cases.

    columns  names, in order
    rows     a dict by column each; from a file every cell is the text that stands there
    folder   absolute; what the rows' paths are relative to
    """

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    folder: str

    def __len__(self) -> int:
        return len(self.rows)


def is_missing(cell: str | None) -> bool:
    return cell is None or cell in MISSING


def separator_of(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".csv", ".tsv"):
        raise ValueError(f"\"{path}\" is no name of a table, wanted one that ends in .csv or .tsv")
    return "," if suffix == ".csv" else "\t"


def absolute(path: str) -> str:
    """Not normalised, so that messages are the same from R."""
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


def read_cohort(path: Path) -> Cohort:
    """Reads a table of cases.

    path  of a CSV or TSV file in UTF-8, by its suffix; a BIDS participants.tsv as it is. Quoting by RFC 4180.

    Every cell is the text that it is in the file. Paths in it are relative to the table's folder. A file that is no
    table is a ValueError.
    """
    name = os.fsdecode(path)
    columns, rows = read_table(name)
    head, slash, _ = name.rpartition("/")
    folder = absolute(head) if head else "/" if slash else os.getcwd()
    return Cohort(columns, rows, folder)


def read_table(name: str) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    separator = separator_of(name)
    with open(name, "rb") as file:
        records = parse(file.read(), separator, name)
    if not records:
        raise ValueError(f"{name} is empty, wanted a table with a header")
    columns = tuple(records[0])
    refuse_duplicates(columns)
    for i, record in enumerate(records[1:], 1):
        if len(record) != len(columns):
            raise ValueError(f"{name}: row {i} has {len(record)} cells, wanted {len(columns)} as the header has")
    return columns, [dict(zip(columns, record)) for record in records[1:]]


def refuse_duplicates(columns: Sequence[str]) -> None:
    for name in columns:
        if columns.count(name) > 1:
            raise ValueError(f"the cohort has the column \"{name}\" twice, wanted each name once")


def parse(data: bytes, separator: str, name: str) -> list[list[str]]:
    """Records of cells; lines without a character are passed over."""
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not in UTF-8, wanted text in UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{name} holds a byte 0, wanted text in UTF-8")
    cell = re.compile(rf'(?:"((?:[^"]|"")*+)"|([^"{separator}\n]*?))({separator}|\r?\n|\r?\Z)')
    records: list[list[str]] = []
    at, record = 0, []
    while at < len(text):
        found = cell.match(text, at)
        if found is None:
            raise ValueError(f"{name}: row {len(records)} has a quote that does not open or close its cell, wanted the "
                             "cell quoted and its quotes doubled")
        record.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        at = found.end()
        if found[3] != separator:
            records.append(record)
            record = []
    if record:  # the text ended with a separator
        records.append([*record, ""])
    return [r for r in records if r != [""]]


# ---- Writing ----


def number_text(value: float) -> str:
    """The shortest of 15, 16 and 17 digits that reads back equal."""
    return next(text for text in (f"{value:.15g}", f"{value:.16g}", f"{value:.17g}") if float(text) == value)


def cell_text(value: Any, column: str = "") -> str | None:
    """A cell of a table in memory as text; None where it is missing."""
    if value is None or isinstance(value, str):
        return value
    if type(value).__name__ in ("NAType", "NaTType") or value != value:
        return None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "true" if value else "false"
    if hasattr(value, "__index__"):
        return str(value.__index__())
    if isinstance(value, float) or type(value).__name__ in ("float32", "float16"):
        return f"{value:.17g}" if EXACT.fullmatch(column) else number_text(float(value))
    return str(value)


def quoted(cell: str | None, separator: str) -> str:
    if cell is None:
        return "" if separator == "," else "n/a"
    if separator in cell or '"' in cell or "\n" in cell or "\r" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def line(cells: Iterable[str | None], separator: str) -> bytes:
    return (separator.join(quoted(cell, separator) for cell in cells) + "\n").encode("utf-8")


def table_bytes(columns: Sequence[str], rows: Iterable[dict[str, Any]], separator: str) -> bytes:
    """rows: of texts, None where missing."""
    return b"".join([line(columns, separator), *(line((row[c] for c in columns), separator) for row in rows)])


def write_whole(data: bytes, path: str) -> None:
    """Whole or not at all, under its own name."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
