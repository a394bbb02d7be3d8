"""The job as it travels to a board, and what the board says about it, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from orchestrator.artifact import Artifact
from orchestrator.cell import Cell, Settings
from orchestrator.device import Board
from orchestrator.errors import BenchmarkFailed, BoardError, JobLost
from orchestrator.meters.windows import metered
from orchestrator.plain import plain
from orchestrator.provisioning import Environment
from remote import contract

LONGEST_S = 86400.0
"""Of a job, as scenario.timeout_s allows it."""


@dataclass(frozen=True, slots=True)
class Part:
    """The processes of a cell that one job runs: from number ``first`` on. The last part measures energy as well."""

    run_id: str
    first: int
    processes: int
    of: int  # processes of the cell
    last: bool
    deadline_s: float

    @classmethod
    def whole(cls, cell: Cell, run_id: str) -> Part:
        """All processes of a cell in one job."""
        scenario = cell.settings.scenario
        return cls(run_id, 1, scenario.processes, scenario.processes, True, scenario.timeout_s)


@dataclass(frozen=True, slots=True)
class Left:
    """A job on a board whose record nobody has taken home, as the board tells it."""

    run_id: str
    status: str
    first: int  # of its processes, the number within the cell
    artifact: str  # sha256
    runtime: str
    env: str | None
    deadline_s: float

    @classmethod
    def parsed(cls, told: object) -> Left | None:
        """None for what makes no sense."""
        if not isinstance(told, dict):
            return None
        artifact, env, first, deadline_s = (told.get(key) for key in ("artifact", "env", "first", "deadline_s"))
        sha256 = artifact.get("sha256") if isinstance(artifact, dict) else None
        run_id, status, runtime = (str(told.get(key)) for key in ("run_id", "status", "runtime"))
        if not re.fullmatch(contract.RUN_ID, run_id) or runtime not in contract.RUNTIMES:
            return None
        if type(first) is not int or not isinstance(deadline_s, int | float) or not 0 < deadline_s <= LONGEST_S:
            return None
        return cls(run_id, status, first, str(sha256), runtime, env if isinstance(env, str) else None, deadline_s)


def job_of(
    cell: Cell, board: Board, artifact: Artifact, part: Part, runtime: str, environment: Environment | None, cores: int
) -> dict[str, Any]:
    """What travels to the board: plain data, version 5 of the contract. ``cores`` are the board's."""
    s, scenario = cell.settings, cell.settings.scenario
    names: tuple[str, ...] = (
        "mode",
        "processes",
        "cool_down_s",
        "warmup_s",
        "warmup_runs",
        "window_s",
        "max_window_s",
        "min_runs",
    )
    names += ("end_to_end_s", "pipeline_s", "image", "profile_runs")
    names += ("energy_s", "energy_windows", "idle_s")
    return {
        "version": contract.CONTRACT,
        "run_id": part.run_id,
        "cell_id": plain(cell.id)[:1000],
        "artifact": {"sha256": artifact.sha256, "format": artifact.format},
        "env": environment.digest if environment else None,
        "runtime": runtime,
        "threads": s.threads,
        "xnnpack": s.runtime.xnnpack,
        "delegate": s.runtime.delegate,
        "library": s.runtime.library,
        "options": [{"name": name, "value": value} for name, value in s.runtime.options.items()],
        "quality": _quality(s, artifact) if part.last else None,
        "seed": s.seed,
        "scenario": {
            **{name: getattr(scenario, name) for name in names},
            "processes": part.processes,
            "streams": streams(s, cores),
            **({} if part.last else {"energy_s": 0.0, "profile_runs": 0}),
        },
        "meter": metered(s),
        "sensor_scopes": [{"match": match, "scope": scope} for match, scope in s.device.sensor_scopes.items()],
        "first": part.first,
        "of": part.of,
        "cpus": s.device.cpus,
        "cool_to_c": s.device.cool_to_c,
        "deadline_s": part.deadline_s,
    }


def _quality(settings: Settings, artifact: Artifact) -> dict[str, Any] | None:
    """Which stored inputs the board answers, and how many of them."""
    told, wanted = artifact.manifest.get("evaluation"), settings.quality.samples
    if not told or wanted == 0:
        return None
    return {"sha256": told["sha256"], "samples": min(wanted or told["samples"], told["samples"])}


def streams(settings: Settings, cores: int) -> int:
    """Sessions beside each other: in mode offline as many as asked for, else as the cores take with their threads."""
    scenario = settings.scenario
    if scenario.mode != "offline":
        return 1
    return scenario.streams or min(256, max(1, (len(settings.device.cpus) or cores) // settings.threads))


def ended(status: str, final: dict[str, Any], text: str) -> BenchmarkFailed | BoardError:
    """A job that left no record: why, in words, and the end of its log."""
    words = {
        "timed_out": "the benchmark did not end within scenario.timeout_s and was stopped",
        "cancelled": "the benchmark was cancelled on the board",
        "died": "the benchmark died on the board",
    }
    reason = str(final.get("reason") or final.get("message") or "")
    if status == contract.LOST:
        return JobLost(f"the benchmark was lost: {reason[:500]}")
    if status == contract.CANCELLED:  # and not by us: who cancels asks for no record
        return JobLost("the benchmark was cancelled on the board")
    message = words.get(status, f"the benchmark ended as '{status[:40]}'") + (f": {reason[:500]}" if reason else "")
    return BenchmarkFailed(message, kind=status, trace=text[-4000:])


PHASES = {
    contract.STARTED: "started",
    contract.COOLING: "cooling down",
    contract.PROCESS: "loading",
    contract.LOADED: "measuring",
    contract.MEASURED: "measured",
    contract.ENERGY: "energy pass",
    contract.ANSWERS: "answering stored inputs",
    contract.PROFILE: "profiling",
}


def phase(event: dict[str, Any]) -> str:
    """An event as a few words for the progress display."""
    words = PHASES.get(str(event.get("event")), "running")
    celsius = event.get("temperature_c")
    if event.get("event") == contract.COOLING and isinstance(celsius, int | float):
        return f"{words}, {celsius:.0f} °C"
    number, total = event.get("number"), event.get("of")
    if not isinstance(number, int):
        return words
    return f"{words} {number} of {total}" if isinstance(total, int) else f"{words} {number}"
