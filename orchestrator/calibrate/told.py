"""The fits, in words, and where they are kept."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.about import shown
from orchestrator.calibrate.inventory import Calibrated, write
from orchestrator.calibrate.readings import PAGE, Readings
from orchestrator.calibrate.table import beyond_words, line_words, profile_words, table
from orchestrator.config import LAB_VARIABLE
from orchestrator.console import say, terminal
from orchestrator.device import Calibration, PowerProfile, PowerRange
from orchestrator.energy.fit import Line, Profile, line, profile
from orchestrator.errors import MeasurementError
from orchestrator.result import Sweep
from orchestrator.statuses import INCOMPLETE, OK


def told(got: Readings) -> int:
    """Fit, say what came of it, write it; the exit status.

    Raises MeasurementError where nothing could be fitted.
    """
    console = terminal()
    say(console)
    say(console, ("calibrates", "bold"), f" {got.device.name} ({got.board.host}) by {against(got)}")
    limits = got.meter.limits
    watts = profile(got.points, limits)
    readers = sorted({reader for one in got.points for reader in one.sensors} | got.unusable.keys())
    fits = {reader: got.unusable.get(reader) or line(got.points, reader, limits) for reader in readers}
    lines = [one for one in fits.values() if isinstance(one, Line)]
    for row in table(got.points, watts if isinstance(watts, Profile) else None, lines):
        say(console, *row)
    refused = [f"left out {name}: {why}" for name, why in got.left_out.items()]
    if isinstance(watts, Profile):
        say(console, ("watts", "bold"), f"  {profile_words(watts, got.board.power)}")
    else:
        refused.append(f"no profile: {watts}")
    for reader, one in fits.items():
        if isinstance(one, Line):
            say(console, (reader, "bold"), f"  {line_words(one, limits.gain)}")
        else:
            refused.append(f"no line for {reader}: {one}")
    if not isinstance(watts, Profile) and not lines:
        raise MeasurementError("\n".join(["nothing could be fitted", *refused]), hint=f"see {PAGE}")
    for words in [*(f"used, but doubted: {name}: {why}" for name, why in got.doubted.items()), *refused]:
        say(console, (words, "yellow"))
    if not readers:
        say(console, "the board has no sensor of its own to fit: its watts are for estimates alone")
    placed(found_of(got, watts if isinstance(watts, Profile) else None, lines), got.sweep)
    return INCOMPLETE if refused else OK


def against(got: Readings) -> str:
    """The meter, and how good it is."""
    limits = got.meter.limits
    return (
        f"{got.meter.source} ({got.meter.scope}, within {limits.gain:.2g} of its reading"
        f"{f' and {limits.offset_w:g} W' if limits.offset_w else ''}{', assumed' if limits.assumed else ''})"
    )


def found_of(got: Readings, watts: Profile | None, lines: Sequence[Line]) -> Calibrated:
    """As the inventory keeps it."""
    day = time.strftime("%Y-%m-%d", time.gmtime(got.sweep.started_s))
    source, scope = f"{against(got)}, {day}, sweep {got.sweep.id}", got.meter.scope
    power = None
    if watts is not None:
        beyond = f"; load is {beyond_words(watts)}" if watts.read is None else ""
        power = PowerProfile(rounded(watts.idle), rounded(watts.load), scope, f"calibrated by {source}{beyond}")
    host = got.board.host
    kept = [
        Calibration(
            one.reader, round(one.slope, 4), round(one.intercept_w, 4), rounded_up(one.error), scope, host, source
        )
        for one in lines
    ]
    return Calibrated(got.device.name, host, power, kept)


def rounded_up(share: float) -> float:
    """A limit stays one."""
    return math.ceil(share * 1e3) / 1e3


def rounded(watts: PowerRange) -> PowerRange:
    return PowerRange(round(watts.low_w, 3), round(watts.high_w, 3))


def placed(found: Calibrated, sweep: Sweep) -> None:
    """Into the lab's folder, or onto the terminal."""
    console = terminal()
    lab = os.environ.get(LAB_VARIABLE)
    if lab:
        say(console, f"written: {shown(write(Path(lab), found))}")
        return
    say(console, found.block(), lines=True)
    say(console, f"to have it written into your inventory: calibrate {sweep.id} --config-dir LAB")
