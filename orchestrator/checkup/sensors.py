"""What reads a board's power, tried for some seconds: its own sensors, and the meter beside it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import device as inventory
from orchestrator.connection import Connection
from orchestrator.device import Board
from orchestrator.energy import MeterReadings
from orchestrator.errors import BoardError, ConnectionFailed
from orchestrator.meters import Recording, Sight, meter_of, sight
from orchestrator.meters.host import Stream
from orchestrator.provisioning import Facts, Program, deploy
from orchestrator.session.metering import HostLink

FIND_S = 30.0
"""Finding sensors takes seconds where one of them hangs."""
POLL_S = 0.1
ENOUGH = 2
"""Readings that a quick look waits for: a counter needs two."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One total that the board reads by itself, and what it gave. ``points``: s on the board's clock, and W or J."""

    reader: str
    scope: str
    kind: str
    points: tuple[tuple[float, float], ...]

    @property
    def watts(self) -> float | None:
        """The mean; of a counter from its first to its last reading."""
        if self.kind != "counter":
            return statistics.fmean(value for _, value in self.points) if self.points else None
        if len(self.points) < 2 or self.points[-1][0] <= self.points[0][0]:
            return None
        return (self.points[-1][1] - self.points[0][1]) / (self.points[-1][0] - self.points[0][0])

    @property
    def rate_hz(self) -> float:
        """Readings a second, as they came."""
        span_s = self.points[-1][0] - self.points[0][0] if len(self.points) > 1 else 0.0
        return (len(self.points) - 1) / span_s if span_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class OwnSensors:
    """The sensors on a board, used or not, the totals that they make, and why there is none."""

    sensors: tuple[Mapping[str, Any], ...]
    traces: tuple[Trace, ...]
    reason: str | None
    clock: Sight

    @property
    def reads(self) -> bool:
        """Whether anything gave a value."""
        return any(trace.watts is not None for trace in self.traces)


def own_sensors(
    board: Board, connection: Connection, known: Facts, program: Program, seconds: float, *, quick: bool = False
) -> OwnSensors:
    """Read them by the same program as in a measurement. ``quick``: no longer than until each has answered.

    Raises BoardError.
    """
    with connection.open_stream([*deploy.program_command(known, board.device, program), "power"]) as stream:
        scopes = [{"match": match, "scope": scope} for match, scope in board.device.sensor_scopes.items()]
        stream.send({"sys_root": "/sys", "sensor_scopes": scopes, "parent": None})
        try:
            found = _until(stream, "found")
            clock = sight(lambda: _clock(stream))
            heads = [(str(one["reader"]), str(one["scope"]), str(one["kind"])) for one in found["traces"]]
            points = _points(stream, len(heads), seconds, quick)
            sensors = tuple({name: sensor[name] for name in _SENSOR} for sensor in found["sensors"])
        except (LookupError, TypeError, ValueError) as error:
            raise BoardError("the program that reads sensors answered with no sense", board=board.name) from error
    traces = tuple(Trace(*head, tuple(points[number])) for number, head in enumerate(heads))
    return OwnSensors(sensors, traces, None if found["reason"] is None else str(found["reason"]), clock)


_SENSOR = ("source", "rail", "scope", "kind", "used", "reason", "details")


def _points(stream: Stream, count: int, seconds: float, quick: bool) -> list[list[tuple[float, float]]]:
    found: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    if not found:
        return found
    stream.send("go")
    end = time.monotonic() + seconds
    while (left_s := end - time.monotonic()) > 0 and not (quick and min(map(len, found)) >= ENOUGH):
        message = stream.receive(left_s)
        if message is not None and "p" in message:
            number, t_s, value = message["p"]
            if not (math.isfinite(t_s) and math.isfinite(value)) or number not in range(count):
                raise ValueError("no reading")
            found[number].append((float(t_s), float(value)))
    return found


def _clock(stream: Stream) -> float:
    stream.send({"clock": 0})
    return float(_until(stream, "clock")[1])


def _until(stream: Stream, key: str) -> Any:
    """The next message of that kind."""
    end = time.monotonic() + FIND_S
    while (left_s := end - time.monotonic()) > 0:
        message = stream.receive(left_s)
        if message is not None and key in message:
            return message[key]
    raise ConnectionFailed(f"the program that reads sensors said nothing for {FIND_S:.0f} s")


@dataclass(frozen=True, slots=True)
class Beside:
    """What the meter beside a board gave. ``readings``: None where it never answered, for ``problem``."""

    readings: MeterReadings | None
    problem: str | None
    began_s: float  # on this machine's CLOCK_MONOTONIC
    ended_s: float
    clock_bound_s: float


def never(_: Recording) -> bool:
    """For who wants all the seconds."""
    return False


def beside(
    board: Board,
    settings: inventory.Meter,
    program: Program,
    seconds: float,
    enough: Callable[[Recording], bool] = never,
) -> Beside:
    """Record it for so many seconds, or until that is ``enough``. It raises nothing for what the meter does."""
    began_s = time.monotonic()
    recording = Recording(settings.kind, meter_of(settings, lambda: HostLink(board, settings, program)))
    try:
        while time.monotonic() - began_s < seconds and not enough(recording):
            time.sleep(POLL_S)
    finally:
        ended_s = time.monotonic()
        recording.stop()
    return Beside(recording.readings(), recording.problem, began_s, ended_s, recording.ended.clock_bound_s)
