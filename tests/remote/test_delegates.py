"""Accelerators of LiteRT and ONNX Runtime: a real external delegate, real plug-ins, and real refusals of a machine
that has no accelerator at all. What was required and is not there fails the cell, and says why."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.builder.onnx_nets import small
from tests.remote.boards import Board
from tests.remote.test_benchmark import measure
from tests.remote.wheels import pushed

ENV = "0" * 16


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A delegate that computes SOFTMAX, compiled here."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a delegate with")
    path = tmp_path_factory.mktemp("delegate") / "libsoftmax.so"
    source = Path(__file__).parent / "delegate.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(path), str(source), "-lm"], check=True)
    return str(path)


@pytest.fixture(scope="module")
def with_plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pushed(tmp_path_factory.mktemp("npu"), "litert", "npu")


@pytest.fixture(scope="module")
def with_webgpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pushed(tmp_path_factory.mktemp("gpu"), "litert", "gpu")


@pytest.fixture(scope="module")
def with_openvino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pushed(tmp_path_factory.mktemp("providers"), "onnxruntime", "openvino")


def given(board: Board, env: Path) -> Board:
    (board.workdir / "envs" / ENV).symlink_to(env)
    return board


def options(**settings: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in settings.items()]


def held(delegate: dict[str, Any]) -> dict[str, int]:
    return {where["provider"]: where["nodes"] for where in delegate["placement"]}


@pytest.mark.parametrize(
    ("model", "xnnpack", "placement"),
    [
        ("tiny_float", "auto", {"libsoftmax.so": 1, "XNNPACK": 4}),
        ("tiny_float", "off", {"libsoftmax.so": 1, "built-in kernels": 4}),
        ("tiny_partial", "auto", {"libsoftmax.so": 1, "XNNPACK": 5, "built-in kernels": 3}),
    ],
)
def test_an_external_delegate_and_who_has_the_rest(
    ready: Board, library: str, model: str, xnnpack: str, placement: dict[str, int]
) -> None:
    record = measure(ready, model=model, delegate="external", library=library, xnnpack=xnnpack)
    delegate = record["runtime"]["delegate"]
    assert (delegate["requested"], delegate["state"], delegate["name"]) == ("external", "engaged", "libsoftmax.so")
    assert (delegate["partitions"], delegate["delegated_nodes"], delegate["reason"]) == (1, 1, None)
    assert held(delegate) == placement
    assert record["processes"][0]["output_finite"]


def test_a_delegate_that_takes_nothing_fails_the_cell(ready: Board, library: str) -> None:
    """XNNPACK takes the whole model, and is no answer to it."""
    more: dict[str, Any] = {"delegate": "external", "library": library}
    error = measure(ready, "failed", **more, options=options(take="none"))["error"]
    assert (error["type"], error["phase"]) == ("DelegateNotEngaged", "load")
    said = "delegate external was required, but it is absent: libsoftmax.so took no operation of this model"
    assert error["message"] == said


@pytest.mark.parametrize("when", ["create", "invoke"])
def test_a_delegate_that_crashes_is_a_failed_cell_with_the_signals_name(ready: Board, library: str, when: str) -> None:
    crash = options(crash=when)
    error = measure(ready, "failed", delegate="external", library=library, options=crash)["error"]
    assert error["type"] == "WorkerDied"
    assert "was ended by SIGSEGV before it said 'loaded'" in error["message"]
    assert measure(ready)["error"] is None, "the board goes on"


def test_a_library_that_refuses_or_is_missing_is_named(ready: Board, library: str) -> None:
    def why(delegate: str, path: str | None, **more: str) -> str:
        error = measure(ready, "failed", delegate=delegate, library=path, options=options(**more))["error"]
        assert error["type"] == "DelegateNotEngaged"
        return str(error["message"])

    assert why("external", library, fail="create").endswith("no such accelerator")
    missing = why("external", "/nowhere/libvx_delegate.so")
    assert "external cannot be loaded from /nowhere/libvx_delegate.so on this board: " in missing
    assert "cannot open shared object file" in missing
    assert "undefined symbol: tflite_plugin_create_delegate" in why("external", "libm.so.6")
    assert "edgetpu cannot be loaded from libedgetpu.so.1 on this board" in why("edgetpu", None)


def test_litert_on_a_gpu_that_is_not_there(board: Board, with_webgpu: Path) -> None:
    error = measure(given(board, with_webgpu), "failed", env=ENV, delegate="gpu")["error"]
    assert (error["type"], error["phase"]) == ("DelegateNotEngaged", "load")
    assert error["message"].startswith("delegate gpu was required, but LiteRT does not have it here")
    assert "No adapters found" in error["message"], "the reason is in LiteRT's log, not in its exception"


def test_litert_through_its_plugin_for_openvino(board: Board, with_plugins: Path) -> None:
    on = {"env": ENV, "delegate": "npu"}
    record = measure(given(board, with_plugins), **on, model="tiny_int8", options=options(graph_backend="CPU"))
    runtime, delegate = record["runtime"], record["runtime"]["delegate"]
    assert (delegate["state"], delegate["name"], delegate["delegated_nodes"]) == ("engaged", "LiteRT NPU", 5)
    assert "OpenVINO compiler plugin" in delegate["placement"][0]["provider"]
    assert runtime["processor"] == "OpenVINO CPU"
    assert record["inputs"][0]["dtype"] == "int8" and record["processes"][0]["output_finite"]
    error = measure(board, "failed", **on)["error"]
    assert error["type"] == "DelegateNotEngaged", "without an NPU, and never on the CPU in silence"
    assert "npu" in error["message"].lower() and "not accelerated" in error["message"]


def test_onnxruntime_on_openvino(board: Board, with_openvino: Path, tmp_path: Path) -> None:
    model = small(tmp_path / "m.onnx").read_bytes()
    on: dict[str, Any] = {"model": model, "runtime": "onnxruntime", "env": ENV}
    record = measure(given(board, with_openvino), **on, delegate="openvino", threads=2)
    runtime, delegate = record["runtime"], record["runtime"]["delegate"]
    assert (delegate["requested"], delegate["state"]) == ("openvino", "engaged")
    assert held(delegate) == {"OpenVINOExecutionProvider": 5}
    assert (runtime["name"], runtime["processor"]) == ("onnxruntime", "OpenVINO CPU")
    error = measure(board, "failed", **on, delegate="openvino", options=options(device_type="NPU"))["error"]
    assert error["type"] == "DelegateNotEngaged", "the session would fall back to the CPU"
    assert "[OpenVINO] Device NPU is not available" in error["message"]
    error = measure(board, "failed", **on, delegate="cuda")["error"]
    assert "delegate cuda was required, but it is absent: CUDAExecutionProvider was asked for" in error["message"]


def test_a_delegate_is_not_profiled_as_if_it_were_the_cpu(ready: Board, library: str) -> None:
    record = measure(ready, delegate="external", library=library, profile_runs=3)
    assert record["profile"] is None
    assert record["profile_reason"] == "LiteRT's profiler is asked on the CPU only, not on the delegate external"
