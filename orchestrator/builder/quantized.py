"""Whether a quantization did to the graph what it is called after: types, scales, and where it computes in what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from orchestrator.builder import cost
from orchestrator.builder.graph import Graph, Op, Tensor
from orchestrator.builder.kept import CONVERSIONS, called, kept
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError, UnsupportedOptimization

_BYTES = ("int8", "uint8", "int4")
_FLOATS = ("float32", "float64")
_INTEGER = {"int8": "int8", "int16x8": "int16"}
"""Type of activations."""
_SCALED_PER_CHANNEL = ("CONV_2D", "DEPTHWISE_CONV_2D")
_LEAST_ELEMENTS = 1024
"""Smaller kernels are left in float by the converter's dynamic range."""
_FEW = 3
"""Operators of one kind that a note names one by one."""

Kernel = tuple[Op, Tensor]


def broken(recipe: Recipe, what: str) -> BuildError:
    """The error about a graph that is not what the recipe's steps promise."""
    return BuildError(
        f"{recipe.subject}: something else was made than was asked for: {what}",
        hint="optimization.keep_float names what may stay in float; see build.log",
    )


def how_quantized(graph: Graph) -> str:
    """What a graph holds that is no float, in words; empty for a float graph."""
    kinds = {tensor.dtype for _, tensor in _kernels(graph)} - set(_FLOATS)
    if kinds:
        return f"weights of {_words(kinds)}"
    scaled = {tensor.dtype for tensor in graph.tensors if tensor.scales.size}
    return f"values of {_words(scaled)}" if scaled else ""


def float_stays_float(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    """Nothing is quantized."""
    types = Counter(tensor.dtype for _, tensor in _kernels(graph))
    if set(types) - set(_FLOATS):
        raise broken(recipe, f"its kernels are of {_words(types)}")
    return []


def stored_in_less(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    """float16, dynamic_range, weight_only: the kernels are stored so, and computed with as the name says."""
    kernels = _kernels(graph)
    if not kernels:
        raise UnsupportedOptimization(f"{recipe.subject}: the model has no weights that could be stored in fewer bits")
    wanted = ("float16",) if recipe.quantization == "float16" else _BYTES
    stay = kept(graph, recipe)
    left = [(op, tensor) for op, tensor in kernels if tensor.dtype not in wanted and op not in stay]
    _check_something_is_done(recipe, kernels, left)
    _check_kept(recipe, graph, stay)
    _check_scales(recipe, kernels)
    if recipe.quantization == "weight_only" and (hybrid := [op for op, _ in kernels if _reads(graph, op) in _BYTES]):
        raise broken(recipe, f"{_names(graph, hybrid)} compute in 8 bits")
    unpacked = [
        op for op, tensor in kernels if tensor.dtype in _BYTES and recipe.quantization == "dynamic_range"
        and _reads(graph, op) not in _BYTES
    ]  # fmt: skip
    return [
        *_note("left in float", graph, [op for op, _ in left], _why(recipe, left)),
        *_note("stored in 8 bits, computed in float", graph, unpacked),
        *_note("kept in float", graph, stay),
    ]


def integer_only(recipe: Recipe, graph: Graph, whole: Graph | None) -> list[str]:
    """int8, int16x8: kernels of 8 bits, activations of the type, ends as asked; others are named."""
    wanted, stay = _INTEGER[recipe.quantization], kept(graph, recipe)
    working = [op for op in graph.ops if op.name not in CONVERSIONS and op not in stay]
    if working and not any(wanted in _types(graph, op) for op in working):
        raise broken(recipe, f"no operator computes in {wanted}")
    kernels = _kernels(graph)
    for op, tensor in kernels:
        given = _given(graph, op)
        if op not in stay and (tensor.dtype not in _BYTES or given != wanted):
            raise broken(recipe, f"{called(graph, op)} multiplies {given} by {tensor.dtype}")
    _check_kept(recipe, graph, stay)
    _check_scales(recipe, kernels)
    _check_ends(recipe, graph, whole)
    left = [op for op in working if _types(graph, op) & set(_FLOATS)]
    return [*_note("left in float", graph, left), *_note("kept in float", graph, stay)]


def _check_something_is_done(recipe: Recipe, kernels: list[Kernel], left: list[Kernel]) -> None:
    if len(left) < len(kernels):
        return
    if _too_small(recipe, left):
        raise UnsupportedOptimization(
            f"{recipe.subject}: each kernel has fewer than {_LEAST_ELEMENTS} values, and those are left in float"
        )
    raise broken(recipe, f"its kernels are of {_words(Counter(tensor.dtype for _, tensor in left))}")


def _check_kept(recipe: Recipe, graph: Graph, stay: list[Op]) -> None:
    for op in stay:
        kernel = graph.constant(op, cost.KERNELS[op.name]) if op.name in cost.KERNELS else None
        stored = {kernel.dtype} if kernel is not None else set()
        if found := (_types(graph, op) | stored) & {*_BYTES, "int16", "float16"}:
            raise broken(recipe, f"{called(graph, op)} was to stay in float and takes {_words(found)}")


def _check_scales(recipe: Recipe, kernels: list[Kernel]) -> None:
    scaled = [(op, tensor) for op, tensor in kernels if tensor.scales.size]
    several = [op for op, tensor in scaled if tensor.scales.size > 1]
    if recipe.granularity == "per_tensor" and several:
        raise broken(recipe, f"{len(several)} kernels have a scale per channel")
    if recipe.granularity == "per_channel":
        for op, tensor in scaled:
            single = tensor.scales.size == 1 and tensor.shape[3 if op.name == "DEPTHWISE_CONV_2D" else 0] > 1
            if op.name in _SCALED_PER_CHANNEL and single:
                raise broken(recipe, f"the kernel {tensor.name} of {op.name} has a single scale for all channels")


def _check_ends(recipe: Recipe, graph: Graph, whole: Graph | None) -> None:
    """Ends that were float; an input of whole numbers stays what it is."""
    wanted = _INTEGER[recipe.quantization] if recipe.io == "integer" else "float32"
    for numbers, theirs in ((graph.inputs, whole and whole.inputs), (graph.outputs, whole and whole.outputs)):
        for place, number in enumerate(numbers):
            before = whole.tensors[theirs[place]].dtype if whole and theirs else "float32"
            found = graph.tensors[number].dtype
            if before == "float32" and found != wanted:
                raise broken(recipe, f"{graph.tensors[number].name} is of {found}, not {wanted}")


def _kernels(graph: Graph) -> list[Kernel]:
    return [(weight.op, weight.tensor) for weight in cost.weights(graph) if weight.role == "kernel"]


def _reads(graph: Graph, op: Op) -> str:
    """The type in which the operator itself takes its kernel, after a DEQUANTIZE between them."""
    tensor = graph.operand(op, cost.KERNELS[op.name])
    return tensor.dtype if tensor is not None else ""


def _given(graph: Graph, op: Op) -> str:
    tensor = graph.operand(op, cost.GIVEN.get(op.name, 0))
    return tensor.dtype if tensor is not None else ""


def _types(graph: Graph, op: Op) -> set[str]:
    """Of all that an operator takes and gives."""
    numbers = (number for number in (*op.inputs, *op.outputs) if number >= 0)
    return {graph.tensors[number].dtype for number in numbers}


def _why(recipe: Recipe, left: list[Kernel]) -> str:
    return f" (kernels of fewer than {_LEAST_ELEMENTS} values)" if _too_small(recipe, left) else ""


def _too_small(recipe: Recipe, left: list[Kernel]) -> bool:
    by_converter = recipe.quantization == "dynamic_range" and not recipe.is_requantized
    return by_converter and all(tensor.elements < _LEAST_ELEMENTS for _, tensor in left)


def _note(what: str, graph: Graph, ops: list[Op], why: str = "") -> list[str]:
    return [f"{what}: {_names(graph, ops)}{why}"] if ops else []


def _names(graph: Graph, ops: list[Op]) -> str:
    """Without the names of what was fused into an operator; of many of a kind the first one."""
    found: dict[str, list[str]] = {}
    for op in ops:
        found.setdefault(op.name, []).append(called(graph, op).split(";")[0])
    few = {kind: names[: _FEW if len(names) <= _FEW else 1] for kind, names in found.items()}
    more = {kind: len(found[kind]) - len(names) for kind, names in few.items()}
    return ", ".join(
        ", ".join(names) + (f" and {more[kind]} more of its kind" if more[kind] else "") for kind, names in few.items()
    )


def _words(types: Iterable[str]) -> str:
    return ", ".join(sorted(types))
