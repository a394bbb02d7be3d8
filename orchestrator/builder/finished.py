"""A user's own file that is an artifact already: taken as it is, or quantized from float. Worker only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from orchestrator.builder import cost
from orchestrator.builder.effects import check_effects
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.images import Array, invented
from orchestrator.builder.inference import answers, loaded, run_once
from orchestrator.builder.manifest import describe
from orchestrator.builder.optimize import calibration_batches, representative
from orchestrator.builder.own import NOISE, check_unchanged
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Batch, Source
from orchestrator.errors import BuildError, UnsupportedOptimization


@dataclass(frozen=True, slots=True)
class Finished:
    """An artifact, its manifest, and what it can be judged by: a source of inputs and the answers of the float file."""

    content: bytes
    manifest: dict[str, Any]
    source: Source
    reference: Callable[[Batch], Array] | None  # the float model's answers; None where there is none


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
        return Finished(content, manifest, source, partial(answers, content) if is_float else None)
    if not is_float:
        raise UnsupportedOptimization(f"{path} cannot be optimized: it is quantized already")
    from orchestrator.builder.requantize import requantize  # a third of a second that most builds never need

    batch = shapes[0][0][0]
    quantized = requantize(content, recipe, representative(source.inputs, recipe, batch))
    notes = check_effects(recipe, read_graph(quantized), None)
    manifest = describe(recipe, quantized, content) | {"convert_s": None, "notes": notes}
    manifest["calibration"] = _calibration(recipe, batch)
    return Finished(quantized, manifest, source, partial(answers, content))


def _onnx(recipe: Recipe) -> Finished:
    from orchestrator.builder import onnx_file, onnx_report  # 0.3 s that most workers never need

    path = check_unchanged(recipe)
    taken = onnx_file.take(path, recipe)
    shapes = onnx_file.shapes_of(taken.content)
    source = Source(_no_freezing, lambda samples, seed: invented(shapes, samples, seed), NOISE)
    per_sample = bool(shapes[0][0]) and taken.outputs[0].shape[:1] == tuple(shapes[0][0][:1])
    reference = partial(onnx_file.answers, taken.content) if per_sample and _is_fixed(taken.model) else None
    if not recipe.steps:
        manifest = onnx_report.describe(recipe, taken.content, None) | _as_it_is(taken.outputs)
        manifest["notes"] = [*taken.notes, *manifest["notes"]]
        is_float = all(tensor["dtype"] == "float32" for tensor in manifest["quantization"]["tensors"])
        return Finished(taken.content, manifest, source, reference if is_float else None)
    from orchestrator.builder import onnx_effects, onnx_graph, onnx_quantize

    if any(kernel.dtype not in ("float32", "float64") for kernel in onnx_graph.Weighed(taken.model).kernels()):
        raise UnsupportedOptimization(f"{path} cannot be optimized: it is quantized already")
    batch = int(shapes[0][0][0]) if shapes[0][0] else 1
    floating = onnx_quantize.prepared(taken.content)
    content = onnx_quantize.quantized(floating, recipe, representative(source.inputs, recipe, batch))
    notes = [*taken.notes, *onnx_effects.check_effects(recipe, content)]
    manifest = onnx_report.describe(recipe, content, floating) | {"convert_s": None, "notes": notes}
    return Finished(content, manifest | {"calibration": _calibration(recipe, batch)}, source, reference)


def _calibration(recipe: Recipe, batch: int) -> dict[str, Any] | None:
    if recipe.calibration_samples is None:
        return None
    return {"source": NOISE, "samples": calibration_batches(recipe, batch) * batch}


def _is_fixed(model: Any) -> bool:
    """Whether the first answer has the same size whatever the values are."""
    return all(dim.HasField("dim_value") for dim in model.graph.output[0].type.tensor_type.shape.dim)


def _no_freezing(batch_size: int) -> Any:
    raise BuildError("a finished file has no function to be frozen")


def _as_it_is(outputs: list[Array]) -> dict[str, Any]:
    """What is known of a finished file after it has run once."""
    finite = all(np.isfinite(output).all() for output in outputs if output.dtype.kind == "f")
    return {"convert_s": None, "notes": [] if finite else ["its outputs for noise are not finite"]}


_TAKEN: dict[str, Callable[[Recipe], Finished]] = {"tflite": _tflite, "onnx": _onnx}
