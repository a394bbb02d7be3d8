"""Real artifacts, built by the real worker: what they are and what their manifests claim."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder import Builder
from orchestrator.cell import Model
from orchestrator.errors import BuildError
from tests.builder.conftest import DIGITS, MOBILENET, Build, own_file, recipe
from tests.builder.judging import answers_of

pytestmark = pytest.mark.slow

QUANTIZATIONS = ("none", "float16", "dynamic_range", "int8")
SMALL = Model("small", "keras_application", application="MobileNet", input_size=32)


def kernels(artifact: Artifact) -> list[dict[str, Any]]:
    return [t for t in artifact.manifest["quantization"]["tensors"] if t["role"] == "kernel"]


@pytest.fixture(scope="session", params=QUANTIZATIONS)
def mobilenet(request: pytest.FixtureRequest, build: Build) -> Artifact:
    return build(MOBILENET, request.param)


@pytest.fixture(scope="session", params=QUANTIZATIONS)
def digits(request: pytest.FixtureRequest, build: Build) -> Artifact:
    return build(DIGITS, request.param)


def test_mobilenet_has_its_published_cost(mobilenet: Artifact) -> None:
    assert mobilenet.manifest["macs"] == pytest.approx(300.8e6, rel=1e-3)
    assert mobilenet.manifest["macs_uncounted"] == []
    assert mobilenet.manifest["parameters"] == 3_538_984


def test_sizes_and_digests_are_those_of_the_file(mobilenet: Artifact) -> None:
    content, manifest = mobilenet.path.read_bytes(), mobilenet.manifest
    assert manifest["size_bytes"] == mobilenet.size_bytes == len(content)
    assert manifest["sha256"] == mobilenet.sha256 == hashlib.sha256(content).hexdigest()
    assert manifest["gzip_bytes"] == len(gzip.compress(content, 6, mtime=0)) < len(content)


def test_quantized_files_are_smaller(build: Build) -> None:
    whole = build(MOBILENET).size_bytes
    shares = [build(MOBILENET, q).size_bytes / whole for q in QUANTIZATIONS[1:]]
    assert shares == pytest.approx([0.50, 0.27, 0.285], abs=0.02)


def test_static_shapes_and_types(build: Build) -> None:
    made = build(MOBILENET, "int8").manifest
    (given,), (answered,) = made["inputs"], made["outputs"]
    assert (given["shape"], given["dtype"]) == ([1, 224, 224, 3], "int8")
    assert (answered["shape"], answered["dtype"]) == ([1, 1000], "int8")
    assert given["scale"] == pytest.approx(2 / 255, rel=1e-3)
    assert answered["zero_point"] == -128
    assert build(MOBILENET).manifest["inputs"][0] == {
        "name": "input",
        "shape": [1, 224, 224, 3],
        "dtype": "float32",
        "scale": None,
        "zero_point": None,
    }


def test_every_int8_weight_is_within_half_a_scale(build: Build) -> None:
    artifact = build(MOBILENET, "int8")
    assert len(kernels(artifact)) == 53  # 35 + 17 convolutions and the classifier
    for entry in kernels(artifact):
        assert entry["dtype"] == "int8"
        assert 0 < entry["max_error_scales"] <= 0.5 + 1e-3
        assert entry["sqnr_db"] > 30
        assert entry["zero_point"] == {"count": entry["scale"]["count"], "min": 0, "max": 0}
    assert max(entry["scale"]["count"] for entry in kernels(artifact)) > 1  # per channel
    assert artifact.manifest["quantization"]["max_error_scales"] <= 0.5 + 1e-3


def test_float16_has_errors_but_no_scale(build: Build) -> None:
    for entry in kernels(build(MOBILENET, "float16")):
        assert (entry["dtype"], entry["scale"], entry["max_error_scales"]) == ("float16", None, None)
        assert entry["reason"] == "float16 has no scale"
        assert 70 < entry["sqnr_db"] < 80  # 11 bits of mantissa


def test_random_weights_answer_like_a_model(build: Build) -> None:
    """Untouched, every class gets 1/1000 and int8 has nothing to agree with."""
    found = answers_of(build(MOBILENET, "int8"))
    assert found.agreement >= 0.25  # of 16 samples: another CPU lets one or two fall the other way; by chance 0.001
    assert found.sqnr_db > 2
    assert answers_of(build(MOBILENET, "float16")).agreement >= 0.9
    plain = answers_of(build(MOBILENET))
    assert plain.ours.max(axis=1).mean() > 20 / 1000
    assert plain.sqnr_db > 90  # LiteRT beside TensorFlow


def test_where_numbers_came_from_is_said(build: Build) -> None:
    artifact = build(MOBILENET, "int8")
    assert artifact.weights == "random"
    assert artifact.manifest["calibration"] == {
        "source": "seeded noise with the spectrum of photographs",
        "samples": 20,
    }
    assert any("random weights" in note for note in artifact.manifest["notes"])
    assert build(MOBILENET).manifest["calibration"] is None
    assert build(DIGITS, "int8").manifest["calibration"]["source"] == "training images of scikit-learn digits"
    assert set(artifact.manifest["versions"]) == {"tensorflow", "keras", "ai-edge-litert", "numpy"}
    assert artifact.manifest["convert_s"] > 0


def test_digits_have_learnt(digits: Artifact) -> None:
    assert digits.weights == "trained"
    assert digits.manifest["training"]["test_accuracy"] > 0.93
    found = answers_of(digits)
    assert found.top1 > 0.93
    assert len(found.ours) == digits.manifest["training"]["test_images"] == 360


def test_int8_digits_agree_with_float(build: Build) -> None:
    found = answers_of(build(DIGITS, "int8"))
    assert found.sqnr_db > 25
    assert found.agreement > 0.99


def test_the_build_log_is_kept(mobilenet: Artifact) -> None:
    log = mobilenet.path.with_name("build.log")
    assert log.is_file()
    if mobilenet.manifest["recipe"]["steps"] == ["int8"]:
        assert "fully_quantize" in log.read_text()  # the converter's C++ writes that


def test_batch_and_size_are_static(build: Build) -> None:
    artifact = build(DIGITS, "int8", batch_size=3)
    made = artifact.manifest
    assert made["inputs"][0]["shape"] == [3, 8, 8, 1]
    assert made["outputs"][0]["shape"] == [3, 10]
    assert made["macs"] == 3 * build(DIGITS, "int8").manifest["macs"]
    assert made["calibration"]["samples"] == 21  # whole batches
    assert answers_of(artifact).top1 > 0.93
    assert build(SMALL).manifest["inputs"][0]["shape"] == [1, 32, 32, 3]


def test_the_same_seed_gives_the_same_bytes(build: Build, builder: Builder, tmp_path: Path) -> None:
    first = build(SMALL).path.read_bytes()
    assert build(SMALL, seed=1).path.read_bytes() != first
    again = recipe(SMALL)
    kept = builder.cached(again)
    assert kept is not None
    kept.path.write_bytes(b"damaged")  # and in between the worker has built something else
    assert builder.build(again).path.read_bytes() == first


def test_too_small_an_input_is_explained(build: Build) -> None:
    with pytest.raises(BuildError, match="MobileNet cannot have input_size 8"):
        build(SMALL, input_size=8)


def test_a_users_file_goes_through_unchanged(build: Build, own: Path) -> None:
    artifact = build(own_file(own / "own.tflite"))
    assert artifact.path.read_bytes() == (own / "own.tflite").read_bytes()
    assert artifact.weights == "file"
    made = artifact.manifest
    transposed, product, dense = 6 * 6 * 2 * 4 * 9, 36 * 36 * 16, 36 * 36 * 8
    assert made["macs"] == transposed + product + dense
    assert made["parameters"] == 2 * 4 * 9 + 36 * 8  # the converter drops biases that are all zero
    assert made["quantization"] == {
        "scheme": "as in the file",
        "tensors": [],
        "max_error_scales": None,
        "min_sqnr_db": None,
        "reason": "all weights are stored in float32",
    }


def test_a_quantized_file_has_no_float_source(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "digits.tflite"
    path.write_bytes(build(DIGITS, "int8").path.read_bytes())
    entries = kernels(build(own_file(path)))
    assert len(entries) == 5
    assert {(e["max_error_scales"], e["reason"]) for e in entries} == {(None, "no float source")}


def test_a_corrupt_file_is_named(build: Build, own: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.tflite"
    path.write_bytes((own / "own.tflite").read_bytes()[:900])
    with pytest.raises(BuildError, match=r"half\.tflite cannot be run") as caught:
        build(own_file(path))
    assert caught.value.log is not None
    assert "Traceback" in Path(caught.value.log).read_text()


def test_a_file_that_changed_after_planning_is_refused(builder: Builder, own: Path, tmp_path: Path) -> None:
    path = tmp_path / "moving.tflite"
    path.write_bytes((own / "own.tflite").read_bytes() + b"\0")  # not the content of another test
    planned = recipe(own_file(path))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BuildError, match="changed after the plan"):
        builder.build(planned)


def test_weights_from_a_file(build: Build, own: Path, tmp_path: Path) -> None:
    model = Model("v3", "keras_application", "MobileNetV3Small", str(own / "v3.weights.h5"), input_size=32)
    artifact = build(model)
    assert artifact.weights == "file"
    wrong = replace(model, application="MobileNet")
    with pytest.raises(BuildError, match=r"v3\.weights\.h5 does not hold weights of MobileNet"):
        build(wrong)
