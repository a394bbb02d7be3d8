"""A user's own ONNX model: checked, given a fixed shape where one is open, run once. ONNX Runtime: worker only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.external_data_helper import uses_external_data

from orchestrator.builder.images import Array, invented
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError, UnsupportedOptimization

VERSION = onnxruntime.__version__
_IMAGE_RANK = 4
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True)
class Taken:
    """A model that runs, and what it answered to noise."""

    model: Any  # onnx.ModelProto
    content: bytes
    outputs: list[Array]
    notes: list[str]


def take(path: Path, recipe: Recipe) -> Taken:
    """The model of a file. Its bytes stay what they are, unless a shape is open and has to be filled in.

    Raises BuildError where it is damaged, in several files, or does not run; UnsupportedOptimization where its shape
    contradicts the batch or input size.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        if any(uses_external_data(tensor) or tensor.external_data for tensor in _tensors(model)):
            raise BuildError(f"{path} keeps weights in other files", hint="save it as one file: onnx.save(model, path)")
        onnx.checker.check_model(model)
    except BuildError:
        raise
    except Exception as error:
        raise BuildError(f"{path} is no ONNX model: {_said(error)}", hint="is the file whole?") from error
    if recipe.input_size and not any(len(_shape(given)) == _IMAGE_RANK for given in _inputs(model)):
        raise UnsupportedOptimization(f"{recipe.name} cannot have an input_size: it takes no images")
    filled = [words for given in _inputs(model) if (words := _fill(model, given, recipe))]
    content = model.SerializeToString() if filled else path.read_bytes()
    notes = [f"open dimensions were fixed: {', '.join(filled)}"] if filled else []
    batch = _shape(_inputs(model)[0])[:1]
    if batch and batch[0] != recipe.batch_size:
        notes.append(f"its batch is its own: {batch[0]}")
    return Taken(model, content, _run(content, path, recipe), notes)


def session(content: bytes) -> Any:
    """Ready to run on this machine's processor."""
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def _run(content: bytes, path: Path, recipe: Recipe) -> list[Array]:
    model = onnx.load_from_string(content)
    values = [_noise(_shape(given), _dtype(given), recipe.seed) for given in _inputs(model)]
    try:
        return outputs_of(content, values)
    except Exception as error:
        raise BuildError(f"{path} cannot be run: {_said(error)}") from error


def outputs_of(content: bytes, values: list[Array]) -> list[Array]:
    """One call. Raises what ONNX Runtime raises."""
    opened = session(content)
    names = [given.name for given in opened.get_inputs()]
    return [np.asarray(output) for output in opened.run(None, dict(zip(names, values, strict=True)))]


def answers(content: bytes, inputs: list[Array]) -> Array | None:
    """The first output for each of ``inputs`` (as the model takes them), whatever the model's batch; None where it has
    another size each time, or not a row per sample."""
    opened = session(content)
    ports = opened.get_inputs()
    batch, samples = int(ports[0].shape[0]) if ports[0].shape else 1, len(inputs[0])
    padded = [np.concatenate([values, np.repeat(values[-1:], -samples % batch, axis=0)]) for values in inputs]
    outputs = []
    for start in range(0, len(padded[0]), batch):
        named = {port.name: values[start : start + batch] for port, values in zip(ports, padded, strict=True)}
        outputs.append(np.asarray(opened.run(None, named)[0]))
    if {output.shape for output in outputs} != {(batch, *outputs[0].shape[1:])}:
        return None
    return np.concatenate(outputs)[:samples]


def shapes_of(content: bytes) -> list[tuple[list[int], Any]]:
    """Shape and type of each input."""
    return [(_shape(given), _dtype(given)) for given in _inputs(onnx.load_from_string(content))]


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor, wherever it is: weights, attributes of nodes, graphs within nodes, functions."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(inner)


def _noise(shape: list[int], dtype: Any, seed: int) -> Array:
    if not shape:
        return np.zeros(shape, dtype)
    return invented([(shape, dtype)], shape[0], seed)[0]


def _inputs(model: Any) -> list[Any]:
    """Old files list their weights among the inputs."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [given for given in model.graph.input if given.name not in weights]


def _fill(model: Any, given: Any, recipe: Recipe) -> str | None:
    """Write the batch and input size into the open dimensions of an input; what was written, in words."""
    dims = given.type.tensor_type.shape.dim
    sides = _sides(_shape(given))
    open_ones = [index for index, dim in enumerate(dims) if not dim.HasField("dim_value")]
    _refuse(given, recipe)
    for index in open_ones:
        size = recipe.batch_size if index == 0 else recipe.input_size if index in sides else None
        if size is None:
            raise BuildError(
                f"{recipe.subject}: the shape of input {given.name} is open: {_shape(given)}",
                hint="input_size=PIXELS fills the height and width of images; export anything else with a fixed shape",
            )
        _replace(model, dims[index].dim_param, size)
        dims[index].dim_value = size
    return f"{given.name} {_shape(given)}" if open_ones else None


def _refuse(given: Any, recipe: Recipe) -> None:
    shape = _shape(given)
    if not shape:
        return
    if shape[0] not in (None, recipe.batch_size) and recipe.batch_size != 1:
        raise UnsupportedOptimization(
            f"{recipe.name} cannot have batch_size {recipe.batch_size}: its own is {shape[0]}"
        )
    if recipe.input_size and any(shape[side] not in (None, recipe.input_size) for side in _sides(shape)):
        raise UnsupportedOptimization(f"{recipe.name} cannot have input_size {recipe.input_size}: its shape is {shape}")


def _sides(shape: list[Any]) -> tuple[int, ...]:
    """The axes of height and width: ONNX has the channels before them, some exporters leave them behind."""
    if len(shape) != _IMAGE_RANK:
        return ()
    return (1, 2) if shape[3] in _CHANNELS and shape[1] not in _CHANNELS else (2, 3)


def _replace(model: Any, name: str, size: int) -> None:
    """The same open dimension elsewhere in the graph gets the same size."""
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if name and dim.dim_param == name:
                dim.dim_value = size


def _shape(value: Any) -> list[Any]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]


def _dtype(value: Any) -> Any:
    return onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
