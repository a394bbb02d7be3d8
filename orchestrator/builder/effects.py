"""Whether an optimization did to the graph what it is called after; checked in every build."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from orchestrator.builder import cost
from orchestrator.builder.graph import Graph, Op, Tensor
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError

_PRUNED = ("CONV_2D", "FULLY_CONNECTED", "CONV_3D", "TRANSPOSE_CONV")
_BYTES = ("int8", "uint8", "int4")
_BESIDE = ("QUANTIZE", "DEQUANTIZE", "DENSIFY")
_ROUNDING = 0.01


def check_effects(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    """What must be said about it. ``whole`` is the float model as it came, None where there is none.

    Raises BuildError where the graph is not what the recipe's steps promise.
    """
    said = [*_weights(recipe, graph), *_ends(recipe, graph), *_activations(recipe, graph)]
    _lean(recipe, graph, whole)
    return said


def _refuse(recipe: Recipe, what: str) -> None:
    raise BuildError(
        f"{recipe.subject}: the converter made something else than was asked for: {what}",
        hint="see build.log; another step, or keep_float, may do",
    )


def _kernels(graph: Graph) -> Iterator[tuple[Op, Tensor]]:
    return ((weight.op, weight.tensor) for weight in cost.weights(graph) if weight.role == "kernel")


def _weights(recipe: Recipe, graph: Graph) -> list[str]:
    """The types and scales of the kernels."""
    kernels = list(_kernels(graph))
    types = Counter(tensor.dtype for _, tensor in kernels)
    wanted = {"none": ("float32",), "float16": ("float16",)}.get(recipe.quantization, _BYTES)
    others = [(op, tensor) for op, tensor in kernels if tensor.dtype not in wanted]
    if kernels and len(others) == len(kernels):
        _refuse(recipe, f"its kernels are of {', '.join(types)}")
    left = [name(graph, op) for op, _ in others if not _kept(recipe, name(graph, op))]
    if left and recipe.quantization in ("int8", "int16x8"):
        _refuse(recipe, f"kernels of {', '.join(left)} are not quantized")
    scales = [tensor for _, tensor in kernels if tensor.dtype in _BYTES and tensor.scales.size > 1]
    if recipe.granularity == "per_tensor" and scales:
        _refuse(recipe, f"{len(scales)} kernels have a scale per channel")
    if (
        recipe.granularity == "per_channel"
        and not scales
        and any(
            tensor.dtype in _BYTES and op.name.endswith("CONV_2D") and tensor.shape[tensor.axis] > 1
            for op, tensor in kernels
        )
    ):
        _refuse(recipe, "no kernel has a scale per channel")
    return [f"{len(left)} of {len(kernels)} kernels are stored as float32 (small ones)"] if left else []


def _ends(recipe: Recipe, graph: Graph) -> list[str]:
    """The types of inputs and outputs; an input of whole numbers is what it is."""
    if recipe.io is None:
        return []
    integer = {"int8": "int8", "int16x8": "int16"}[recipe.quantization]
    wanted = integer if recipe.io == "integer" else "float32"
    found = {graph.tensors[number].dtype for number in (*graph.inputs, *graph.outputs)}
    wrong = found & {"float32", "int8", "int16"} - {wanted}
    if wrong and not recipe.keep_float:
        _refuse(recipe, f"inputs and outputs are of {', '.join(sorted(found))}, not {wanted}")
    return [f"inputs and outputs are of {', '.join(sorted(found))}"] if wrong else []


def _activations(recipe: Recipe, graph: Graph) -> list[str]:
    """What computes in float although everything was to be integer; the other way round where only weights were."""
    floats = [op for op in graph.ops if op.name not in _BESIDE and _computes_in(graph, op) == "float32"]
    if recipe.quantization in ("int8", "int16x8"):
        integer = "int8" if recipe.quantization == "int8" else "int16"
        if not any(_computes_in(graph, op) == integer for op in graph.ops):
            _refuse(recipe, f"no operator computes in {integer}")
        left = Counter(op.name for op in floats if not _kept(recipe, name(graph, op)))
        return [f"left in float: {', '.join(f'{kind} ({n})' for kind, n in left.items())}"] if left else []
    if recipe.quantization == "weight_only":
        hybrid = [op for op, tensor in _kernels(graph) if _given(graph, op) in _BYTES]
        if hybrid:
            _refuse(recipe, f"{len(hybrid)} operators take quantized weights as they are")
    return []


def _lean(recipe: Recipe, graph: Graph, whole: Graph | None) -> None:
    """Zeros, channels, and how many different values are left."""
    kernels = [tensor for op, tensor in _kernels(graph) if op.name in _PRUNED and tensor.data is not None]
    if recipe.sparsity is not None and kernels:
        zeros = sum(int(np.sum(tensor.data == cost.zero_of(tensor))) for tensor in kernels)
        share = zeros / sum(tensor.elements for tensor in kernels)
        if share < recipe.sparsity - _ROUNDING:
            _refuse(recipe, f"{share:.1%} of its weights are 0, and {recipe.sparsity:.1%} were asked for")
    if recipe.channels is not None and whole is not None:
        made, before = _channels(graph), _channels(whole)
        if made >= before or cost.macs(graph) >= cost.macs(whole):
            _refuse(recipe, f"its kernels make {made} channels, and {before} before")
    if recipe.clusters is not None and kernels:
        most = max(_values(tensor) for tensor in kernels)
        if most > recipe.clusters:
            _refuse(recipe, f"a channel of a kernel has {most} different values")


def _channels(graph: Graph) -> int:
    return sum(tensor.shape[0] for op, tensor in _kernels(graph) if op.name in ("CONV_2D", "FULLY_CONNECTED"))


def _values(kernel: Tensor) -> int:
    """The most different values of a channel that it makes: each has a scale of its own, from the normalization that
    the converter has multiplied into it, or from its quantization."""
    if kernel.data is None:
        return 0
    return max(np.unique(channel).size for channel in kernel.data)


def name(graph: Graph, op: Op) -> str:
    """By which people can choose an operator: that of its first output."""
    return graph.tensors[op.outputs[0]].name


def _kept(recipe: Recipe, called: str) -> bool:
    return any(re.search(pattern, called) for pattern in recipe.keep_float or ())


def _computes_in(graph: Graph, op: Op) -> str:
    return graph.tensors[op.outputs[0]].dtype


def _given(graph: Graph, op: Op) -> str:
    """The type in which the operator itself reads its kernel."""
    tensor = graph.operand(op, cost.KERNELS[op.name])
    return tensor.dtype if tensor is not None else ""
