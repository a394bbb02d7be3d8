"""A user's finished file as a model that answers: its inputs and outputs, whether it is float, its own answers.

LiteRT and ONNX Runtime: worker only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np

from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.images import Array
from orchestrator.builder.inference import answers, loaded
from orchestrator.builder.own import check_unchanged
from orchestrator.builder.quantized import how_quantized
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.samples import Ports, Samples, shapes

_QUANTIZED_OPS = ("QuantizeLinear", "QLinear", "Integer", "MatMulNBits")


@dataclass(frozen=True, slots=True)
class File:
    """``ports``: of an integer input with a scale, the real values that are quantized on the way in."""

    ports: Ports
    is_float: bool  # nothing in it is quantized, so that others may be held against it
    answers: Callable[[Samples], Array | None]  # the first output; None where there is not one for each sample
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
    plain = not how_quantized(read_graph(content))
    by = f"LiteRT {version('ai-edge-litert')}"
    return File(Ports(shapes(given), tuple(map(int, output))), plain, partial(_by_tflite, content), by)


def _by_tflite(content: bytes, samples: Samples) -> Array:
    return answers(content, samples.inputs).astype(np.float32)


def _onnx(recipe: Recipe) -> File:
    from orchestrator.builder import onnx_file, onnx_graph  # 0.3 s that most workers never need

    taken = onnx_file.take(check_unchanged(recipe), recipe)
    names = {node.op_type for node in taken.model.graph.node}
    stored = all(kernel.dtype in ("float32", "float64") for kernel in onnx_graph.Weighed(taken.model).kernels())
    plain = stored and not any(word in name for name in names for word in _QUANTIZED_OPS)
    ports = Ports(shapes(onnx_file.shapes_of(taken.content)), taken.outputs[0].shape)

    def answers_of(samples: Samples) -> Array | None:
        found = onnx_file.answers(taken.content, samples.inputs)
        return None if found is None else found.astype(np.float32)

    return File(ports, plain, answers_of, f"ONNX Runtime {onnx_file.VERSION}")


_FORMS: dict[str, Callable[[Recipe], File]] = {"tflite": _tflite, "onnx": _onnx}
