"""From a frozen TensorFlow function to ONNX bytes. TensorFlow and tf2onnx: worker only."""

from __future__ import annotations

import re
from typing import Any

import onnx
import tf2onnx

from orchestrator.builder import onnx_quantize
from orchestrator.builder.optimize import batch_of, representative
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source
from orchestrator.errors import UnsupportedOptimization

OPSET = 13
"""The first one with scales per channel, and read by everything in use: TensorRT 8.2 of JetPack 4.6 reads up to 13 (8.5
of JetPack 5 up to 17), OpenVINO and each ONNX Runtime that has wheels for a board's Python read more."""


def convert(function: Any, source: Source, recipe: Recipe, floating: bytes | None = None) -> bytes:
    """ONNX bytes, of fixed shapes, channels last as in TensorFlow: with one transposition at the beginning (MobileNetV2
    in ONNX Runtime 1.32 on one thread: 6.5 ms with it, 6.4 ms without), so that each format takes the same inputs.

    ``floating``: the same model in float, if it was converted already; then it is quantized as the recipe says. Raises
    UnsupportedOptimization where an operator has no counterpart, or the quantization none.
    """
    if floating is not None:
        batches = representative(source.inputs, recipe, batch_of(function))
        return onnx_quantize.quantized(floating, recipe, batches)
    model = _translated(function, recipe)
    _check(model, recipe)
    # As for quantization: what follows from constants is folded, so that the quantized model differs in nothing else.
    return onnx_quantize.prepared(_named(model).SerializeToString())


def _translated(function: Any, recipe: Recipe) -> Any:
    tf2onnx.utils.INTERNAL_NAME = 1  # it counts up otherwise, and the same model would get other names each time
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            function.graph.as_graph_def(),
            input_names=[tensor.name for tensor in function.inputs],
            output_names=[tensor.name for tensor in function.outputs],
            opset=OPSET,
        )
    except (ValueError, RuntimeError, NotImplementedError, KeyError, AttributeError) as error:
        lines = str(error).strip().splitlines()
        said = lines[-1] if lines else type(error).__name__
        raise UnsupportedOptimization(f"{recipe.subject} cannot become ONNX: {said}") from error
    return model


def _check(model: Any, recipe: Recipe) -> None:
    """tf2onnx leaves what it cannot translate in the graph, under its name in TensorFlow."""
    standard = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    nodes = model.graph.node
    strange = sorted({n.op_type for n in nodes if n.domain not in ("", "ai.onnx") or n.op_type not in standard})
    if strange:
        raise UnsupportedOptimization(
            f"{recipe.subject} cannot become ONNX: it has no operator for TensorFlow's {', '.join(strange)}"
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        found = re.search(r"OpType: (\w+)", str(error))
        what = f"{found[1]} of " if found else ""
        raise UnsupportedOptimization(
            f"{recipe.subject} cannot become ONNX: {what}operator set {OPSET}: {str(error).strip().splitlines()[0]}"
        ) from error


def _named(model: Any) -> Any:
    """Inputs and outputs without TensorFlow's ``:0``."""
    names = {value.name: value.name.partition(":")[0] for value in (*model.graph.input, *model.graph.output)}
    for node in model.graph.node:
        for names_of in (node.input, node.output):
            for place, name in enumerate(names_of):
                names_of[place] = names.get(name, name)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        value.name = names.get(value.name, value.name)
    return model
