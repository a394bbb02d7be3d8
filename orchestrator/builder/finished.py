"""A user's own file that is an artifact already: taken as it is, or quantized from float. Worker only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from orchestrator.builder import cost
from orchestrator.builder.effects import check_effects
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.graph import Graph
from orchestrator.builder.images import Array, invented
from orchestrator.builder.inference import answers, loaded, run_once
from orchestrator.builder.manifest import describe
from orchestrator.builder.optimize import calibration_batches, doubtful_ranges, representative
from orchestrator.builder.own import NOISE, check_unchanged, no_freezing
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


def finished(recipe: Recipe, source_of: Callable[[Recipe], Source]) -> Finished:
    """The artifact of a recipe whose form is one of FINISHED; ``source_of`` says what inputs it is calibrated on.

    Raises BuildError where the file is damaged, UnsupportedOptimization where it cannot be quantized.
    """
    return _TAKEN[str(recipe.form)](recipe, source_of)


def checked(recipe: Recipe, content: bytes, whole: bytes) -> list[str]:
    """Remarks on what the optimization did to the graph; that it runs at all is part of it."""
    try:
        run_once(content, recipe.seed)
    except (ValueError, RuntimeError) as error:
        said = str(error).strip().splitlines()
        raise UnsupportedOptimization(
            f"{recipe.subject}: LiteRT refuses what the converter made: {said[-1] if said else error!r}"
        ) from error
    return check_effects(recipe, read_graph(content), read_graph(whole))


def _tflite(recipe: Recipe, source_of: Callable[[Recipe], Source]) -> Finished:
    path = check_unchanged(recipe)
    content = path.read_bytes()
    try:
        outputs = run_once(content, recipe.seed)
    except (ValueError, RuntimeError) as error:
        raise BuildError(f"{path} cannot be run: {error}", hint="is the file whole?") from error
    source, already = source_of(recipe.unoptimized), _quantized(read_graph(content))
    if not recipe.steps:
        manifest = describe(recipe, content, None) | _as_it_is(outputs)
        return Finished(content, manifest, source, None if already else partial(answers, content))
    if already:
        raise UnsupportedOptimization(
            f"{path} cannot be optimized: it is quantized already ({already})",
            hint="optimization=none takes it as it is; its float file can be quantized",
        )
    return _requantized(recipe, content, source)


def _requantized(recipe: Recipe, content: bytes, source: Source) -> Finished:
    from orchestrator.builder.requantize import requantize  # a second that most workers never need

    begun, batch = time.monotonic(), batch_in(content)
    made = requantize(content, recipe, representative(source.inputs, recipe, batch))
    manifest = describe(recipe, made, content) | {"convert_s": time.monotonic() - begun}
    notes = [*source.notes, *checked(recipe, made, content)]
    if recipe.calibration_samples is not None:
        notes.insert(0, doubtful_ranges(source))
    told = {"notes": notes, "calibration": _calibration(recipe, source, batch)}
    return Finished(made, manifest | told, source, partial(answers, content))


def batch_in(content: bytes) -> int:
    """Samples per call of a finished TFLite file."""
    return int(loaded(content).get_input_details()[0]["shape"][0])


def _quantized(graph: Graph) -> str:
    """In what way, in words; empty for a float file."""
    kinds = {weight.tensor.dtype for weight in cost.weights(graph)} - {"float32"}
    if kinds:
        return f"weights of {', '.join(sorted(kinds))}"
    ends = {
        graph.tensors[number].dtype for number in (*graph.inputs, *graph.outputs) if graph.tensors[number].scales.size
    }
    return f"inputs and outputs of {', '.join(sorted(ends))}" if ends else ""


def _onnx(recipe: Recipe, source_of: Callable[[Recipe], Source]) -> Finished:
    from orchestrator.builder import onnx_file  # 0.3 s that most workers never need

    path = check_unchanged(recipe)
    taken = onnx_file.take(path, recipe)
    shapes = onnx_file.shapes_of(taken.content)
    source = Source(no_freezing, lambda samples, seed: invented(shapes, samples, seed), NOISE)
    per_sample = bool(shapes[0][0]) and taken.outputs[0].shape[:1] == tuple(shapes[0][0][:1])
    reference = partial(onnx_file.answers, taken.content) if per_sample and _is_fixed(taken.model) else None
    if not recipe.steps:
        manifest = onnx_file.describe(recipe, taken.content) | _as_it_is(taken.outputs)
        manifest["notes"] = [*taken.notes, *manifest["notes"]]
        is_float = all(tensor["dtype"] == "float32" for tensor in manifest["quantization"]["tensors"])
        return Finished(taken.content, manifest, source, reference if is_float else None)
    from orchestrator.builder import onnx_cost, onnx_effects, onnx_quantize

    if any(kernel.values.dtype != np.float32 for kernel in onnx_cost.Weighed(taken.model).kernels()):
        raise UnsupportedOptimization(f"{path} cannot be optimized: it is quantized already")
    batch = int(shapes[0][0][0]) if shapes[0][0] else 1
    content = onnx_quantize.quantized(taken.content, recipe, representative(source.inputs, recipe, batch))
    notes = [*taken.notes, *onnx_effects.check_effects(recipe, content)]
    manifest = onnx_file.describe(recipe, content) | {"convert_s": None, "notes": notes}
    return Finished(content, manifest | {"calibration": _calibration(recipe, source, batch)}, source, reference)


def _calibration(recipe: Recipe, source: Source, batch: int) -> dict[str, Any] | None:
    if recipe.calibration_samples is None:
        return None
    return {"source": source.inputs_source, "samples": calibration_batches(recipe, batch) * batch}


def _is_fixed(model: Any) -> bool:
    """Whether the first answer has the same size whatever the values are."""
    return all(dim.HasField("dim_value") for dim in model.graph.output[0].type.tensor_type.shape.dim)


def _as_it_is(outputs: list[Array]) -> dict[str, Any]:
    """What is known of a finished file after it has run once."""
    finite = all(np.isfinite(output).all() for output in outputs if output.dtype.kind == "f")
    return {"convert_s": None, "notes": [] if finite else ["its outputs for noise are not finite"]}


_TAKEN: dict[str, Callable[[Recipe, Callable[[Recipe], Source]], Finished]] = {"tflite": _tflite, "onnx": _onnx}
