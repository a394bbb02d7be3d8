"""Combinations that cannot run, known before anything is built or connected: one reason per function."""

from __future__ import annotations

from orchestrator.builder import Recipe
from orchestrator.cell import RUNTIME_FORMATS, Cell


def impossible(cell: Cell, recipe: Recipe) -> str | None:
    """Why a cell with a recipe is skipped; None: it runs. (What cannot be built has no recipe: see ``Recipe.of``.)"""
    return too_many_threads(cell) or no_runtime(cell, recipe)


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


def no_runtime(cell: Cell, recipe: Recipe) -> str | None:
    """No candidate executes what the recipe makes."""
    runtime = cell.settings.runtime
    names = runtime.candidates if runtime.name == "auto" else [runtime.name]
    if any(recipe.format in RUNTIME_FORMATS.get(name, ()) for name in names):
        return None
    able = [name for name, formats in RUNTIME_FORMATS.items() if recipe.format in formats]
    use = f" (use {', '.join(able)})" if able else ""
    return f"runtime {', '.join(names)} does not execute {recipe.format} files, which this model is built as{use}"
