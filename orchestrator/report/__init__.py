"""A comparison for people: the table in the terminal, and the pages that travel."""

from orchestrator.report.terminal import table
from orchestrator.report.write import write_report

__all__ = ["table", "write_report"]
