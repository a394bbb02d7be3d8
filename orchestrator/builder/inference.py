"""Run an artifact here, in the build worker, to check it: never to time it."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from orchestrator.builder.images import Array
from orchestrator.builder.source import Batch


def loaded(content: bytes) -> Any:
    """An interpreter, ready to run. Raises ValueError or RuntimeError for a file that it refuses."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return interpreter


def run_once(content: bytes, seed: int) -> list[Array]:
    """The outputs for seeded noise (zeros for integer inputs: they may be indices)."""
    interpreter = loaded(content)
    rng = np.random.default_rng(seed)
    for detail in interpreter.get_input_details():
        shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])
        noise = rng.uniform(0, 1, shape) if dtype.kind == "f" else np.zeros(shape)
        interpreter.set_tensor(detail["index"], noise.astype(dtype))
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def answers(content: bytes, inputs: Batch) -> Array:
    """The first output for each of ``inputs`` (as the model takes them), in float, whatever the artifact's own types
    and batch."""
    interpreter = loaded(content)
    sources, target = interpreter.get_input_details(), interpreter.get_output_details()[0]
    batch, samples = int(sources[0]["shape"][0]), len(inputs[0])
    padded = [np.concatenate([values, np.repeat(values[-1:], -samples % batch, axis=0)]) for values in inputs]
    outputs = []
    for start in range(0, len(padded[0]), batch):
        for detail, values in zip(sources, padded, strict=True):
            interpreter.set_tensor(detail["index"], _stored(values[start : start + batch], detail))
        interpreter.invoke()
        outputs.append(_meant(interpreter.get_tensor(target["index"]), target))
    return np.concatenate(outputs)[:samples]


def _stored(values: Array, detail: dict[str, Any]) -> Array:
    scale, zero_point = detail["quantization"]
    dtype = np.dtype(detail["dtype"])
    if dtype.kind == "f" or not scale:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    quantized: Array = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(dtype)
    return quantized


def _meant(values: Array, detail: dict[str, Any]) -> Array:
    scale, zero_point = detail["quantization"]
    if values.dtype.kind == "f" or not scale:
        return values.astype(np.float64)
    meant: Array = (values.astype(np.float64) - zero_point) * scale
    return meant
