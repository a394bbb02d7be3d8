"""A row, a column of it, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """``keep``: the lower, the sooner it is left out where width is short; from 8 on it never is."""

    key: str
    head: str
    text: Callable[[Row], str]
    keep: int = 9
    right: bool = False
    axis: bool = False  # said once above the table if all cells share it


def has(row: Row, key: str) -> bool:
    value = row.get(key)
    return value is not None and not (isinstance(value, float) and math.isnan(value)) and value != ""


def number(value: float, digits: int = 3) -> str:
    """Three significant digits, and whole numbers beyond, never in scientific notation."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 6)}f}"


def between(low: float, high: float, like: float) -> str:
    decimals = max(0, 2 - math.floor(math.log10(abs(like)))) if like else 2
    return f"{low:,.{decimals}f}–{high:,.{decimals}f}"
