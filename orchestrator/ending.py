"""The end of a sweep: its table, its report, the tracker, and where to look. Loaded when there is something to end."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Console

from orchestrator.about import shown
from orchestrator.compare import compare
from orchestrator.console import say, unbroken
from orchestrator.errors import reason
from orchestrator.redact import redacted
from orchestrator.report import ReportIncomplete, recommended, table, write_report
from orchestrator.result import Result, Sweep
from orchestrator.tracking import TrackingWriter, Undelivered

log = logging.getLogger(__name__)

NAMED = 3
"""Of things that are missing for one reason, so many are named."""

DELIVERY_S = 120.0
"""How long the end of a sweep waits for the tracker; what it has not got stays on disk."""


def conclude(
    console: Console,
    sweep: Sweep,
    results: Sequence[Result],
    writer: TrackingWriter,
    where: str,
    stop: threading.Event,
) -> bool:
    """Everything a person wants after a sweep; whatever fails of it, the results are delivered.

    False: the sweep's own file or its report is not, or not whole, on the disk.
    ``where`` is the tracker's address, as people may see it. ``stop``: somebody does not want to wait any longer.
    """
    whole, sweep = _report(console, sweep, results)
    writer.finish(sweep)
    undelivered = writer.close(DELIVERY_S, stop)
    page = sweep.directory / "comparison.html"
    if page.is_file():
        say(console, f"report    {shown(page)}")
    say(console, f"results   {shown(sweep.directory)}")
    say(console, f"tracker   {tracker_words(where)}")
    _say_missing(console, undelivered)
    if undelivered:
        say(console, ("what is not delivered stays on disk: python -m orchestrator sync", "yellow"))
    return whole


def _say_missing(console: Console, undelivered: Sequence[Undelivered]) -> None:
    """Each in the log, and each reason once for people: a tracker that is away has one for all."""
    by_reason: dict[str, list[str]] = {}
    for missing in undelivered:
        reason = redacted(missing.reason)
        log.error("not delivered: %s: %s", missing.what, reason)
        by_reason.setdefault(reason, []).append(missing.what)
    for reason, those in by_reason.items():
        more = f" and {len(those) - NAMED} more" if len(those) > NAMED else ""
        say(console, ("not in the tracker:", "red"), f" {', '.join(those[:NAMED])}{more}: {reason}")


def _report(console: Console, sweep: Sweep, results: Sequence[Result]) -> tuple[bool, Sweep]:
    """Whether everything is on the disk, and the sweep with what its cells recommend."""
    lost: list[str] = []
    with _going_on(console, "not on the disk", lost):
        sweep.write()
    if results:
        with _going_on(console, "no report", lost):
            comparison = compare(sweep, results)
            if found := recommended(comparison):
                sweep = replace(sweep, recommended=found)
                sweep.write()
            with _going_on(console, "no table", []), unbroken():
                table(console, comparison)
            write_report(comparison, sweep.directory)
    return not lost, sweep


@contextlib.contextmanager
def _going_on(console: Console, what: str, lost: list[str]) -> Iterator[None]:
    """One line for people, the traceback for the log; ``what`` is added to ``lost``."""
    try:
        yield
    except Exception as error:  # whatever it is, results must still be delivered
        log.exception("%s", what)
        lost.append(what)
        head = "report incomplete" if isinstance(error, ReportIncomplete) else what
        say(console, (f"{head}:", "red"), f" {reason(error)}")


def tracker_words(where: str) -> str:
    """The store, and how to open it where it is a local one."""
    return f"{where}   (make ui, or: mlflow ui --backend-store-uri {where})" if where.startswith("sqlite:") else where
