"""Which channels belong together: each channel of each tensor is a number, an *atom*; what must go together is joined.

An addition joins the channels of its inputs, a depthwise convolution keeps those of its input, and so on. Whatever is
not understood *pins* the atoms that go in: they are never removed, so the result is always a correct network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


class Atoms:
    """A union-find over channels; ``pinned`` sets are not to be touched."""

    def __init__(self) -> None:
        self._above: list[int] = []
        self._pinned: list[bool] = []

    def new(self, count: int) -> Numbers:
        """So many fresh ones."""
        first = len(self._above)
        self._above += range(first, first + count)
        self._pinned += [False] * count
        return np.arange(first, first + count)

    def root(self, atom: int) -> int:
        """The one that stands for all that are joined with it."""
        while self._above[atom] != atom:
            self._above[atom] = self._above[self._above[atom]]
            atom = self._above[atom]
        return atom

    def roots(self, atoms: Iterable[int]) -> Numbers:
        return np.array([self.root(int(atom)) for atom in atoms], dtype=np.int64)

    def join(self, one: Numbers, other: Numbers) -> None:
        """Channel by channel."""
        for a, b in zip(self.roots(one), self.roots(other), strict=True):
            top, below = self.root(int(a)), self.root(int(b))
            self._above[below] = top
            self._pinned[top] = self._pinned[top] or self._pinned[below]

    def pin(self, atoms: Numbers) -> None:
        for atom in self.roots(atoms):
            self._pinned[atom] = True

    def is_pinned(self, root: int) -> bool:
        return self._pinned[self.root(root)]
