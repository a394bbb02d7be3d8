"""ONNX Runtime's execution providers: what each delegate is called, and with which options it is asked for."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Sequence, Tuple

from remote.runtimes import Asked
from remote.schema import clean

CPU = "CPUExecutionProvider"
XNNPACK = "XnnpackExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
_OF = {"cuda": CUDA, "tensorrt": TENSORRT, "openvino": OPENVINO}
_DEVICE = "device_type"  # of OpenVINO's provider
_LOGGED = re.compile(r"\[(?:E|W):onnxruntime:[^\]]*\]\s*(.*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(r"^(?:\S*/\S+:\d+ |: \d+ : \w+ : )")  # of ONNX Runtime's source, or the number of its status
_TROUBLES, _LONGEST = 3, 400


def called(asked: Asked) -> str | None:
    """The provider that is asked for; None: the CPU's own."""
    if asked.delegate is not None:
        return _OF[asked.delegate]
    return XNNPACK if asked.xnnpack == "require" else None


def wanted(asked: Asked) -> List[Tuple[str, Dict[str, str]]]:
    """Providers with their options, in the order in which they are asked for nodes; the CPU's comes last.

    What TensorRT leaves goes to CUDA before the CPU, as NVIDIA has it. ``runtime.options`` are the first one's.
    """
    first = called(asked)
    if first is None:
        return [(CPU, {})]
    own = dict(_usual(first, asked), **asked.options)
    rest = (CUDA, CPU) if first == TENSORRT else (CPU,)
    return [(first, own), *((name, {}) for name in rest)]


def _usual(provider: str, asked: Asked) -> Dict[str, str]:
    if provider == XNNPACK:  # it has threads of its own
        return {"intra_op_num_threads": str(asked.threads)}
    if provider == TENSORRT:  # an engine takes minutes to build, and each measuring process would build it again
        folder = os.path.join(asked.workdir, "engines", "onnxruntime")
        os.makedirs(folder, exist_ok=True)
        return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
    if provider == OPENVINO:
        device = asked.options.get(_DEVICE, "CPU")
        own = {"precision": "FP32", "num_of_threads": str(asked.threads), "num_streams": "1"}
        return dict({_DEVICE: device}, **(own if device == "CPU" else {}))
    return {}


def processor(asked: Asked) -> str | None:
    """What computes, where the provider's name does not tell; None where it does."""
    if called(asked) != OPENVINO:
        return None
    return clean("OpenVINO %s" % asked.options.get(_DEVICE, "CPU"), 200)


def memory(asked: Asked, registered: Sequence[str]) -> str:
    """Where inputs and outputs lie: with the GPU, a call copies nothing from and to the host."""
    return "cuda" if called(asked) in (CUDA, TENSORRT) and CUDA in registered else "cpu"


def troubles(said: str | None) -> List[str]:
    """What ONNX Runtime logged as errors and warnings, in short."""
    lines = [_LOGGED.search(_COLOUR.sub("", line)) for line in (said or "").splitlines()]
    words: List[Any] = [line.group(1).split("] ", 1)[-1] for line in lines if line]
    return [clean(_PLACE.sub("", text), _LONGEST) for text in words[:_TROUBLES]]
