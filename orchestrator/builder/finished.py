"""A user's finished file as a model that answers: its inputs and outputs, whether it is float, its own answers.

TensorFlow and ONNX Runtime: worker only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from orchestrator.builder.cost import weights
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.images import Array
from orchestrator.builder.inference import answers, loaded
from orchestrator.builder.own import check_unchanged
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.samples import Ports, Samples, shapes

_QUANTIZED_OPS = ("QuantizeLinear", "QLinear", "Integer", "MatMulNBits")
_FLOAT = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class File:
    """``ports``: of an integer input with a scale, the real values that are quantized on the way in."""

    ports: Ports
    is_float: bool  # nothing in it is quantized, so that others may be held against it
    answers: Callable[[Samples], Array]  # the first output per sample
    answered_by: str


def opened(recipe: Recipe) -> File:
    """The file of a recipe, with open dimensions filled in."""
    return _FORMS[str(recipe.form)](recipe)


def _tflite(recipe: Recipe) -> File:
    content = check_unchanged(recipe).read_bytes()
    interpreter = loaded(content)
    given = [
        (detail["shape"], np.float32 if detail["quantization"][0] else detail["dtype"])
        for detail in interpreter.get_input_details()
    ]
    output = interpreter.get_output_details()[0]["shape"]
    graph = read_graph(content)
    dtypes = {weight.tensor.dtype for weight in weights(graph)} | {graph.tensors[n].dtype for n in graph.outputs}
    plain = all(dtype in _FLOAT for dtype in dtypes)
    by = f"TensorFlow Lite {tf.__version__}"
    return File(Ports(shapes(given), tuple(map(int, output))), plain, partial(_by_tflite, content), by)


def _by_tflite(content: bytes, samples: Samples) -> Array:
    return answers(content, samples.inputs).astype(np.float32)


def _onnx(recipe: Recipe) -> File:
    from orchestrator.builder import onnx_file, onnx_graph  # 0.3 s that most workers never need

    taken = onnx_file.take(check_unchanged(recipe), recipe)
    session = onnx_file.session(taken.content)
    given = [(port.shape, _NUMPY.get(port.type, np.float32)) for port in session.get_inputs()]
    output = tuple(size if isinstance(size, int) else None for size in session.get_outputs()[0].shape)
    names = {node.op_type for node in taken.model.graph.node}
    stored = all(kernel.dtype in _FLOAT for kernel in onnx_graph.Weighed(taken.model).kernels())
    plain = stored and not any(word in name for name in names for word in _QUANTIZED_OPS)
    by = f"ONNX Runtime {onnx_file.VERSION}"
    return File(Ports(shapes(given), output), plain, partial(_by_onnxruntime, session), by)


_NUMPY = {f"tensor({name})": np.dtype(kind) for name, kind in (
    ("float", "f4"), ("double", "f8"), ("float16", "f2"), ("bool", "?"), ("uint8", "u1"), ("int8", "i1"),
    ("uint16", "u2"), ("int16", "i2"), ("int32", "i4"), ("int64", "i8"),
)}  # fmt: skip


def _by_onnxruntime(session: Any, samples: Samples) -> Array:
    ports = session.get_inputs()
    batch = int(ports[0].shape[0]) if ports[0].shape else 1
    found = []
    for start in range(0, len(samples), batch):
        values = samples.only(slice(start, start + batch)).inputs
        missing = batch - len(values[0])
        padded = [np.concatenate([one, np.repeat(one[-1:], missing, axis=0)]) for one in values]
        named = {port.name: one.astype(_NUMPY[port.type]) for port, one in zip(ports, padded, strict=True)}
        found.append(np.asarray(session.run(None, named)[0])[: batch - missing])
    return np.concatenate(found).astype(np.float32)


_FORMS: dict[str, Callable[[Recipe], File]] = {"tflite": _tflite, "onnx": _onnx}
