"""A user's own models through the real worker: Keras files, SavedModels, functions of a lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder import Builder
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from tests.builder.conftest import Build, net, own_file, recipe
from tests.builder.judging import answers_of

pytestmark = pytest.mark.slow


def types(artifact: Artifact) -> list[tuple[list[int], str]]:
    return [(port["shape"], port["dtype"]) for port in artifact.manifest["inputs"]]


@pytest.mark.parametrize("name", ["own.keras", "own.h5", "exported"])
def test_every_kind_of_file_is_optimized(build: Build, own: Path, name: str) -> None:
    plain, small = build(own_file(own / name)), build(own_file(own / name), "int8", batch_size=2)
    assert types(plain) == [([1, 16, 16, 3], "float32")]
    assert types(small) == [([2, 16, 16, 3], "int8")]
    assert small.weights == "file"
    assert answers_of(small).sqnr_db > 15
    assert "activation ranges come from seeded noise" in small.manifest["notes"][0]
    assert plain.manifest["macs"] == 14 * 14 * 8 * 27 + 12 * 12 * 8 * 9 + 80


def test_a_keras_file_and_its_saved_model_are_the_same_network(build: Build, own: Path) -> None:
    keras_file, exported = (build(own_file(own / name)).manifest for name in ("own.keras", "exported"))
    assert keras_file["ops"] == exported["ops"]
    assert (keras_file["parameters_source"], exported["parameters_source"]) == (
        "the Keras model",
        "kernels and biases of the graph",
    )
    assert keras_file["inputs"][0]["shape"] == exported["inputs"][0]["shape"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lambda.keras", r"lambda\.keras cannot be loaded: .*[Ll]ambda"),
        ("lambda.h5", r"lambda\.h5 cannot be loaded: .*[Ll]ambda"),
        ("half.keras", r"half\.keras cannot be loaded"),
        ("unsigned", r"unsigned has no signature serving_default, only none at all"),
        ("broken", r"broken/saved_model\.pb cannot be loaded"),
    ],
)
def test_code_and_damage_are_refused_by_name(build: Build, own: Path, tmp_path: Path, name: str, reason: str) -> None:
    path = own / name
    if name == "half.keras":
        path = tmp_path / name
        path.write_bytes((own / "own.keras").read_bytes()[:2000])
    if name == "broken":
        path = tmp_path / name
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"no protocol buffer")
    with pytest.raises(BuildError, match=reason):
        build(own_file(path))


def test_a_function_of_the_lab_with_arguments(build: Build, lab: Path) -> None:
    narrow, wide = build(net("tiny")), build(net("tiny", width=12))
    assert narrow.weights == "factory"
    assert wide.manifest["outputs"][0]["shape"] == [1, 10]
    assert wide.manifest["parameters"] > narrow.manifest["parameters"]
    assert build(net("tiny"), seed=1).sha256 != narrow.sha256


def test_an_edited_function_is_imported_anew(build: Build, lab: Path) -> None:
    first, module = recipe(net("tiny")), lab / "nets.py"
    build(net("tiny", width=7))  # imports it
    module.write_text(module.read_text().replace("width: int = 8", "width: int = 6"))
    assert recipe(net("tiny")).key != first.key
    assert build(net("tiny")).manifest["outputs"][0]["shape"] == [1, 10]
    assert build(net("tiny")).manifest["parameters"] == 27 * 6 + 6 + 9 * 6 + 6 + 70


def test_code_that_changed_after_planning_is_refused(builder: Builder, lab: Path) -> None:
    planned, module = recipe(net("tiny", width=5)), lab / "nets.py"
    module.write_text(module.read_text() + "\n")
    with pytest.raises(BuildError, match="the code of nets:tiny changed after the plan"):
        builder.build(planned)


def test_planning_does_not_run_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mylab"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "nets.py").write_text("import os\nos.abort()\n")
    monkeypatch.chdir(tmp_path)
    model = net("x")
    model.factory = "mylab.nets:x"
    before = recipe(model).key
    assert recipe(model).path == str(Path.cwd())
    (package / "helper.py").write_text("WIDTH = 3\n")  # the whole package counts
    assert recipe(model).key != before


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        ("absent", {}, "nets:absent cannot be imported: AttributeError"),
        ("NOT_A_FUNCTION", {}, "NOT_A_FUNCTION is no function but int"),
        ("nothing", {}, "nets:nothing returned no keras.Model but NoneType"),
        ("broken", {}, "nets:broken failed: RuntimeError: no more layers"),
        ("tiny", {"height": 3}, "nets:tiny failed: TypeError: .*height"),
        ("without_inputs", {}, "does not say what it takes"),
        ("tiny", {"side": None}, r"the shape of input input is open: \(None, None, None, 3\)"),
    ],
)
def test_a_function_that_gives_no_model(
    build: Build, lab: Path, function: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BuildError, match=reason):
        build(net(function, **arguments))


def test_a_module_that_is_nowhere_is_refused_in_the_plan(lab: Path) -> None:
    model = net("x")
    model.factory = "no_such_module_anywhere:x"
    with pytest.raises(ConfigError, match="there is no module no_such_module_anywhere") as caught:
        recipe(model)
    assert str(lab) in str(caught.value.hint)


def test_open_sides_take_the_input_size_and_closed_ones_refuse_another(build: Build, lab: Path) -> None:
    assert types(build(net("tiny", side=None), input_size=24)) == [([1, 24, 24, 3], "float32")]
    assert types(build(net("tiny", batch=4))) == [([4, 16, 16, 3], "float32")]
    assert "its batch is its own: 4" in build(net("tiny", batch=4), "int8").manifest["notes"][-1]
    with pytest.raises(UnsupportedOptimization, match="cannot have input_size 24: its own is 16x16"):
        build(net("tiny"), input_size=24)
    with pytest.raises(UnsupportedOptimization, match="cannot have batch_size 3: its own is 4"):
        build(net("tiny", batch=4), batch_size=3)
    with pytest.raises(UnsupportedOptimization, match="takes no images"):
        build(net("two_inputs"), input_size=24)


def test_several_inputs_keep_their_order(build: Build, lab: Path) -> None:
    plain, small = build(net("two_inputs")), build(net("two_inputs"), "int8")
    assert types(plain) == [([1, 12, 4], "float32"), ([1, 2], "int32")]
    assert types(small) == [([1, 12, 4], "int8"), ([1, 2], "int32")]
    assert answers_of(small).sqnr_db > 20
