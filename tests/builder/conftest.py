"""One builder, and so one TensorFlow process, for all tests that only look at what it made."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder import Builder, Recipe
from orchestrator.cell import Model
from orchestrator.optimization import Optimization

MOBILENET = Model("mobilenetv2", "keras_application", application="MobileNetV2", input_size=224)
DIGITS = Model("digits", "digits", input_size=8)

Build = Callable[..., Artifact]


OF_OPTIMIZATION = {field.name for field in dataclasses.fields(Optimization)} - {"name", "steps"}


def recipe(model: Model, steps: str = "none", *, samples: int = 20, **rest: Any) -> Recipe:
    """``steps``: words joined by ``+``, or none; ``rest``: parameters of the optimization, and of the recipe."""
    chain = [] if steps == "none" else steps.split("+")
    of_steps = {name: rest.pop(name) for name in list(rest) if name in OF_OPTIMIZATION}
    return Recipe.of(model, Optimization("any", chain, calibration_samples=samples, **of_steps), **rest)


def own_file(path: Path) -> Model:
    return Model("mine", "file", path=str(path))


def net(function: str, **arguments: Any) -> Model:
    """A model of nets.py; needs a lab that holds it."""
    return Model("mine", "factory", factory=f"nets:{function}", arguments=arguments)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab's folder with nets.py in it."""
    return lab_in(tmp_path, monkeypatch)


def lab_in(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = parent / "lab"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("nets.py"), folder / "nets.py")
    monkeypatch.setenv("ORCHESTRATOR_LAB", str(folder))
    return folder


@pytest.fixture(scope="session")
def own(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that a user could bring; the worker that runs already makes them."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        lab_in(folder, patch)
        build(net("files", folder=str(folder)))
    return folder


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    with Builder(tmp_path_factory.mktemp("cache")) as builder:
        yield builder


@pytest.fixture(scope="session")
def build(builder: Builder) -> Build:
    def build(model: Model, steps: str = "none", **rest: Any) -> Artifact:
        return builder.build(recipe(model, steps, **rest))

    return build
