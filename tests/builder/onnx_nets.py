"""Small ONNX models, made with the onnx package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small(path: Path, *, batch: Any = 1, side: Any = 8) -> Path:
    """A convolution with a third of zeros, a ReLU, a mean and a softmax over four classes."""
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    kernel[:, 0] = 0
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Softmax", ["f"], ["scores"]),
    ]
    return save(path, nodes, {"image": [batch, 3, side, side]}, {"scores": [batch, 4]}, {"kernel": kernel})


def counting(path: Path) -> Path:
    """Where the number of answers depends on the values; a second input of whole numbers."""
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("NonZero", ["sum"], ["where"]),
    ]
    inputs = {"a": [2, 3], "b": [2, 3]}
    return save(path, nodes, inputs, {"where": [2, "found"]}, {}, {"a": TensorProto.INT64, "b": TensorProto.INT64})


def looking(path: Path, shape: list[Any]) -> Path:
    """Takes an image of any layout, and does nothing with it."""
    return save(path, [helper.make_node("Relu", ["image"], ["same"])], {"image": shape}, {"same": [None] * 4}, {})


def save(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, list[Any]],
    outputs: dict[str, list[Any]],
    weights: dict[str, Any],
    kinds: dict[str, int] | None = None,
) -> Path:
    def value(name: str, shape: list[Any]) -> Any:
        kind = TensorProto.INT64 if kinds else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, (kinds or {}).get(name, kind), shape)

    graph = helper.make_graph(
        nodes,
        "small",
        [value(name, shape) for name, shape in inputs.items()],
        [value(name, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(data, name) for name, data in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
