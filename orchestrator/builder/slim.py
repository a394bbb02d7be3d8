"""Makes a float model leaner before it is converted: channels, small values and different values go. Worker only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.builder.activations import make_realistic, samples_for, spread_of
from orchestrator.builder.channels import copied, thinned
from orchestrator.builder.cluster import Clustering
from orchestrator.builder.finetune import EPOCHS, Nothing, fine_tune, held_out_accuracy
from orchestrator.builder.prune import Pruning
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source, freezing
from orchestrator.errors import UnsupportedOptimization
from orchestrator.optimization import FINE_TUNED


@dataclass(frozen=True, slots=True)
class Slim:
    """The leaner source, and what was done to it, step by step, as the manifest tells it."""

    source: Source
    facts: list[dict[str, Any]]


def slim(source: Source, recipe: Recipe) -> Slim:
    """Apply the recipe's steps before quantization; the source itself stays as it is.

    Raises UnsupportedOptimization where the model has nothing to take away, or no data to be trained on though that
    is asked for.
    """
    steps = [step for step in recipe.steps if step in FINE_TUNED]
    if not steps:
        return Slim(source, [])
    if source.model is None:
        raise UnsupportedOptimization(f"{recipe.subject}: only a Keras model says which of its numbers are kernels")
    if recipe.fine_tune_epochs and source.train is None:
        raise UnsupportedOptimization(
            f"{recipe.subject} cannot be fine-tuned: it has no labelled training data (set model.data, or "
            "optimization.fine_tune_epochs=0)"
        )
    epochs = recipe.fine_tune_epochs if recipe.fine_tune_epochs is not None else EPOCHS if source.train else 0
    facts = []
    model = source.model
    for step in steps:
        before = held_out_accuracy(model, source)
        model, told = _STEPS[step](model, source, recipe, epochs)
        trained = {
            "fine_tune_epochs": epochs,
            "fine_tune_samples": len(source.train[1]) if epochs and source.train else 0,
            "held_out_before": before,
            "held_out_after": held_out_accuracy(model, source),
        }
        facts.append({"step": step, **told, **trained})
    return Slim(replace(source, model=model, freeze=freezing(model, recipe)), facts)


def _prune(model: Any, source: Source, recipe: Recipe, epochs: int) -> tuple[Any, dict[str, Any]]:
    twin, sparsity = copied(model, recipe.subject), recipe.sparsity or 0.0
    told: dict[str, Any] = {"asked": sparsity, "method": "magnitude, per layer, in one shot"}
    zeros = Pruning(twin, sparsity, recipe.subject).finish()
    told["held_out_untrained"] = held_out_accuracy(twin, source)
    if epochs:
        twin.set_weights(model.get_weights())
        gradual = Pruning(twin, sparsity, recipe.subject)
        fine_tune(twin, source, epochs, recipe.seed, gradual)
        told["method"] = "magnitude, per layer, more from epoch to epoch (Zhu and Gupta 2017)"
        zeros = gradual.finish()
    return twin, told | {"zeros": zeros}


def _prune_channels(model: Any, source: Source, recipe: Recipe, epochs: int) -> tuple[Any, dict[str, Any]]:
    less = thinned(model, recipe.channels or 0.0, recipe.channel_multiple or 1, recipe.subject)
    told: dict[str, Any] = {
        "asked": recipe.channels,
        "method": "channels of the smallest filters, coupled layers together",
        "channels": {name: list(pair) for name, pair in less.channels.items()},
        "parameters": [int(model.count_params()), int(less.model.count_params())],
        "held_out_untrained": held_out_accuracy(less.model, source),
    }
    if epochs:
        fine_tune(less.model, source, epochs, recipe.seed, Nothing())
    elif recipe.weights == "random":  # the statistics were of other activations
        given = source.inputs(samples_for(less.model), recipe.seed)
        make_realistic(less.model, given, spread_of(recipe.task, given))
        told["statistics"] = "of normalizations, estimated anew on seeded inputs"
    return less.model, told


def _cluster(model: Any, source: Source, recipe: Recipe, epochs: int) -> tuple[Any, dict[str, Any]]:
    twin = copied(model, recipe.subject)
    clustering = Clustering(twin, recipe.clusters or 2, recipe.subject)
    told = {
        "asked": recipe.clusters,
        "method": "k-means per kernel",
        "held_out_untrained": held_out_accuracy(twin, source),
    }
    if epochs:
        fine_tune(twin, source, epochs, recipe.seed, clustering)
    return twin, told | {"values": clustering.finish()}


_Step = Callable[[Any, Source, Recipe, int], tuple[Any, dict[str, Any]]]
_STEPS: dict[str, _Step] = {"prune": _prune, "prune_channels": _prune_channels, "cluster": _cluster}
