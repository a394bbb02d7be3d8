"""One call of a layer, as a rule sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from orchestrator.builder.channels.atoms import Atoms
from orchestrator.builder.channels.cut import Cut
from orchestrator.builder.images import Array


@dataclass(frozen=True, slots=True)
class Call:
    """``ins``: atoms along the last axis of each input. ``cut`` is the layer's, the same in all of its calls."""

    atoms: Atoms
    cut: Cut
    node: Any
    ins: list[Array]

    @property
    def only(self) -> Array:
        """The atoms of the first input, which are those of an earlier call of the same layer, too: its weights are."""
        return self.ins[0]

    @property
    def in_shape(self) -> tuple[int | None, ...]:
        return tuple(self.node.input_tensors[0].shape)

    @property
    def out_shape(self) -> tuple[int | None, ...]:
        return tuple(self.node.outputs[0].shape)

    @property
    def flat(self) -> Array | None:
        """The atoms of all values of a sample in a row, the last axis fastest; None where the shape is open."""
        rest = [side for side in self.in_shape[1:-1] if side is not None]
        return np.tile(self.only, math.prod(rest)) if len(rest) == len(self.in_shape) - 2 else None

    @property
    def rank(self) -> int:
        return len(self.in_shape)

    def own(self, count: int, free: bool) -> Array:
        """The atoms that this layer makes; pinned where they are not ``free`` to go."""
        if self.cut.own is None:
            self.cut.own = self.atoms.fresh(count, pinned=not free)
        return self.cut.own

    def united(self) -> Array:
        """All inputs position by position. A single channel that is spread over many stays."""
        longest = max(self.ins, key=len)
        for one in self.ins:
            if len(one) == len(longest):
                self.atoms.unite(longest, one)
            else:
                self.atoms.pin(one)
        return longest

    @property
    def constants_are_scalars(self) -> bool:
        """Whether what is no tensor of the network is the same for all channels."""
        given = keras.tree.flatten((self.node.arguments.args, self.node.arguments.kwargs))
        others = [one for one in given if not isinstance(one, keras.KerasTensor)]
        return all(one is None or isinstance(one, str | bool) or np.size(one) == 1 for one in others)
