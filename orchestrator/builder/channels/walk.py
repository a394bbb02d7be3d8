"""Follows the channels of a Keras model through its graph, nested models included."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from orchestrator.builder.channels.atoms import Atoms
from orchestrator.builder.channels.call import Call
from orchestrator.builder.channels.cut import Cut, Tied
from orchestrator.builder.channels.rules import rule_of
from orchestrator.builder.images import Array


class Walk:
    """``cuts``: what the removal of channels means for each layer, by ``id`` of the layer."""

    def __init__(self, model: Any) -> None:
        self.atoms = Atoms()
        self.cuts: dict[int, Cut] = {}
        for atoms in self._through(graph_of(model)):
            self.atoms.pin(atoms)  # what the model answers keeps its shape

    def _through(self, model: Any) -> list[Array]:
        """The atoms of each output. Inputs keep their shape; those of a nested model, too."""
        tensors = {id(tensor): self._fixed(tensor) for tensor in model.inputs}
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if not node.is_input:
                    made = self._visit(node, [tensors[id(tensor)] for tensor in node.input_tensors])
                    tensors.update(zip(map(id, node.outputs), made, strict=True))
        return [tensors[id(tensor)] for tensor in model.outputs]

    def _visit(self, node: Any, ins: list[Array]) -> list[Array]:
        op = node.operation
        if is_graph(op):
            self._pin(ins)
            return self._through(graph_of(op))
        cut = self.cuts.setdefault(id(op), Cut(op))
        rule = rule_of(op)
        if rule is not None and ins and len(node.outputs) == 1 and all(len(atoms) for atoms in ins):
            earlier = cut.tied()
            out = rule(op, Call(self.atoms, cut, node, ins))
            if out is not None:
                self._alike(earlier, cut.tied())
                return [out]
        self._pin([*ins, *cut.tied().values()])
        return [self._fixed(tensor) for tensor in node.outputs]

    def _alike(self, earlier: Tied, now: Tied) -> None:
        """A layer that is called again has one set of weights and one config: what comes in must be cut alike."""
        for key, atoms in earlier.items():
            if len(atoms) == len(now[key]):
                self.atoms.unite(atoms, now[key])
            else:
                self._pin([atoms, now[key]])

    def _fixed(self, tensor: Any) -> Array:
        """Atoms that stay; none where the last axis has no length that is known, which no rule takes."""
        shape = tuple(tensor.shape)
        return self.atoms.fresh(shape[-1] or 0, pinned=True) if len(shape) > 1 else np.zeros(0, np.int64)

    def _pin(self, some: list[Array]) -> None:
        for atoms in some:
            self.atoms.pin(atoms)


def is_graph(op: Any) -> bool:
    """A model whose layers can be followed: functional or sequential, with no ``call`` of its own."""
    return isinstance(op, keras.Model) and type(op).call.__qualname__ in ("Functional.call", "Sequential.call")


def graph_of(model: Any) -> Any:
    return model._functional if isinstance(model, keras.Sequential) else model
