"""Plans are run on boards: those of the sweep itself, and what a night runs once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from rich.console import Console

from orchestrator.builder import Builder
from orchestrator.connection import LocalServer
from orchestrator.console import progress
from orchestrator.fleet import Builds, Entry, Fleet, Plan, Progress, Turns, Ward
from orchestrator.health import Book
from orchestrator.provisioning import Program
from orchestrator.result import Result, Sweep
from orchestrator.session import Holds, Workshop
from orchestrator.words import labels

Journal = Callable[[Result], bool]
Axes = Mapping[int, Mapping[str, str]]


class Flights:
    """Shares what lives as long as the sweep: ``stack`` closes what is opened here, ``cache`` is the controller's."""

    def __init__(self, console: Console, builder: Builder, turns: Turns, stop: Event, stack: ExitStack) -> None:
        self._console, self._builder, self._turns, self._stop, self._stack = console, builder, turns, stop, stack
        self._local: LocalServer | None = None
        self.given_up: dict[str, str] = {}

    def fly(
        self,
        batch: Plan,
        sweep: Sweep,
        journal: Journal,
        axes: Axes,
        *,
        ends_s: float | None = None,
        resumed: bool = False,
        checks: bool = False,
        landed: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Run a plan to its end. ``ends_s``: no cell is begun that would not end by then (time.monotonic).

        ``checks``: every board has to pass a health check first. ``landed`` is called at the end, whatever happened.
        """
        settings, root = batch.entries[0].cell.settings, Path(batch.entries[0].cell.settings.root).resolve()
        if self._local is None and any(e.cell.settings.device.is_local for e in batch.runnable):
            self._local = LocalServer()
            self._stack.callback(self._local.close)
        cache = self._builder.cache_dir
        program, holds = Program.built(cache), Holds(sweep.directory)
        workshop = Workshop(program, cache, sweep.id, self._local, holds, settings.priority)
        builds = Builds(self._builder, self._turns, self._stop)
        with progress(self._console, len(batch.runnable), labels(axes)) as display:
            ward = Ward(Book(root), workshop, display, self._stop, root, sweep.id, checks)
            fleet = Fleet(
                sweep, workshop, builds, self._turns, display, journal, self._stop,
                resumed=resumed, given_up=self.given_up, ends_s=ends_s, ward=ward,
            )  # fmt: skip
            try:
                fleet.run(batch)
            finally:
                builds.close()
                landed(display)

    def again(self, entries: Sequence[Entry], sweep: Sweep, ends_s: float) -> dict[int, Result]:
        """Run cells once more, beside their results, by number: these are the gate's, and no tracker sees them."""
        ran: dict[int, Result] = {}

        def journal(result: Result) -> bool:
            ran[result.number] = result
            if result.directory is not None:
                result.write(result.directory)
            return True

        if entries and not self._stop.is_set():
            axes = {e.cell.number: e.cell.axes | {"also": e.cell.directory.name.partition("-")[2]} for e in entries}
            self.fly(Plan(tuple(entries), {}), sweep, journal, axes, ends_s=ends_s)
        return ran
