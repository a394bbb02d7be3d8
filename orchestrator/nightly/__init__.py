"""What an unattended sweep does beside measuring: alone, with the gate, its history, and the morning report."""

from orchestrator.nightly.night import Nightly

__all__ = ["Nightly"]
