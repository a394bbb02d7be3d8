"""One night: what comes before its cells, and what is made of them."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from orchestrator.about import shown
from orchestrator.builder import Builder
from orchestrator.cell import Cell, Settings
from orchestrator.console import say
from orchestrator.device import Board
from orchestrator.errors import ConfigError, reason
from orchestrator.fleet import Entry, Plan
from orchestrator.fleet.again import pairs
from orchestrator.health import RECOVERY, Book
from orchestrator.morning import command, facts, meaning, verdict_words, webhook, write_morning
from orchestrator.night import Night
from orchestrator.nightly import trends
from orchestrator.nightly.boards import board_nights, keep_counts
from orchestrator.nightly.retention import forget_old, must_be_there
from orchestrator.regression import gate, trend
from orchestrator.regression.cell import Case
from orchestrator.regression.gate import Judgement
from orchestrator.regression.series import Series
from orchestrator.report import ReportIncomplete
from orchestrator.result import Result, Sweep
from orchestrator.statuses import DIFFERENT, INCOMPLETE
from orchestrator.words import counted, labels

log = logging.getLogger(__name__)

HOME = 5
"""Nights that say which board a cell has its history on."""
Again = Callable[[Sequence[Entry]], Mapping[int, Result]]
"""Runs cells once more, and gives their results by number."""


@dataclass(frozen=True, slots=True)
class Nightly:
    """``settings`` are those of any cell of the sweep: what a night goes by is one for all."""

    settings: Settings
    root: Path
    console: Console

    def checked(self) -> Nightly:
        """Itself, with the pinned night by its id: ``last`` is another one at the end.

        Raises ConfigError where something that is needed at the end is not there: better said now.
        """
        pinned = must_be_there(self.root, self.settings.gate.pinned)
        name = self.settings.night.webhook_env
        if name is not None and not os.environ.get(name):
            raise ConfigError(
                f"the environment variable {name} (night.webhook_env) is not set",
                hint="set it to the webhook's address, or leave night.webhook_env out",
            )
        program = self.settings.night.command[:1]
        if program and shutil.which(program[0]) is None:
            raise ConfigError(f"there is no program {program[0]} (night.command) on this machine")
        return replace(self, settings=replace(self.settings, gate=replace(self.settings.gate, pinned=pinned)))

    def at_home(self, plan: Plan) -> Plan:
        """Each cell prefers the board of its history: on another one it would begin anew."""
        series = Series(self.root)
        entries = (replace(e, home=_home(series, e.cell.id)) if e.recipe else e for e in plan.entries)
        return replace(plan, entries=tuple(entries))

    def judged(
        self, sweep: Sweep, results: Sequence[Result], cells: Mapping[str, Cell], builder: Builder, again: Again
    ) -> Judgement:
        """The gate's decisions, after what is suspicious was run again."""
        if not self.settings.gate.enabled:
            return Judgement((), ())
        cases = gate.cases(self.settings.gate, self.root, sweep, results)
        doubtful = [case for case in cases if case.needs_rerun]
        if not doubtful:
            return gate.judged(cases)
        say(self.console, ("gate     ", "bold"), f" {counted(len(doubtful), 'cell')} looks worse: run again"
            if len(doubtful) == 1 else f" {len(doubtful)} cells look worse: run again")  # fmt: skip
        found = pairs(sweep, doubtful, cells, builder)
        ran = again([entry for pair in found for entry in pair.entries])
        reruns = {pair.case.tonight.cell: pair.rerun(ran, sweep) for pair in found}
        return gate.judged([replace(case, rerun=reruns.get(case.tonight.cell)) for case in cases])

    def concluded(
        self, sweep: Sweep, found: Judgement, results: Sequence[Result], boards: Sequence[Board], status: int
    ) -> Night:
        """Everything of the night is on the disk afterwards, as far as the disk takes it."""
        book, notes = Book(self.root), [*_swapped(found.cases), *_crept(found.cases)]
        lost: list[str] = []
        if found.cases:
            _try(lost, "the history of this night", lambda: gate.keep(self.root, sweep, found))
            _try(lost, "what goes to the history runs",
                 lambda: trend.write(sweep.directory, trends.trends(found, results)))  # fmt: skip
        nights = board_nights(self.root, sweep, boards, results, book)
        _try(lost, "the completion of this night", lambda: keep_counts(self.root, sweep, nights, results))
        notes += [*_recovered(book, sweep), *lost]
        if days := self.settings.night.keep_days:
            notes += forget_old(self.root, time.time(), days, self.settings.gate.pinned)
        if any(one.alarms for one in found.decisions) and status in (0, INCOMPLETE):
            status = DIFFERENT
        night = Night(sweep, tuple(results), found.decisions, tuple(nights), trends.plots(found), tuple(notes), status)
        try:
            write_morning(night, sweep.directory)
        except (ReportIncomplete, OSError) as error:
            log.exception("the morning report")
            say(self.console, ("morning report incomplete:", "red"), f" {reason(error)}")
            night = replace(night, status=status or INCOMPLETE)
        return night if not lost else replace(night, status=night.status or INCOMPLETE)

    def broken(self, sweep: Sweep, results: Sequence[Result], status: int, error: Exception) -> Night:
        """What is left to say where the end of a night went wrong: nobody knows whether anything got worse."""
        why = f"the end of the night went wrong, and nobody knows whether anything got worse: {reason(error)}"
        night = Night(sweep, tuple(results), notes=(why,), status=status or INCOMPLETE)
        say(self.console, ("the gate:", "red"), f" {why}")
        with contextlib.suppress(ReportIncomplete, OSError):
            write_morning(night, sweep.directory)
        return night

    def told(self, night: Night) -> None:
        """On the terminal, and to whom the settings name."""
        style = "green" if night.status == 0 else "bold red" if night.status == DIFFERENT else "yellow"
        say(self.console, ("morning  ", "bold"), " ", (verdict_words(night), style))
        shorts = labels({result.number: result.axes for result in night.results})
        shorts_by_id = {result.cell_id: shorts[result.number] for result in night.results}
        for one in (*night.new, *night.open, *night.unsure):
            name = shorts_by_id.get(one.cell, one.cell)
            about = f"{name} on {one.board}, {one.metric}" if one.board else f"{name}, {one.metric}"
            since = f" (since {one.since}: {', '.join(one.changed) or 'no condition changed'})" if one.since else ""
            say(self.console, "          ", (one.outcome, "yellow"), f" {about}: {one.why}{since}")
        page = night.sweep.directory / "morning.html"
        if page.is_file():
            say(self.console, ("         ", "bold"), f" {shown(page)}   (exit status {night.status}: "
                f"{meaning(night.status)})")  # fmt: skip
        self._sent(night, page)

    def _sent(self, night: Night, page: Path) -> None:
        """Nothing that goes wrong here changes what the night came to."""
        settings, failed = self.settings.night, list[str | None]()
        if settings.webhook_env is not None:
            failed.append(webhook(os.environ.get(settings.webhook_env, ""), night, None))
        if settings.command:
            try:
                markdown = (night.sweep.directory / "morning.md").read_text(encoding="utf-8")
            except OSError:
                markdown = verdict_words(night)
            failed.append(command(settings.command, markdown, facts(night, page if page.is_file() else None)))
        for why in filter(None, failed):
            log.error("not sent: %s", why)
            say(self.console, ("not sent:", "red"), f" {why}")


def _home(series: Series, cell: str) -> str | None:
    boards = Counter(one.board for one in series.read(cell)[-HOME:] if one.board and one.counts)
    return boards.most_common(1)[0][0] if boards else None


def _try(lost: list[str], what: str, write: Callable[[], object]) -> None:
    try:
        write()
    except (OSError, ValueError) as error:
        log.exception("%s", what)
        lost.append(f"{what} is not on the disk: {reason(error)}")


def _swapped(cases: Sequence[Case]) -> list[str]:
    """Boards that are others than in the night before, under the same name."""
    found = {}
    for case in cases:
        tonight = case.tonight
        before = next((one for one in reversed(case.past) if one.board == tonight.board and one.serial), None)
        if before is not None and tonight.serial and before.serial != tonight.serial:
            words = f"{tonight.board} is another board since tonight (serial {before.serial} -> {tonight.serial})"
            found[tonight.board] = f"{words}: the history of its cells begins anew"
    return list(found.values())


def _recovered(book: Book, sweep: Sweep) -> list[str]:
    """What was done to boards in this night, which an all-well would hide."""
    done = Counter((one.board, one.why) for one in book.events() if one.kind == RECOVERY and one.by == sweep.id)
    return [f"{board} was {what}" + (f" {count} times" if count > 1 else "") for (board, what), count in done.items()]


def _crept(cases: Sequence[Case]) -> list[str]:
    """Metrics that no single night made worse, and that are worse than they were at the beginning of their history."""
    return [words for case in cases for words in case.crept()]
