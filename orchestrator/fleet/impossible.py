"""Combinations that cannot run, known before anything is built or connected: one reason per function."""

from __future__ import annotations

from orchestrator.builder import Recipe
from orchestrator.cell import RUNTIME_FORMATS, Cell
from remote.contract import DELEGATES


def impossible(cell: Cell, recipe: Recipe) -> str | None:
    """Why a cell with a recipe is skipped; None: it runs. (What cannot be built has no recipe: see ``Recipe.of``.)"""
    return too_many_threads(cell) or no_delegate(cell) or no_runtime(cell, recipe)


def too_many_threads(cell: Cell) -> str | None:
    """More threads than cores measure the scheduler, not the model."""
    device, threads = cell.settings.device, cell.settings.threads
    if device.cpus and threads > len(device.cpus):
        chosen = ", ".join(map(str, device.cpus))
        return f"threads {threads} is more than the CPUs it may use: {chosen} (device.cpus)"
    cores = device.cores
    if cores is None or threads <= cores:
        return None
    return f"threads {threads} is more than the {cores} cores of {device.name} (device.cores)"


def no_delegate(cell: Cell) -> str | None:
    """No candidate has the accelerator that is asked for."""
    runtime = cell.settings.runtime
    if runtime.delegate is None or any(runtime.delegate in DELEGATES.get(name, ()) for name in runtime.names):
        return None
    names = runtime.candidates if runtime.name == "auto" else [runtime.name]
    have = "; ".join(f"{name} has {', '.join(DELEGATES.get(name, ())) or 'none'}" for name in names)
    able = ", ".join(name for name, delegates in DELEGATES.items() if runtime.delegate in delegates)
    return f"runtime {', '.join(names)} has no delegate {runtime.delegate} ({have}; {able} has it)"


def no_runtime(cell: Cell, recipe: Recipe) -> str | None:
    """No candidate executes what the recipe makes."""
    names = cell.settings.runtime.names
    if any(recipe.format in RUNTIME_FORMATS.get(name, ()) for name in names):
        return None
    able = [name for name, formats in RUNTIME_FORMATS.items() if recipe.format in formats]
    use = f" (use {', '.join(able)})" if able else ""
    return f"runtime {', '.join(names)} does not execute {recipe.format} files, which this model is built as{use}"
