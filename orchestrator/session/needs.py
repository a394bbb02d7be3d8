"""What a cell needs on a board: files, and the environment that its runtime comes in."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.artifact import Artifact
from orchestrator.cell import Cell


def blobs_of(cell: Cell, artifact: Artifact) -> list[tuple[str, Path]]:
    """The files that a cell needs on the board beside its runtime: the model, and the inputs that it answers."""
    inputs = artifact.evaluation if cell.settings.quality.samples != 0 else None
    answered = [] if inputs is None else [(str(artifact.manifest["evaluation"]["sha256"]), inputs)]
    return [(artifact.sha256, artifact.path), *answered]


def environment_key(cell: Cell, form: str) -> str:
    """Cells with the same key have the same environment."""
    runtime = cell.settings.runtime
    return json.dumps([runtime.names, runtime.delegate, runtime.install, form, with_pillow(cell), runtime.environment])


def with_pillow(cell: Cell) -> bool:
    """Whether the cell decodes photographs, beside the model."""
    return cell.settings.scenario.pipeline_s > 0
