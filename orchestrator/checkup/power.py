"""The checks of what reads a board's power: a real reading of its own sensors, and of the meter beside it."""

from __future__ import annotations

from orchestrator.checkup import fixes
from orchestrator.checkup.check import NOTE, OK, UNKNOWN, Check
from orchestrator.checkup.names import METER, SENSORS
from orchestrator.checkup.sensors import OwnSensors, beside, own_sensors
from orchestrator.connection import Connection
from orchestrator.device import Board, Meter
from orchestrator.errors import BoardError
from orchestrator.provisioning import Facts, Program
from orchestrator.session.metering import named

SENSORS_S = 2.0
METER_S = 5.0
"""At most: one reading is enough here."""
NO_ENERGY = "energy will be estimated, not measured"


def sensors(board: Board, connection: Connection, known: Facts, program: Program) -> Check:
    """A board without any is no problem: its energy is estimated, or metered beside it."""
    try:
        found = own_sensors(board, connection, known, program, SENSORS_S, quick=True)
    except BoardError as error:
        return Check(SENSORS, UNKNOWN, error.message, error.hint)
    read = [f"{one.reader} ({one.scope}) {one.watts:.3f} W" for one in found.traces if one.watts is not None]
    silent = [f"{one.reader} ({one.scope}) gave no reading" for one in found.traces if one.watts is None]
    if read:
        return Check(SENSORS, NOTE if silent else OK, ", ".join([*read, *silent]))
    why = ", ".join(silent) or found.reason or "there is none"
    if board.meter is not None:
        return Check(SENSORS, OK, f"none of its own is used: {why}")
    return Check(SENSORS, NOTE, f"none is used: {why}; {NO_ENERGY}", _way_out(board, found))


def _way_out(board: Board, found: OwnSensors) -> str:
    """What opens a sensor that is there, as its own reason says; else another instrument."""
    closed = [str(one["reason"]) for one in found.sensors if one["reason"] and not one["used"]]
    other = f"a meter beside it (docs/energy.md), tried by: {fixes.ours(board, 'meter')}"
    return "\n".join([*dict.fromkeys(closed), other])


def meter(board: Board, settings: Meter, program: Program) -> Check:
    """One reading of the instrument beside the board."""
    tried = beside(board, settings, program, METER_S, lambda recording: recording.heard)
    found, fix = tried.readings, fixes.ours(board, "meter")
    if found is None or not found.points:
        why = tried.problem or "it gave no reading"
        return Check(METER, NOTE, f"{named(settings)} gives no reading: {why}; {NO_ENERGY}", fix)
    if found.invalid:
        return Check(METER, NOTE, f"{found.source}: its readings would not count: {found.invalid}", fix)
    return Check(METER, OK, f"{found.source} ({found.scope}) {found.points[-1][1]:.3f} W")
