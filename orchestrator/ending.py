"""The end of a sweep: its table, its report, the tracker, and where to look. Loaded when there is something to end."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from orchestrator.about import shown
from orchestrator.compare import compare
from orchestrator.report import table, write_report
from orchestrator.result import FAILED, Result, Sweep
from orchestrator.tracking import TrackingWriter

log = logging.getLogger(__name__)

DELIVERY_S = 120.0
"""How long the end of a sweep waits for the tracker; what it has not got stays on disk."""


def conclude(console: Console, sweep: Sweep, results: Sequence[Result], writer: TrackingWriter, where: str) -> None:
    """Everything a person wants after a sweep. ``where`` is the tracker's address, as people may see it."""
    if results:
        comparison = compare(sweep, list(results), sweep.baseline)
        table(console, comparison)
    try:
        sweep.write()
        if results:
            write_report(comparison, sweep.directory)
    except OSError as error:
        log.error("no report: %s", error)
        console.print(f"[red]no report:[/] {escape(str(error))}", soft_wrap=True)
    writer.finish(sweep)
    undelivered = writer.close(DELIVERY_S)
    for failure in (result for result in results if result.status == FAILED and result.error):
        if failure.error is not None and failure.error.log:
            console.print(f"[dim]log of {escape(failure.short)}: {escape(failure.error.log)}[/]", soft_wrap=True)
    page = sweep.directory / "comparison.html"
    if page.is_file():
        console.print(f"report    {escape(shown(page))}", highlight=False, soft_wrap=True)
    console.print(f"results   {escape(shown(sweep.directory))}", highlight=False, soft_wrap=True)
    console.print(f"tracker   {escape(tracker_words(where))}", highlight=False, soft_wrap=True)
    for missing in undelivered:
        log.error("not delivered: %s: %s", missing.what, missing.reason)
        console.print(f"[red]not in the tracker:[/] {escape(missing.what)}: {escape(missing.reason)}", soft_wrap=True)
    if undelivered:
        console.print("these results are safe on the disk of this machine", style="yellow")


def tracker_words(where: str) -> str:
    """The store, and how to open it where it is a local one."""
    return f"{where}   (make ui, or: mlflow ui --backend-store-uri {where})" if where.startswith("sqlite:") else where
