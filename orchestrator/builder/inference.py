"""Run an artifact here, in the build worker, to check it: never to time it."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from orchestrator.builder.images import Array


def loaded(content: bytes) -> Any:
    """An interpreter, ready to run. Raises ValueError or RuntimeError for a file that it refuses."""
    interpreter = tf.lite.Interpreter(model_content=content)
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


def answers(content: bytes, inputs: Array) -> Array:
    """The first output for each of ``inputs`` (float), in float, whatever the artifact's own types and batch."""
    interpreter = loaded(content)
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    batch = int(source["shape"][0])
    padded = np.concatenate([inputs, np.repeat(inputs[-1:], -len(inputs) % batch, axis=0)])
    outputs = []
    for start in range(0, len(padded), batch):
        interpreter.set_tensor(source["index"], _stored(padded[start : start + batch], source))
        interpreter.invoke()
        outputs.append(_meant(interpreter.get_tensor(target["index"]), target))
    return np.concatenate(outputs)[: len(inputs)]


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
