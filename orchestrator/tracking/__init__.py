"""Where results go besides the disk: a tracker, and the one thread that writes to it."""

from orchestrator.tracking.kinds import open_tracker
from orchestrator.tracking.seam import Receipt, Tracker, TrackerAway
from orchestrator.tracking.stored import Synced, recalled, redeliver, remembered, sync
from orchestrator.tracking.writer import DELIVERED_FILE, TrackingWriter, Undelivered, is_delivered

__all__ = [
    "DELIVERED_FILE",
    "Receipt",
    "Synced",
    "Tracker",
    "TrackerAway",
    "TrackingWriter",
    "Undelivered",
    "is_delivered",
    "open_tracker",
    "recalled",
    "redeliver",
    "remembered",
    "sync",
]
