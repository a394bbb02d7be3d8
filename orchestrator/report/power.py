"""Power over the energy pass of a cell, from the files in its folder: what its energy was computed from."""

from __future__ import annotations

import json

from orchestrator.energy.drawing import power_drawing
from orchestrator.energy.meter import METER_FILE, MeterReadings
from orchestrator.measurement import Measurement
from orchestrator.report.words import escaped as _e
from orchestrator.result import Result


def power(result: Result, m: Measurement) -> str:
    """Nothing where no energy was measured."""
    if result.directory is None or "energy.source" not in m.tags:
        return ""
    try:
        record = json.loads((result.directory / "record.json").read_text(encoding="utf-8"))
        path = result.directory / METER_FILE
        meter = MeterReadings.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
        drawing = power_drawing(record["energy"], meter, m.tags["energy.source"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, ArithmeticError):  # moved, or of another version
        return '<p class="note">The power trace is in record.json, which cannot be read from here.</p>'
    if not drawing:
        return ""
    said = "Readings as they came; lines: the mean of each phase."
    if m.tags.get("energy.kind") == "calibrated":
        said += f" The energy is of {m.tags['energy.source']}."
    return f'<h3>Power</h3><figure class="watts">{drawing}<figcaption>{_e(said)}</figcaption></figure>'
