"""Where results go besides the disk: a tracker, and the one thread that writes to it."""

from orchestrator.tracking.kinds import open_tracker
from orchestrator.tracking.seam import Receipt, Tracker, TrackerAway
from orchestrator.tracking.writer import DELIVERED_FILE, TrackingWriter, Undelivered, is_delivered, redeliver

__all__ = [
    "DELIVERED_FILE",
    "Receipt",
    "Tracker",
    "TrackerAway",
    "TrackingWriter",
    "Undelivered",
    "is_delivered",
    "open_tracker",
    "redeliver",
]
