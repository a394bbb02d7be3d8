"""Whether a quantization did to an ONNX graph what it is called after; checked in every build. Worker only."""

from __future__ import annotations

from collections import Counter

import onnx

from orchestrator.builder.kept import chosen
from orchestrator.builder.onnx_cost import Kernel, Weighed
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError

_BYTES = ("int8", "uint8")
_ROUNDING = 0.01
_WANTED = {"none": ("float32",), "float16": ("float16",), "int8": _BYTES, "dynamic_range": _BYTES}


def check_effects(recipe: Recipe, content: bytes) -> list[str]:
    """What must be said about it. Raises BuildError where the graph is not what the recipe's steps promise."""
    weighed = Weighed(onnx.load_from_string(content))
    kernels = weighed.kernels()
    wanted = _WANTED[recipe.quantization]
    others = [kernel for kernel in kernels if kernel.values.dtype.name not in wanted]
    stay = _kept(recipe, kernels)
    left = [kernel for kernel in others if kernel.node.name not in stay]
    if kernels and len(others) == len(kernels):
        types = Counter(kernel.values.dtype.name for kernel in kernels)
        _refuse(recipe, f"its kernels are of {', '.join(types)}")
    if left and recipe.quantization == "int8":
        _refuse(recipe, f"kernels of {', '.join(kernel.node.name for kernel in left)} are not quantized")
    if recipe.granularity == "per_tensor" and any(kernel.scales > 1 for kernel in kernels):
        _refuse(recipe, "kernels have a scale per channel")
    share = weighed.sparsity()
    if recipe.sparsity is not None and share is not None and share < recipe.sparsity - _ROUNDING - _depthwise(kernels):
        _refuse(recipe, f"{share:.1%} of its weights are 0, and {recipe.sparsity:.1%} were asked for")
    said = []
    if left:
        said.append(f"left in float32: kernels of {_counted(left)}")
    if recipe.io == "integer":
        said.append("inputs and outputs stay float: ONNX models quantize inside of the graph")
    return said


def _depthwise(kernels: list[Kernel]) -> float:
    """Share of all weights that pruning leaves alone: kernels with one channel for each."""
    total = sum(kernel.values.size for kernel in kernels)
    own = sum(k.values.size for k in kernels if k.values.ndim == 4 and k.values.shape[1] == 1)
    return own / total if total else 0.0


def _counted(kernels: list[Kernel]) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in Counter(k.node.op_type for k in kernels).items())


def _kept(recipe: Recipe, kernels: list[Kernel]) -> set[str]:
    """Names of the nodes with weights that stay float."""
    names = [f"{kernel.node.op_type} {kernel.node.name}" for kernel in kernels]
    places = [place for pattern in recipe.keep_float or () for place in chosen(pattern, names, [True] * len(names))]
    return {kernels[place].node.name for place in places}


def _refuse(recipe: Recipe, what: str) -> None:
    raise BuildError(
        f"{recipe.subject}: the tools made something else than was asked for: {what}",
        hint="see build.log; another step, or keep_float, may do",
    )
