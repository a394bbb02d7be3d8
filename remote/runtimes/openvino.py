"""OpenVINO on the CPU, or on the GPU or NPU where that is the delegate, reading ``.onnx`` and ``.tflite`` itself.

On the CPU it computes in float32 here. OpenVINO's own default is bfloat16 on a CPU that has AMX, without a word
(measured); ``runtime.options.INFERENCE_PRECISION_HINT`` asks for that. A GPU or an NPU keeps its own default, float16.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from typing import Any, Dict, List, Tuple

import numpy as np
import openvino

from remote.inputs import seeded
from remote.runtimes import LONGEST_PROFILE_S, PROFILE_WARMUP_RUNS, Asked, Operators, asked_of, tflite_file
from remote.runtimes.delegation import DelegateNotEngaged
from remote.schema import clean

_CPU = "CPU"
_PROFILED = "PERF_COUNT"
_NO_WORK = ("Input", "Output", "Const", "Parameter", "Result")
_TFLITE_MARK = b"TFL3"


class Library:
    """The imported runtime; :meth:`load` makes a session of an artifact."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = clean(str(openvino.__version__), 200)

    def load(self, asked: Asked) -> Inferred:
        """Read and compile. Raises :class:`DelegateNotEngaged` where the board has no such device."""
        return self._load(asked, {})

    def _load(self, asked: Asked, more: Dict[str, str]) -> Inferred:
        core = openvino.Core()
        device = _device(core, asked.delegate)
        graph = tflite_file.read(asked.artifact) if _is_tflite(asked.artifact) else None
        model = _read(core, asked, "tflite" if graph else "onnx")
        settings = dict(_settings(device, asked.threads), **asked.options, **more)
        compiled = core.compile_model(model, device, settings)
        placed = _placed(compiled, asked.delegate)
        words = str(core.get_property(device, "FULL_DEVICE_NAME"))
        told = {
            "name": self.name,
            "version": self.version,
            "processor": clean("%s (%s)" % (words, ", ".join(_devices(compiled))), 200),
            "delegate": dict(placed, requested=asked.delegate or asked.xnnpack),
        }
        return Inferred(compiled, graph, told)

    def profile(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Time by operator from OpenVINO's own counters, on the same values as the measurement."""
        session = self._load(asked_of(order), {_PROFILED: "YES"})
        session.set_inputs(seeded(session.input_types(), order["seed"]))
        operators, end_s = Operators("OpenVINO performance counters"), time.monotonic() + LONGEST_PROFILE_S
        for _ in range(PROFILE_WARMUP_RUNS):
            session.call()
        while operators.runs < order["scenario"]["profile_runs"] and time.monotonic() < end_s:
            session.call()
            for one in session.counters():
                if one.status == openvino.ProfilingInfo.Status.EXECUTED:
                    nanoseconds = round(one.real_time.total_seconds() * 1e9)
                    operators.add(clean(str(one.node_type), 200), clean(str(one.exec_type), 200), nanoseconds)
            operators.runs += 1
        return operators.profile()


def _device(core: Any, delegate: str | None) -> str:
    if delegate is None:
        return _CPU
    wanted, there = delegate.upper(), [str(name) for name in core.available_devices]
    if not any(name == wanted or name.startswith(wanted + ".") for name in there):
        raise DelegateNotEngaged(
            "delegate %s was required, but OpenVINO finds no such device here; it has %s"
            % (delegate, ", ".join(there) or "none")
        )
    return wanted


def _settings(device: str, threads: int) -> Dict[str, str]:
    """One request at a time, on that many threads. They are not pinned: OpenVINO would put those of several models on
    the same cores, and those of this process are given already."""
    latency = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
    if device != _CPU:
        return {"PERFORMANCE_HINT": "LATENCY"}
    own = {"INFERENCE_NUM_THREADS": str(threads), "ENABLE_CPU_PINNING": "NO", "INFERENCE_PRECISION_HINT": "f32"}
    return dict(latency, **own)


def _is_tflite(path: str) -> bool:
    with open(path, "rb") as stream:
        return stream.read(8)[4:] == _TFLITE_MARK


def _read(core: Any, asked: Asked, ending: str) -> Any:
    """OpenVINO goes by the ending of a file's name, which a blob on a board does not have."""
    with tempfile.TemporaryDirectory(prefix="openvino-", dir=asked.workdir) as folder:
        path = os.path.join(folder, "model." + ending)
        os.symlink(os.path.abspath(asked.artifact), path)
        try:
            return core.read_model(path)
        except RuntimeError as error:
            raise ValueError("OpenVINO cannot read this .%s model: %s" % (ending, error)) from None


def _devices(compiled: Any) -> List[str]:
    return [str(name).strip("()") for name in compiled.get_property("EXECUTION_DEVICES")]


def _placed(compiled: Any, delegate: str | None) -> Dict[str, Any]:
    """From the devices that execute, and the compiled graph's nodes by the type that each computes in."""
    devices = _devices(compiled)
    counts: Dict[str, int] = {}
    for node in compiled.get_runtime_model().get_ops():
        told = node.get_rt_info()
        kind, precision = (_word(told, key) for key in ("layerType", "runtimePrecision"))
        if kind not in _NO_WORK:
            provider = clean("%s %s" % ("+".join(devices), precision), 200)
            counts[provider] = counts.get(provider, 0) + 1
    nodes = sum(counts.values())
    placement = [{"provider": provider, "nodes": count} for provider, count in sorted(counts.items())]
    found = {"nodes": nodes, "placement": placement, "partitions": 0, "delegated_nodes": 0}
    if delegate is None:
        reason = "no device beside the CPU was asked for; it executes on %s" % ", ".join(devices)
        return dict(found, state="absent", name=None, reason=clean(reason, 1000))
    if not all(name.split(".")[0] == delegate.upper() for name in devices):
        reason = "the model executes on %s" % ", ".join(devices)
        return dict(found, state="absent", name=None, reason=clean(reason, 1000))
    name = "OpenVINO %s" % delegate.upper()
    return dict(found, state="engaged", name=name, reason=None, partitions=1, delegated_nodes=nodes)


def _word(told: Any, key: str) -> str:
    """A value of a node's runtime information; versions before 2023 wrap it."""
    value = told[key] if key in told else "unknown"  # noqa: SIM401 (it is no dict)
    return str(getattr(value, "value", value))


class Inferred:
    """A compiled model and its one request."""

    def __init__(self, compiled: Any, graph: tflite_file.Graph | None, runtime: Dict[str, Any]) -> None:
        self._compiled, self._runtime = compiled, runtime
        self._request = compiled.create_infer_request()
        self._inputs = _ports(compiled.inputs, graph.inputs if graph else None)
        self._outputs = _ports(compiled.outputs, graph.outputs if graph else None)
        for port, _ in self._inputs:
            if port.partial_shape.is_dynamic:
                raise ValueError("the shape of input %s is open: %s" % (port.any_name, port.partial_shape))
        self._given = [self._request.get_tensor(port) for port, _ in self._inputs]
        self.call = functools.partial(self._request.infer, share_outputs=True)  # or the answers are copied each time

    def describe(self) -> Dict[str, Any]:
        return {
            "runtime": self._runtime,
            "inputs": [_tensor(port) for port, _ in self._inputs],
            "outputs": [_tensor(port) for port, _ in self._outputs],
        }

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [_tensor_type(port, told) for port, told in self._inputs]

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [_tensor_type(port, told) for port, told in self._outputs]

    def set_inputs(self, values: List[np.ndarray[Any, Any]]) -> None:
        for tensor, value in zip(self._given, values):
            tensor.data[...] = value

    def get_outputs(self) -> List[np.ndarray[Any, Any]]:
        return [np.array(self._request.get_tensor(port).data) for port, _ in self._outputs]

    def counters(self) -> List[Any]:
        """Of the last call."""
        return list(self._request.profiling_info)


def _ports(ports: List[Any], told: List[tflite_file.Tensor] | None) -> List[Tuple[Any, tflite_file.Tensor | None]]:
    """In the order of the file, with what OpenVINO does not keep of it: scale and zero point."""
    if told is None:
        return [(port, None) for port in ports]
    named = {name: port for port in ports for name in port.names}
    return [(named.get(one.name, port), one) for port, one in zip(ports, told)]


def _shape(port: Any) -> List[Any]:
    """Sizes; None for one that is decided anew in each call."""
    return [int(size.get_length()) if size.is_static else None for size in port.partial_shape]


def _tensor(port: Any) -> Dict[str, Any]:
    name = port.any_name if port.names else "unnamed"
    return {"name": clean(str(name), 500), "shape": _shape(port), "dtype": _dtype(port).name}


def _tensor_type(port: Any, told: tflite_file.Tensor | None) -> Tuple[Tuple[int, ...], Any, float, int]:
    scale, zero_point = (told.scale, told.zero_point) if told else (0.0, 0)
    return tuple(_shape(port)), _dtype(port), scale, zero_point


def _dtype(port: Any) -> Any:
    return np.dtype(port.element_type.to_dtype())
