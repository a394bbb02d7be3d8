"""Runtimes: what executes an artifact. Adding one is a module with an ``open`` and a line in ``_OPENERS``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Protocol, Tuple

if TYPE_CHECKING:
    import numpy as np


class DelegateNotEngaged(Exception):
    """A delegate was required and nothing proves that it took part."""


class Session(Protocol):
    """A loaded model. ``call`` is the bare invocation, bound once and called in the timed loops."""

    call: Callable[[], object]

    def describe(self) -> Dict[str, Any]:
        """The record's ``inputs``, ``outputs`` and ``runtime`` (without numpy, python and threads)."""

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        """Shape, dtype, scale and zero point of each input; scale 0 where it is not quantized."""

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        """The same of each output."""

    def set_inputs(self, values: List["np.ndarray[Any, Any]"]) -> None:
        """Copy the values in, in order."""

    def get_outputs(self) -> List["np.ndarray[Any, Any]"]:
        """Copies of the outputs, in order."""


def _litert() -> Any:
    from remote.runtimes import tflite

    return tflite.Library("litert", "ai_edge_litert")


def _tflite_runtime() -> Any:
    from remote.runtimes import tflite

    return tflite.Library("tflite_runtime", "tflite_runtime")


def _onnxruntime() -> Any:
    from remote.runtimes import onnx

    return onnx.Library("onnxruntime")


_OPENERS = {"litert": _litert, "tflite_runtime": _tflite_runtime, "onnxruntime": _onnxruntime}


def library(name: str) -> Any:
    """Import a runtime; raises ImportError where the board or the environment has none."""
    return _OPENERS[name]()
