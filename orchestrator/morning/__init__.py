"""The morning report of an unattended night: what ran, what got worse for real, which board needs a hand."""

from orchestrator.morning.notify import command, facts, webhook
from orchestrator.morning.words import meaning, verdict_words
from orchestrator.morning.write import write_morning

__all__ = ["command", "facts", "meaning", "verdict_words", "webhook", "write_morning"]
