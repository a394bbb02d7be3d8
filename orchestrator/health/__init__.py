"""The health of boards: good, bad, maintenance or unknown; apart from what they do right now."""

from orchestrator.health.book import Book
from orchestrator.health.events import (
    BAD,
    CHECKED,
    FAILED,
    GOOD,
    IN_A_ROW,
    MAINTENANCE,
    RECOVERY,
    STATUSES,
    UNKNOWN,
    Event,
    Health,
    after_all,
)

__all__ = [
    "BAD",
    "CHECKED",
    "FAILED",
    "GOOD",
    "IN_A_ROW",
    "MAINTENANCE",
    "RECOVERY",
    "STATUSES",
    "UNKNOWN",
    "Book",
    "Event",
    "Health",
    "after_all",
]
