"""Walks a Keras graph from its inputs to its outputs and finds which channels of which layers belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import keras
import numpy as np

from orchestrator.builder.channels.atoms import Atoms, Numbers

L = keras.layers
PRODUCERS = (L.Conv1D, L.Conv2D, L.Dense, L.SeparableConv2D)
"""Layers that make channels of their own out of all channels that go in."""
_SAME = (
    *(L.Activation, L.ReLU, L.LeakyReLU, L.ELU, L.Dropout, L.SpatialDropout2D, L.ZeroPadding2D, L.ZeroPadding1D),
    *(L.MaxPooling2D, L.AveragePooling2D, L.MaxPooling1D, L.AveragePooling1D, L.GlobalAveragePooling2D),
    *(L.GlobalMaxPooling2D, L.GlobalAveragePooling1D, L.Rescaling, L.UpSampling2D, L.Cropping2D, L.Identity),
)
"""Layers that treat every channel alike and keep their order."""
_ALIGNED = (L.Add, L.Multiply, L.Subtract, L.Average, L.Maximum, L.Minimum)
_PER_CHANNEL = (L.BatchNormalization, L.PReLU)
_SAME_OPERATIONS = ("Relu", "Relu6", "Sigmoid", "HardSigmoid", "HardSwish", "Silu")
_ALIGNED_OPERATIONS = ("Add", "Multiply", "Subtract")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with the channels that go in and come out."""

    layer: Any
    inside: Numbers
    outside: Numbers


@dataclass(slots=True)
class Traced:
    """What a walk has found: ``layers`` in the order of the graph, by their names."""

    atoms: Atoms = field(default_factory=Atoms)
    layers: dict[str, Layer] = field(default_factory=dict)


def traced(model: Any) -> Traced:
    """Walk a functional or Sequential model; its inputs and outputs keep all their channels."""
    model = getattr(model, "_functional", model)  # a Sequential keeps its graph there
    found = Traced()
    channels: dict[int, Numbers] = {}
    for tensor in model.inputs:
        channels[id(tensor)] = _pinned_new(found.atoms, tensor)
    calls = Counter(operation.name for operation, _ in _in_order(model))
    for operation, node in _in_order(model):
        given = [channels[id(tensor)] for tensor in node.input_tensors]
        if calls[operation.name] > 1:  # one set of weights in several places: what fits one may not fit the other
            _nothing_understood(found, operation, node, given, channels)
            continue
        outputs = _step(found, operation, node, given)
        for tensor, atoms in zip(node.output_tensors, outputs, strict=True):
            channels[id(tensor)] = atoms
    for tensor in model.outputs:
        found.atoms.pin(channels[id(tensor)])
    return found


def _in_order(model: Any) -> list[tuple[Any, Any]]:
    """Every call of every operation, inputs first."""
    by_depth = model._nodes_by_depth  # of Keras 3's Function; there is no public way to the nodes
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [(node.operation, node) for node in nodes if not node.is_input]


def _pinned_new(atoms: Atoms, tensor: Any) -> Numbers:
    made = atoms.new(int(tensor.shape[-1] or 1) if len(tensor.shape) > 1 else 1)
    atoms.pin(made)
    return made


def _step(found: Traced, operation: Any, node: Any, given: list[Numbers]) -> list[Numbers]:
    """The channels that come out of one call."""
    for kinds, rule in _RULES:
        if _is(operation, kinds) and _last_axis(operation):
            made = rule(found, operation, node, given)
            if made is not None:
                return [made]
    return _unknown(found, node, given)


def _is(operation: Any, kinds: tuple[Any, ...]) -> bool:
    names = tuple(kind for kind in kinds if isinstance(kind, str))
    types = tuple(kind for kind in kinds if not isinstance(kind, str))
    return type(operation) in types or (type(operation).__name__ in names and not isinstance(operation, keras.Layer))


def _last_axis(operation: Any) -> bool:
    return getattr(operation, "data_format", "channels_last") in (None, "channels_last")


def _unknown(found: Traced, node: Any, given: list[Numbers]) -> list[Numbers]:
    for atoms in given:
        found.atoms.pin(atoms)
    return [_pinned_new(found.atoms, tensor) for tensor in node.output_tensors]


def _nothing_understood(
    found: Traced, operation: Any, node: Any, given: list[Numbers], channels: dict[int, Numbers]
) -> None:
    for tensor, atoms in zip(node.output_tensors, _unknown(found, node, given), strict=True):
        channels[id(tensor)] = atoms


def _producer(found: Traced, layer: Any, node: Any, given: list[Numbers]) -> Numbers | None:
    if getattr(layer, "groups", 1) != 1:
        return None
    if _changes_all(getattr(layer, "activation", None)):
        made = _pinned_new(found.atoms, node.output_tensors[0])
    else:
        made = found.atoms.new(int(node.output_tensors[0].shape[-1]))
    found.layers[layer.name] = Layer(layer, given[0], made)
    return made


def _changes_all(activation: Any) -> bool:
    """A softmax over the channels: without some of them the others answer differently."""
    return getattr(activation, "__name__", "") in ("softmax", "log_softmax", "sparsemax")


def _depthwise(found: Traced, layer: Any, node: Any, given: list[Numbers]) -> Numbers | None:
    if _changes_all(layer.activation):
        return None
    made = np.repeat(given[0], layer.depth_multiplier)  # the copies of a channel go with it
    found.layers[layer.name] = Layer(layer, given[0], made)
    return made


def _per_channel(found: Traced, layer: Any, node: Any, given: list[Numbers]) -> Numbers | None:
    axis = layer.axis if isinstance(layer, L.BatchNormalization) else -1
    shared = isinstance(layer, L.PReLU) and prod(layer.alpha.shape[:-1]) != 1
    if axis not in (-1, len(node.output_tensors[0].shape) - 1) or shared:
        return None
    found.layers[layer.name] = Layer(layer, given[0], given[0])
    return given[0]


def _same(found: Traced, operation: Any, node: Any, given: list[Numbers]) -> Numbers | None:
    if _changes_all(getattr(operation, "activation", None)) or len(given) != 1:
        return None
    return given[0] if node.output_tensors[0].shape[-1] == len(given[0]) else None


def _aligned(found: Traced, operation: Any, node: Any, given: list[Numbers]) -> Numbers | None:
    """Also with an input of one value per sample and channel (squeeze and excite), or with a single number."""
    size = len(given[0])
    if any(len(atoms) != size for atoms in given) or _has_constant(operation, node):
        return None
    for atoms in given[1:]:
        found.atoms.join(given[0], atoms)
    return given[0]


def _has_constant(operation: Any, node: Any) -> bool:
    """Whether an operation takes an array of its own, which may have a value per channel."""
    if isinstance(operation, keras.Layer):
        return False
    given = (*node.arguments.args, *node.arguments.kwargs.values())
    return any(not isinstance(one, keras.KerasTensor) and np.ndim(one) > 0 for one in given)


def _concatenated(found: Traced, layer: Any, node: Any, given: list[Numbers]) -> Numbers | None:
    if layer.axis not in (-1, len(node.output_tensors[0].shape) - 1):
        return None
    return np.concatenate(given)


def _reshaped(found: Traced, layer: Any, node: Any, given: list[Numbers]) -> Numbers | None:
    """Channels stay where only axes of one are put before them or taken away; flattened images have them in turn."""
    before, after = node.input_tensors[0].shape, node.output_tensors[0].shape
    if None in before[1:] or None in after[1:]:
        return None
    if isinstance(layer, L.Flatten):
        return np.tile(given[0], prod(before[1:-1]))
    kept = after[-1] == before[-1] and prod(after[1:-1]) == prod(before[1:-1]) == 1
    if kept:
        found.layers[layer.name] = Layer(layer, given[0], given[0])
    return given[0] if kept else None


_Rule = Callable[[Traced, Any, Any, list[Numbers]], Numbers | None]
_RULES: tuple[tuple[tuple[Any, ...], _Rule], ...] = (
    (PRODUCERS, _producer),
    ((L.DepthwiseConv2D,), _depthwise),
    (_PER_CHANNEL, _per_channel),
    ((*_SAME, *_SAME_OPERATIONS), _same),
    ((*_ALIGNED, *_ALIGNED_OPERATIONS), _aligned),
    ((L.Concatenate,), _concatenated),
    ((L.Flatten, L.Reshape), _reshaped),
)
