from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.cell import Runtime
from orchestrator.errors import BoardNotReady
from orchestrator.provisioning import Facts, choose
from orchestrator.provisioning.survey import parse
from tests.provisioning.test_survey import GOOD

PI: Facts = parse(GOOD)
AUTO = Runtime("auto", ["litert", "tflite_runtime"])


@pytest.mark.parametrize(
    ("board", "name", "platform"),
    [
        ({}, "litert", "aarch64-manylinux_2_36"),
        ({"libc": ("glibc", "2.30")}, "litert", "aarch64-manylinux_2_28"),
        ({"libc": ("glibc", "2.99")}, "litert", "aarch64-manylinux_2_40"),
        ({"arch": "x86_64", "python": (3, 13, 0)}, "litert", "x86_64-manylinux_2_36"),
        ({"python": (3, 8, 10), "libc": ("glibc", "2.31")}, "tflite_runtime", "aarch64-manylinux_2_31"),
        ({"python": (3, 9, 2), "libc": ("glibc", "2.27")}, "tflite_runtime", "aarch64-manylinux_2_17"),
        ({"memory_bytes": 200 << 20, "python": (3, 9, 2)}, "tflite_runtime", "aarch64-manylinux_2_36"),
    ],
)
def test_auto_takes_the_first_that_serves(board: dict[str, object], name: str, platform: str) -> None:
    choice = choose(AUTO, replace(PI, **board))  # type: ignore[arg-type]
    assert (choice.name, choice.platform) == (name, platform)


@pytest.mark.parametrize(
    ("board", "reasons"),
    [
        (
            {"arch": "armv7l", "bits": 32, "python": (3, 12, 1)},
            ["litert: .*32-bit Arm", "tflite_runtime: numpy has no"],
        ),
        ({"bits": 32}, ["armv7l", "32-bit Arm"]),  # 64-bit kernel, 32-bit system
        ({"libc": ("musl", "")}, ["litert: .*glibc.*musl", "tflite_runtime: .*musl"]),
        ({"memory_bytes": 100 << 20}, ["litert: it needs 256 MB.*has 100", "tflite_runtime: it needs 160 MB"]),
        ({"libc": ("glibc", "2.27")}, ["litert: .*3.11 need glibc 2.28.*2.27", "tflite_runtime: .*need glibc 2.34"]),
        ({"python": (3, 15, 0)}, ["litert: .*for Python 3.9-3.14", "tflite_runtime: .*Python 3.8-3.10, 3.11"]),
        ({"python_implementation": "PyPy"}, ["for CPython, not PyPy"]),
        ({"arch": "riscv64"}, ["no riscv64 wheels"]),
    ],
)
def test_a_refusal_gives_the_reason_of_every_candidate(board: dict[str, object], reasons: list[str]) -> None:
    for reason in reasons:
        with pytest.raises(BoardNotReady, match=reason):
            choose(AUTO, replace(PI, **board))  # type: ignore[arg-type]


def test_a_named_runtime_is_never_replaced() -> None:
    with pytest.raises(BoardNotReady, match=r"no runtime serves this board.*tflite_runtime: .*wheels are for Python"):
        choose(Runtime("tflite_runtime", ["litert"]), replace(PI, python=(3, 12, 0)))


def test_auto_takes_what_executes_the_artifact() -> None:
    every = Runtime("auto", ["litert", "tflite_runtime", "onnxruntime"])
    assert choose(every, PI).name == "litert"
    assert choose(every, PI, "onnx").name == "onnxruntime"
    assert choose(replace(every, install="system"), PI, "onnx").name == "onnxruntime"
    with pytest.raises(BoardNotReady, match=r"onnxruntime: .*32-bit Arm") as caught:
        choose(every, replace(PI, bits=32), "onnx")
    assert "litert" not in caught.value.message


def test_a_runtime_of_another_format_is_refused() -> None:
    with pytest.raises(BoardNotReady, match=r"litert, tflite_runtime: none executes \.onnx") as caught:
        choose(AUTO, PI, "onnx")
    assert "onnxruntime" in str(caught.value.hint)
    with pytest.raises(BoardNotReady, match=r"onnxruntime: none executes \.tflite"):
        choose(Runtime("onnxruntime"), PI)


def test_pillow_makes_another_environment_of_the_same_runtime() -> None:
    plain, more = choose(AUTO, PI), choose(AUTO, PI, pillow=True)
    assert more.requirements == (*plain.requirements, "pillow")
    assert (more.name, more.platform) == (plain.name, plain.platform)
    assert choose(Runtime("litert", install="system"), PI, pillow=True).requirements == ()


def test_the_boards_own_runtime_is_left_alone() -> None:
    choice = choose(Runtime("tflite_runtime", install="system"), replace(PI, arch="armv7l", bits=32))
    assert (choice.name, choice.install, choice.requirements) == ("tflite_runtime", "system", ())


X86 = replace(PI, arch="x86_64")


@pytest.mark.parametrize(
    ("runtime", "delegate", "package", "kept"),
    [
        ("litert", None, "ai-edge-litert", None),
        ("litert", "gpu", "ai-edge-litert", "libLiteRtWebGpuAccelerator"),
        ("litert", "npu", "ai-edge-litert", "vendors/intel_openvino"),
        ("onnxruntime", "cuda", "onnxruntime-gpu", None),
        ("onnxruntime", "tensorrt", "onnxruntime-gpu", None),
        ("onnxruntime", "openvino", "onnxruntime-openvino", None),
        ("openvino", None, "openvino", None),
        ("openvino", "gpu", "openvino", "intel_gpu_plugin"),
    ],
)
def test_a_delegate_comes_in_wheels_of_its_own(runtime: str, delegate: str | None, package: str, kept: str) -> None:
    form = "onnx" if runtime == "onnxruntime" else "tflite"
    plain, choice = (choose(Runtime(runtime, delegate=one), X86, form) for one in (None, delegate))
    assert choice.name == runtime
    assert choice.requirements[0].startswith(package + ("" if package == "openvino" else ">="))
    assert kept is None or (not [p for p in choice.drop if kept in p])
    assert (plain == choice) == (delegate is None)


def test_a_delegate_that_has_no_wheels_for_a_board_is_refused_with_the_reason() -> None:
    with pytest.raises(BoardNotReady, match="onnxruntime: there are no aarch64 wheels"):
        choose(Runtime("onnxruntime", delegate="openvino"), PI, "onnx")
    with pytest.raises(BoardNotReady, match=r"onnxruntime: its x86_64 wheels are for Python 3\.11-3\.14"):
        choose(Runtime("onnxruntime", delegate="cuda"), replace(X86, python=(3, 10, 1)), "onnx")
    assert choose(Runtime("onnxruntime"), replace(X86, python=(3, 10, 1)), "onnx").requirements


def test_auto_takes_a_candidate_that_has_the_delegate() -> None:
    every = ["litert", "tflite_runtime", "onnxruntime"]
    assert choose(Runtime("auto", every, delegate="cuda"), X86, "onnx").requirements[0].startswith("onnxruntime-gpu")
    assert choose(Runtime("auto", every, delegate="edgetpu"), PI).name == "litert"
    with pytest.raises(BoardNotReady, match="litert, tflite_runtime: none has the delegate cuda"):
        choose(Runtime("auto", every[:2], delegate="cuda"), X86)


@pytest.mark.parametrize(("name", "form"), [("tensorrt", "onnx"), ("tensorflow", "graphdef")])
def test_what_is_the_boards_own_is_never_pushed(name: str, form: str) -> None:
    assert choose(Runtime(name, install="system"), PI, form).install == "system"
    with pytest.raises(BoardNotReady, match=rf"{name}: it is not pushed, since .*runtime\.install=system"):
        choose(Runtime(name), PI, form)
