"""What is suspicious is run again, and beside it the last good artifact and runtime, on the same board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.builder import Builder, Recipe
from orchestrator.cell import Cell, Runtime
from orchestrator.fleet.plan import Entry, recipe_of, seconds
from orchestrator.history import Estimate
from orchestrator.provisioning import is_kept
from orchestrator.regression.cell import Case
from orchestrator.regression.entry import Entry as Night
from orchestrator.regression.entry import entry_of
from orchestrator.regression.question import Rerun
from orchestrator.result import Result, Sweep

FOLDER = "rerun"
NUMBERS = 100_000
"""Cells of re-runs are numbered from here: no job on a board is taken for one of the night itself."""
TOGETHER = 8
"""Cells that take turns: pairs, so an even number, whatever the sweep itself does."""
NOW, LAST = "now", "last-good"


@dataclass(frozen=True, slots=True)
class Pair:
    """One suspicious cell: what is run again, and what beside it, or why nothing is."""

    case: Case
    now: Entry | None
    last: Entry | None = None
    same: bool = False
    why: str = ""

    @property
    def entries(self) -> list[Entry]:
        return [one for one in (self.now, self.last) if one is not None]

    def rerun(self, results: Mapping[int, Result], sweep: Sweep) -> Rerun:
        """What came of it."""
        now, last = (self._night(entry, results, sweep) for entry in (self.now, self.last))
        why = self.why
        if now is None and not why:
            why = "the re-run came to no result"
        elif self.last is not None and last is None:
            why = "its re-run came to no result"
        return Rerun(now, last, self.same, why)

    def _night(self, entry: Entry | None, results: Mapping[int, Result], sweep: Sweep) -> Night | None:
        """None where infrastructure was at fault, or there was no time."""
        result = None if entry is None else results.get(entry.cell.number)
        if result is None:
            return None
        found = replace(entry_of(result, sweep), cell=self.case.tonight.cell)
        return found if found.values or found.error else None


def pairs(sweep: Sweep, cases: Sequence[Case], cells: Mapping[str, Cell], builder: Builder) -> list[Pair]:
    """For each case that needs it, the largest change first, so that it comes first where time is short."""
    by_change = sorted(cases, key=lambda case: -max((one.change or 0.0 for one in case.judged().values()), default=0.0))
    return [_pair(sweep, case, cells.get(case.tonight.cell), place, builder) for place, case in enumerate(by_change)]


def _pair(sweep: Sweep, case: Case, cell: Cell | None, place: int, builder: Builder) -> Pair:
    if (why := sweep.given_up.get(case.tonight.board or "")) is not None:
        return Pair(case, None, why=f"{case.tonight.board} was given up: {why}")
    if cell is None:
        return Pair(case, None, why="its cell is not part of the matrix any more")
    host = next((b.host for b in cell.settings.device.boards if b.name == case.tonight.board), None)
    if host is None:
        return Pair(case, None, why=f"{case.tonight.board} is not among the boards any more")
    now = _again(sweep, case, cell, host, place, NOW)
    recipe = recipe_of(now)
    if not isinstance(recipe, Recipe):
        return Pair(case, None, why=str(recipe))
    entry = Entry(now, recipe, recipe.key, estimate=Estimate(seconds(now.settings.scenario)))
    good = case.last_good
    if good is None:
        return Pair(case, entry, why="there is no good night before")
    if _is_same(case.tonight, good, recipe):
        return Pair(case, entry, same=True)
    beside = _again(sweep, case, cell, host, place, LAST)
    old = kept_recipe(builder, good.artifact)
    if old is None:
        return Pair(case, entry, why="its artifact is not in the cache any more")
    runtime = pinned(cell.settings.runtime, good, builder.cache_dir)
    if isinstance(runtime, str):
        return Pair(case, entry, why=runtime)
    beside = replace(beside, settings=replace(beside.settings, runtime=runtime))
    return Pair(case, entry, Entry(beside, old, old.key, estimate=entry.estimate))


def _again(sweep: Sweep, case: Case, cell: Cell, host: str, place: int, side: str) -> Cell:
    """On one board, with as many processes as the gate asks for."""
    s = cell.settings
    scenario = replace(s.scenario, processes=case.gate.rerun_processes, extra_processes=0)
    settings = replace(s, device=replace(s.device, hosts=[host]), scenario=scenario, interleave=TOGETHER)
    number = NUMBERS + 2 * place + (side == LAST)
    return Cell(number, settings, sweep.directory / FOLDER / f"{cell.number}-{side}", cell.extras, place)


def _is_same(tonight: Night, good: Night, recipe: Recipe) -> bool:
    """Whether nothing of ours changed since: the same artifact, and the same wheels, or the same of the board's own.

    A cell that failed tells nothing of its runtime.
    """
    if good.artifact != (tonight.artifact or recipe.key):
        return False
    if tonight.runtime is None:
        return False
    version = "runtime version"
    return good.environment == tonight.environment and good.covariates.get(version) == tonight.covariates.get(version)


def kept_recipe(builder: Builder, key: str | None) -> Recipe | None:
    """The recipe of an artifact that was built before, by other sources perhaps, if the artifact is still there."""
    found = Recipe.kept(builder.manifest(key)) if key is not None else None
    return found if found is not None and found.key == key and builder.cached(found) is not None else None


def pinned(runtime: Runtime, good: Night, cache: Path) -> Runtime | str:
    """The runtime of a good night again, or why it cannot be had."""
    if good.environment is None:  # the board's own packages: they are what they are now
        return runtime
    if not is_kept(cache, good.environment):
        return "the wheels of its runtime are not in the cache any more"
    return replace(runtime, name=good.runtime or runtime.name, environment=good.environment)
