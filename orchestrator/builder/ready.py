"""A user's own file that is an artifact already: taken as it is, or quantized from float. Worker only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.builder import data, finished
from orchestrator.builder.images import Array
from orchestrator.builder.inference import run_once
from orchestrator.builder.manifest import describe
from orchestrator.builder.optimize import calibration_batches, checked, doubtful_ranges, representative
from orchestrator.builder.own import check_unchanged
from orchestrator.builder.preprocess import PREPROCESSINGS
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.samples import noise
from orchestrator.builder.source import UNKNOWN, Batch
from orchestrator.errors import BuildError, UnsupportedOptimization

Built = tuple[bytes, dict[str, Any]]
"""An artifact and its manifest."""


def ready(recipe: Recipe) -> Built:
    """The artifact of a recipe whose form is one of FINISHED.

    Raises BuildError where the file is damaged, UnsupportedOptimization where it cannot be quantized.
    """
    return _TAKEN[str(recipe.form)](recipe)


@dataclass(frozen=True, slots=True)
class _Calibration:
    """What the ranges of activations come from."""

    inputs: Callable[[int, int], Batch]
    source: str
    batch: int

    @classmethod
    def of(cls, recipe: Recipe, file: finished.File) -> _Calibration:
        shape = file.ports.inputs[0][0]
        batch = shape[0] if shape else 1
        if recipe.data is not None:
            split = data.split(recipe, file.ports)
            return cls(split.inputs, split.rest_source, batch)
        mode = PREPROCESSINGS["tf" if recipe.preprocessing == "auto" else recipe.preprocessing]
        return cls(lambda samples, seed: noise(file.ports, samples, seed, mode).inputs, UNKNOWN, batch)

    def told(self, recipe: Recipe) -> dict[str, Any] | None:
        if recipe.calibration_samples is None:
            return None
        return {"source": self.source, "samples": calibration_batches(recipe, self.batch) * self.batch}


def _tflite(recipe: Recipe) -> Built:
    path = check_unchanged(recipe)
    content = path.read_bytes()
    try:
        outputs = run_once(content, recipe.seed)
    except (ValueError, RuntimeError) as error:
        raise BuildError(f"{path} cannot be run: {error}", hint="is the file whole?") from error
    if not recipe.steps:
        return content, describe(recipe, content, None) | _as_it_is(outputs)
    calibration = _calibrated(recipe, path)
    from orchestrator.builder.requantize import requantize  # a second that most workers never need

    begun = time.monotonic()
    quantized = requantize(content, recipe, representative(calibration.inputs, recipe, calibration.batch))
    convert_s = time.monotonic() - begun
    told = calibration.told(recipe)
    doubts = [doubtful_ranges(told["source"])] if told else []
    notes = [*doubts, *checked(recipe, quantized, content)]
    return quantized, describe(recipe, quantized, content) | {
        "convert_s": convert_s,
        "notes": notes,
        "calibration": told,
    }


def _onnx(recipe: Recipe) -> Built:
    from orchestrator.builder import onnx_file, onnx_report  # 0.3 s that most workers never need

    path = check_unchanged(recipe)
    taken = onnx_file.take(path, recipe)
    if not recipe.steps:
        manifest = onnx_report.describe(recipe, taken.content, None) | _as_it_is(taken.outputs)
        return taken.content, manifest | {"notes": [*taken.notes, *manifest["notes"]]}
    calibration = _calibrated(recipe, path)
    from orchestrator.builder import onnx_effects, onnx_quantize

    batches = representative(calibration.inputs, recipe, calibration.batch)
    floating = onnx_quantize.prepared(taken.content)
    quantized = onnx_quantize.quantized(floating, recipe, batches)
    notes = [*taken.notes, *onnx_effects.check_effects(recipe, quantized)]
    manifest = onnx_report.describe(recipe, quantized, floating) | {"convert_s": None, "notes": notes}
    return quantized, manifest | {"calibration": calibration.told(recipe)}


def _calibrated(recipe: Recipe, path: Path) -> _Calibration:
    file = finished.opened(recipe)
    if not file.is_float:
        raise UnsupportedOptimization(
            f"{path} cannot be optimized: it is quantized already",
            hint="optimization=none measures it as it is; the float file that it was made from can be quantized",
        )
    return _Calibration.of(recipe, file)


def _as_it_is(outputs: list[Array]) -> dict[str, Any]:
    """What is known of a finished file after it has run once."""
    finite = all(np.isfinite(output).all() for output in outputs if output.dtype.kind == "f")
    return {"convert_s": None, "notes": [] if finite else ["its outputs for noise are not finite"]}


_TAKEN: dict[str, Callable[[Recipe], Built]] = {"tflite": _tflite, "onnx": _onnx}
