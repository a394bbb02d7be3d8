"""Is a board ready? Everything that can be told of it, what to do about it, and a benchmark of a second."""

from orchestrator.checkup.check import NOTE, OK, PROBLEM, UNKNOWN, Check, Examination
from orchestrator.checkup.golden import Golden
from orchestrator.checkup.visit import examine

__all__ = ["NOTE", "OK", "PROBLEM", "UNKNOWN", "Check", "Examination", "Golden", "examine"]
