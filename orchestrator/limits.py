"""What a configuration value may be, written beside its type.

Used as ``threads: Annotated[int, Between(1, 256)]``: the type is checked by Hydra's structured configs, the rest
by :mod:`orchestrator.config` after composition, with a message that names the key, the file and these limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol


class Limit(Protocol):
    """A condition on one value."""

    def admits(self, value: object) -> bool: ...

    @property
    def allowed(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Between:
    """A number from ``low`` to ``high``, both included."""

    low: float
    high: float

    def admits(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    @property
    def allowed(self) -> str:
        return f"{exact(self.low)} to {exact(self.high)}"


def exact(number: float) -> str:
    """Whole numbers in full: ``:g`` would print 2147483647 as 2.14748e+09."""
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def admits(self, value: object) -> bool:
        return value in self.words

    @property
    def allowed(self) -> str:
        return ", ".join(self.words)


@dataclass(frozen=True, slots=True)
class Matching:
    """A text of a certain shape; ``meaning`` says it in words."""

    pattern: str
    meaning: str

    def admits(self, value: object) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None

    @property
    def allowed(self) -> str:
        return self.meaning


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A list with at least one entry."""

    def admits(self, value: object) -> bool:
        return isinstance(value, list) and len(value) > 0

    @property
    def allowed(self) -> str:
        return "at least one entry"


@dataclass(frozen=True, slots=True)
class NameOrNames:
    """A text, or a list of different ones."""

    def admits(self, value: object) -> bool:
        names = value if isinstance(value, list) else [value]
        return bool(names) and all(isinstance(n, str) and n for n in names) and len(set(names)) == len(names)

    @property
    def allowed(self) -> str:
        return "a name, or a list of names"


NAME = Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "letters, digits, '_', '-' and '.', at most 64")
