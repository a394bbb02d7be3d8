"""A session: the exclusive use of one board. Hold, preflight, deploy, run, collect, release."""

from orchestrator.session.dialogue import Dialogue
from orchestrator.session.following import Outcome
from orchestrator.session.holds import Holds, hold_key
from orchestrator.session.job import Left, Part
from orchestrator.session.link import BACK, LINK_LOST, LOST, Workshop
from orchestrator.session.session import Session
from orchestrator.session.waiting import Waiting, who_words

__all__ = [
    "BACK",
    "LINK_LOST",
    "LOST",
    "Dialogue",
    "Holds",
    "Left",
    "Outcome",
    "Part",
    "Session",
    "Waiting",
    "Workshop",
    "hold_key",
    "who_words",
]
