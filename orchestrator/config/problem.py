"""A wrong value of a configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong value: dotted key, what it is, what it may be."""

    key: str
    value: object
    allowed: str
