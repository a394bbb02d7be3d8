"""All files of a report, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.report.columns import sheet
from orchestrator.report.figure import draw
from orchestrator.report.markdown import markdown
from orchestrator.report.page import page
from orchestrator.report.seen import Comparison

if TYPE_CHECKING:
    import pandas as pd

NAME = "comparison"


def write_report(comparison: Comparison, directory: Path) -> dict[str, Path]:
    """Write comparison.{html,png,md,csv} into ``directory``; their paths by ending.

    Raises OSError where that is not possible.
    """
    shown = sheet(comparison)
    directory.mkdir(parents=True, exist_ok=True)
    writers: dict[str, Callable[[Path], object]] = {
        "html": lambda path: path.write_text(page(comparison, shown), encoding="utf-8"),
        "md": lambda path: path.write_text(markdown(shown, comparison.title), encoding="utf-8"),
        "csv": lambda path: _harmless(comparison.frame).to_csv(path, index=False),
        "png": lambda path: draw(shown, comparison.title, path),
    }
    written = {}
    for ending, write in writers.items():
        path, part = directory / f"{NAME}.{ending}", directory / f".{NAME}-part.{ending}"
        write(part)
        written[ending] = part.replace(path)
    return written


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return frame.map(lambda v: f"'{v}" if isinstance(v, str) and v.startswith(("=", "+", "-", "@", "\t", "\r")) else v)
