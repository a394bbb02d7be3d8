"""Removes the least important channels of a Keras model: a smaller model of the same topology with sliced weights."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from orchestrator.builder.channels.atoms import Numbers
from orchestrator.builder.channels.trace import PRODUCERS, Layer, Traced, traced
from orchestrator.errors import UnsupportedOptimization

_DEPTHWISE, _SEPARABLE = keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D


@dataclass(frozen=True, slots=True)
class Thinned:
    """The smaller model; ``channels`` of each layer that lost some, before and after."""

    model: Any
    channels: dict[str, tuple[int, int]]


def thinned(model: Any, share: float, multiple: int, subject: str) -> Thinned:
    """Without ``share`` of the channels of every layer whose channels may go, the least important ones.

    Importance is the L2 norm of all filters that make a channel, those that an addition couples together (filter norms:
    Li et al. 2017, "Pruning Filters for Efficient ConvNets"; coupled ones: Fang et al. 2023, "DepGraph"). Of each group
    of coupled layers what is left is the multiple of ``multiple`` nearest to what was asked, and never nothing.

    Raises UnsupportedOptimization where no channel can go.
    """
    found = traced(model)
    gone = _least_important(found, share, multiple)
    if not gone:
        raise UnsupportedOptimization(
            f"{subject} cannot lose channels: none of its layers has more than {multiple} that nothing else depends on "
            "(optimization.channel_multiple)"
        )
    kept = {name: _Kept.of(layer, found, gone) for name, layer in found.layers.items()}
    smaller = keras.models.clone_model(model, clone_function=lambda layer: _resized(layer, kept.get(layer.name)))
    for layer in smaller.layers:
        if layer.weights:
            old = model.get_layer(layer.name)
            layer.set_weights(_sliced(old, kept[layer.name]) if layer.name in kept else old.get_weights())
    changed = {
        name: (len(one.outside), int(one.outside.sum()))
        for name, one in kept.items()
        if isinstance(found.layers[name].layer, PRODUCERS) and not one.outside.all()
    }
    return Thinned(smaller, changed)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Which of a layer's channels stay: masks of those that go in and come out."""

    inside: Numbers
    outside: Numbers

    @classmethod
    def of(cls, layer: Layer, found: Traced, gone: set[int]) -> _Kept:
        masks = (
            np.array([root not in gone for root in found.atoms.roots(atoms)]) for atoms in (layer.inside, layer.outside)
        )
        return cls(*masks)


def _least_important(found: Traced, share: float, multiple: int) -> set[int]:
    """The channels to be removed, by what stands for them."""
    strength: dict[int, float] = defaultdict(float)
    makers: dict[int, list[str]] = defaultdict(list)
    for name, layer in found.layers.items():
        norms = _norms(layer)
        for root, norm in zip(found.atoms.roots(layer.outside), norms, strict=True):
            strength[root] += norm
            if isinstance(layer.layer, PRODUCERS):
                makers[root].append(name)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for root, names in makers.items():
        if not found.atoms.is_pinned(root):
            groups[tuple(names)].append(root)
    gone: set[int] = set()
    for roots in groups.values():
        ranked = sorted(roots, key=lambda root: (strength[root], root))
        gone |= set(ranked[: len(roots) - _left(len(roots), share, multiple)])
    return gone


def _left(channels: int, share: float, multiple: int) -> int:
    """The multiple nearest to what is asked (halves up), at least one and at most all there are."""
    wanted = int(channels * (1 - share) / multiple + 0.5) * multiple
    return min(channels, max(multiple, wanted))


def _norms(layer: Layer) -> Numbers:
    """Sum of squares of the weights that make each channel; 0 where a layer only scales what is there."""
    if isinstance(layer.layer, _SEPARABLE):
        kernel = layer.layer.pointwise_kernel.numpy()
    elif isinstance(layer.layer, _DEPTHWISE):
        kernel = layer.layer.kernel.numpy()
        kernel = kernel.reshape(*kernel.shape[:-2], -1)
    elif isinstance(layer.layer, PRODUCERS):
        kernel = layer.layer.kernel.numpy()
    else:
        return np.zeros(len(layer.outside))
    found: Numbers = (kernel.astype(np.float64).reshape(-1, kernel.shape[-1]) ** 2).sum(axis=0)
    return found


def _resized(layer: Any, kept: _Kept | None) -> Any:
    """A fresh layer with the channels that it has now."""
    config = layer.get_config()
    if kept is not None:
        count = int(kept.outside.sum())
        for key in ("filters", "units"):
            if key in config:
                config[key] = count
        if isinstance(layer, keras.layers.Reshape):
            config["target_shape"] = (*config["target_shape"][:-1], count)
    return layer.__class__.from_config(config)


def _sliced(layer: Any, kept: _Kept) -> list[Numbers]:
    """The layer's weights without the channels that went, in its order."""
    return [_slice(layer, variable.name, variable.numpy(), kept) for variable in layer.weights]


def _slice(layer: Any, name: str, values: Numbers, kept: _Kept) -> Numbers:
    if values.ndim == 1 or isinstance(layer, keras.layers.PReLU):  # bias, normalization, slope
        return values[..., kept.outside]
    if isinstance(layer, _DEPTHWISE) or name == "depthwise_kernel":
        return values[..., kept.inside, :]
    inside = kept.inside
    if isinstance(layer, _SEPARABLE):
        inside = np.repeat(inside, layer.depth_multiplier)
    return values[..., inside, :][..., kept.outside]
