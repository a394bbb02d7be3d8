"""Recipes: what makes another artifact, what does not, and what is impossible."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.builder import Recipe
from orchestrator.cell import Model
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from orchestrator.optimization import Optimization
from tests.builder.conftest import DIGITS, MOBILENET, own_file, recipe


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    return path


def test_labels_do_not_make_another_artifact() -> None:
    renamed = replace(MOBILENET, name="other", description="words")
    assert recipe(renamed).key == recipe(MOBILENET).key
    assert Recipe.of(MOBILENET, Optimization("fast")).key == recipe(MOBILENET).key


def test_calibration_counts_only_where_something_is_calibrated() -> None:
    assert recipe(MOBILENET, "float16", samples=5).key == recipe(MOBILENET, "float16", samples=9).key
    assert recipe(MOBILENET, "int8", samples=5).key != recipe(MOBILENET, "int8", samples=9).key


def test_everything_else_that_goes_in_makes_another_artifact() -> None:
    recipes = [
        recipe(MOBILENET),
        recipe(MOBILENET, "int8"),
        recipe(MOBILENET, batch_size=2),
        recipe(MOBILENET, input_size=96),
        recipe(MOBILENET, seed=1),
        recipe(replace(MOBILENET, weights="imagenet")),
        recipe(replace(MOBILENET, application="MobileNet")),
        replace(recipe(MOBILENET), versions=(("tensorflow", "0"),)),
        replace(recipe(MOBILENET), builder="another"),
        recipe(DIGITS),
    ]
    assert len({r.key for r in recipes}) == len(recipes)


def test_native_size_is_the_same_said_or_not() -> None:
    assert recipe(replace(MOBILENET, input_size=None)).key == recipe(MOBILENET).key
    assert recipe(replace(DIGITS, input_size=None), input_size=8).key == recipe(DIGITS).key


def test_a_file_counts_by_its_content(model_file: Path) -> None:
    before = recipe(own_file(model_file))
    twin = model_file.with_name("twin.tflite")
    twin.write_bytes(model_file.read_bytes())
    assert recipe(own_file(twin)).key == before.key
    twin.write_bytes(model_file.read_bytes() + b"!")
    assert recipe(own_file(twin)).key != before.key
    assert recipe(own_file(model_file), seed=7).key == before.key


def test_a_recipe_survives_the_way_to_the_worker(model_file: Path) -> None:
    for made in (recipe(own_file(model_file)), recipe(MOBILENET, "prune+int8")):
        assert Recipe.from_message(made.message) == made


@pytest.mark.parametrize(
    ("quantization", "rest", "reason"),
    [
        ("prune", {}, "does not say how it was trained"),
        ("none", {"input_size": 96}, "input shape is its own"),
        ("none", {"batch_size": 4}, "batch is its own"),
    ],
)
def test_what_a_finished_file_cannot_become(
    model_file: Path, quantization: str, rest: dict[str, int], reason: str
) -> None:
    with pytest.raises(UnsupportedOptimization, match=reason) as caught:
        recipe(own_file(model_file), quantization, **rest)
    assert str(model_file) in str(caught.value)


def test_digits_have_one_size() -> None:
    with pytest.raises(UnsupportedOptimization, match="8x8"):
        recipe(DIGITS, input_size=16)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read model file .*absent\.tflite: No such file"):
        recipe(own_file(tmp_path / "absent.tflite"))
    with pytest.raises(BuildError, match=r"cannot read weights file .*absent\.h5: No such file"):
        recipe(replace(MOBILENET, weights=str(tmp_path / "absent.h5")))
    with pytest.raises(BuildError, match=r"is a folder without saved_model\.pb: no SavedModel"):
        recipe(own_file(tmp_path))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.tflite", "is not a TFLite model"),
        ("model.keras", "is not a Keras archive"),
        ("model.h5", "is not an HDF5 file"),
        ("model.pkl", "is no model file that is known here"),
        ("model.pt", "is no model file that is known here"),
    ],
)
def test_something_else_than_its_name_says_is_refused_at_once(tmp_path: Path, name: str, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"weights": [1.0]}))
    with pytest.raises(BuildError, match=f"{name} {reason}"):
        recipe(own_file(path))


def test_the_format_follows_from_the_file(tmp_path: Path, model_file: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"whatever")
    assert recipe(own_file(path)).format == "onnx"
    assert dict(recipe(own_file(path)).versions).keys() == {"onnx", "onnxruntime", "numpy"}
    assert recipe(own_file(model_file)).format == recipe(MOBILENET).format == "tflite"
    with pytest.raises(UnsupportedOptimization, match=r"mine\.onnx cannot be optimized \(prune\)"):
        recipe(own_file(path), "prune+int8")


def test_a_saved_model_counts_as_a_tree(tmp_path: Path) -> None:
    (tmp_path / "net" / "variables").mkdir(parents=True)
    (tmp_path / "net" / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "net" / "variables" / "data").write_bytes(b"1")
    before = recipe(own_file(tmp_path / "net")).key
    (tmp_path / "net" / "variables" / "data").write_bytes(b"23")
    assert recipe(own_file(tmp_path / "net")).key != before


def test_a_linked_folder_counts_by_what_is_in_it(tmp_path: Path) -> None:
    model, weights = tmp_path / "model", tmp_path / "weights"
    model.mkdir()
    weights.mkdir()
    (model / "saved_model.pb").write_bytes(b"graph")
    (weights / "data").write_bytes(b"1")
    (weights / "round").symlink_to(model)  # goes in circles
    (model / "variables").symlink_to(weights)
    before = recipe(own_file(model)).key
    (weights / "data").write_bytes(b"22")
    assert recipe(own_file(model)).key != before


def test_a_chain_counts_with_its_order_and_its_numbers() -> None:
    keys = [recipe(MOBILENET, steps).key for steps in ("none", "prune", "int8", "prune+int8", "int16x8")]
    assert len(set(keys)) == 5
    assert recipe(MOBILENET, "prune", sparsity=0.3).key != recipe(MOBILENET, "prune").key
    assert recipe(MOBILENET, "int8", sparsity=0.3).key == recipe(MOBILENET, "int8").key
    chain = recipe(MOBILENET, "prune+int8")
    assert chain.unquantized == recipe(MOBILENET, "prune")
    assert chain.unoptimized == recipe(MOBILENET)
    assert (chain.unoptimized.steps, chain.unoptimized.sparsity) == ((), None)
    assert chain.subject == "MobileNetV2 (prune, int8)"


def test_a_pickle_is_no_weights_file() -> None:
    with pytest.raises(BuildError, match="neither random, imagenet nor a Keras weights file"):
        recipe(replace(MOBILENET, weights="weights.pkl"))


def test_an_unknown_application_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="'MobileNetV9'") as caught:
        recipe(Model("x", "keras_application", application="MobileNetV9"))
    assert "MobileNetV2" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="names none"):
        recipe(Model("x", "file"))
