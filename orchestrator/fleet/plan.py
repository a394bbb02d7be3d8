"""All cells of one batch: what can run, what cannot and why, what was asked for twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.builder import Recipe
from orchestrator.cell import Cell, Scenario
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization

PROCESS_START_S = 0.4
"""Start of one process, import and load, for the estimate only (x86; a Raspberry Pi takes some seconds)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell with its recipe, or with the reason it has none."""

    cell: Cell
    recipe: Recipe | None = None
    skipped: UnsupportedOptimization | None = None
    failed: BuildError | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The entries in the order of the matrix; ``duplicates`` maps the number of a cell to the one it repeats."""

    entries: tuple[Entry, ...]
    duplicates: dict[int, int]

    @property
    def runnable(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.recipe is not None]


def plan(cells: Sequence[Cell]) -> Plan:
    """Sort out a batch; touches neither a board nor TensorFlow.

    Raises:
        ConfigError: nothing is asked for.
    """
    if not cells:
        raise ConfigError("the matrix is empty", hint="a sweep such as glob() that matches nothing gives no cell")
    entries: list[Entry] = []
    duplicates: dict[int, int] = {}
    for cell in cells:
        twin = next((e.cell for e in entries if e.cell.settings == cell.settings), None)
        if twin is not None:
            duplicates[cell.number] = twin.number
        else:
            entries.append(entry_of(cell))
    return Plan(tuple(entries), duplicates)


def entry_of(cell: Cell) -> Entry:
    """A cell with its recipe, or why there is none."""
    s = cell.settings
    try:
        recipe = Recipe.of(s.model, s.optimization, batch_size=s.batch_size, input_size=s.input_size, seed=s.seed)
        return Entry(cell, recipe)
    except UnsupportedOptimization as error:
        return Entry(cell, skipped=error)
    except BuildError as error:
        return Entry(cell, failed=error)


def seconds(scenario: Scenario) -> float:
    """What one cell takes on the board, without its energy pass, which depends on what the board has."""
    per_process = scenario.warmup_s + scenario.window_s + scenario.end_to_end_s + PROCESS_START_S
    return scenario.processes * per_process
