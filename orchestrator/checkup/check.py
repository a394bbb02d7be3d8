"""What an examination of a board comes to: a list of checks, each with what was found and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.device import Board
from orchestrator.plain import plain

OK, NOTE, PROBLEM, UNKNOWN = "ok", "note", "problem", "unknown"
LEVELS = (OK, NOTE, PROBLEM, UNKNOWN)

GOLDEN = "golden"
"""The check that a board can only pass by working: a benchmark through the whole chain."""
RUNTIME = "runtime"
"""A board without one may be fine with another one, so that this says nothing about its health."""
NEEDED = ("ssh", "host key", "python", "work folder", RUNTIME, GOLDEN)
"""Without these other checks cannot be made."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``fix``: what to do about a problem or a note, commands on lines of their own."""

    name: str
    level: str  # of LEVELS
    found: str
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"name": self.name, "level": self.level, "found": self.found, "fix": self.fix}


@dataclass(frozen=True, slots=True)
class Examination:
    """All checks of one board, in the order in which they are told.

    ``passed``: there is no problem, and the golden benchmark ran where one was asked for. A board that does not pass
    and has no problem could not be told to be ready: somebody else holds it.
    """

    board: Board
    checks: tuple[Check, ...]
    passed: bool
    why: str  # in one line
    began_s: float  # on the controller's wall clock, since 1970
    took_s: float
    facts: Mapping[str, Any] = field(default_factory=dict)  # hostname, serial, runtime, latency_ms, ... where known

    @property
    def healthy(self) -> bool | None:
        """Whether it works: the golden benchmark ran, and nothing that it needs is wrong. None: nobody can tell.

        A weak supply or a clock that is off is a problem that somebody has to see to, and the board works all the same.
        """
        level = {check.name: check.level for check in self.checks}
        if any(level.get(name) == PROBLEM for name in NEEDED if name != RUNTIME):
            return False
        return True if level.get(GOLDEN) in (OK, NOTE) else None

    @property
    def reached(self) -> bool:
        """Whether the golden benchmark was run, however it ended."""
        return any(check.name == GOLDEN and check.level != UNKNOWN for check in self.checks)

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that say what is wrong."""
        return tuple(check for check in self.checks if check.level == PROBLEM)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "device": self.board.device.name,
            "board": self.board.name,
            "passed": self.passed,
            "why": self.why,
            "began_s": round(self.began_s, 3),
            "took_s": round(self.took_s, 3),
            "facts": dict(self.facts),
            "checks": [check.to_json() for check in self.checks],
        }


class Findings:
    """Gathers the checks of one board, whose names are known before."""

    def __init__(self, board: Board, names: Sequence[str]) -> None:
        self._board, self._names = board, tuple(names)
        self._found: dict[str, Check] = {}
        self._began_s, self._began = time.time(), time.monotonic()
        self.facts: dict[str, Any] = {}

    def add(self, *checks: Check) -> None:
        """What a board says in them is made fit to be shown. The first word about a name counts."""
        for check in checks:
            if check.name not in self._names:
                raise KeyError(f"{check.name} is none of the checks")
            known = Check(check.name, check.level, plain(check.found), check.fix and _lines(check.fix))
            self._found.setdefault(check.name, known)

    def lacks(self, why: str, *names: str) -> None:
        """These cannot be told, each for the same reason."""
        self.add(*(Check(name, UNKNOWN, why) for name in names))

    def found(self, name: str) -> Check | None:
        """What was told of it; None: not looked at yet."""
        return self._found.get(name)

    def level(self, name: str) -> str | None:
        """None: not looked at yet."""
        return self._found[name].level if name in self._found else None

    def examination(self) -> Examination:
        """What was never come to is unknown: something before it has to work first."""
        first = next((name for name in NEEDED if self.level(name) == PROBLEM), None)
        self.lacks(f"not reached: see {first}" if first else "not reached", *self._names)
        checks = tuple(self._found[name] for name in self._names)
        passed, why = _verdict(checks)
        took_s = time.monotonic() - self._began
        return Examination(self._board, checks, passed, why, self._began_s, took_s, dict(self.facts))


def _verdict(checks: Sequence[Check]) -> tuple[bool, str]:
    """Whether the board passes, and a line that says why."""
    problems = [check for check in checks if check.level == PROBLEM]
    if problems:
        return False, "; ".join(f"{check.name}: {check.found}" for check in problems)
    golden = next((check for check in checks if check.name == GOLDEN), None)
    if golden is not None and golden.level == UNKNOWN:
        return False, golden.found
    notes = [check.name for check in checks if check.level == NOTE]
    return True, "ready" + (f"; to note: {', '.join(notes)}" if notes else "")


def _lines(text: str) -> str:
    """Line ends are ours and stay; within a line nothing steers a terminal."""
    return "\n".join(map(plain, text.split("\n")))
