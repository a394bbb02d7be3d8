"""What a sweep has been asked for over all its batches: which cells rules dropped, which came before, which are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from rich.console import Console

from orchestrator import config
from orchestrator.cell import Cell
from orchestrator.config import Job
from orchestrator.console import say
from orchestrator.errors import ConfigError
from orchestrator.fleet import Plan
from orchestrator.words import counted


class Matrix:
    """One per sweep; an adaptive sweeper asks for a few cells at a time, and may ask for one again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rules: dict[str, int] = {}  # text of an exclude rule -> cells it dropped, 0 included
        self._numbers: dict[str, int] = {}  # settings -> the cell that was first to have them
        self._pointless: set[str] = set()  # exclude rules about what the command line took out of a preset's axis
        self._idle: list[str] = []  # include rules that added no cell
        self._first: list[str] = []  # rules about who comes first that none comes first by
        self.narrowed: Mapping[str, Collection[str]] = {}
        """Values of a preset's axes that the command line took out, by key."""
        self.dropped: dict[str, int] = {}
        """Of the batch last taken: text of an exclude rule -> cells it dropped."""
        self.added = 0
        """Cells of include rules. They are numbered behind the first batch, so later numbers are that much higher."""

    @property
    def is_new(self) -> bool:
        return not self._numbers and not self._rules

    @property
    def is_empty(self) -> bool:
        """Whether rules dropped every cell so far."""
        return bool(self._rules) and not self._numbers

    @property
    def excluded(self) -> dict[str, int]:
        """Text of a rule -> how many cells it dropped."""
        return {rule: count for rule, count in self._rules.items() if count}

    @property
    def unmatched(self) -> list[str]:
        """A line for each rule that did nothing: likely a typo."""
        dead = [rule for rule, count in self._rules.items() if not count and rule not in self._pointless]
        lines = [f"this exclude rule matched no cell: {rule}" for rule in dead]
        lines += [f"this include rule added no cell: {rule}" for rule in self._idle]
        return lines + [f"no cell comes first by this rule: {rule}" for rule in self._first]

    def take(self, jobs: Sequence[Job]) -> list[Job]:
        """Of a batch, those to plan: neither excluded nor measured in an earlier batch."""
        if self.is_new:
            adding = {job.included for job in jobs}
            includes = config.rules("include", jobs[0].cell.settings.include)
            self._idle = [rule.text for rule in includes if rule.text not in adding]
            leading, places = config.rules("first", jobs[0].cell.settings.first), {job.cell.place for job in jobs}
            self._first = [rule.text for place, rule in enumerate(leading) if place not in places]
        self._drop(jobs)
        self.added += sum(not job.asked for job in jobs)
        before = set(self._numbers)
        new: list[Job] = []
        for job in jobs:
            if job.excluded is None:
                first = self._numbers.setdefault(key_of(job.cell), job.cell.number)
                if key_of(job.cell) not in before:
                    new.append(job)
                else:
                    words = f"cell {job.cell.number} is the same as cell {first}: its result counts again"
                    say(self._console, (words, "dim"))
        return new

    def _drop(self, jobs: Sequence[Job]) -> None:
        for rule in config.rules("exclude", jobs[0].cell.settings.exclude):
            self._rules.setdefault(rule.text, 0)
            if rule.names_any(self.narrowed):
                self._pointless.add(rule.text)
        self.dropped = dict(Counter(job.excluded for job in jobs if job.excluded))
        for text, count in self.dropped.items():
            self._rules[text] += count

    def number_of(self, cell: Cell) -> int:
        """The number of the cell that ran, or runs, for this one."""
        return self._numbers[key_of(cell)]

    def must_have_cells(self, batch: Plan) -> None:
        """For a batch that is all there is.

        Raises:
            ConfigError: no cell is left that could have a result.
        """
        if batch.runnable or any(entry.failed for entry in batch.entries):
            return
        raise self.empty(batch)

    def empty(self, batch: Plan | None = None) -> ConfigError:
        """Why there is nothing to run."""
        skipped = Counter(entry.skipped for entry in (batch.entries if batch else ()) if entry.skipped)
        reasons = [f"{counted(count, 'cell')} excluded: {rule}" for rule, count in self.excluded.items()]
        reasons += [f"{counted(count, 'cell')} skipped: {reason}" for reason, count in skipped.items()]
        return ConfigError("\n  ".join(["the matrix is empty: no cell is left to run", *reasons]))


def key_of(cell: Cell) -> str:
    """Equal for cells of equal settings."""
    return repr(cell.settings)
