"""A comparison for people: the table in the terminal, and the pages that travel."""

from orchestrator.report.choices import recommended
from orchestrator.report.grid import View
from orchestrator.report.terminal import table
from orchestrator.report.write import ReportIncomplete, write_report

__all__ = ["ReportIncomplete", "View", "recommended", "table", "write_report"]
