"""Workbooks that are damaged."""

import random

import pytest

from deeptepp.readers._sheets import read_sheet


def test_a_damaged_workbook_is_read_or_refused_by_name(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    path, draw, refusals = tmp_path / "sheet.xlsx", random.Random(5), 0
    book = openpyxl.Workbook()
    for i in range(20):
        book.active.append([f"name {i}", i, i / 3])
    book.save(path)
    whole = path.read_bytes()
    assert read_sheet(path)[3] == ["name 3", "3", "1"]
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            read_sheet(path)
        except ValueError as error:
            assert str(error).startswith(f"{path}: no workbook (") and "\n" not in str(error)
            refusals += 1
    assert refusals > 50


def test_a_missing_workbook_is_a_missing_file(tmp_path):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    with pytest.raises(FileNotFoundError, match="none.xlsx"):
        read_sheet(tmp_path / "none.xlsx")
