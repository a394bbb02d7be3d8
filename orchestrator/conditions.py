"""The conditions under which two results of the same cell were had, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.result import Result

# What is called how, in the order in which people look for a cause.
NAMED: Mapping[str, str] = {
    "artifact.sha256": "artifact",
    "runtime.name": "runtime",
    "runtime.version": "runtime version",
    "runtime.environment": "runtime environment",
    "runtime.numpy": "NumPy",
    "runtime.python": "Python",
    "runtime.threads": "threads",
    "delegate": "delegate",
    "delegate.nodes": "delegated nodes",
    "accelerator": "accelerator",
    "board.device_tree_model": "board model",
    "board.cpu_model": "CPU model",
    "board.arch": "architecture",
    "board.bits": "bits",
    "board.cores": "cores",
    "board.memory_bytes": "memory",
    "board.os": "OS",
    "board.kernel": "kernel",
    "board.libc": "C library",
    "board.firmware": "firmware",
    "board.serial": "serial number",
    "board.hostname": "host name",
    "board.power_mode": "power mode",
    "board.isolated_cpus": "isolated CPUs",
    "state.governor": "governor",
    "state.tuning": "tuning",
    "state.cpus": "CPUs",
    "boot_id": "boot",
    "energy.source": "energy source",
    "energy.scope": "energy scope",
    "energy.kind": "energy kind",
    "energy.verdict": "energy verdict",
}
FOUND = ("artifact.", "board.", "delegate.", "runtime.", "state.")
"""Tags of these that have no name above are shown too, under their own."""

TOLERATED: Mapping[str, tuple[str, str, float, bool]] = {
    "state/temperature_start_c": ("temperature at the start", " °C", 5.0, False),
    "state/temperature_max_c": ("highest temperature", " °C", 5.0, False),
    "state/cpu_mean_mhz": ("mean clock", " MHz", 0.02, True),
    "state/foreign_cpu_cores": ("foreign CPU use", " cores", 0.1, False),
}
"""Metrics of the board's state: name, unit, by how much they may differ, and whether that is a share."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition then and now; None: not known."""

    name: str
    then: str | None
    now: str | None
    differs: bool


def conditions(then: Result, now: Result, facts: tuple[Mapping[str, str], Mapping[str, str]]) -> list[Condition]:
    """Every condition that either result tells, those with a name first. ``facts`` are those of the two sweeps."""
    return [
        _same("board", then.board, now.board),
        *_tags(_tags_of(then), _tags_of(now)),
        *_state(then, now),
        _same("verdict", _verdict(then), _verdict(now)),
        _same("orchestrator", facts[0].get("orchestrator"), facts[1].get("orchestrator")),
        _same("controller", facts[0].get("host"), facts[1].get("host")),
    ]


def _tags(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Condition]:
    others = sorted(key for key in then.keys() | now.keys() if key.startswith(FOUND) and key not in NAMED)
    for key in (*NAMED, *others):
        if key in then or key in now:
            yield _same(NAMED.get(key, key), then.get(key), now.get(key))


def _state(then: Result, now: Result) -> Iterator[Condition]:
    for metric, (name, unit, by, share) in TOLERATED.items():
        values = [r.measurement.metrics.get(metric) if r.measurement else None for r in (then, now)]
        words = [None if value is None else f"{value:.4g}{unit}" for value in values]
        before, after = values
        if before is not None and after is not None:
            yield Condition(name, words[0], words[1], abs(after - before) > (by * before if share else by))
        elif before is not None or after is not None:
            yield Condition(name, words[0], words[1], True)


def _same(name: str, then: str | None, now: str | None) -> Condition:
    return Condition(name, then, now, then != now)


def _tags_of(result: Result) -> Mapping[str, str]:
    return result.measurement.tags if result.measurement else {}


def _verdict(result: Result) -> str | None:
    return result.measurement.verdict.level if result.measurement else None
