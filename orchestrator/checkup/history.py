"""The latencies of earlier golden benchmarks: ``<root>/lab/golden.jsonl``, one line for each, only ever appended to."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
MAX_LINE = 10_000


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
    def parsed(cls, line: str) -> Golden | None:
        """None for a line that is damaged, or of another version."""
        try:
            told = json.loads(line[:MAX_LINE])
            if told.pop("version") != VERSION:
                return None
            found = cls(**told)
            sane = all(isinstance(n, int | float) and math.isfinite(n) for n in (found.time_s, found.latency_ms))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
        return found if sane and found.latency_ms > 0 else None

    @property
    def of(self) -> tuple[str | None, ...]:
        """What has to be the same for two latencies to be compared: the board itself, where it tells, and the work."""
        itself = self.serial or self.hostname
        return (self.board, itself, self.runtime, self.model)


def read(path: Path) -> list[Golden]:
    """Every line that makes sense, in the order in which they were written; none where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [found for line in text.split("\n") if line.strip() and (found := Golden.parsed(line)) is not None]


def append(path: Path, one: Golden) -> None:
    """In one write, on a line of its own also where the last one was cut. Raises OSError."""
    line = json.dumps({"version": VERSION, **asdict(one)}, allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if cut else b"") + line)
        finally:
            os.close(descriptor)


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
