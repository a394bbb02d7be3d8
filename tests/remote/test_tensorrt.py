"""TensorRT as far as it goes without a GPU: the engine's key, cache and command line, with stand-ins for NVIDIA's
libraries that have the functions of their documentation. Nothing here was run on hardware."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import onnx
import pytest

from remote.runtimes import engines
from tests.builder.onnx_nets import small
from tests.remote.boards import Board
from tests.remote.test_benchmark import measure

ENV = "0" * 16
HERE = Path(__file__).parent
TENSORS = [["image", "INPUT", [1, 3, 8, 8]], ["scores", "OUTPUT", [1, 4]]]
TRTEXEC = """#!/bin/sh
echo "$@" >> {log}
for word in "$@"; do case $word in --saveEngine=*) target=${{word#--saveEngine=}};; esac; done
if [ -e {broken} ]; then echo "[E] Error[1]: no kernel for node Conv_0"; exit 1; fi
sleep 1
echo '{engine}' > "$target"
"""


@pytest.fixture(scope="module")
def cudart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a stand-in for the CUDA runtime with")
    folder = tmp_path_factory.mktemp("cuda")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libcudart.so"), str(HERE / "cudart.c")]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def jetson(board: Board, runtime: Path, cudart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """A board whose Python has tensorrt, with trtexec in its PATH and CUDA where the loader looks."""
    env = board.workdir / "envs" / ENV
    env.mkdir()
    for name in ("numpy", "numpy.libs"):
        if (runtime / name).exists():
            (env / name).symlink_to(runtime / name)
    shutil.copy(HERE / "tensorrt_stand_in.py", env / "tensorrt.py")
    (env / "version").write_text("10.3.0")
    words = {"log": tmp_path / "trtexec.log", "broken": tmp_path / "broken"}
    engine = json.dumps({"tensors": TENSORS, "factor": 0.5})
    program = tmp_path / "bin" / "trtexec"
    program.parent.mkdir()
    program.write_text(TRTEXEC.format(engine=engine, **words))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(cudart))
    return board


def run(board: Board, tmp_path: Path, status: str = "done", **more: Any) -> dict[str, Any]:
    settings = [{"name": name, "value": value} for name, value in more.pop("options", {}).items()]
    model = small(tmp_path / "m.onnx").read_bytes()
    return measure(board, status, model=model, runtime="tensorrt", env=ENV, options=settings, **more)


def builds(tmp_path: Path) -> list[list[str]]:
    log = tmp_path / "trtexec.log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.parametrize("version", ["10.3.0", "8.4.1"])
def test_an_engine_is_built_once_and_then_found(jetson: Board, tmp_path: Path, version: str) -> None:
    (jetson.workdir / "envs" / ENV / "version").write_text(version)
    record = run(jetson, tmp_path, processes=2)
    runtime, delegate = record["runtime"], record["runtime"]["delegate"]
    assert (runtime["name"], runtime["version"], runtime["processor"]) == ("tensorrt", version, "Orin")
    assert (delegate["state"], delegate["name"], delegate["delegated_nodes"]) == ("engaged", "TensorRT", 3)
    assert record["inputs"] == [{"name": "image", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    assert record["outputs"] == [{"name": "scores", "shape": [1, 4], "dtype": "float32"}]
    engine = runtime["engine"]
    assert not engine["cached"] and engine["build_ns"] > 0, "by the first process of this job"
    assert engine["build_ns"] > 1e9 > record["processes"][0]["load_ns"], "building is no part of loading"
    (path,) = (jetson.workdir / "engines").glob("*.engine")
    assert (path.stem, path.stat().st_size) == (engine["key"], engine["size_bytes"])
    again = run(jetson, tmp_path)["runtime"]["engine"]
    assert again == {**engine, "cached": True}
    assert len(builds(tmp_path)) == 1
    sha256 = record["processes"][0]["output_sha256"]
    assert run(jetson, tmp_path, seed=1)["processes"][0]["output_sha256"] != sha256, "the input reaches the engine"
    assert sorted(p.suffix for p in (jetson.workdir / "engines").iterdir()) == [".engine", ".json"]


def test_options_make_another_engine(jetson: Board, tmp_path: Path) -> None:
    first = run(jetson, tmp_path)["runtime"]["engine"]["key"]
    other = run(jetson, tmp_path, options={"fp16": "true", "workspace": "256"})["runtime"]["engine"]["key"]
    assert first != other
    assert builds(tmp_path)[1][2:] == ["--skipInference", "--fp16", "--memPoolSize=workspace:256"]


def test_a_build_that_fails_or_was_stopped_leaves_nothing_to_take(jetson: Board, tmp_path: Path) -> None:
    folder = jetson.workdir / "engines"
    folder.mkdir()
    (folder / ".part-of-a-stopped-build").write_bytes(b"half an engine")
    (tmp_path / "broken").touch()
    error = run(jetson, tmp_path, "failed")["error"]
    assert (error["type"], error["phase"]) == ("EngineFailed", "load")
    assert error["message"] == "trtexec ended with exit status 1: [E] Error[1]: no kernel for node Conv_0"
    assert not list(folder.iterdir())
    (tmp_path / "broken").unlink()
    assert run(jetson, tmp_path)["runtime"]["engine"]["cached"] is False


def test_what_a_board_lacks_is_said(board: Board, runtime: Path, jetson: Board, tmp_path: Path) -> None:
    assert (
        "runtime.options.fp8: TensorRT's options are fp16, workspace, dla"
        in (run(jetson, tmp_path, "failed", options={"fp8": "true"})["error"]["message"])
    )
    (board.workdir / "envs" / ENV / "tensorrt.py").unlink()
    error = run(board, tmp_path, "failed")["error"]
    assert (error["type"], error["phase"]) == ("ImportError", "import")
    assert error["message"].startswith(
        "the board's Python has no tensorrt (No module named 'tensorrt'): JetPack has it"
    )


@pytest.mark.skipif(Path("/dev/nvidiactl").exists() or Path("/dev/nvhost-gpu").exists(), reason="there is a GPU")
def test_without_cuda(jetson: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    error = run(jetson, tmp_path, "failed")["error"]
    assert (error["type"], error["phase"]) == ("CudaError", "load")
    none, no_gpu = "the CUDA runtime (libcudart.so) is not on this board", "cudaStreamCreate answered "
    assert error["message"].startswith((none, no_gpu))  # a machine may have the one without the other


WANTED = engines.Wanted(fp16=False, int8=True, workspace_mib=64, dla=0)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("8.2.1", ["--buildOnly", "--int8", "--workspace=64", "--useDLACore=0", "--allowGPUFallback"]),
        ("8.5.2.2", ["--buildOnly", "--int8", "--memPoolSize=workspace:64", "--useDLACore=0", "--allowGPUFallback"]),
        ("10.3.0", ["--skipInference", "--int8", "--memPoolSize=workspace:64", "--useDLACore=0", "--allowGPUFallback"]),
        ("11.0.0", ["--skipInference", "--memPoolSize=workspace:64", "--useDLACore=0", "--allowGPUFallback"]),
    ],
)
def test_each_version_of_trtexec_is_spoken_to_as_it_understands(version: str, words: list[str]) -> None:
    spoken = engines.trtexec_command("/t", "m.onnx", "m.engine", WANTED, version)
    assert spoken == ["/t", "--onnx=m.onnx", "--saveEngine=m.engine", *words]


def test_an_engine_is_good_for_one_gpu_version_model_and_options() -> None:
    usual: tuple[Any, ...] = ("Orin", "8.7", "10.3.0", "/w/blobs/ab", WANTED)
    changed: list[Any] = ["Xavier", "7.2", "8.5.2", "/w/blobs/cd", WANTED._replace(dla=1)]
    keys = {engines.key(*usual)} | {engines.key(*usual[:i], one, *usual[i + 1 :]) for i, one in enumerate(changed)}
    assert len(keys) == 6
    assert engines.key(*usual) == engines.key(*usual[:3], "/elsewhere/blobs/ab", WANTED)


@pytest.mark.parametrize(
    ("options", "version", "words"),
    [
        ({"fp16": "yes"}, "8.5", "fp16 is 'yes', and must be true or false"),
        ({"workspace": "1 GB"}, "8.5", "workspace is '1 GB', and must be a number"),
        ({"fp16": "true"}, "11.2.0", "fp16: TensorRT 11.2.0 takes the precision from the model alone"),
    ],
)
def test_an_option_that_makes_no_sense(options: dict[str, str], version: str, words: str) -> None:
    with pytest.raises(engines.EngineFailed, match=words):
        engines.wanted(options, version, __file__)


def test_int8_follows_from_the_model(tmp_path: Path) -> None:
    """Asked of a float model it would make up ranges, and not asked of a quantized one the builder refuses it."""
    plain = small(tmp_path / "m.onnx")
    assert engines.wanted({}, "10.3.0", str(plain)).int8 is False
    quantized = onnx.load(plain)
    graph = quantized.graph
    node = onnx.helper.make_node("QuantizeLinear", [graph.input[0].name, "s"], ["q"])
    graph.node.insert(0, node)
    onnx.save(quantized, tmp_path / "q.onnx")
    assert engines.wanted({}, "10.3.0", str(tmp_path / "q.onnx")).int8 is True
