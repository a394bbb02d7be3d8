"""What happens to a board, and what follows from it: the rules of its health, as a function of nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

GOOD, BAD, MAINTENANCE, UNKNOWN = "good", "bad", "maintenance", "unknown"
STATUSES = (GOOD, BAD, MAINTENANCE, UNKNOWN)
"""As in LAVA: apart from whether the board is held right now."""

WORKED, FAILED, CHECKED, SET_ASIDE, CLEARED, RECOVERY = (
    "worked",
    "failed",
    "checked",
    "set aside",
    "cleared",
    "recovery",
)
KINDS = (WORKED, FAILED, CHECKED, SET_ASIDE, CLEARED, RECOVERY)

IN_A_ROW = 3
"""Failures of the infrastructure that take a board out."""
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Event:
    """``kind`` is one of KINDS: a turn ended well, the infrastructure failed, a health check ended (``passed``), a
    person set the board aside or cleared it, or something was done to bring it back (``why`` says what)."""

    at_s: float
    board: str
    kind: str
    why: str = ""
    passed: bool | None = None
    by: str = ""  # who, or the sweep

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        passed = data["passed"]
        if passed is not None and not isinstance(passed, bool):
            raise ValueError("passed is neither true nor false")
        return cls(float(data["at_s"]), str(data["board"]), str(data["kind"]), str(data["why"]), passed,
                   str(data["by"]))  # fmt: skip

    @property
    def words(self) -> str:
        """In a sentence's part."""
        if self.kind == CHECKED:
            return "passed a health check" if self.passed else f"failed a health check: {self.why}"
        said = {
            WORKED: "worked again",
            FAILED: f"failed: {self.why}",
            SET_ASIDE: f"set aside by {self.by}: {self.why}",
            CLEARED: f"cleared by {self.by}" + (f": {self.why}" if self.why else ""),
            RECOVERY: self.why,
        }
        return said[self.kind]


@dataclass(frozen=True, slots=True)
class Health:
    """``failures`` is how many there were in a row; ``since_s`` is when the status began, None where it never did."""

    status: str = UNKNOWN
    reason: str = ""
    since_s: float | None = None
    failures: int = 0

    @property
    def usable(self) -> bool:
        """Whether a cell may run there. A board that nobody has checked yet may be used."""
        return self.status in (GOOD, UNKNOWN)

    def after(self, event: Event) -> Health:
        """The rules. A normal cell never makes a bad board good; only a health check or a person does."""
        if event.kind == WORKED:
            return replace(self, failures=0)
        if event.kind == FAILED:
            failures = self.failures + 1
            if failures < IN_A_ROW or not self.usable:
                return replace(self, failures=failures)
            why = f"{failures} failures of the infrastructure in a row, the last: {event.why}"
            return Health(BAD, why, event.at_s, failures)
        if event.kind == SET_ASIDE:
            return Health(MAINTENANCE, event.why, event.at_s)
        if event.kind == CLEARED:
            return Health(UNKNOWN, "", event.at_s)
        if event.kind == CHECKED and self.status != MAINTENANCE:
            status, reason = (GOOD, "") if event.passed else (BAD, f"health check: {event.why}")
            since = self.since_s if self.status == status else event.at_s
            return Health(status, reason, since, 0 if event.passed else self.failures)
        return self


def after_all(events: Iterable[Event]) -> Health:
    """Of one board, from all that happened to it, the oldest first."""
    health = Health()
    for event in events:
        health = health.after(event)
    return health


def recoveries(events: Iterable[Event], now_s: float) -> int:
    """Reboots and power cycles of the last hour."""
    return sum(one.kind == RECOVERY and now_s - one.at_s < HOUR_S for one in events)
