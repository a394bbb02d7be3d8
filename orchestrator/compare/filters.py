"""Which rows are wanted: ``device=pi4``, ``optimization=none,int8``, ``model=mobilenet*``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from orchestrator.compare.rows import COLUMNS
from orchestrator.errors import ConfigError
from orchestrator.guess import did_you_mean

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows whose ``column`` is ``text``, or like any of its parts between commas (``*``, ``?``, ``[...]`` as in files).

    A runtime is also found by what was asked for (``auto``), a scenario also by its name without overrides.
    """

    column: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Raises ConfigError for a column that does not exist, or no value."""
        column, _, value = text.partition("=")
        if column not in COLUMNS:
            hint = did_you_mean(column, COLUMNS).rstrip() or f"one of {', '.join(COLUMNS)}"
            raise ConfigError(f"no column {column!r} to filter by", hint=hint)
        if not value.strip(","):
            raise ConfigError(f"filter {text!r} has no value", hint=f"{column}=VALUE, or {column}=ONE,OTHER")
        return cls(column, value)

    def __str__(self) -> str:
        return f"{self.column}={self.text}"

    def admitted(self, rows: Sequence[Row]) -> tuple[list[int], list[str]]:
        """The positions of the rows that it admits, and the parts of it that admit none."""
        names = [self._names(row) for row in rows]
        whole = _like(names, self.text)
        if whole:  # a value may hold commas of its own
            return whole, []
        found = {part: _like(names, part) for part in self.text.split(",") if part}
        return sorted({i for some in found.values() for i in some}), [part for part, some in found.items() if not some]

    def values(self, rows: Sequence[Row]) -> list[str]:
        """What there is, as it would be written."""
        return list(dict.fromkeys(name for row in rows for name in self._names(row) if name))

    def _names(self, row: Row) -> tuple[str, ...]:
        value = words(row[self.column])
        if self.column == "runtime":
            return value, words(row["runtime_asked"])
        if self.column == "scenario":
            return value, value.partition(" (")[0]
        return (value,)


def _like(names: Sequence[tuple[str, ...]], pattern: str) -> list[int]:
    return [i for i, some in enumerate(names) if any(name == pattern or fnmatchcase(name, pattern) for name in some)]


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


def admitted(rows: Sequence[Row], filters: Sequence[Filter]) -> list[int]:
    """The positions of the rows that every filter admits.

    Raises ConfigError where there is none, or none for one of a filter's values, with the values that there are.
    """
    kept = list(range(len(rows)))
    for one in filters:
        before = [rows[i] for i in kept]
        passed, strangers = one.admitted(before)
        if not passed or any(not _like([one._names(row) for row in rows], part) for part in strangers):
            raise _nobody(one, strangers, before, also=len(kept) < len(rows))
        kept = [kept[i] for i in passed]
    return kept


def _nobody(one: Filter, strangers: Sequence[str], rows: Sequence[Row], also: bool) -> ConfigError:
    there = one.values(rows)
    more = f" and {len(there) - 12} more" if len(there) > 12 else ""
    where = " among the cells that the filters before it leave" if also else ""
    known = f"{one.column} is {', '.join(there[:12])}{more}" if there else f"{one.column} is known of no cell"
    return ConfigError(f"no cell has {one.column}={','.join(strangers)}{where}", hint=known)
