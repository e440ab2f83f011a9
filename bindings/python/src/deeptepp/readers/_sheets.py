"""Sheets as rows of text: .xlsx through openpyxl, .csv and .tsv without it."""

import csv
import datetime
import io
import os
from pathlib import Path
from typing import Any

from ._table import known

Path_ = str | os.PathLike[str]


def read_sheet(path: Path_, name: str | None = None) -> list[list[str]]:
    """All rows of a sheet (the first, unless a name is given), blanks around each cell taken away."""
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix == ".xlsx":
        rows = _workbook(file, name)
    elif suffix in (".csv", ".tsv"):
        rows = _separated(file, suffix)
    else:
        raise ValueError(f"{file}: the suffix is \"{file.suffix}\", wanted .xlsx, .csv or .tsv")
    return [[cell.strip() for cell in row] for row in rows]


def _workbook(file: Path, name: str | None) -> list[list[str]]:
    try:
        import openpyxl
    except ImportError:
        raise ImportError(f"{file}: reading it takes openpyxl: pip install 'deeptepp[sheets]', or save the sheet as "
                          "CSV") from None
    with open(file, "rb") as stream:
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            rows = _rows(book, name)
        except Exception as error:  # whatever openpyxl, zipfile, zlib and the parser of XML say of a broken file
            raise ValueError(f"{file}: no workbook ({' '.join(str(error).split())}), wanted .xlsx as Excel saves it, "
                             "without a password") from None
    if rows is None:
        raise ValueError(f"{file}: sheets {', '.join(book.sheetnames)}, wanted \"{name}\"")
    return rows


def _rows(book: Any, name: str | None) -> list[list[str]] | None:
    """None: there is no such sheet."""
    if name is not None and name not in book.sheetnames:
        return None
    sheet = book[name] if name is not None else book.worksheets[0]
    sheet.reset_dimensions()  # some writers state a size that cuts columns off
    return [[cell_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]


def _separated(file: Path, suffix: str) -> list[list[str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: byte {error.start} is not UTF-8: save it as UTF-8") from None
    head = text.partition("\n")[0]
    separator = "\t" if suffix == ".tsv" else ";" if head.count(";") > head.count(",") else ","
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"{file}: {error}, wanted a table") from None


def cell_text(cell: object) -> str:
    """A whole number without its point, another in the fewest digits that read back equal."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return next(text for digits in (15, 16, 17) if float(text := f"{cell:.{digits}g}") == cell)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell)


def records(rows: list[list[str]], path: Path_) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a table whose first row names the columns. Columns without a name are left out."""
    if not rows:
        raise ValueError(f"{os.fspath(path)}: empty, wanted a row of column names")
    places = {i: name for i, name in enumerate(rows[0]) if name and not name.startswith("Unnamed:")}
    twice = {name for name in places.values() if list(places.values()).count(name) > 1}
    if twice:
        raise ValueError(f"{os.fspath(path)}: column \"{min(twice)}\" stands there twice, wanted once")
    found = [{name: row[i] if i < len(row) else "" for i, name in places.items()} for row in rows[1:]]
    return list(places.values()), [row for row in found if any(map(known, row.values()))]


def require(columns: list[str], wanted: tuple[str, ...], path: Path_) -> None:
    """Refuse a sheet that lacks a column which decides something."""
    for name in wanted:
        if name not in columns:
            raise ValueError(f"{os.fspath(path)}: no column \"{name}\", wanted {', '.join(wanted)}")
