"""A user's own file that is an artifact already: taken as it is, or quantized from float. Worker only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.builder import cost
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.images import Array, invented
from orchestrator.builder.inference import loaded, run_once
from orchestrator.builder.manifest import describe
from orchestrator.builder.optimize import calibration_batches, representative
from orchestrator.builder.own import NOISE, check_unchanged
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source
from orchestrator.errors import BuildError, UnsupportedOptimization


@dataclass(frozen=True, slots=True)
class Finished:
    """An artifact, its manifest, and what it can be judged by: a source of inputs and the answers of the float file."""

    content: bytes
    manifest: dict[str, Any]
    source: Source
    reference: bytes | None  # the float TFLite file; None where there is none


def finished(recipe: Recipe) -> Finished:
    """The artifact of a recipe whose form is one of FINISHED.

    Raises BuildError where the file is damaged, UnsupportedOptimization where it cannot be quantized.
    """
    return _TAKEN[str(recipe.form)](recipe)


def _tflite(recipe: Recipe) -> Finished:
    path = check_unchanged(recipe)
    content = path.read_bytes()
    try:
        outputs = run_once(content, recipe.seed)
        details = loaded(content).get_input_details()
    except (ValueError, RuntimeError) as error:
        raise BuildError(f"{path} cannot be run: {error}", hint="is the file whole?") from error
    shapes = [(tuple(int(n) for n in detail["shape"]), detail["dtype"]) for detail in details]
    source = Source(_no_freezing, lambda samples, seed: invented(shapes, samples, seed), NOISE)
    is_float = all(weight.tensor.dtype == "float32" for weight in cost.weights(read_graph(content)))
    if not recipe.steps:
        manifest = describe(recipe, content, None) | _as_it_is(outputs)
        return Finished(content, manifest, source, content if is_float else None)
    if not is_float:
        raise UnsupportedOptimization(f"{path} cannot be optimized: it is quantized already")
    from orchestrator.builder.requantize import requantize  # a third of a second that most builds never need

    batch = shapes[0][0][0]
    quantized = requantize(content, recipe, representative(source.inputs, recipe, batch))
    manifest = describe(recipe, quantized, content) | {"convert_s": None, "notes": []}
    if recipe.calibration_samples is not None:
        manifest["calibration"] = {"source": NOISE, "samples": calibration_batches(recipe, batch) * batch}
    return Finished(quantized, manifest, source, content)


def _onnx(recipe: Recipe) -> Finished:
    from orchestrator.builder import onnx_file  # 0.3 s that most workers never need

    taken = onnx_file.take(check_unchanged(recipe), recipe)
    manifest = onnx_file.describe(recipe, taken) | _as_it_is(taken.outputs)
    manifest["notes"] = [*taken.notes, *manifest["notes"]]
    return Finished(taken.content, manifest, Source(_no_freezing, lambda samples, seed: [], NOISE), None)


def _no_freezing(batch_size: int) -> Any:
    raise BuildError("a finished file has no function to be frozen")


def _as_it_is(outputs: list[Array]) -> dict[str, Any]:
    """What is known of a finished file after it has run once."""
    finite = all(np.isfinite(output).all() for output in outputs if output.dtype.kind == "f")
    return {"convert_s": None, "notes": [] if finite else ["its outputs for noise are not finite"]}


_TAKEN: dict[str, Callable[[Recipe], Finished]] = {"tflite": _tflite, "onnx": _onnx}
