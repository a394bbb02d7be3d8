"""Instruments beside a board, read by the controller."""

from orchestrator.meters.clock import Sight, offset, sight
from orchestrator.meters.kinds import Link, meter_of
from orchestrator.meters.recording import Recording, probe, unread
from orchestrator.meters.seam import Instrument, Meter, Missed, Reading

__all__ = [
    "Instrument",
    "Link",
    "Meter",
    "Missed",
    "Reading",
    "Recording",
    "Sight",
    "meter_of",
    "offset",
    "probe",
    "sight",
    "unread",
]
