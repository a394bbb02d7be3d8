"""TensorFlow itself: the slow reference, executing a frozen graph with the board's own ``tensorflow``.

A ``.graphdef`` artifact is the length of a JSON text as 8 bytes, little endian, that text (``{"inputs": [names],
"outputs": [names]}``, in order) and a serialized GraphDef whose inputs are placeholders.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors are for the log, notes are not
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

from remote.runtimes import Asked, NoProfiler, delegation
from remote.runtimes.delegation import DelegateNotEngaged
from remote.schema import clean

_GPU = "TensorFlow GPU"
_HEAD = struct.Struct("<Q")
_LONGEST = 1 << 20


class Library:
    """The imported runtime; :meth:`load` makes a session of an artifact."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = clean(str(tf.__version__), 200)
        self._threads = 0

    def load(self, asked: Asked) -> Frozen:
        """Import the graph. Threads are within an operator; operators run one after the other."""
        self._settle(asked)
        names, graph = _read(asked.artifact)
        device = "/GPU:0" if asked.delegate == "gpu" else "/CPU:0"
        function = _function(names, graph, device)
        nodes = len([one for one in function.graph.get_operations() if one.type not in ("Placeholder", "Const")])
        if asked.delegate == "gpu":
            told = delegation.whole(_GPU, "GPU", nodes)
        else:
            counts = {"partitions": 0, "nodes": nodes, "delegated_nodes": 0, "name": None, "state": "absent"}
            reason = "no device beside the CPU was asked for"
            told = dict(counts, reason=reason, placement=[{"provider": "CPU", "nodes": nodes}])
        delegate = dict(told, requested=asked.delegate or asked.xnnpack)
        runtime: Dict[str, Any] = {"name": self.name, "version": self.version, "delegate": delegate}
        if asked.delegate == "gpu":
            details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
            runtime["processor"] = clean(str(details.get("device_name", "GPU")), 200)
        return Frozen(function, device, runtime)

    def _settle(self, asked: Asked) -> None:
        """Once a process: TensorFlow takes no more threads after its first operation. An operator without a kernel for
        the GPU is an error instead of one that moves to the CPU in silence."""
        if self._threads:
            return
        self._threads = asked.threads
        tf.config.threading.set_intra_op_parallelism_threads(asked.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.set_soft_device_placement(False)
        gpus = tf.config.list_physical_devices("GPU")
        if asked.delegate == "gpu" and not gpus:
            raise DelegateNotEngaged("delegate gpu was required, but TensorFlow %s finds no GPU here" % self.version)
        if asked.delegate is None and gpus:
            tf.config.set_visible_devices([], "GPU")
        for gpu in gpus if asked.delegate == "gpu" else []:
            tf.config.experimental.set_memory_growth(gpu, True)

    def profile(self, order: Dict[str, Any]) -> Dict[str, Any]:
        raise NoProfiler("TensorFlow is a reference here, and is not profiled")


def _read(path: str) -> Tuple[Dict[str, List[str]], Any]:
    """The names and the graph; raises ValueError for another file."""
    graph = tf.compat.v1.GraphDef()
    with open(path, "rb") as stream:
        head = stream.read(_HEAD.size)
        length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else _LONGEST + 1
        if length > _LONGEST:
            raise ValueError("this is no .graphdef artifact: it does not begin with the names of its tensors")
        try:
            names = json.loads(stream.read(length).decode("utf-8"))
            found = {side: [_full(str(name)) for name in names[side]] for side in ("inputs", "outputs")}
            graph.ParseFromString(stream.read())
        except (ValueError, KeyError, TypeError, DecodeError) as error:
            raise ValueError("this .graphdef artifact is damaged: %s" % error) from None
    return found, graph


def _full(name: str) -> str:
    """A tensor's name: the first output of an operation, where only that is named."""
    return name if ":" in name else name + ":0"


def _function(names: Dict[str, List[str]], graph: Any, device: str) -> Any:
    def imported() -> None:
        with tf.device(device):
            tf.graph_util.import_graph_def(graph, name="")

    whole = tf.compat.v1.wrap_function(imported, [])
    inside = whole.graph
    feeds = [inside.as_graph_element(name) for name in names["inputs"]]
    return whole.prune(feeds, [inside.as_graph_element(name) for name in names["outputs"]])


def _callable(function: Any, device: str) -> Any:
    """The same as a concrete function: calling one that was cut out of a graph costs a millisecond of Python."""

    def whole(*values: Any) -> Any:
        with tf.device(device):
            return function(*values)

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in function.inputs]
    return tf.function(whole).get_concrete_function(*specs)


class Frozen:
    """A function of a frozen graph, with its inputs on the device."""

    def __init__(self, function: Any, device: str, runtime: Dict[str, Any]) -> None:
        self._device, self._runtime = device, runtime
        self._inputs, self._outputs = list(function.inputs), list(function.outputs)
        for tensor in self._inputs:
            if tensor.shape.rank is None or None in tensor.shape.as_list():
                raise ValueError("the shape of input %s is open: %s" % (tensor.name, tensor.shape))
        self._function = _callable(function, device)
        self._given: List[Any] = []
        self._answers: List[Any] = []
        self.call = self._caller()

    def _caller(self) -> Callable[[], object]:
        """On a GPU a call returns before it is done."""
        function, wait = self._function, tf.test.experimental.sync_devices
        on_gpu = "GPU" in self._device

        def call() -> None:
            self._answers = function(*self._given)
            if on_gpu:
                wait()

        return call

    def describe(self) -> Dict[str, Any]:
        return {
            "runtime": self._runtime,
            "inputs": [_told(tensor) for tensor in self._inputs],
            "outputs": [_told(tensor) for tensor in self._outputs],
        }

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [
            (tuple(tensor.shape.as_list()), np.dtype(tensor.dtype.as_numpy_dtype), 0.0, 0) for tensor in self._inputs
        ]

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [(tuple(_shape(tensor)), np.dtype(tensor.dtype.as_numpy_dtype), 0.0, 0) for tensor in self._outputs]

    def set_inputs(self, values: List[np.ndarray[Any, Any]]) -> None:
        with tf.device(self._device):
            self._given = [tf.identity(tf.constant(value)) for value in values]

    def get_outputs(self) -> List[np.ndarray[Any, Any]]:
        return [np.asarray(answer) for answer in self._answers]


def _shape(tensor: Any) -> List[Any]:
    """Sizes; None for one that is decided anew in each call."""
    return [] if tensor.shape.rank is None else list(tensor.shape.as_list())


def _told(tensor: Any) -> Dict[str, Any]:
    return {"name": clean(str(tensor.name), 500), "shape": _shape(tensor), "dtype": tensor.dtype.name}
