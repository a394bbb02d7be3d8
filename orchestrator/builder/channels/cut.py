"""What follows for one layer where channels are removed: axes of its weights, and values of its config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.builder.images import Array

Keep = Callable[[Array], Array]
"""From atoms to a mask of those that stay."""
Tied = dict[tuple[int | str, int], Array]


@dataclass(slots=True)
class Cut:
    """``axes``: for each weight (by ``id``), which atoms lie along which of its axes; ``makers``: weights whose slices
    along an axis make a channel each; ``own``: the atoms that are born here; ``sizes``: keys of the config that count
    atoms.
    """

    layer: Any
    axes: dict[int, dict[int, Array]] = field(default_factory=dict)
    makers: list[tuple[Any, int, Array]] = field(default_factory=list)
    own: Array | None = None
    sizes: dict[str, Array] = field(default_factory=dict)
    shape: tuple[tuple[int, ...], Array] | None = None  # of a Reshape: the target, and the atoms of its last axis

    def lay(self, weight: Any, axes: dict[int, Array]) -> None:
        """Say what lies along some axes of a weight; None (a bias that is not there) has none."""
        if weight is not None:
            self.axes[id(weight)] = axes

    def tied(self) -> Tied:
        """All atoms that its weights and its config depend on, each set under a name of its own."""
        tied: Tied = {(weight, axis): atoms for weight, axes in self.axes.items() for axis, atoms in axes.items()}
        return tied if self.shape is None else tied | {("shape", -1): self.shape[1]}

    def config(self, keep: Keep) -> dict[str, Any]:
        """The layer's config with what is left."""
        config: dict[str, Any] = self.layer.get_config()
        if callable(getattr(self.layer, "activation", None)) and "activation" in config:
            config["activation"] = self.layer.activation  # a function of the user's own is not found by its name
        config |= {key: int(keep(atoms).sum()) for key, atoms in self.sizes.items()}
        if self.shape is not None:
            target, atoms = self.shape
            config["target_shape"] = (*target[:-1], target[-1] if target[-1] == -1 else int(keep(atoms).sum()))
        return config

    def weights(self, keep: Keep) -> list[Array]:
        """The layer's weights without what is removed."""
        return [self._left(weight, keep) for weight in self.layer.weights]

    def _left(self, weight: Any, keep: Keep) -> Array:
        values: Array = weight.numpy()
        for axis, atoms in self.axes.get(id(weight), {}).items():
            values = np.compress(keep(atoms), values, axis=axis)
        return values
