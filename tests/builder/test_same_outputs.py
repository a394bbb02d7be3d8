"""The same float model answers the same whatever executes it: each artifact in the runtime that boards have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.artifact import Artifact
from orchestrator.cell import Model, Runtime
from orchestrator.evaluation import Evaluation
from remote.runtimes import Asked, library
from tests.builder.conftest import DIGITS, Build, net

pytestmark = pytest.mark.slow

RUNTIMES = {"litert": "tflite", "onnxruntime": "onnx", "tensorflow": "graphdef"}
SMALL_MOBILENET = Model("mobilenetv2", "keras_application", application="MobileNetV2", input_size=96)


def answered(artifact: Artifact, runtime: str, inputs: list[Any]) -> Any:
    """The first output, by the very code that runs on a board."""
    session = library(runtime).load(Asked(str(artifact.path), 1, "auto", None, None, {}, ""))
    found = []
    for sample in inputs[0]:
        session.set_inputs([sample[None]])
        session.call()
        found.append(session.get_outputs()[0])
    return np.concatenate(found)


@pytest.mark.parametrize("model", [DIGITS, net("branching"), SMALL_MOBILENET], ids=["digits", "branching", "mobilenet"])
def test_the_same_float_model_answers_the_same_everywhere(build: Build, lab: Path, model: Model) -> None:
    built = {name: build(model, runtime=Runtime(name, [name])) for name in RUNTIMES}
    assert {name: artifact.format for name, artifact in built.items()} == RUNTIMES
    assert built["tensorflow"].manifest["ops"]["Conv2D"] > 0
    assert "multiplications and bytes are those of the same function as TFLite" in built["tensorflow"].manifest["notes"]
    assert built["litert"].evaluation is not None
    stored = Evaluation.read(built["litert"].evaluation)
    inputs = [values[:16] for values in stored.inputs]
    assert stored.reference is not None
    for name, artifact in built.items():
        ours = answered(artifact, name, inputs)
        np.testing.assert_allclose(ours, stored.reference[:16], rtol=1e-3, atol=1e-5, err_msg=name)
        assert artifact.manifest["macs"] == built["litert"].manifest["macs"], name
        assert artifact.manifest["evaluation"] == built["litert"].manifest["evaluation"], name
