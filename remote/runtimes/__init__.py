"""Runtimes: what executes an artifact. Adding one is a module with a ``Library`` and a line in ``_OPENERS``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Protocol, Tuple

if TYPE_CHECKING:
    import numpy as np


PROFILE_WARMUP_RUNS = 5
LONGEST_PROFILE_S = 30.0
"""A profile ends after this time with the calls that it has: it must not cost the measurement that came before."""
PROFILE_START_S = 60.0
"""What loading, warming up and the last call of a profile may take beside that; then it is stopped."""


class NoProfiler(Exception):
    """This runtime gives no profile by operator; the message says why, and which way leads out."""


class Operators:
    """Time by operator: rows of type, provider, calls per run and total, as they come."""

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.runs = 0
        self._rows: Dict[Tuple[str, str], List[int]] = {}

    def add(self, kind: str, provider: str, total_ns: int) -> None:
        """One execution of one operator."""
        row = self._rows.setdefault((kind, provider), [0, 0])
        row[0] += 1
        row[1] += total_ns

    def profile(self) -> Dict[str, Any]:
        """The record's ``profile``; the operators in the order in which they ran first."""
        if not self.runs or not self._rows:
            raise NoProfiler("%s recorded no operator" % self.tool)
        rows = [
            {"type": kind, "provider": provider, "count": round(count / self.runs, 3), "total_ns": total}
            for (kind, provider), (count, total) in self._rows.items()
        ]
        return {"tool": self.tool, "runs": self.runs, "operators": rows}


class Asked(NamedTuple):
    """What is loaded, and how."""

    artifact: str  # path
    threads: int
    xnnpack: str  # auto | require | off
    delegate: Optional[str]  # of DELEGATES in the contract, required; None: the CPU
    library: Optional[str]  # path on the board, of a delegate that is one
    options: Dict[str, str]  # of the delegate, provider or engine
    workdir: str  # of this program on the board; what is compiled here is kept in it


def asked_of(order: Dict[str, Any]) -> Asked:
    """From a worker's order."""
    return Asked(**{name: order[name] for name in Asked._fields})


class Session(Protocol):
    """A loaded model. ``call`` is the bare invocation, bound once and called in the timed loops; it returns when the
    answer is there. Copies between the memories of a board and of its accelerator belong to ``set_inputs`` and
    ``get_outputs`` wherever the runtime lets them."""

    call: Callable[[], object]

    def describe(self) -> Dict[str, Any]:
        """The record's ``inputs``, ``outputs`` and ``runtime`` (without numpy, python and threads; ``processor`` and
        ``engine`` only where there is something to say)."""

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        """Shape, dtype, scale and zero point of each input; scale 0 where it is not quantized."""

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        """The same of each output."""

    def set_inputs(self, values: List["np.ndarray[Any, Any]"]) -> None:
        """Copy the values in, in order."""

    def get_outputs(self) -> List["np.ndarray[Any, Any]"]:
        """Copies of the outputs, in order."""


_NOT_THERE = "the board's Python has no %s (%s): %s, and device.python names a Python that has it"


def _litert() -> Any:
    from remote.runtimes import tflite

    return tflite.Library("litert", "ai_edge_litert")


def _tflite_runtime() -> Any:
    from remote.runtimes import tflite

    return tflite.Library("tflite_runtime", "tflite_runtime")


def _onnxruntime() -> Any:
    from remote.runtimes import onnx

    return onnx.Library("onnxruntime")


def _openvino() -> Any:
    from remote.runtimes import openvino

    return openvino.Library("openvino")


def _tensorrt() -> Any:
    try:
        from remote.runtimes import tensorrt
    except ImportError as error:
        raise ImportError(_NOT_THERE % ("tensorrt", error, "JetPack has it in python3-libnvinfer")) from None
    return tensorrt.Library("tensorrt")


def _tensorflow() -> Any:
    try:
        from remote.runtimes import tensorflow
    except ImportError as error:
        raise ImportError(_NOT_THERE % ("tensorflow", error, "pip install tensorflow")) from None
    return tensorflow.Library("tensorflow")


_OPENERS = {
    "litert": _litert,
    "tflite_runtime": _tflite_runtime,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "tensorrt": _tensorrt,
    "tensorflow": _tensorflow,
}


def library(name: str) -> Any:
    """Import a runtime; raises ImportError where the board or the environment has none."""
    return _OPENERS[name]()
