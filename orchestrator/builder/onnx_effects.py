"""Whether a quantization did to an ONNX graph what it is called after; checked in every build. Worker only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx

from orchestrator.builder import onnx_cost
from orchestrator.builder.onnx_graph import Kernel, Weighed
from orchestrator.builder.onnx_quantize import kept_names
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError

_BYTES = ("int8", "uint8")
_FLOATS = ("float32", "float64")
_ROUNDING = 0.01
_WANTED = {"none": _FLOATS, "float16": ("float16",)}  # the others: bytes
_PAIRS = ("QuantizeLinear", "DequantizeLinear")
_MOVING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Cast", "Identity", "Constant")


def check_effects(recipe: Recipe, content: bytes) -> list[str]:
    """What must be said about it. Raises BuildError where the graph is not what the recipe's steps promise."""
    weighed = Weighed(onnx.load_from_string(content))
    kernels = weighed.kernels()
    _scales(recipe, kernels)
    _zeros(recipe, kernels)
    said = [*_types(recipe, kernels), *_activations(recipe, weighed)]
    if recipe.io == "integer":
        said.append("inputs and outputs stay float: ONNX models quantize inside of the graph")
    if recipe.activations == "int8":
        said.append("for TensorRT: the file holds float weights, which become int8 in its engine")
    return said


def _types(recipe: Recipe, kernels: list[Kernel]) -> list[str]:
    wanted = _WANTED.get(recipe.quantization, _BYTES)
    others = [kernel for kernel in kernels if kernel.dtype not in wanted]
    stay = kept_names([kernel.node for kernel in kernels], recipe)
    left = [kernel for kernel in others if kernel.node.name not in stay]
    if kernels and len(others) == len(kernels):
        _refuse(recipe, f"its kernels are of {', '.join(Counter(kernel.dtype for kernel in kernels))}")
    if left and recipe.quantization != "dynamic_range":
        _refuse(recipe, f"kernels of {', '.join(kernel.node.name for kernel in left)} are not quantized")
    if not left:
        return []
    kinds = Counter(kernel.node.op_type for kernel in left)
    return [f"kernels left in float32: {', '.join(f'{kind} ({n})' for kind, n in kinds.items())}"]


def _scales(recipe: Recipe, kernels: list[Kernel]) -> None:
    in_bytes = [kernel for kernel in kernels if kernel.dtype in _BYTES]
    several = [kernel for kernel in in_bytes if kernel.scales.size > 1]
    if recipe.granularity == "per_tensor" and several:
        _refuse(recipe, f"{len(several)} kernels have a scale per channel")
    wide = [kernel for kernel in in_bytes if not kernel.is_reshaped and kernel.values.shape[kernel.axis] > 1]
    if recipe.granularity == "per_channel" and wide and not several:
        _refuse(recipe, "no kernel has a scale per channel")


def _zeros(recipe: Recipe, kernels: list[Kernel]) -> None:
    share = onnx_cost.sparsity([kernel for kernel in kernels if not _is_depthwise(kernel)])
    if recipe.sparsity is not None and share is not None and share < recipe.sparsity - _ROUNDING:
        _refuse(recipe, f"{share:.1%} of its weights are 0, and {recipe.sparsity:.1%} were asked for")


def _is_depthwise(kernel: Kernel) -> bool:
    """Pruning leaves these alone."""
    groups = next((attribute.i for attribute in kernel.node.attribute if attribute.name == "group"), 1)
    return bool(groups > 1 and kernel.values.shape[1] == 1)


def _activations(recipe: Recipe, weighed: Weighed) -> list[str]:
    """What computes in float although everything was to be integer; for TensorRT that is decided by its engine."""
    if recipe.quantization != "int8":
        return []
    nodes = [node for node in weighed.graph.node if node.op_type not in (*_PAIRS, *_MOVING)]
    integer = [node for node in nodes if _takes_integers(weighed, node)]
    if not integer:
        _refuse(recipe, "no operator takes integers")
    stay = kept_names(nodes, recipe)
    floats = [node for node in nodes if node not in integer and node.name not in stay]
    if recipe.activations == "int8" or not floats:
        return []
    kinds = Counter(node.op_type for node in floats)
    return [f"left in float: {', '.join(f'{kind} ({n})' for kind, n in kinds.items())}"]


def _takes_integers(weighed: Weighed, node: Any) -> bool:
    makers = [weighed.makers.get(name) for name in node.input if name and name not in weighed.constants]
    return bool(makers) and all(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)


def _refuse(recipe: Recipe, what: str) -> None:
    raise BuildError(
        f"{recipe.subject}: the tools made something else than was asked for: {what}",
        hint="see build.log; another step, or keep_float, may do",
    )
