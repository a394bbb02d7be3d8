"""Mixed precision: which operators ``keep_float`` means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.builder import cost
from orchestrator.builder.graph import Graph, Op
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import ConfigError
from orchestrator.optimization import CALIBRATED

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "DENSIFY")
"""Operators that stand between others of different types; no pattern means them."""
ENDS = ("first", "last")
"""Words in place of a pattern: the first and the last operator that has weights."""
_SHOWN = 24


def called(graph: Graph, op: Op) -> str:
    """What a pattern is searched in: the kind of the operator and the names of its outputs, ``CONV_2D conv1/Relu``."""
    return f"{op.name} {scope(graph, op)}"


def scope(graph: Graph, op: Op) -> str:
    """The names of its outputs; a quantized graph has the same ones as the float graph that it was made from."""
    return ";".join(name for name in (graph.tensors[number].name for number in op.outputs) if name)


def kept(graph: Graph, recipe: Recipe) -> list[Op]:
    """The operators that stay float, of a float graph or of what was made from it, in order of execution."""
    found = [op for pattern in recipe.keep_float or () for op in _meant(graph, pattern)]
    return [op for op in graph.ops if op in found]


def check_patterns(graph: Graph, recipe: Recipe) -> None:
    """Raises ConfigError for a pattern that means no operator, or none that would be quantized otherwise."""
    weighted = {id(weight.op) for weight in cost.weights(graph) if weight.role == "kernel"}
    for pattern in recipe.keep_float or ():
        meant = _meant(graph, pattern)
        if not meant:
            raise ConfigError(
                f"optimization.keep_float: {pattern!r} matches no operator of {recipe.name}",
                hint=f"its operators are {_listed(graph)}",
            )
        if recipe.quantization not in CALIBRATED and not any(id(op) in weighted for op in meant):
            raise ConfigError(
                f"optimization.keep_float: {pattern!r} matches only operators of {recipe.name} without weights, which "
                f"{recipe.quantization} leaves in float anyway: {', '.join(called(graph, op) for op in meant)}",
            )


def chosen(pattern: str, names: Sequence[str], weighted: Sequence[bool]) -> list[int]:
    """Which of some operators, in order of execution, a pattern means; ``weighted``: whether each has weights."""
    if pattern in ENDS:
        places = [place for place, has in enumerate(weighted) if has]
        return places[:1] if pattern == "first" else places[-1:]
    return [place for place, name in enumerate(names) if re.search(pattern, name)]


def _meant(graph: Graph, pattern: str) -> list[Op]:
    ops = [op for op in graph.ops if op.name not in CONVERSIONS]
    weighted = {id(weight.op) for weight in cost.weights(graph) if weight.role == "kernel"}
    places = chosen(pattern, [called(graph, op) for op in ops], [id(op) in weighted for op in ops])
    return [ops[place] for place in places]


def _listed(graph: Graph) -> str:
    names = [called(graph, op).split(";")[0] for op in graph.ops if op.name not in CONVERSIONS]
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
