"""What a graph costs: multiply-accumulates per call (all of a batch), bytes moved, parameters, zeros."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from orchestrator.builder.graph import Graph, Op, Tensor

KERNELS: dict[str, int] = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "TRANSPOSE_CONV": 1,
    "FULLY_CONNECTED": 1,
    "CONV_3D": 1,
    "BATCH_MATMUL": 1,
}
"""Operator -> the input that holds its kernel."""

BIASES: dict[str, int] = {
    "CONV_2D": 2,
    "DEPTHWISE_CONV_2D": 2,
    "TRANSPOSE_CONV": 3,
    "FULLY_CONNECTED": 2,
    "CONV_3D": 2,
}

GIVEN: dict[str, int] = {"TRANSPOSE_CONV": 2}
"""Operator -> the input that holds what is multiplied by the kernel, where that is not the first one."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A constant that an operator works with."""

    op: Op
    role: str  # kernel | bias
    tensor: Tensor


def weights(graph: Graph) -> Iterator[Weight]:
    """Kernels and biases in the order of execution."""
    for op in graph.ops:
        for role, positions in (("kernel", KERNELS), ("bias", BIASES)):
            tensor = graph.constant(op, positions[op.name]) if op.name in positions else None
            if tensor is not None:
                yield Weight(op, role, tensor)


def _shape(graph: Graph, op: Op, position: int) -> tuple[int, ...]:
    tensor = graph.operand(op, position)
    return tensor.shape if tensor is not None else ()


def _out(graph: Graph, op: Op) -> tuple[int, ...]:
    return graph.tensors[op.outputs[0]].shape


def _conv(graph: Graph, op: Op) -> int:
    # Kernel (out, h, w, in / groups): each output value costs one window over its group.
    return prod(_out(graph, op)) * prod(_shape(graph, op, 1)[1:])


def _depthwise(graph: Graph, op: Op) -> int:
    return prod(_out(graph, op)) * prod(_shape(graph, op, 1)[1:3])  # kernel (1, h, w, out)


def _transpose_conv(graph: Graph, op: Op) -> int:
    out, height, width, _ = _shape(graph, op, 1)
    return prod(_shape(graph, op, 2)) * out * height * width  # each input value is spread over one window


def _fully_connected(graph: Graph, op: Op) -> int:
    return prod(_out(graph, op)) * _shape(graph, op, 1)[-1]


def _batch_matmul(graph: Graph, op: Op) -> int:
    left, out = _shape(graph, op, 0), _out(graph, op)
    inner = left[-1] * left[-2] // out[-2]  # whichever side is transposed
    return prod(out) * inner


def _conv_3d(graph: Graph, op: Op) -> int:
    return prod(_out(graph, op)) * prod(_shape(graph, op, 1)[:4])  # kernel (d, h, w, in, out)


_MACS: dict[str, Callable[[Graph, Op], int]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transpose_conv,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "CONV_3D": _conv_3d,
}

_BYTE_WIDE = ("int8", "uint8", "int4")
_BITS = {"bool": 8, "int4": 4, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16,
         "int32": 32, "uint32": 32, "float32": 32, "int64": 64, "uint64": 64, "float64": 64}  # fmt: skip
_VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")  # move nothing

_UNCOUNTED_HEAVY = (
    "LSTM",
    "RNN",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "WHILE",
    "IF",
    "CALL_ONCE",
)


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one call, in the operators that :func:`uncounted` does not name."""
    return sum(_MACS[op.name](graph, op) for op in graph.ops if op.name in _MACS)


def macs_by_arithmetic(graph: Graph) -> dict[str, int]:
    """Multiply-accumulates by the types that are multiplied: float32, float16, int8, int16x8, or both types' names."""
    found: Counter[str] = Counter()
    for op in graph.ops:
        if op.name in _MACS:
            found[_arithmetic(graph, op)] += _MACS[op.name](graph, op)
    return dict(sorted(found.items()))


def _arithmetic(graph: Graph, op: Op) -> str:
    """As the operator computes: dynamic range quantizes its input on the way; weights that are stored in float16 come
    to it as float32."""
    kernel = graph.operand(op, KERNELS[op.name])
    given = graph.operand(op, GIVEN.get(op.name, 0))
    types = (given.dtype if given else "?", kernel.dtype if kernel else "?")
    if types[1] in _BYTE_WIDE:
        return {"int16": "int16x8"}.get(types[0], "int8" if types[0] in (*_BYTE_WIDE, "float32") else " x ".join(types))
    return types[0] if types[0] == types[1] else " x ".join(types)


def traffic(graph: Graph) -> tuple[int, int] | None:
    """Bytes of weights, each read once a call, and of activations, written once and read by every operator that takes
    them. None where a tensor has no size of its own, such as strings.

    What follows from constants alone is computed at load and counts as a weight, in the type that it is read in.
    """
    settled = {number for number, tensor in enumerate(graph.tensors) if tensor.is_constant}
    constants: set[int] = set()
    moved: list[int] = []
    for op in graph.ops:
        taken = {number for number in op.inputs if number >= 0}
        if taken and taken <= settled:
            settled |= set(op.outputs)
        elif op.name not in _VIEWS:
            constants |= taken & settled
            moved += [*(taken - settled), *op.outputs]
    if any(graph.tensors[number].dtype not in _BITS for number in (*constants, *moved)):
        return None
    return _bytes(graph, constants), _bytes(graph, moved)


def _bytes(graph: Graph, numbers: Iterable[int]) -> int:
    return sum(graph.tensors[n].elements * _BITS[graph.tensors[n].dtype] + 7 >> 3 for n in numbers)


def uncounted(graph: Graph) -> list[str]:
    """Operators that may multiply and that :func:`macs` cannot count; where there are any it is a lower bound."""
    return sorted({op.name for op in graph.ops if op.name in _UNCOUNTED_HEAVY or op.name.startswith("CUSTOM")})


def parameters(graph: Graph) -> int:
    """Values in kernels and biases, each tensor once."""
    return sum({id(weight.tensor): weight.tensor.elements for weight in weights(graph)}.values())


def sparsity(graph: Graph) -> float | None:
    """Share of exact zeros in the kernels; None where there is no kernel that can be read."""
    zeros = total = 0
    for tensor in {id(w.tensor): w.tensor for w in weights(graph) if w.role == "kernel"}.values():
        if tensor.data is None:
            return None
        zeros += int((tensor.data == zero_of(tensor)).sum())
        total += tensor.elements
    return zeros / total if total else None


def zero_of(tensor: Tensor) -> np.ndarray | int:
    """The stored value that means 0, shaped to compare with the data."""
    if tensor.zero_points.size <= 1:
        return int(tensor.zero_points[0]) if tensor.zero_points.size else 0
    return along_axis(tensor.zero_points, tensor)


def along_axis(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """One value per channel, shaped to be broadcast over the tensor."""
    shape = [1] * len(tensor.shape)
    shape[tensor.axis] = values.size
    return values.reshape(shape)
