"""A Keras model once more, with the same weights or with fewer channels. Keras: worker only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from orchestrator.builder.channels.cut import Cut, Keep
from orchestrator.builder.channels.walk import is_graph
from orchestrator.builder.images import Array
from orchestrator.errors import UnsupportedOptimization


def copied(model: Any, subject: str) -> Any:
    """The same model in layers of its own, so that changes of its weights leave the first one alone."""
    return rebuilt(model, {}, lambda atoms: np.ones(len(atoms), bool), subject)


def rebuilt(model: Any, cuts: Mapping[int, Cut], keep: Keep, subject: str) -> Any:
    """Raises UnsupportedOptimization for a model or a layer that cannot be made anew from its config."""
    if not is_graph(model):
        raise UnsupportedOptimization(
            f"{subject}: {type(model).__name__} has a call of its own; only functional and sequential models can be "
            "made anew with other weights"
        )
    pairs: list[tuple[Cut, Any]] = []

    def clone(layer: Any) -> Any:
        cut = cuts.get(id(layer), Cut(layer))
        try:
            new = type(layer).from_config(cut.config(keep))
        except Exception as error:  # it may be the user's own code
            raise UnsupportedOptimization(
                f"{subject}: layer {layer.name} cannot be made anew from its get_config(): {error}"
            ) from error
        pairs.append((cut, new))
        return new

    made = keras.models.clone_model(model, clone_function=clone, recursive=True)
    for cut, new in pairs:
        if isinstance(new, keras.Layer):
            _set(new, cut.weights(keep), subject)
    return made


def _set(layer: Any, weights: list[Array], subject: str) -> None:
    try:
        layer.set_weights(weights)
    except ValueError as error:
        raise UnsupportedOptimization(f"{subject}: the weights of layer {layer.name} do not fit: {error}") from error
