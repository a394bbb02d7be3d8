"""All cells of one batch: what can run, what cannot and why, what was asked for twice, how long it will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.builder import Recipe
from orchestrator.cell import Cell, Scenario
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from orchestrator.fleet.impossible import impossible
from orchestrator.history import Estimate, History
from orchestrator.meters.windows import metered
from remote.runtimes import LONGEST_PROFILE_S

PROCESS_START_S = 0.4
"""Start of one process, import and load, for the estimate only (x86; a Raspberry Pi takes some seconds)."""

NO_TIME = Estimate(0.0)
"""Of what does not run."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell that can run has a recipe (``key`` is the recipe's); the others have a reason."""

    cell: Cell
    recipe: Recipe | None = None
    key: str = ""
    skipped: str | None = None  # an impossible combination
    failed: BuildError | None = None  # bound to fail
    estimate: Estimate = NO_TIME
    home: str | None = None  # the board on which its history is, which takes it if it can


@dataclass(frozen=True, slots=True)
class Plan:
    """The entries in the order of the matrix; ``duplicates`` maps the number of a cell to the one it repeats."""

    entries: tuple[Entry, ...]
    duplicates: dict[int, int]
    history: History = field(default_factory=History)

    @property
    def runnable(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.recipe is not None]

    def seconds(self, entry: Entry, board: str) -> float:
        """What is expected of an entry on one board of its device."""
        known = self.history.estimate(entry.cell.id, board)
        return known.seconds if known else entry.estimate.seconds


def plan(cells: Sequence[Cell], history: History | None = None) -> Plan:
    """Sort out a batch; touches neither a board nor TensorFlow.

    Raises:
        ConfigError: nothing is asked for.
    """
    if not cells:
        raise ConfigError("the matrix is empty", hint="a sweep such as glob() that matches nothing gives no cell")
    history = history or History()
    recipes: dict[str, Recipe | UnsupportedOptimization | BuildError] = {}
    first: dict[str, Cell] = {}
    entries: list[Entry] = []
    duplicates: dict[int, int] = {}
    for cell in cells:
        twin = first.setdefault(repr(cell.settings), cell)  # plain data: equal where its repr is
        if twin is not cell:
            duplicates[cell.number] = twin.number
            continue
        s = cell.settings
        content = repr((s.model, s.optimization, s.runtime, s.batch_size, s.input_size, s.width, s.seed))
        if content not in recipes:  # cells that differ in the board alone read a model file once
            recipes[content] = recipe_of(cell)
        entries.append(entry_of(cell, recipes[content], history))
    return Plan(tuple(entries), duplicates, history)


def recipe_of(cell: Cell) -> Recipe | UnsupportedOptimization | BuildError:
    """What is to be built, or why it cannot."""
    s = cell.settings
    try:
        return Recipe.of(
            s.model,
            s.optimization,
            runtime=s.runtime,
            batch_size=s.batch_size,
            input_size=s.input_size,
            width=s.width,
            seed=s.seed,
        )
    except (UnsupportedOptimization, BuildError) as error:
        return error


def entry_of(cell: Cell, recipe: Recipe | UnsupportedOptimization | BuildError, history: History) -> Entry:
    """A cell with its recipe, or why it does not run."""
    if isinstance(recipe, UnsupportedOptimization):
        return Entry(cell, skipped=recipe.message)
    if isinstance(recipe, BuildError):
        return Entry(cell, failed=recipe)
    reason = impossible(cell, recipe)
    if reason is not None:
        return Entry(cell, skipped=reason)
    estimate = history.estimate(cell.id) or Estimate(_by_scenario(cell))
    return Entry(cell, recipe, recipe.key, estimate=estimate)


def _by_scenario(cell: Cell) -> float:
    """With the energy pass where a meter makes it certain; whether a board has a sensor, it tells when it is there."""
    scenario = cell.settings.scenario
    return seconds(scenario) + (energy_seconds(scenario) if metered(cell.settings) else 0.0)


def seconds(scenario: Scenario) -> float:
    """What one cell takes on the board, without its energy pass, which depends on what the board has. A profile counts
    with the longest that it may take."""
    windows_s = scenario.warmup_s + scenario.window_s + scenario.end_to_end_s + scenario.pipeline_s
    profile_s = LONGEST_PROFILE_S + PROCESS_START_S if scenario.profile_runs else 0.0
    return scenario.processes * (windows_s + PROCESS_START_S) + profile_s


def adds_energy(entry: Entry) -> float:
    """Seconds of an entry's energy pass, where no history tells: that has it already, if there was one."""
    return 0.0 if entry.estimate.runs else energy_seconds(entry.cell.settings.scenario)


def energy_seconds(scenario: Scenario) -> float:
    """What the energy pass adds on a board with a sensor or a meter."""
    windows_s = scenario.energy_windows * scenario.energy_s
    return scenario.warmup_s + 2 * scenario.idle_s + windows_s if scenario.energy_s else 0.0
