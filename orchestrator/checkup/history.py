"""The latencies of earlier golden benchmarks: ``<root>/lab/golden.jsonl``, one line for each, only ever appended to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator import lines
from orchestrator.checkup.check import NOTE, OK, PROBLEM
from orchestrator.errors import naming

GOLDEN_FILE = Path("lab") / "golden.jsonl"
VERSION = 1
SLOW, MUCH_SLOWER = 1.2, 2.0
"""Times the median of the earlier ones: to note, and a problem."""
ENOUGH = 3
"""Earlier ones, before anything is called a problem: one may have been lucky, or disturbed."""
LAST = 50
"""Earlier ones that count."""


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden benchmark that came to its end."""

    device: str
    board: str
    hostname: str
    serial: str | None
    time_s: float
    latency_ms: float
    runtime: str
    runtime_version: str
    model: str  # sha256
    level: str = OK  # of its latency against those before

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Golden:
        """Raises LookupError, TypeError or ValueError for a line that is damaged, or of another version."""
        if told["version"] != VERSION:
            raise ValueError(f"version {told['version']}")
        found = cls(**{name: told[name] for name in cls.__dataclass_fields__})
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in (found.time_s, found.latency_ms)):
            raise ValueError("a number is none")
        if found.latency_ms <= 0:
            raise ValueError("a latency is none")
        return found

    @property
    def of(self) -> tuple[str | None, ...]:
        """What has to be the same for two latencies to be compared: the board itself, where it tells, and the work."""
        itself = self.serial or self.hostname
        return (self.board, itself, self.runtime, self.model)


def read(path: Path) -> list[Golden]:
    """Every line that makes sense, in the order in which they were written; none where there is no such file."""
    return list(lines.parsed(path, Golden.from_json))


def append(path: Path, one: Golden) -> None:
    """On a line of its own, also where the last one was cut. Raises OSError."""
    with naming(path):
        lines.add(path, {"version": VERSION, **asdict(one)})


def judged(one: Golden, earlier: Sequence[Golden]) -> tuple[str, str]:
    """The level of a latency, and words about those before. Ones that were a problem do not count."""
    known = [other.latency_ms for other in earlier if other.of == one.of and other.level != PROBLEM][-LAST:]
    if not known:
        return OK, "the first one here"
    usual_ms = statistics.median(known)
    ratio = one.latency_ms / usual_ms
    words = f"{ratio:.2f} times the median of {len(known)} earlier, {usual_ms:.3g} ms"
    if ratio > MUCH_SLOWER and len(known) >= ENOUGH:
        return PROBLEM, words
    return (NOTE if ratio > SLOW else OK), words
