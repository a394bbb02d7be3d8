"""The instrument beside a board during one job: recorded from the energy pass on, with the board's clock seen before
and after."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator import device as inventory
from orchestrator.connection import ProgramEnded, connect
from orchestrator.device import Board, Device
from orchestrator.energy import MeterReadings
from orchestrator.energy.meter import ClockOffset
from orchestrator.errors import BoardError, ConnectionFailed, OrchestratorError, reason
from orchestrator.meters import Recording, Sight, meter_of, offset, probe, sight, unread
from orchestrator.meters.host import Stream
from orchestrator.meters.windows import shortest_s
from orchestrator.provisioning import Program, deploy, facts
from orchestrator.redact import shown
from orchestrator.session.dialogue import Dialogue

log = logging.getLogger(__name__)

WAY_OUT = "cells are measured without its energy until it does ('python -m orchestrator meter device=...' tries it)"
LINK_LOST = (ConnectionFailed, ProgramEnded)
LONGEST_TAIL_S = 10.0
"""However much the readings trail: so long the board waits for the last of them at most."""


class Metering:
    """Life cycle: construct, :meth:`begin` at the event of the energy pass, :meth:`sight` when the link is there,
    :meth:`finish`, :meth:`close` in any case. No method raises for what the instrument does."""

    def __init__(self, board: Board, program: Program, stop: threading.Event, scenario: Mapping[str, Any]) -> None:
        self._board, self._program, self._stop = board, program, stop
        self._idle_s, self._window_s = scenario["idle_s"], scenario["energy_s"]
        self._recording: Recording | None = None
        self._sights: list[Sight] = []
        self._clockless: str | None = None  # why the board's clock cannot be seen
        self._began_s = math.nan  # on this machine's clock
        self._away = False  # whether the link was, before

    def begin(self) -> None:
        """Start the recording. Not earlier: this may be the machine that measures."""
        settings = self._board.meter
        if settings is not None and self._recording is None and shortest_s(settings) <= self._window_s:
            meter = meter_of(settings, lambda: HostLink(self._board, settings, self._program, self._stop))
            self._began_s = time.monotonic()
            self._recording = Recording(settings.kind, meter)

    def away(self) -> None:
        """The link is lost: an energy pass that begins meanwhile is heard of only when it is back."""
        self._away = self._away or self._recording is None

    def sight(self, dialogue: Dialogue, *, again: bool = False) -> None:
        """Look at the board's clock: once while it is recorded, and once more (``again``) at the end.

        Raises:
            ConnectionFailed, ProgramEnded: the link is gone; to be called again over the next one.
        """
        if self._recording is None or self._clockless or (self._sights and not again):
            return
        try:
            self._sights = [*self._sights[:1], sight(lambda: clock_of(dialogue))]
        except LINK_LOST:
            raise
        except BoardError as error:
            self._clockless = error.message

    def finish(self, record: Mapping[str, Any]) -> MeterReadings | None:
        """Wait for the last reading of the pass and end the recording; None where there was no pass."""
        settings, recording = self._board.meter, self._recording
        if settings is None or self._window_s <= 0:
            return None
        where = settings.address or " ".join(settings.command[:1])
        if (least_s := shortest_s(settings)) > self._window_s:
            why = (
                f"windows of {self._window_s:g} s are too short for it (scenario.energy_s={math.ceil(least_s)} or more)"
            )
            return unread(settings.kind, where, settings.scope, why)
        if recording is None:
            return None
        if recording.instrument is not None:
            found = recording.instrument
            late_s = max(0.0, found.limits.lag_s - self._idle_s)  # a pass ends idle, and that is waiting already
            tail_s = late_s + (1.5 / found.rate_hz if found.rate_hz else 0.0)
            self._stop.wait(min(tail_s, LONGEST_TAIL_S))
        recording.stop()
        readings = recording.readings()
        if readings is None:
            return unread(settings.kind, where, settings.scope, recording.problem)
        readings = replace(readings, clock=self._clock(recording), invalid=readings.invalid or self._clockless)
        late_s = self._late_s(record, readings.clock)
        if late_s <= 0:
            return readings
        why = f"the link to the board was away when its energy pass began: recorded only from {late_s:.1f} s of it on"
        problem = f"{why}; {readings.problem}" if readings.problem else why
        return replace(readings, missed=readings.missed + 1, problem=problem[:1000])

    def close(self) -> None:
        """Leave no thread behind."""
        if self._recording is not None:
            self._recording.stop()

    def _clock(self, recording: Recording) -> ClockOffset | None:
        """None where the link was away at the beginning or the end: then nobody knows."""
        if len(self._sights) < 2:
            return None
        before, after = self._sights
        return offset(before, after, recording.ended.clock_bound_s, recording.ended.clock_drift_s)

    def _late_s(self, record: Mapping[str, Any], clock: ClockOffset | None) -> float:
        """By how much the recording missed the beginning of the pass for want of a link; 0 where it did not."""
        run = (record.get("energy") or {}).get("pass")
        if not self._away or not run or clock is None:
            return 0.0
        first_s = min(float(span["begin_s"]) for span in (*run["idle"], *run["windows"]))
        return self._began_s + clock.offset_s - first_s


def clock_of(dialogue: Dialogue) -> float:
    """The board's CLOCK_MONOTONIC now. Raises BoardError for an answer that is none."""
    found = dialogue.request("clock", timeout_s=15.0).get("t")
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise BoardError(f"the board's clock makes no sense: {str(found)[:40]}")
    return float(found)


def trouble(board: Board, program: Program, stop: threading.Event) -> list[str]:
    """One real reading of the board's meter: what people have to be told where there is none."""
    settings = board.meter
    if settings is None:
        return []
    meter = meter_of(settings, lambda: HostLink(board, settings, program, stop))
    try:
        probe(meter, stop)
    except Exception as error:  # an instrument may cost its energy, never the board's lane
        if stop.is_set():
            return []
        if not isinstance(error, OrchestratorError):
            log.debug("the %s meter", settings.kind, exc_info=True)
        return [f"its meter, {named(settings)}, gives no reading: {reason(error)}; {WAY_OUT}"]
    return []


def named(settings: inventory.Meter) -> str:
    """The kind of an instrument and where it is."""
    where = shown(settings.command)[:100] if settings.kind == "command" else settings.address
    return f"{settings.kind} {where}"


class HostLink:
    """The board program's verb ``power`` on another host: a connection of its own."""

    def __init__(
        self, board: Board, settings: inventory.Meter, program: Program, stop: threading.Event | None = None
    ) -> None:
        host = host_of(board, settings)
        self._connection = connect(host, stop=stop)
        try:
            found = facts(self._connection, host.device, host.workdir)
            deploy.push_program(self._connection, found, host.device, program)
            argv = [*deploy.program_command(found, host.device, program), "power"]
            self._stream: Stream = self._connection.open_stream(argv)
        except BaseException:
            self._connection.close()
            raise

    def send(self, message: dict[str, Any] | str) -> None:
        self._stream.send(message)

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        return self._stream.receive(timeout_s)

    def close(self) -> None:
        self._stream.close()
        self._connection.close()


def host_of(board: Board, settings: inventory.Meter) -> Board:
    """The host that the meter is on, reached like the board itself: the lab's keys are the same."""
    device = board.device
    host = Device(
        f"meter-of-{device.name}"[:60],
        [settings.address],
        identity_file=device.identity_file,
        known_hosts=device.known_hosts,
        python=settings.python,
        connect_timeout_s=device.connect_timeout_s,
        command_timeout_s=device.command_timeout_s,
    )
    return Board(host, settings.address)
