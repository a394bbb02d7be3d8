"""One builder, and so one TensorFlow process, for all tests that only look at what it made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder import Builder, Recipe
from orchestrator.cell import Model, Optimization

MOBILENET = Model("mobilenetv2", "keras_application", application="MobileNetV2", input_size=224)
DIGITS = Model("digits", "digits", input_size=8)

Build = Callable[..., Artifact]


def recipe(model: Model, steps: str = "none", *, samples: int = 20, sparsity: float = 0.5, **rest: int) -> Recipe:
    """``steps``: words joined by ``+``, or none."""
    chain = [] if steps == "none" else steps.split("+")
    return Recipe.of(model, Optimization("any", chain, sparsity, samples), **rest)


def own_file(path: Path) -> Model:
    return Model("mine", "file", path=str(path))


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    with Builder(tmp_path_factory.mktemp("cache")) as builder:
        yield builder


@pytest.fixture(scope="session")
def build(builder: Builder) -> Build:
    def build(model: Model, steps: str = "none", **rest: Any) -> Artifact:
        return builder.build(recipe(model, steps, **rest))

    return build
