"""Which rows are wanted: ``device=pi4``, ``optimization=none,int8``, ``model=mobilenet*``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from orchestrator.compare.rows import COLUMNS
from orchestrator.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows whose ``column`` is like any of ``patterns`` (``*``, ``?`` and ``[...]`` as in file names)."""

    column: str
    patterns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Raises ConfigError for a column that does not exist, or no value."""
        column, _, values = text.partition("=")
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, COLUMNS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(COLUMNS)}"
            raise ConfigError(f"no column {column!r} to filter by", hint=hint)
        patterns = tuple(filter(None, values.split(",")))
        if not patterns:
            raise ConfigError(f"filter {text!r} has no value", hint=f"{column}=VALUE, or {column}=ONE,OTHER")
        return cls(column, patterns)

    def __str__(self) -> str:
        return f"{self.column}={','.join(self.patterns)}"

    def admits(self, value: Any) -> bool:
        return any(fnmatchcase(words(value), pattern) for pattern in self.patterns)


def is_filter(word: str) -> bool:
    """A word with ``=`` is a filter, unless it is a path."""
    return re.match(r"[A-Za-z_]\w*=", word) is not None


def words(value: Any) -> str:
    """A value as it is written in a filter."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"
    return "" if value is None else str(value)


def admitted(frame: pd.DataFrame, filters: Sequence[Filter]) -> list[int]:
    """The positions of the rows that every filter admits.

    Raises ConfigError where there is none, with the values that there are.
    """
    kept = list(range(len(frame)))
    for one in filters:
        there = frame[one.column].astype(object).tolist()
        passed = [i for i in kept if one.admits(there[i])]
        if not passed:
            values = list(dict.fromkeys(filter(None, (words(there[i]) for i in kept))))
            more = f" and {len(values) - 12} more" if len(values) > 12 else ""
            also = " among the cells that the filters before it leave" if len(kept) < len(frame) else ""
            raise ConfigError(
                f"no cell has {one}{also}",
                hint=f"{one.column} is {', '.join(values[:12])}{more}"
                if values
                else f"{one.column} is known of no cell",
            )
        kept = passed
    return kept
