"""All files of a report, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.report.columns import sheet
from orchestrator.report.figure import draw
from orchestrator.report.files import ReportIncomplete, write_files
from orchestrator.report.grid import View
from orchestrator.report.markdown import markdown
from orchestrator.report.page import page
from orchestrator.report.seen import Comparison

if TYPE_CHECKING:
    import pandas as pd

NAME = "comparison"

__all__ = ["NAME", "ReportIncomplete", "write_report"]


def write_report(comparison: Comparison, directory: Path, view: View | None = None) -> dict[str, Path]:
    """Write comparison.{html,png,md,csv,parquet} into ``directory``; their paths by ending.

    Raises ReportIncomplete once all have been tried, OSError where there can be no such folder.
    """
    shown, view = sheet(comparison), view or View()
    writers: dict[str, Callable[[Path], object]] = {
        f"{NAME}.html": lambda path: path.write_text(page(comparison, shown, view), encoding="utf-8"),
        f"{NAME}.md": lambda path: path.write_text(markdown(shown, comparison.title, view), encoding="utf-8"),
        f"{NAME}.csv": lambda path: _harmless(comparison.frame).to_csv(path, index=False),
        f"{NAME}.parquet": lambda path: _parquet(comparison.frame, path),
        f"{NAME}.png": lambda path: draw(shown, comparison.title, path),
    }
    return write_files(directory, writers)


def _parquet(frame: pd.DataFrame, path: Path) -> None:
    """Every column keeps its type, also one that holds nothing."""
    import pyarrow as pa
    from pyarrow import parquet

    types = {"f": pa.float64(), "b": pa.bool_(), "i": pa.int64(), "O": pa.string()}
    schema = pa.schema([(str(name), types[dtype.kind]) for name, dtype in frame.dtypes.items()])
    parquet.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), path)


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return frame.map(lambda v: f"'{v}" if isinstance(v, str) and v.startswith(("=", "+", "-", "@", "\t", "\r")) else v)
