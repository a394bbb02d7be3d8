"""``meter``: what reads the power of each board, tried for some seconds."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console

from orchestrator import device as inventory
from orchestrator.cache import cache_directory
from orchestrator.catalogue import choices
from orchestrator.checkup.sensors import Trace, beside, own_sensors
from orchestrator.connection import Connection, LocalServer, connect
from orchestrator.console import Part, say
from orchestrator.device import Board, Device
from orchestrator.energy import MeterReadings
from orchestrator.energy.reading import COVERAGE_MINIMUM
from orchestrator.energy.trace import of_meter
from orchestrator.energy.window import window_power
from orchestrator.errors import BoardError
from orchestrator.meters.windows import shortest_s
from orchestrator.plain import plain
from orchestrator.provisioning import Program, deploy, facts
from orchestrator.session.metering import named
from orchestrator.statuses import INTERRUPTED

SENSORS_S = 2.0
METER_S = 5.0
SCOPES = {
    "gpu_board": "of the GPU's board",
    "cpu_package": "of the CPU alone",
    "soc_rails": "of the chip",
    "module_in": "of the module",
    "board_dc_in": "of the whole board",
    "wall_ac": "at the wall, power supply included",
}


def show(console: Console, device: Device) -> int:
    """Try everything that could read the power of the device's boards, which is within its limits: the exit status, 0
    where each board has something that does."""
    program = Program.built(cache_directory())
    try:
        with contextlib.ExitStack() as stack:
            local = stack.enter_context(LocalServer()) if device.is_local else None
            found = [_board(console, board, program, local) for board in device.boards]
    except KeyboardInterrupt:
        say(console, ("interrupted", "yellow"), ": what was read until then stands above")
        return INTERRUPTED
    return 0 if found and all(found) else 2


def _board(console: Console, board: Board, program: Program, local: LocalServer | None) -> bool:
    say(console, (board.name, "bold"))
    own = False
    try:
        with connect(board, local=local) as connection:
            own = _sensors(console, board, program, connection)
    except BoardError as error:
        say(console, "  its own sensors: ", ("not reached", "red"), f": {error}")
    settings = board.meter
    if settings is None:
        say(console, "  beside it: nothing (device.meter.kind is none)")
        return own
    return _meter(console, board, settings, program) or own


def _sensors(console: Console, board: Board, program: Program, connection: Connection) -> bool:
    """Those on the board, read by the same program as in a measurement."""
    known = facts(connection, board.device, board.workdir)
    deploy.push_program(connection, known, board.device, program)
    found = own_sensors(board, connection, known, program, SENSORS_S)
    for sensor in found.sensors:
        _say_sensor(console, sensor)
    for trace in found.traces:
        _say_trace(console, trace)
    if not found.traces:
        say(console, f"  its own sensors: none is used: {plain(found.reason)}")
    say(console, f"  its clock is known to {found.clock.bound_s * 1e3:.2g} ms from here")
    return found.reads


def _say_sensor(console: Console, sensor: Mapping[str, Any]) -> None:
    mark: Part = ("used", "green") if sensor["used"] else ("not used", "yellow")
    scope = _scope(str(sensor["scope"])) if sensor["scope"] in SCOPES else "of nobody knows what"
    why = f": {plain(sensor['reason'])}" if sensor["reason"] else ""
    set_to = "".join(f", {plain(name)} {plain(value)}" for name, value in dict(sensor["details"]).items())
    what = f"{plain(sensor['source'])} ({plain(sensor['rail'])}), {scope}, {plain(sensor['kind'])}{set_to}: "
    say(console, "  sensor ", what, mark, why)


def _say_trace(console: Console, trace: Trace) -> None:
    watts = trace.watts
    read = f"mean {watts:.3f} W, {trace.rate_hz:.1f} readings a second" if watts is not None else "no reading came"
    say(console, f"  reads {plain(trace.reader)} ({plain(trace.scope)}): ", (read, "bold"))


def _meter(console: Console, board: Board, settings: inventory.Meter, program: Program) -> bool:
    tried = beside(board, settings, program, METER_S)
    found = tried.readings
    if found is None or not found.points:
        why = tried.problem or "it gave no reading"
        say(console, f"  beside it: {named(settings)}: ", ("no reading", "red"), f": {plain(why)}")
        return False
    _say_readings(console, found, tried.ended_s - tried.began_s, tried.clock_bound_s)
    if found.invalid is None:
        _say_windows(console, settings, found)
    fault = found.invalid or _gaps(found, tried.ended_s)
    if fault:
        say(console, ("    it would not count: ", "red"), fault)
    return fault is None


def _gaps(found: MeterReadings, end_s: float) -> str | None:
    """What a sweep would say to such readings. A single lost one is no gap: windows are longer than this look."""
    why = f" ({found.missed} readings failed)" if found.missed else ""
    if len(found.points) < 2:
        return f"one reading came{why}" if found.missed else None
    late_s = found.limits.lag_s if found.kind == "command" else 0.0  # its last lines are still to come
    trace = replace(of_meter(found), rate_hz=found.rate_hz / 2, limits=replace(found.limits, lag_s=0.0))
    first_s, last_s = found.points[0][0], max(found.points[-1][0], end_s - late_s)
    power = window_power(replace(trace, clock_bound_s=0.0), first_s, last_s)
    if power is None or power.coverage >= COVERAGE_MINIMUM:
        return None
    return f"its readings cover {power.coverage:.0%} of the time, {COVERAGE_MINIMUM:.0%} needed{why}"


def _say_windows(console: Console, settings: inventory.Meter, found: MeterReadings) -> None:
    """How long a window has to be, and where it is."""
    least_s = shortest_s(settings, found)
    lengths = {one.name: one.content.get("energy_s") for one in choices("scenario")}
    known = {name: float(s) for name, s in lengths.items() if isinstance(s, int | float) and s > 0}
    enough = ", ".join(name for name, seconds in known.items() if seconds >= least_s) or "none that there is"
    short = ", ".join(name for name, seconds in known.items() if seconds < least_s)
    say(console, f"    windows it needs: scenario.energy_s={math.ceil(least_s)} or more")
    say(console, f"    scenarios that have them: {enough}{f'; not {short}' if short else ''}")


def _scope(scope: str) -> str:
    return f"{scope}, {SCOPES[scope]}"


def _say_readings(console: Console, found: MeterReadings, took_s: float, clock_bound_s: float) -> None:
    values, limits = [watts for _, watts in found.points], found.limits
    span_s = min(found.points[-1][0] - found.points[0][0], took_s)  # time stamps may be in another unit
    rate = f"{(len(values) - 1) / span_s:.2g} readings a second" if span_s > 0 else "one reading"
    mean = f"mean {statistics.fmean(values):.3f} W"
    say(console, f"  beside it: {plain(found.source)}, {_scope(found.scope)}: ", (mean, "bold"))
    say(console, f"    {min(values):.3f} to {max(values):.3f} W, the last one {values[-1]:.3f} W; {rate}")
    assumed = " (assumed)" if limits.assumed else ""
    error = f"{limits.gain:.2%} of the reading{assumed} and {limits.offset_w:g} W"
    say(console, f"    limits of error: {error}; trails by up to {limits.lag_s:.2g} s")
    if clock_bound_s:
        say(console, f"    its host's clock is known to {clock_bound_s * 1e3:.2g} ms")
    for name, value in found.details.items():
        say(console, f"    {name}: {plain(value)}")
    if found.missed:
        say(console, f"    {found.missed} readings failed, the last one: {plain(found.problem)}")
