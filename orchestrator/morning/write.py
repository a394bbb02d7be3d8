"""All files of a morning report, each whole or not at all."""

from __future__ import annotations

from pathlib import Path

from orchestrator.morning.junit import junit
from orchestrator.morning.markdown import markdown
from orchestrator.morning.page import page
from orchestrator.night import Night
from orchestrator.report.files import write_files


def write_morning(night: Night, directory: Path) -> dict[str, Path]:
    """Write morning.html, morning.md and junit.xml into ``directory``; their paths by ending.

    Raises ReportIncomplete once all have been tried, OSError where there can be no such folder.
    """
    return write_files(
        directory,
        {
            "morning.html": lambda path: path.write_text(page(night), encoding="utf-8"),
            "morning.md": lambda path: path.write_text(markdown(night), encoding="utf-8"),
            "junit.xml": lambda path: path.write_bytes(junit(night)),
        },
    )
