"""Which channels go: of each set of channels that belong together, the least important ones.

Coupling as in DepGraph (Fang et al. 2023, "Towards Any Structural Pruning"), importance by the norm of the filters
that make a channel (Li et al. 2017, "Pruning Filters for Efficient ConvNets"; the L2 norm here).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.builder.channels.rebuild import rebuilt
from orchestrator.builder.channels.walk import Walk, is_graph
from orchestrator.builder.images import Array
from orchestrator.errors import UnsupportedOptimization


@dataclass(frozen=True, slots=True)
class Thinned:
    """The smaller model; ``channels`` made before and after, by layers that lost some."""

    model: Any
    channels: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is removed, before anything is."""

    walk: Walk
    gone: frozenset[int]  # roots of atoms

    def keep(self, atoms: Array) -> Array:
        """A mask of the atoms that stay."""
        return np.array([root not in self.gone for root in self.walk.atoms.roots(atoms).tolist()], bool)

    @property
    def channels(self) -> dict[str, tuple[int, int]]:
        """Made before and after, of the layers that lose some."""
        makers = [(cut.layer.name, cut.own) for cut in self.walk.cuts.values() if cut.own is not None]
        counts = {name: (len(own), int(self.keep(own).sum())) for name, own in makers}
        return {name: (before, after) for name, (before, after) in counts.items() if after < before}


def thinned(model: Any, share: float, multiple: int, subject: str) -> Thinned:
    """A new model without ``share`` of the channels; see ``planned``. The given one stays as it is.

    Raises UnsupportedOptimization where no channel can be removed or the model cannot be made anew.
    """
    plan = planned(model, share, multiple, subject)
    return Thinned(rebuilt(model, plan.walk.cuts, plan.keep, subject), plan.channels)


def planned(model: Any, share: float, multiple: int, subject: str) -> Plan:
    """Of each set of channels that come from the same layers, ``share`` is removed, rounded to the nearest count that
    leaves a multiple of ``multiple``, and at least that many.
    """
    if not is_graph(model):
        raise UnsupportedOptimization(
            f"{subject} cannot lose channels: {type(model).__name__} has a call of its own, and only functional and "
            "sequential models can be followed"
        )
    walk = Walk(model)
    importance = _importance(walk)
    gone: set[int] = set()
    for group in _groups(walk):
        scores = np.array([importance[root] for root in group])
        least = np.argsort(scores, kind="stable")[: len(group) - left(len(group), share, multiple)]
        gone.update(group[place] for place in least.tolist())
    if not gone:
        raise UnsupportedOptimization(
            f"{subject} cannot lose channels: what its layers make is fixed by the model's outputs or by layers that "
            f"are not understood, or is no more than optimization.channel_multiple={multiple}"
        )
    return Plan(walk, frozenset(gone))


def left(count: int, share: float, multiple: int) -> int:
    """How many of ``count`` channels stay."""
    wanted = int((1 - share) * count / multiple + 0.5) * multiple
    return min(count, max(multiple, wanted))


def _importance(walk: Walk) -> dict[int, float]:
    """Sum over all filters that make a channel, each relative to the mean of its layer: layers differ in scale."""
    found: dict[int, float] = defaultdict(float)
    for cut in walk.cuts.values():
        for weight, axis, atoms in cut.makers:
            rows = np.moveaxis(weight.numpy().astype(np.float64), axis, 0).reshape(len(atoms), -1)
            norms = np.linalg.norm(rows, axis=1)
            mean = norms.mean() or 1.0
            for root, norm in zip(walk.atoms.roots(atoms).tolist(), norms.tolist(), strict=True):
                found[root] += norm / mean
    return found


def _groups(walk: Walk) -> list[list[int]]:
    """Roots that may go, those together that are made by the same layers, each in the order of its channels."""
    pinned = walk.atoms.pinned_roots()
    makers: dict[int, list[int]] = defaultdict(list)
    for number, cut in enumerate(walk.cuts.values()):
        if cut.own is not None:
            for root in walk.atoms.roots(cut.own).tolist():
                makers[root].append(number)
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for root, layers in makers.items():
        if root not in pinned:
            groups[tuple(layers)].append(root)
    return list(groups.values())
