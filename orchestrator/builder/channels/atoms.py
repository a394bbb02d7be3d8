"""Channels of a whole network, told apart by numbers: which of them are one and the same, and which must stay."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orchestrator.builder.images import Array


class Atoms:
    """An atom is a channel as one layer makes it. Atoms that are added or multiplied position by position can only be
    removed together and are united (union-find); a pinned one stays, and so do all that are united with it.
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._pinned: set[int] = set()

    def fresh(self, count: int, pinned: bool = False) -> Array:
        """``count`` new atoms."""
        found = np.arange(len(self._parents), len(self._parents) + count)
        self._parents += found.tolist()
        if pinned:
            self.pin(found)
        return found

    def pin(self, atoms: Iterable[int]) -> None:
        self._pinned.update(int(atom) for atom in atoms)

    def unite(self, some: Array, others: Array) -> None:
        """The first of ``some`` with the first of ``others``, and so on."""
        for one, other in zip(some.tolist(), others.tolist(), strict=True):
            roots = sorted((self._root(one), self._root(other)))
            self._parents[roots[1]] = roots[0]

    def roots(self, atoms: Array) -> Array:
        """What stands for each of them and all that are united with it."""
        return np.array([self._root(atom) for atom in atoms.tolist()], np.int64)

    def pinned_roots(self) -> set[int]:
        return {self._root(atom) for atom in self._pinned}

    def _root(self, atom: int) -> int:
        parents = self._parents
        while parents[atom] != atom:
            parents[atom] = parents[parents[atom]]
            atom = parents[atom]
        return atom
