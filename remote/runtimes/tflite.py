"""LiteRT and its predecessor tflite_runtime: the same Interpreter under two names."""

from __future__ import annotations

import importlib
import os
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from remote.inputs import seeded
from remote.runtimes import PROFILE_WARMUP_RUNS, Asked, NoProfiler, asked_of, delegation
from remote.runtimes.delegation import DelegateNotEngaged
from remote.schema import clean

EDGETPU = "libedgetpu.so.1"
"""Where the loader finds it, unless ``runtime.library`` says another place."""
_COMPILED = ("gpu", "npu")
_NO_PROFILER = (
    "%s has no profiler that a Python program can reach; runtime=litert has one, or run Google's benchmark_model "
    "--enable_op_profiling=true on the board by hand"
)


class Library:
    """The imported runtime; :meth:`load` makes a session of an artifact."""

    def __init__(self, name: str, package: str) -> None:
        self.name = name
        self._module = importlib.import_module(package + ".interpreter")
        self.version = clean(str(getattr(importlib.import_module(package), "__version__", "unknown")), 200)

    def load(self, asked: Asked) -> Any:
        """Construct and allocate. ``off`` takes the built-in kernels; they are 4-5 times slower, but not the reference
        ones. Threads are always set: Python's default is 1, the C++ tools' is all."""
        if asked.delegate in _COMPILED:
            from remote.runtimes.compiled import compiled

            return compiled(self.name, self.version, asked)
        kinds = self._module.OpResolverType
        resolver = kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES if asked.xnnpack == "off" else kinds.AUTO
        before = delegation.log_size()
        interpreter = self._module.Interpreter(
            model_path=asked.artifact,
            num_threads=asked.threads,
            experimental_op_resolver_type=resolver,
            experimental_delegates=self._own(asked),
        )
        if asked.delegate is not None:  # XNNPACK comes with the allocation
            alone, said = listed(interpreter), delegation.logged_since(before)
        interpreter.allocate_tensors()
        if asked.delegate is None:
            told = operations(interpreter, delegation.logged_since(before))
            if asked.xnnpack == "off" and told["state"] == "absent":
                told["reason"] = "switched off"
            return Interpreted(self, interpreter, dict(told, requested=asked.xnnpack))
        told = external(alone, listed(interpreter), asked, said)
        return Interpreted(self, interpreter, dict(told, requested=asked.delegate))

    def _own(self, asked: Asked) -> Optional[List[Any]]:
        """The delegate that is a library on the board."""
        if asked.delegate is None:
            return None
        library = asked.library or EDGETPU
        try:
            return [self._module.load_delegate(library, asked.options)]
        except (OSError, ValueError, AttributeError) as error:
            raise DelegateNotEngaged(
                "the delegate %s cannot be loaded from %s on this board: %s" % (asked.delegate, library, error)
            ) from None

    def profile(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Time by operator, on the same values as the measurement; raises :class:`NoProfiler`."""
        path = os.path.join(os.path.dirname(str(self._module.__file__)), "libLiteRt.so")
        if not os.path.exists(path):
            raise NoProfiler(_NO_PROFILER % self.name)
        if order["delegate"] is not None:
            raise NoProfiler("LiteRT's profiler is asked on the CPU only, not on the delegate %s" % order["delegate"])
        from remote.runtimes.litert_profile import Compiled

        tensors = self.load(
            asked_of(order)._replace(threads=1, xnnpack="off")
        )  # for its inputs alone, so no weights are prepared
        values = seeded(tensors.input_types(), order["seed"])
        compiled = Compiled(path, order["artifact"], order["threads"], order["xnnpack"])
        compiled.set_inputs(dict(zip(tensors.input_numbers(), values)))
        for _ in range(PROFILE_WARMUP_RUNS):
            compiled.run()
        return compiled.profiled(order["scenario"]["profile_runs"])


class Interpreted:
    """A model in an Interpreter."""

    def __init__(self, library: Library, interpreter: Any, delegate: Dict[str, Any]) -> None:
        self._library = library
        self._interpreter = interpreter
        self._delegate = delegate
        self._inputs = interpreter.get_input_details()
        self._outputs = interpreter.get_output_details()
        self.call = interpreter.invoke

    def describe(self) -> Dict[str, Any]:
        return {
            "runtime": {"name": self._library.name, "version": self._library.version, "delegate": self._delegate},
            "inputs": [_tensor(detail) for detail in self._inputs],
            "outputs": [_tensor(detail) for detail in self._outputs],
        }

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [_tensor_type(detail) for detail in self._inputs]

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [_tensor_type(detail) for detail in self._outputs]

    def input_numbers(self) -> List[int]:
        """Of the tensors in the model."""
        return [int(detail["index"]) for detail in self._inputs]

    def set_inputs(self, values: List[np.ndarray[Any, Any]]) -> None:
        for detail, value in zip(self._inputs, values):
            self._interpreter.set_tensor(detail["index"], value)

    def get_outputs(self) -> List[np.ndarray[Any, Any]]:
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._outputs]


def _tensor(detail: Dict[str, Any]) -> Dict[str, Any]:
    shape = [int(size) for size in detail["shape"]]
    return {"name": clean(str(detail["name"]), 500), "shape": shape, "dtype": np.dtype(detail["dtype"]).name}


def _tensor_type(detail: Dict[str, Any]) -> Tuple[Tuple[int, ...], Any, float, int]:
    scale, zero_point = detail["quantization"]
    return tuple(int(size) for size in detail["shape"]), detail["dtype"], float(scale), int(zero_point)


def listed(interpreter: Any) -> Any:
    """The interpreter's own list of operations as nodes, or the words why there is none.

    The list is private API (checked with tflite-runtime 2.14 and ai-edge-litert 2.3). Where it is missing nothing is
    proven, and that is what is said.
    """
    try:
        found = interpreter._get_ops_details()
        return [(str(op["op_name"]), [int(i) for i in op["inputs"]], [int(i) for i in op["outputs"]]) for op in found]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return clean("this runtime does not list its operations: %r" % error, 1000)


def operations(interpreter: Any, said: str | None) -> Dict[str, Any]:
    """Whether XNNPACK took part, and in how much."""
    nodes = listed(interpreter)
    return delegation.unproven(nodes) if isinstance(nodes, str) else delegation.of_operations(nodes, said)


def external(alone: Any, both: Any, asked: Asked, said: str | None) -> Dict[str, Any]:
    """Whether a delegate of the user's own took part: the list from before XNNPACK, and the one with it."""
    if isinstance(alone, str) or isinstance(both, str):
        return delegation.unproven(alone if isinstance(alone, str) else both)
    name = "Edge TPU" if asked.delegate == "edgetpu" else os.path.basename(asked.library or "")
    return delegation.of_external(alone, both, clean(name, 200), said)
