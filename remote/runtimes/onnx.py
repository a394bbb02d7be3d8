"""ONNX Runtime on its CPU execution provider."""

from __future__ import annotations

import functools
from typing import Any, Dict, List, Tuple

import numpy as np
import onnxruntime

from remote.schema import clean

_PROVIDER = "CPUExecutionProvider"
_NO_DELEGATE = "ONNX Runtime computes on its own CPU provider and takes no delegate"
_WARNINGS_TOO = 2  # log severity
_TYPES = {"float": "float32", "double": "float64"}  # the others are called as numpy calls them


class Library:
    """The imported runtime; :meth:`load` makes a session of an artifact."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = clean(str(onnxruntime.__version__), 200)

    def load(self, path: str, threads: int, xnnpack: str) -> Bound:
        """Construct and optimize the graph. Threads are within an operator; operators run one after the other."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _WARNINGS_TOO
        return Bound(self, onnxruntime.InferenceSession(path, options, providers=[_PROVIDER]), xnnpack)


class Bound:
    """A model in an InferenceSession, its inputs and outputs bound once: a call passes no arrays."""

    def __init__(self, library: Library, session: Any, xnnpack: str) -> None:
        self._library = library
        self._session = session
        self._xnnpack = xnnpack
        self._binding = session.io_binding()
        self._values = [self._bind(given) for given in session.get_inputs()]
        for answered in session.get_outputs():
            self._binding.bind_output(answered.name, "cpu")
        self.call = functools.partial(session.run_with_iobinding, self._binding)

    def _bind(self, given: Any) -> Any:
        """A tensor of the runtime's own for an input, that later values are copied into."""
        shape, dtype = _shape(given), _dtype(given)
        if None in shape:
            raise ValueError("the shape of input %s is open: %r" % (given.name, given.shape))
        value = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, dtype))
        self._binding.bind_ortvalue_input(given.name, value)
        return value

    def describe(self) -> Dict[str, Any]:
        delegate = {
            "requested": self._xnnpack,
            "state": "absent",
            "name": None,
            "partitions": None,
            "nodes": None,
            "delegated_nodes": None,
            "reason": _NO_DELEGATE,
        }
        return {
            "runtime": {"name": self._library.name, "version": self._library.version, "delegate": delegate},
            "inputs": [_tensor(given) for given in self._session.get_inputs()],
            "outputs": [_tensor(answered) for answered in self._session.get_outputs()],
        }

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        """No scales: ONNX quantizes by operators inside of the graph."""
        return [(tuple(_shape(given)), _dtype(given), 0.0, 0) for given in self._session.get_inputs()]

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [(tuple(_shape(answered)), _dtype(answered), 0.0, 0) for answered in self._session.get_outputs()]

    def set_inputs(self, values: List[np.ndarray[Any, Any]]) -> None:
        for bound, value in zip(self._values, values):
            bound.update_inplace(value)

    def get_outputs(self) -> List[np.ndarray[Any, Any]]:
        return [np.asarray(value) for value in self._binding.copy_outputs_to_cpu()]


def _shape(value: Any) -> List[Any]:
    """Sizes; None for one that is decided anew in each call."""
    return [size if isinstance(size, int) and size >= 0 else None for size in value.shape]


def _dtype(value: Any) -> Any:
    """numpy's of ``tensor(float)``."""
    name = value.type.replace("tensor(", "").rstrip(")")
    try:
        return np.dtype(_TYPES.get(name, name))
    except TypeError:
        raise TypeError(
            "%s is of type %s, which cannot be made up; only numbers can" % (value.name, value.type)
        ) from None


def _tensor(value: Any) -> Dict[str, Any]:
    name = value.type.replace("tensor(", "").rstrip(")")
    return {"name": clean(str(value.name), 500), "shape": _shape(value), "dtype": clean(_TYPES.get(name, name), 40)}
