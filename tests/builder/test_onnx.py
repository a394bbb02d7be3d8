"""A user's own ONNX models through the real worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from orchestrator.artifact import Artifact
from orchestrator.errors import BuildError, UnsupportedOptimization
from tests.builder.conftest import Build, own_file
from tests.builder.onnx_nets import counting, looking, small

pytestmark = pytest.mark.slow


def shapes(artifact: Artifact) -> tuple[list[int], list[int]]:
    return artifact.manifest["inputs"][0]["shape"], artifact.manifest["outputs"][0]["shape"]


def test_a_file_goes_through_unchanged(build: Build, tmp_path: Path) -> None:
    path = small(tmp_path / "mine.onnx")
    artifact = build(own_file(path))
    assert artifact.path.name == "model.onnx"
    assert artifact.path.read_bytes() == path.read_bytes()
    assert (artifact.format, artifact.weights) == ("onnx", "file")
    made = artifact.manifest
    assert shapes(artifact) == ([1, 3, 8, 8], [1, 4])
    assert made["ops"] == {"Conv": 1, "Flatten": 1, "GlobalAveragePool": 1, "Relu": 1, "Softmax": 1}
    assert made["parameters"] == 4 * 3 * 9
    assert made["sparsity"] == pytest.approx(1 / 3)
    assert made["macs"] == 8 * 8 * 4 * 27
    assert made["notes"] == []
    assert made["gzip_bytes"] > 0


def test_open_dimensions_become_the_batch_and_the_input_size(build: Build, tmp_path: Path) -> None:
    path = small(tmp_path / "open.onnx", batch="n", side="pixels")
    artifact = build(own_file(path), batch_size=2, input_size=16)
    assert shapes(artifact) == ([2, 3, 16, 16], [2, 4])
    assert "open dimensions were fixed: image [2, 3, 16, 16]" in artifact.manifest["notes"]
    loaded = onnx.load(artifact.path)
    onnx.checker.check_model(loaded, full_check=True)
    with pytest.raises(BuildError, match="the shape of input image is open"):
        build(own_file(path))


def test_closed_dimensions_stay(build: Build, tmp_path: Path) -> None:
    path = small(tmp_path / "closed.onnx", batch=3)
    with pytest.raises(UnsupportedOptimization, match="cannot have input_size 16"):
        build(own_file(path), input_size=16)
    with pytest.raises(UnsupportedOptimization, match="cannot have batch_size 2: its own is 3"):
        build(own_file(path), batch_size=2)
    assert "its batch is its own: 3" in build(own_file(path)).manifest["notes"]


def test_whole_numbers_and_an_output_whose_size_is_open(build: Build, tmp_path: Path) -> None:
    path = counting(tmp_path / "counting.onnx")
    made = build(own_file(path)).manifest
    with pytest.raises(UnsupportedOptimization, match="takes no images"):
        build(own_file(path), input_size=16)
    assert [port["dtype"] for port in made["inputs"]] == ["int64", "int64"]
    assert made["outputs"][0]["shape"] == [2, None]


def test_damage_is_named(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"no protocol buffer")
    with pytest.raises(BuildError, match=r"damaged\.onnx is no ONNX model"):
        build(own_file(path))
    path.write_bytes(small(tmp_path / "whole.onnx").read_bytes()[:-40])
    with pytest.raises(BuildError, match=r"damaged\.onnx is no ONNX model"):
        build(own_file(path))


def test_weights_in_other_files_are_refused(build: Build, tmp_path: Path) -> None:
    path = small(tmp_path / "split.onnx")
    model = onnx.load(path)
    big = onnx.numpy_helper.from_array(np.zeros((64, 64), np.float32), "unused")
    model.graph.initializer.append(big)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=1024)
    with pytest.raises(BuildError, match=r"split\.onnx keeps weights in other files"):
        build(own_file(path))


def test_a_constant_in_another_file_is_refused(build: Build, tmp_path: Path) -> None:
    """Also within a branch: onnx itself would read what lies beside it."""
    outside = onnx.TensorProto(name="c", data_type=onnx.TensorProto.FLOAT, dims=[4])
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="weights.bin")
    constant = onnx.helper.make_node("Constant", [], ["c"])
    constant.attribute.append(onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSOR, t=outside))
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    within = onnx.helper.make_node("If", ["yes"], ["x"], then_branch=branch, else_branch=branch)
    for node in (constant, within):
        path = small(tmp_path / "split.onnx")
        model = onnx.load(path)
        model.graph.node.append(node)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(BuildError, match=r"split\.onnx keeps weights in other files"):
            build(own_file(path))


@pytest.mark.parametrize(
    ("shape", "size", "words"),
    [
        (["n", "c", "h", "w"], 8, "the shape of input image is open"),  # the channels are no side
        (["n", 3, 8, 6], 8, r"cannot have input_size 8: its shape is \[None, 3, 8, 6\]"),
        ([3, 3, 8, 8], 3, r"cannot have input_size 3: its shape"),
        (["n", 8, "w", 3], 6, r"cannot have input_size 6: its shape"),
    ],
)
def test_the_input_size_is_height_and_width(
    build: Build, tmp_path: Path, shape: list[object], size: int, words: str
) -> None:
    path = looking(tmp_path / "looking.onnx", shape)
    with pytest.raises(BuildError, match=words):
        build(own_file(path), input_size=size)


def test_channels_may_come_last(build: Build, tmp_path: Path) -> None:
    path = looking(tmp_path / "looking.onnx", ["n", "h", "w", 3])
    assert shapes(build(own_file(path), input_size=6))[0] == [1, 6, 6, 3]
