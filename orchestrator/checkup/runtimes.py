"""The checks of what executes models on a board: the runtime, its delegate, and the accelerators it is said to have."""

from __future__ import annotations

from typing import Any

from orchestrator.cell import Runtime
from orchestrator.checkup.check import NOTE, OK, PROBLEM, UNKNOWN, Check
from orchestrator.checkup.names import DELEGATE, RUNTIME, accelerator
from orchestrator.device import Board
from orchestrator.errors import BoardNotReady
from orchestrator.provisioning import Facts, choose
from orchestrator.provisioning.runtimes import only_system, refusal

USES: dict[str, tuple[tuple[str, str, str | None], ...]] = {
    "gpu": (
        ("litert_gpu", "litert", "gpu"),
        ("onnxruntime_cuda", "onnxruntime", "cuda"),
        ("onnxruntime_tensorrt", "onnxruntime", "tensorrt"),
        ("tensorrt", "tensorrt", None),
        ("openvino runtime.delegate=gpu", "openvino", "gpu"),
    ),
    "npu": (
        ("litert_npu", "litert", "npu"),
        ("openvino runtime.delegate=npu", "openvino", "npu"),
        ("tflite_external", "tflite_runtime", "external"),
    ),
    "dla": (("tensorrt", "tensorrt", None),),
    "edgetpu": (("edgetpu", "tflite_runtime", "edgetpu"),),
    "tpu": (("edgetpu", "tflite_runtime", "edgetpu"),),
}
"""By the inventory's word for an accelerator: the choice of ``runtime=`` that uses it, its runtime and its delegate."""
NEED_A_LIBRARY = ("external", "edgetpu")
"""Delegates that are a library which only the board has: wheels alone tell nothing."""


def fits(runtime: Runtime, facts: Facts) -> Check:
    """What would be pushed, before anything is run."""
    try:
        choice = choose(runtime, facts)
    except BoardNotReady as error:
        return Check(RUNTIME, PROBLEM, error.message, error.hint)
    how = "the board's own" if choice.install == "system" else "its wheels fit"
    return Check(RUNTIME, UNKNOWN, f"{choice.name} ({how}); whether it can be imported is seen only by running it")


def ran(record: dict[str, Any], install: str) -> list[Check]:
    """The runtime that has run, and what it computed on."""
    told = record["runtime"]
    whose = "the board's own" if install == "system" else "pushed"
    found = f"{told['name']} {told['version']}, numpy {told['numpy']}, {whose}"
    return [Check(RUNTIME, OK, found), _delegate(told["delegate"])]


def _delegate(told: dict[str, Any]) -> Check:
    name = told["name"] or told["requested"]
    nodes = f", {told['delegated_nodes']} of {told['nodes']} nodes" if told["delegated_nodes"] is not None else ""
    why = f": {told['reason']}" if told["reason"] else ""
    if told["state"] == "engaged":
        return Check(DELEGATE, OK, f"{name} engaged{nodes}")
    if told["requested"] == "off":
        return Check(DELEGATE, OK, "none, as asked for")
    return Check(DELEGATE, NOTE, f"{name} is {told['state']}{nodes}{why}")


def accelerators(board: Board, facts: Facts) -> list[Check]:
    """Whether a runtime of ours that uses it can be had on this board; that it engages only a run can show."""
    return [_accelerator(name, facts) for name in dict.fromkeys(board.device.accelerators)]


def _accelerator(name: str, facts: Facts) -> Check:
    check, uses = accelerator(name), USES.get(name.lower())
    if uses is None:
        return Check(check, UNKNOWN, f"no runtime here is known to use a {name}")
    pushed, own, refused = [], [], []
    for choice, runtime, delegate in uses:
        reason = refusal(runtime, facts, delegate)
        if only_system(runtime) is not None or (reason is None and delegate in NEED_A_LIBRARY):
            own.append(f"runtime={choice}")
        elif reason is None:
            pushed.append(f"runtime={choice}")
        else:
            refused.append(f"{choice}: {reason}")
    if pushed:
        return Check(check, OK, f"{', '.join(pushed)}: its wheels fit; that it engages, only a run shows")
    if own:
        return Check(check, UNKNOWN, f"{', '.join(own)}: that is the board's own software, so only a run shows it")
    return Check(check, NOTE, f"no runtime that uses it can be had: {'; '.join(refused)}")
