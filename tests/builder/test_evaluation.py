"""The evaluation beside each artifact: the same file for all that is made of a model, and what it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orchestrator.artifact import Artifact
from orchestrator.builder import Builder
from orchestrator.builder.inference import answers
from orchestrator.builder.store import EVALUATION
from orchestrator.cell import Model, Runtime
from orchestrator.errors import BuildError
from orchestrator.evaluation import Evaluation
from tests.builder import onnx_nets
from tests.builder.conftest import DIGITS, Build, net, own_file, recipe

pytestmark = pytest.mark.slow

ONNX = Runtime("onnxruntime")
RANDOM = Model("small", "keras_application", "MobileNetV2", input_size=32)


def told(artifact: Artifact) -> dict[str, Any]:
    return dict(artifact.manifest["evaluation"])


def stored(artifact: Artifact) -> Evaluation:
    assert artifact.evaluation is not None
    return Evaluation.read(artifact.evaluation)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten folders of four images, as the nets of nets.py tell classes apart."""
    root = tmp_path_factory.mktemp("data") / "photos"
    drawn = np.random.default_rng(0)
    for name in "abcdefghij":
        (root / name).mkdir(parents=True)
        for number in range(4):
            pixels = drawn.integers(0, 256, (24, 20, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.jpg", quality=95)
    return root


def test_one_file_for_all_that_is_made_of_a_model(build: Build) -> None:
    made = [
        build(DIGITS),
        *(build(DIGITS, steps) for steps in ("int8", "float16", "prune+int8")),
        build(DIGITS, runtime=ONNX),
        build(DIGITS, batch_size=3),
    ]
    assert {artifact.format for artifact in made} == {"tflite", "onnx"}
    assert len({told(artifact)["sha256"] for artifact in made}) == 1
    inodes = {artifact.evaluation.stat().st_ino for artifact in made if artifact.evaluation}
    assert len(inodes) == 1, "and one on the disk"
    other = build(DIGITS, seed=1)
    assert told(other)["sha256"] != told(made[0])["sha256"]


def test_digits_are_judged_on_what_they_have_not_seen(build: Build) -> None:
    artifact = build(DIGITS)
    found = stored(artifact)
    assert found.labels is not None and found.reference is not None
    assert (found.inputs[0].shape, found.reference.shape, len(found.labels)) == ((360, 8, 8, 1), (360, 10), 360)
    assert (found.reference.argmax(axis=1) == found.labels).mean() == artifact.manifest["training"]["test_accuracy"]
    assert told(artifact) | {"sha256": "", "size_bytes": 0, "data": ""} == {
        "data": "",
        "sha256": "",
        "size_bytes": 0,
        "samples": 360,
        "labelled": True,
        "task": "classification",
        "classes": 10,
        "source": "held-out images of scikit-learn digits",
        "reference": f"the float model, by TensorFlow {artifact.manifest['versions']['tensorflow']} where it was built",
        "meaningful": True,
        "reason": None,
    }
    assert artifact.evaluation is not None
    with np.load(artifact.evaluation) as raw:
        assert raw["input_0"].dtype == np.uint8, "a quarter of the size"
    few = build(Model("digits", "digits", evaluation_samples=50))
    assert (told(few)["samples"], len(stored(few).inputs[0])) == (50, 50)


def test_random_weights_are_said_to_mean_nothing(build: Build) -> None:
    artifact = build(RANDOM)
    found = told(artifact)
    assert (found["meaningful"], found["reason"]) == (False, "its weights are random")
    assert (found["samples"], found["labelled"], found["classes"]) == (16, False, 1000)
    assert found["source"] == "seeded noise with the spectrum of photographs"
    inputs = stored(artifact).inputs[0]
    assert (inputs.shape, inputs.dtype.name) == ((16, 32, 32, 3), "float32")
    assert -1 <= inputs.min() < -0.9 and 0.9 < inputs.max() <= 1
    assert found["size_bytes"] < 16 * (32 * 32 * 3 + 4 * 1000) + 3000


def test_the_reference_is_what_the_float_artifact_answers(build: Build) -> None:
    for model in (RANDOM, DIGITS):
        artifact = build(model)
        found = stored(artifact)
        ours = answers(artifact.path.read_bytes(), list(found.inputs))
        np.testing.assert_allclose(ours, found.reference, rtol=1e-3, atol=1e-5)


def test_a_model_of_several_inputs_and_one_with_a_batch_of_its_own(build: Build, lab: Path) -> None:
    several = stored(build(net("two_inputs"), "int8"))
    assert [values.shape for values in several.inputs] == [(16, 12, 4), (16, 2)]
    assert several.reference is not None and several.reference.shape[0] == 16
    assert set(np.unique(several.inputs[1])) == {0, 1}
    artifact = build(net("tiny", batch=5))
    found = stored(artifact)
    ours = answers(artifact.path.read_bytes(), list(found.inputs))
    np.testing.assert_allclose(ours, found.reference, rtol=1e-3, atol=1e-5)


def test_a_saved_model_and_its_keras_file_answer_the_same(build: Build, own: Path) -> None:
    keras_file, exported = (stored(build(own_file(own / name))) for name in ("own.keras", "exported"))
    assert keras_file.reference is not None and exported.reference is not None
    np.testing.assert_array_equal(keras_file.inputs[0], exported.inputs[0])
    np.testing.assert_allclose(keras_file.reference, exported.reference, atol=1e-5)


@pytest.mark.parametrize("name", ["own.keras", "exported", "photos.tflite"])
def test_a_folder_of_images_judges_any_model(build: Build, own: Path, photos: Path, name: str) -> None:
    path = own / name
    if name == "photos.tflite":
        path.write_bytes(build(own_file(own / "own.keras")).path.read_bytes())
    model = Model("mine", "file", path=str(path), data=str(photos), preprocessing="unit")
    plain, small = build(model), build(model, "int8")
    assert told(plain) == told(small)
    assert (told(plain)["samples"], told(plain)["labelled"], told(plain)["meaningful"]) == (20, True, True)
    assert told(plain)["source"].startswith("20 of 40 images of the folder photos, the short side resized")
    assert small.manifest["calibration"]["source"].startswith("20 images of the folder photos that are not evaluated")
    assert small.manifest["inputs"][0]["scale"] == pytest.approx(1 / 255, rel=0.1)
    found = stored(plain)
    assert found.labels is not None and found.labels.max() < 10
    assert found.inputs[0].min() >= 0 and found.inputs[0].max() <= 1


def test_a_folder_of_images_calibrates_what_was_random(build: Build, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number, folder in enumerate(sorted(photos.iterdir())):
        (tmp_path / "photos" / str(100 * number)).symlink_to(folder)
    artifact = build(Model("m", "keras_application", "MobileNetV2", input_size=32, data=str(tmp_path / "photos")))
    assert told(artifact)["labelled"] and not told(artifact)["meaningful"]
    assert "preprocessing tf" in told(artifact)["source"]
    labels = stored(artifact).labels
    assert labels is not None and set(labels % 100) == {0} and labels.max() > 100


def test_a_finished_file_is_its_own_reference_where_it_is_float(build: Build, own: Path, tmp_path: Path) -> None:
    lite = build(own_file(own / "own.tflite"))
    found = stored(lite)
    np.testing.assert_array_equal(answers(lite.path.read_bytes(), list(found.inputs)), found.reference)
    assert told(lite)["reference"].startswith("the file itself, by LiteRT 2")
    quantized = tmp_path / "quantized.tflite"
    quantized.write_bytes(build(DIGITS, "int8").path.read_bytes())
    assert build(own_file(quantized)).evaluation is None
    images = stored(build(DIGITS)).inputs[0]
    np.savez(tmp_path / "own.npz", x=images, y=np.arange(len(images)) % 10)
    judged = build(Model("mine", "file", path=str(quantized), data=str(tmp_path / "own.npz")))
    assert told(judged)["labelled"] and stored(judged).reference is None
    assert told(judged)["reference"] == "none: the file is quantized, and there is no float model of it"


def test_onnx_with_the_channels_first(build: Build, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "four"
    folder.mkdir()
    for number, name in enumerate("abcd"):
        (folder / str(number)).symlink_to(photos / name)
    path = onnx_nets.small(tmp_path / "small.onnx")
    plain = build(own_file(path))
    assert stored(plain).inputs[0].shape == (16, 3, 8, 8)
    assert told(plain)["reference"].startswith("the file itself, by ONNX Runtime")
    judged = build(Model("mine", "file", path=str(path), data=str(folder), preprocessing="torch"))
    found = stored(judged)
    assert (found.inputs[0].shape, told(judged)["classes"]) == ((8, 3, 8, 8), 4)
    assert judged.evaluation is not None
    with np.load(judged.evaluation) as raw:
        assert (raw["input_0"].dtype, raw["scale"].shape) == (np.uint8, (3, 1, 1))


def test_what_is_wrong_with_data_fails_the_build_by_name(build: Build, own: Path, photos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    (broken / "0").mkdir(parents=True)
    for number in range(4):
        (broken / "0" / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    model = Model("mine", "file", path=str(own / "own.keras"), data=str(broken), preprocessing="unit")
    with pytest.raises(BuildError, match=r"0/\d\.png is no image that can be read"):
        build(model)
    model.data = str(photos.parent)
    with pytest.raises(BuildError, match=r"holds no \.jpg or \.png in its subfolders"):
        build(model)


def test_a_model_that_answers_nothing_finite_is_told(build: Build, lab: Path) -> None:
    (lab / "far.py").write_text(
        "import keras\n\n\ndef far(gain: float):\n"
        "    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])\n"
        "    for layer in model.layers:\n"
        "        layer.kernel.assign(layer.kernel * gain)\n"
        "    return model\n"
    )
    far, near = (Model("far", "factory", factory="far:far", arguments={"gain": gain}) for gain in (1e30, 1.0))
    artifact = build(far)
    assert artifact.manifest["notes"] == ["the float model's outputs are not finite"]
    assert artifact.evaluation is None
    assert build(near).manifest["notes"] == [] and told(build(near))["meaningful"]


def test_a_damaged_evaluation_is_built_again_for_all_that_share_it(builder: Builder) -> None:
    recipes = [recipe(DIGITS, steps, seed=7) for steps in ("none", "float16")]
    first, second = (builder.build(one) for one in recipes)
    assert first.evaluation is not None and second.evaluation is not None
    content = first.evaluation.read_bytes()
    first.evaluation.write_bytes(content[:-1] + b"!")
    assert [builder.cached(one) for one in recipes] == [None, None]
    assert [builder.build(one).evaluation.read_bytes() for one in recipes] == [content, content]  # type: ignore[union-attr]


def test_where_a_disk_has_no_links_each_keeps_its_own(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise OSError("Operation not permitted")

    first = builder.build(recipe(DIGITS))
    monkeypatch.setattr(os, "link", no_links)
    own = builder.build(recipe(DIGITS, "prune", sparsity=0.11))
    assert told(own) == told(first) and own.path.with_name(EVALUATION).stat().st_nlink == 1
    assert json.loads(own.path.with_name("manifest.json").read_text())["evaluation"] == told(own)
