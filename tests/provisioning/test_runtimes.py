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
