"""Settings of a sweep that nobody watches: a night in a lab, and the gate that says what got slower for real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from orchestrator.limits import Between, Matching

DURATION = Matching(r"(?=[\d.]*[1-9])\d*\.?\d+(s|m|h)", "a number and s, m or h: 90m, 6h")
VARIABLE = Matching(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "the name of an environment variable")
LOWEST, HIGHEST = -100, 100
"""Of a priority; 0 is a person at a desk."""


@dataclass(slots=True)
class Gate:
    """What counts as got worse, against the history of the same cell under the same controls."""

    enabled: bool = True
    threshold: Annotated[float, Between(0.001, 10)] = 0.03  # of latency, energy, memory and size, as a share
    quality_drop: Annotated[float, Between(0, 1)] = 0.01  # of top-1 accuracy or AUC: 0.01 is one point
    window: Annotated[int, Between(3, 200)] = 20  # nights of history that count
    pinned: str | None = None  # a sweep that is the baseline instead of the history
    rerun_processes: Annotated[int, Between(3, 100)] = 6  # of either side, before an alarm
    rerun_budget: Annotated[str, DURATION] = "1h"  # for all that is run again in a night; the rest is not confirmed


@dataclass(slots=True)
class Night:
    """What an unattended sweep does beside measuring."""

    enabled: bool = False  # history, gate, morning report, one night at a time
    keep_days: Annotated[int | None, Between(1, 36500)] = None  # older sweeps of nights go; None: all stay
    webhook_env: Annotated[str | None, VARIABLE] = None  # the variable that holds the address of a Slack-like webhook
    command: list[str] = field(default_factory=list)  # gets the report as Markdown on its standard input


def seconds_of(duration: str) -> float:
    """``90m`` in seconds. Raises ValueError."""
    return float(duration[:-1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[duration[-1:]]
