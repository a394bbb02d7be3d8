"""What an ONNX graph costs: multiply-accumulates, bytes moved, parameters, zeros. ONNX: worker only."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any

import numpy as np

from orchestrator.builder.onnx_graph import KERNELS, Kernel, Weighed

_BYTE_WIDE = ("int8", "uint8")
_UNCOUNTED = ("LSTM", "GRU", "RNN", "Einsum", "If", "Loop", "Scan", "SequenceMap")
_STANDARD = ("", "ai.onnx", "ai.onnx.ml")
_ACTIVATIONS = ("Relu", "Clip")  # which TFLite has within its operators
_VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Constant")  # move nothing


def macs(weighed: Weighed) -> int | None:
    """Multiply-accumulates of one call, in the operators that :func:`uncounted` does not name; None where a shape that
    matters is not known."""
    counted = [_macs(weighed, node) for node in weighed.graph.node if node.op_type in KERNELS]
    return None if None in counted else sum(count for count in counted if count is not None)


def macs_by_arithmetic(weighed: Weighed) -> dict[str, int]:
    """By the types that are multiplied, as for TFLite: float32, float16, int8, int16x8."""
    found: Counter[str] = Counter()
    for node in weighed.graph.node:
        if node.op_type in KERNELS:
            found[_arithmetic(weighed, node)] += _macs(weighed, node) or 0
    return dict(sorted(found.items()))


def uncounted(weighed: Weighed) -> list[str]:
    """Operators that may multiply and that :func:`macs` cannot count; where there are any it is a lower bound."""
    nodes = weighed.graph.node
    return sorted({node.op_type for node in nodes if node.op_type in _UNCOUNTED or node.domain not in _STANDARD})


def parameters(weighed: Weighed) -> int:
    """Values in kernels and in whatever else of float is stored."""
    return sum(int(np.prod(tensor.dims, dtype=np.int64)) for tensor in weighed.graph.initializer)


def sparsity(kernels: list[Kernel]) -> float | None:
    """Share of exact zeros in the kernels; None where there is no kernel."""
    total = sum(kernel.values.size for kernel in kernels)
    return sum(int((kernel.values == _zero(kernel)).sum()) for kernel in kernels) / total if total else None


def traffic(weighed: Weighed) -> tuple[int, int] | None:
    """Bytes of weights, each read once a call, and of activations, written once and read by every operator that takes
    them, as :func:`orchestrator.builder.cost.traffic` counts them. None where the size of a tensor is not known.

    Where an operator stands between DequantizeLinear and QuantizeLinear it reads and writes integers: runtimes make one
    of the three, and of an activation function behind it; only pairs at an input or output of the model are left.
    """
    inside = _fused(weighed)
    settled = set(weighed.constants)
    constants: set[str] = set()
    moved: list[str] = []
    for node in weighed.graph.node:
        taken = {inside.get(name, name) for name in node.input if name}
        made = [inside.get(name, name) for name in node.output if name]
        if taken <= settled:
            settled |= set(made)
        elif node.op_type not in _VIEWS and not taken & set(made):
            constants |= taken & settled
            moved += [*(taken - settled), *made]
    sizes = {name: _bytes(weighed, name) for name in {*constants, *moved}}
    if None in sizes.values():
        return None
    return sum(sizes[name] or 0 for name in constants), sum(sizes[name] or 0 for name in moved)


def _fused(weighed: Weighed) -> dict[str, str]:
    """Values that no runtime stores -> what they become at once: integers, or the output of an activation function."""
    graph = weighed.graph
    ends = {value.name for value in (*graph.input, *graph.output)}
    readers = Counter(name for node in graph.node for name in node.input)
    found = {}
    for node in graph.node:
        given, made = (node.input[0] if node.input else ""), node.output[0]
        maker = weighed.makers.get(given)
        inner = given not in ends and readers[given] == 1 and given not in weighed.constants
        if node.op_type == "DequantizeLinear" and made not in ends:
            found[made] = given
        elif (node.op_type == "QuantizeLinear" and inner and maker is not None) or (
            node.op_type in _ACTIVATIONS and inner and maker is not None and maker.op_type in (*KERNELS, "Add")
        ):
            found[given] = made
    return {name: _end(name, found) for name in found}


def _end(name: str, found: dict[str, str]) -> str:
    while name in found:
        name = found[name]
    return name


def _bytes(weighed: Weighed, name: str) -> int | None:
    size, dtype = weighed.size(name), weighed.dtype(name)
    return None if size is None or dtype is None or dtype == "object" else size * np.dtype(dtype).itemsize


def _zero(kernel: Kernel) -> Any:
    """The stored value that means 0, shaped to compare with the values."""
    if kernel.zero_points.size <= 1:
        return int(kernel.zero_points[0]) if kernel.zero_points.size else 0
    return kernel.zero_points.reshape([-1 if n == kernel.axis else 1 for n in range(kernel.values.ndim)])


def _arithmetic(weighed: Weighed, node: Any) -> str:
    if node.op_type.startswith("QLinear") or node.op_type.endswith("Integer"):
        return "int8"
    types = [_type_of(weighed, node.input[place]) for place in (0, KERNELS[node.op_type])]
    if types[1] in _BYTE_WIDE:
        wide = types[0] in ("int16", "uint16")
        return "int16x8" if wide else "int8" if types[0] in _BYTE_WIDE else str(weighed.dtype(node.input[0]))
    return str(weighed.dtype(node.input[0]) or "float32")


def _type_of(weighed: Weighed, name: str) -> str | None:
    """Looking through DequantizeLinear, which becomes one with the operator behind it."""
    maker = weighed.makers.get(name)
    return weighed.dtype(maker.input[0] if maker is not None and maker.op_type == "DequantizeLinear" else name)


def _macs(weighed: Weighed, node: Any) -> int | None:
    given, kernel = weighed.shape(node.input[0]), weighed.shape(node.input[KERNELS[node.op_type]])
    out = weighed.shape(node.output[0])
    if given is None or kernel is None or out is None:
        return None
    if node.op_type == "ConvTranspose":  # kernel (in, out / groups, ...): each input value is spread over one window
        return prod(given) * prod(kernel[1:])
    if "Conv" in node.op_type:  # kernel (out, in / groups, ...)
        return prod(out) * prod(kernel[1:])
    if node.op_type == "Gemm":
        flipped = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return prod(out) * kernel[1 if flipped else 0]
    return prod(out) * given[-1]
