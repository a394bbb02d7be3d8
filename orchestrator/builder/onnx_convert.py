"""From a frozen TensorFlow function to ONNX bytes. TensorFlow and tf2onnx: worker only."""

from __future__ import annotations

from typing import Any

import onnx
import tf2onnx

from orchestrator.builder import onnx_quantize
from orchestrator.builder.optimize import batch_of, representative
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source
from orchestrator.errors import UnsupportedOptimization

OPSET = 13
"""The first one with scales per channel, and read by everything in use: TensorRT 8 of JetPack 4.6 and 5, OpenVINO, and
each ONNX Runtime that has wheels for a board's Python."""


def convert(function: Any, source: Source, recipe: Recipe, floating: bytes | None = None) -> bytes:
    """ONNX bytes, of fixed shapes, channels last as in TensorFlow (one transposition at the beginning).

    ``floating``: the same model in float, if it was converted already; then it is quantized as the recipe says. Raises
    UnsupportedOptimization where an operator has no counterpart, or the quantization none.
    """
    if floating is not None:
        batches = representative(source.inputs, recipe, batch_of(function))
        return onnx_quantize.quantized(floating, recipe, batches)
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            function.graph.as_graph_def(),
            input_names=[tensor.name for tensor in function.inputs],
            output_names=[tensor.name for tensor in function.outputs],
            opset=OPSET,
        )
    except (ValueError, RuntimeError, NotImplementedError) as error:
        lines = str(error).strip().splitlines()
        said = lines[-1] if lines else type(error).__name__
        raise UnsupportedOptimization(f"{recipe.subject} cannot become ONNX: {said}") from error
    strange = sorted({node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")})
    if strange:
        raise UnsupportedOptimization(
            f"{recipe.subject} cannot become ONNX: {', '.join(strange)} are no operators of it"
        )
    return bytes(_named(model).SerializeToString())


def _named(model: Any) -> Any:
    """Names without TensorFlow's ``:0``."""
    names = {value.name: value.name.partition(":")[0] for value in (*model.graph.input, *model.graph.output)}
    for node in model.graph.node:
        for names_of in (node.input, node.output):
            for place, name in enumerate(names_of):
                names_of[place] = names.get(name, name)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.name = names.get(value.name, value.name)
    onnx.checker.check_model(model)
    return model
