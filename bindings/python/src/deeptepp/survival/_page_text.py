"""Numbers and tables as a page shows them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from .._table import number_text

WIDTH = 88


def is_nan(x: float | None) -> bool:
    return x is None or math.isnan(x)


def p_text(p: float) -> str:
    if is_nan(p):
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_phrase(p: float) -> str:
    """p = 0.72, p < 0.001"""
    text = p_text(p)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def fixed(x: float, digits: int = 2) -> str:
    return "-" if is_nan(x) else f"{x:.{digits}f}"


def interval(middle: float, low: float, high: float, digits: int = 2) -> str:
    """0.63 (0.44 to 0.90)"""
    return "-" if is_nan(middle) else f"{fixed(middle, digits)} ({fixed(low, digits)} to {fixed(high, digits)})"


def digits_for(values: Sequence[float]) -> int:
    """Digits that show three figures of the largest."""
    size = max((abs(x) for x in values if math.isfinite(x)), default=0)
    return 2 if size <= 0 else int(max(0, min(4, 2 - math.floor(math.log10(size)))))


def with_unit(value: float, unit: str) -> str:
    return number_text(float(value)) + (f" {unit}" if unit else "")


def figures(value: float, count: int = 4) -> float:
    return float(f"{value:.{count}g}")


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(len(header))]
    return ["  ".join(cell.rjust(w) if j else cell.ljust(w) for j, (cell, w) in enumerate(zip(row, widths))).rstrip()
            for row in cells]


def wrapped(text: str, first: str = "- ", indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent)
