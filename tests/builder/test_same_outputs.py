"""The same float model answers the same whatever executes it: each artifact in the runtime that boards have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.artifact import Artifact
from orchestrator.cell import Model, Runtime
from orchestrator.evaluation import Evaluation
from tests.builder.conftest import DIGITS, Build, net

pytestmark = pytest.mark.slow

RUNTIMES = {"litert": "tflite", "onnxruntime": "onnx", "tensorflow": "graphdef"}
SMALL_MOBILENET = Model("mobilenetv2", "keras_application", application="MobileNetV2", input_size=96)


ANSWER = """
import sys
import numpy as np
from remote.runtimes import Asked, library

runtime, model, inputs, outputs = sys.argv[1:]
session, found = library(runtime).load(Asked(model, 1, "auto", None, None, {}, "")), []
for sample in np.load(inputs):
    session.set_inputs([sample[None]])
    session.call()
    found.append(session.get_outputs()[0])
np.save(outputs, np.concatenate(found))
"""


def answered(artifact: Artifact, runtime: str, inputs: list[Any], folder: Path) -> Any:
    """The first output, by the very code that runs on a board, in a process of its own as there: TensorFlow takes no
    number of threads once something else of the process has used it."""
    given, found = folder / "inputs.npy", folder / "outputs.npy"
    np.save(given, inputs[0])
    argv = [sys.executable, "-c", ANSWER, runtime, str(artifact.path), str(given), str(found)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(argv, cwd=root, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(found)


@pytest.mark.parametrize("model", [DIGITS, net("branching"), SMALL_MOBILENET], ids=["digits", "branching", "mobilenet"])
def test_the_same_float_model_answers_the_same_everywhere(
    build: Build, lab: Path, tmp_path: Path, model: Model
) -> None:
    built = {name: build(model, runtime=Runtime(name, [name])) for name in RUNTIMES}
    assert {name: artifact.format for name, artifact in built.items()} == RUNTIMES
    assert built["tensorflow"].manifest["ops"]["Conv2D"] > 0
    assert "multiplications and bytes are those of the same function as TFLite" in built["tensorflow"].manifest["notes"]
    assert built["litert"].evaluation is not None
    stored = Evaluation.read(built["litert"].evaluation)
    inputs = [values[:16] for values in stored.inputs]
    assert stored.reference is not None
    for name, artifact in built.items():
        ours = answered(artifact, name, inputs, tmp_path)
        np.testing.assert_allclose(ours, stored.reference[:16], rtol=1e-3, atol=1e-5, err_msg=name)
        assert artifact.manifest["macs"] == built["litert"].manifest["macs"], name
        assert artifact.manifest["evaluation"] == built["litert"].manifest["evaluation"], name
