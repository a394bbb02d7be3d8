"""Whether each step of an optimization did to the graph what it is called after; checked in every build."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from orchestrator.builder import cost
from orchestrator.builder.graph import Graph, Tensor
from orchestrator.builder.quantized import broken, float_stays_float, integer_only, stored_in_less
from orchestrator.builder.recipe import Recipe

_PRUNED = ("CONV_2D", "FULLY_CONNECTED", "CONV_3D", "TRANSPOSE_CONV")
_ROUNDING = 0.01


def check_effects(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    """What must be said about ``graph``. ``whole`` is the float model as it came, None where there is none.

    Raises BuildError where the graph is not what the recipe's steps promise, UnsupportedOptimization where a model
    gives a step nothing to do.
    """
    steps = [*recipe.steps, *(["none"] if recipe.quantization == "none" else [])]
    return [said for step in steps for said in CHECKS[step](recipe, graph, whole)]


def _pruned(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    """Share of zeros in the kernels."""
    kernels = list(_thinned(graph))
    if kernels and recipe.sparsity is not None:
        zeros = sum(int(np.sum(tensor.data == cost.zero_of(tensor))) for tensor in kernels)
        share = zeros / sum(tensor.elements for tensor in kernels)
        if share < recipe.sparsity - _ROUNDING:
            raise broken(recipe, f"{share:.1%} of its weights are 0, and {recipe.sparsity:.1%} were asked for")
    return []


def _fewer_channels(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    if whole is not None:
        made, before = _channels(graph), _channels(whole)
        if made >= before or cost.macs(graph) >= cost.macs(whole):
            raise broken(recipe, f"its kernels make {made} channels, and {before} before")
    return []


def _clustered(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    """How many different values a channel of a kernel has."""
    most = max((_values(tensor) for tensor in _thinned(graph)), default=0)
    if recipe.clusters is not None and most > recipe.clusters:
        raise broken(recipe, f"a channel of a kernel has {most} different values")
    return []


def _channels(graph: Graph) -> int:
    kernels = (weight for weight in cost.weights(graph) if weight.role == "kernel")
    return sum(weight.tensor.shape[0] for weight in kernels if weight.op.name in ("CONV_2D", "FULLY_CONNECTED"))


def _values(kernel: Tensor) -> int:
    """The most different values of a channel that it makes: each has a scale of its own, from the normalization that
    the converter has multiplied into it, or from its quantization."""
    if kernel.data is None:
        return 0
    return max(np.unique(channel).size for channel in kernel.data)


def _thinned(graph: Graph) -> Iterator[Tensor]:
    for weight in cost.weights(graph):
        if weight.role == "kernel" and weight.op.name in _PRUNED and weight.tensor.data is not None:
            yield weight.tensor


Check = Callable[[Recipe, Graph, Graph | None], list[str]]
CHECKS: dict[str, Check] = {
    "prune": _pruned,
    "prune_channels": _fewer_channels,
    "cluster": _clustered,
    "none": float_stays_float,
    "float16": stored_in_less,
    "dynamic_range": stored_in_less,
    "weight_only": stored_in_less,
    "int8": integer_only,
    "int16x8": integer_only,
}
"""What is checked after each step; ``none``: where no quantization ends the chain."""
