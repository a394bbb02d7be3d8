"""LiteRT and its predecessor tflite_runtime: the same Interpreter under two names."""

from __future__ import annotations

import importlib
from typing import Any, Dict, List, Set, Tuple

import numpy as np

from remote.schema import clean

_DELEGATE = "DELEGATE"
_XNNPACK = "XNNPACK"  # the only delegate that these wheels apply by themselves


class Library:
    """The imported runtime; :meth:`load` makes a session of an artifact."""

    def __init__(self, name: str, package: str) -> None:
        self.name = name
        self._module = importlib.import_module(package + ".interpreter")
        self.version = clean(str(getattr(importlib.import_module(package), "__version__", "unknown")), 200)

    def load(self, path: str, threads: int, xnnpack: str) -> Interpreted:
        """Construct and allocate. ``off`` takes the built-in kernels; they are 4-5 times slower, but not the reference
        ones. Threads are always set: Python's default is 1, the C++ tools' is all."""
        kinds = self._module.OpResolverType
        resolver = kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES if xnnpack == "off" else kinds.AUTO
        interpreter = self._module.Interpreter(
            model_path=path, num_threads=threads, experimental_op_resolver_type=resolver
        )
        interpreter.allocate_tensors()
        return Interpreted(self, interpreter, xnnpack)


class Interpreted:
    """A model in an Interpreter."""

    def __init__(self, library: Library, interpreter: Any, xnnpack: str) -> None:
        self._library = library
        self._interpreter = interpreter
        self._xnnpack = xnnpack
        self._inputs = interpreter.get_input_details()
        self._outputs = interpreter.get_output_details()
        self.call = interpreter.invoke

    def describe(self) -> Dict[str, Any]:
        delegate = dict(delegation(self._interpreter), requested=self._xnnpack)
        if self._xnnpack == "off" and delegate["state"] == "absent":
            delegate["reason"] = "switched off"
        return {
            "runtime": {"name": self._library.name, "version": self._library.version, "delegate": delegate},
            "inputs": [_tensor(detail) for detail in self._inputs],
            "outputs": [_tensor(detail) for detail in self._outputs],
        }

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [_tensor_type(detail) for detail in self._inputs]

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [_tensor_type(detail) for detail in self._outputs]

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


def delegation(interpreter: Any) -> Dict[str, Any]:
    """Whether a delegate took part, and in how much, from the interpreter's own list of operations.

    The list is private API (checked with tflite-runtime 2.14 and ai-edge-litert 2.3): it holds the model's nodes, and
    behind them one DELEGATE per partition. Where it is missing nothing is proven, and that is what is said.
    """
    unknown = {"name": None, "partitions": None, "nodes": None, "delegated_nodes": None}
    try:
        listed = interpreter._get_ops_details()
        nodes = [(str(op["op_name"]), [int(i) for i in op["inputs"]], [int(i) for i in op["outputs"]]) for op in listed]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return dict(
            unknown, state="unproven", reason=clean("this runtime does not list its operations: %r" % error, 1000)
        )
    plain = [node for node in nodes if node[0] != _DELEGATE]
    partitions = [node for node in nodes if node[0] == _DELEGATE]
    counts = {"partitions": len(partitions), "nodes": len(plain), "delegated_nodes": _covered(plain, partitions)}
    if not partitions:
        return dict(counts, state="absent", name=None, reason="no operation of this model was taken by a delegate")
    return dict(counts, state="engaged", name=_XNNPACK, reason=None)


def _covered(nodes: List[Tuple[str, List[int], List[int]]], partitions: List[Tuple[str, List[int], List[int]]]) -> int:
    """Nodes inside of partitions: those met on the way back from a partition's outputs to its inputs."""
    producers = {tensor: index for index, node in enumerate(nodes) for tensor in node[2]}
    covered: Set[int] = set()
    for _, inputs, outputs in partitions:
        border, waiting = set(inputs), list(outputs)
        while waiting:
            tensor = waiting.pop()
            index = producers.get(tensor)
            if tensor in border or index is None or index in covered:
                continue
            covered.add(index)
            waiting.extend(nodes[index][1])
    return len(covered)
