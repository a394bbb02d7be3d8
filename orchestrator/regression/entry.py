"""One night of one cell, as its history keeps it: values, conditions, and what the gate made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from orchestrator.controls import CONTROLS, COVARIATES, UNTOLD
from orchestrator.regression.accepted import Accepted, of_board
from orchestrator.regression.decision import CLOSED, IMPROVED, NO_HISTORY, STEADY
from orchestrator.regression.gated import NEVER_OFFLINE, ONLY_OFFLINE, gated_in
from orchestrator.result import DONE, FAILED, Result, Sweep
from orchestrator.verdict import INVALID

VERSION = 1
ALSO = {
    "runtime.environment": "runtime environment",
    "runtime.numpy": "NumPy",
    "runtime.python": "Python",
    "board.libc": "C library",
    "board.hostname": "host name",
    "board.device_tree_model": "board model",
    "delegate.nodes": "delegated nodes",
}
"""Covariates beside those of every comparison."""
OF_THE_CONTROLLER = ("orchestrator", "tensorflow")
"""What made the artifact."""
GOOD = (STEADY, IMPROVED, CLOSED, NO_HISTORY)
"""Outcomes of values that later nights are held against."""


@dataclass(frozen=True, slots=True)
class Value:
    """``samples``: one of each process, where there are. ``under``: conditions of this metric alone."""

    value: float
    low: float | None = None
    high: float | None = None
    samples: tuple[float, ...] = ()
    under: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate made of a metric: one of OUTCOMES, since which night, and whether a re-run refuted the value."""

    outcome: str
    since: str | None = None
    refuted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One night of one cell. ``serial`` tells boards of one name apart, where the board knows its own."""

    cell: str
    night: str  # the sweep's id
    at_s: float
    status: str
    board: str | None = None
    serial: str | None = None
    error: str | None = None  # of a benchmark that failed by itself; infrastructure says nothing about the cell
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    controls: Mapping[str, str] = field(default_factory=dict)
    covariates: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    artifact: str | None = None  # key in the controller's cache
    environment: str | None = None  # digest of the wheels in the controller's cache; None: the board's own packages
    runtime: str | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def who(self) -> tuple[str | None, str | None]:
        """Which board it was: a name, and which of those that bore it."""
        return self.board, self.serial

    @property
    def made_of(self) -> tuple[str | None, str | None]:
        """What of ours may have changed: the artifact, and the wheels of the runtime."""
        return self.artifact, self.environment

    @property
    def counts(self) -> bool:
        """Whether its values say anything: an invalid measurement is never a baseline, nor a regression."""
        return self.status == DONE and self.verdict != INVALID

    def is_good(self, metric: str, those: Iterable[Accepted] = ()) -> bool:
        """Whether later nights are held against it. Where a person has accepted a level of its board, only that counts.

        ``those``: what was accepted of the metric, on whatever board.
        """
        found, accepted = self.outcomes.get(metric), of_board(those, self.board)
        if accepted is not None and self.at_s < accepted.from_s:
            return False
        if found is None or (accepted is not None and accepted.covers(self.at_s)):
            return found is None or not found.refuted
        return found.outcome in GOOD and not found.refuted

    def judged(self, outcomes: Mapping[str, Outcome]) -> Entry:
        """With what the gate made of it."""
        return replace(self, outcomes=outcomes)

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """Raises LookupError, TypeError, ValueError or AttributeError for anything else."""
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}")
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["values"] = {
            name: Value(v["value"], v["low"], v["high"], tuple(v["samples"]), tuple(v["under"]))
            for name, v in data["values"].items()
        }
        known["outcomes"] = {name: Outcome(**one) for name, one in data["outcomes"].items()}
        known["reasons"] = tuple(data["reasons"])
        found = cls(**known)
        numbers = [found.at_s, *(one.value for one in found.values.values())]
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
            raise ValueError("a number is none")
        return found


def entry_of(result: Result, sweep: Sweep) -> Entry:
    """One result as its history keeps it."""
    m = result.measurement
    error = result.error
    own_fault = result.status == FAILED and error is not None and not error.infrastructure
    begin = Entry(
        cell=result.cell_id,
        night=sweep.id,
        at_s=sweep.started_s,
        status=result.status,
        board=result.board,
        error=f"{error.type}: {error.message}"[:300] if own_fault and error is not None else None,
    )
    if m is None:
        return begin
    tags = m.tags
    facts = {name: sweep.facts[name] for name in OF_THE_CONTROLLER if name in sweep.facts}
    return replace(
        begin,
        serial=tags.get("board.serial"),
        verdict=m.verdict.level,
        reasons=m.verdict.reasons,
        controls={name: tags.get(tag, UNTOLD.get(name, "")) for tag, name in CONTROLS.items()},
        covariates={**{name: tags[tag] for tag, name in {**COVARIATES, **ALSO}.items() if tag in tags}, **facts},
        values=dict(_values(result)),
        artifact=tags.get("artifact.key"),
        environment=tags.get("runtime.environment"),
        runtime=tags.get("runtime.name"),
    )


def _values(result: Result) -> list[tuple[str, Value]]:
    m = result.measurement
    if m is None:
        return []
    found = []
    for gated in gated_in(m.tags.get("scenario.mode", "")):
        value = m.metrics.get(gated.name)
        if value is None or not gated.admits(value):
            continue
        interval = m.uncertainty.get(gated.name)
        low, high = (interval.low, interval.high) if interval else (None, None)
        samples = m.process_medians_ms if gated.name == NEVER_OFFLINE else ()
        if gated.name == ONLY_OFFLINE:
            samples = tuple(1e3 / each for each in m.process_medians_ms)
        under = tuple(m.tags.get(tag, "") for tag in gated.under)
        found.append((gated.name, Value(value, low, high, samples, under)))
    return found
