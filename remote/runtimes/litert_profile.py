"""LiteRT's own profiler, which its Python packages lack: the C interface of the wheel's ``libLiteRt.so``.

Checked with ai-edge-litert 2.3. The model runs in a CompiledModel there, with the same kernels as in the Interpreter.
Times are whole microseconds, cut, so operators far below one come out short.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any, Dict, List

import numpy as np

from remote.runtimes import LONGEST_PROFILE_S, NoProfiler, Operators
from remote.runtimes.delegation import BUILT_IN, XNNPACK

_CPU = 1  # of the set of accelerators
_WRITE = 1  # lock mode
_OPERATOR, _DELEGATED = 2, (4, 8)  # event types; others are of the runtime, or of the whole call
_BATCH = 20  # calls between two looks at the events, which pile up meanwhile

_Pointer, _Size = ctypes.c_void_p, ctypes.c_size_t
_Delete = ctypes.CFUNCTYPE(None, _Pointer)


class _Event(ctypes.Structure):
    _fields_ = [
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory_bytes", _Size * 6),
        ("metadata", ctypes.c_uint64 * 2),
        ("source", ctypes.c_int),
    ]


class Compiled:
    """A model with profiling switched on. Nothing is freed: its process ends right after."""

    def __init__(self, library: str, model: str, threads: int, xnnpack: str) -> None:
        """Raises :class:`NoProfiler` where the library or a function of it is missing or refuses."""
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise NoProfiler("this version of LiteRT has no profiler that can be reached: %s" % error) from None
        self._kept: List[Any] = [_Delete(lambda _: None)]
        self._environment = self._made("CreateEnvironment", ctypes.c_int(0), None)
        self._source = self._made("CreateModelFromFile", self._environment, os.fsencode(model))
        options = self._made("CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, ctypes.c_int(_CPU))
        kernels = "builtin" if xnnpack == "off" else "delegate"
        self._add(options, b"runtime_options_string", "enable_profiling = true\n")
        self._add(options, b"xnnpack", 'num_threads = %d\nkernel_mode = "%s"\n' % (threads, kernels))
        self._model = self._made("CreateCompiledModel", self._environment, self._source, options)
        self._profiler = self._made("CompiledModelGetProfiler", self._model)
        signature = self._made("GetModelSignature", self._source, _Size(0))
        self._inputs = self._buffers(signature, "Input")
        self._outputs = self._buffers(signature, "Output")

    def set_inputs(self, values: Dict[int, "np.ndarray[Any, Any]"]) -> None:
        """By the number of the tensor in the model; raises :class:`NoProfiler` where a value does not fit."""
        for number, buffer in self._inputs.items():
            size, address = _Size(), _Pointer()
            self._call("GetTensorBufferPackedSize", buffer, ctypes.byref(size))
            value = np.ascontiguousarray(values[number]) if number in values else None
            if value is None or value.nbytes != size.value:
                raise NoProfiler("LiteRT's compiled model takes other inputs than its interpreter")
            self._call("LockTensorBuffer", buffer, ctypes.byref(address), ctypes.c_int(_WRITE))
            ctypes.memmove(address, value.ctypes.data, value.nbytes)
            self._call("UnlockTensorBuffer", buffer)

    def run(self) -> None:
        inputs, outputs = (_Pointer * len(self._inputs))(*self._inputs.values()), self._outputs.values()
        answers = (_Pointer * len(outputs))(*outputs)
        sizes = _Size(len(inputs)), _Size(len(answers))
        self._call("RunCompiledModel", self._model, _Size(0), sizes[0], inputs, sizes[1], answers)

    def profiled(self, runs: int) -> Dict[str, Any]:
        """The record's ``profile`` of that many calls, or of as many as fit."""
        operators, begin, spent_ns, seen_ns = Operators("LiteRT profiler"), time.monotonic(), 0, 0
        while operators.runs < runs and time.monotonic() - begin < LONGEST_PROFILE_S:
            self._call("ResetProfiler", self._profiler)
            self._call("StartProfiler", self._profiler)
            batch, started = min(_BATCH, runs - operators.runs), time.perf_counter_ns()
            for _ in range(batch):
                self.run()
            spent_ns += time.perf_counter_ns() - started
            self._call("StopProfiler", self._profiler)
            seen_ns += self._collect(operators)
            operators.runs += batch
        if seen_ns > spent_ns:
            raise NoProfiler("LiteRT's profiler counts more time than has passed: its events are read wrongly")
        return operators.profile()

    def _collect(self, operators: Operators) -> int:
        """Add the events of operators; returns their time in nanoseconds."""
        count, total_ns = ctypes.c_int(), 0
        self._call("GetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (_Event * count.value)()
        self._call("GetProfilerEvents", self._profiler, count, events)
        for event in events:
            name = (event.tag or b"").decode("utf-8", "replace")
            if event.kind in _DELEGATED:
                operators.add(name, XNNPACK, event.elapsed_us * 1000)
            elif event.kind == _OPERATOR and not name.endswith("Delegate"):  # its own operators are listed
                operators.add(name, BUILT_IN, event.elapsed_us * 1000)
            else:
                continue
            total_ns += event.elapsed_us * 1000
        return total_ns

    def _buffers(self, signature: Any, side: str) -> Dict[int, Any]:
        """A buffer for each tensor of a side, in the signature's order."""
        count, found = _Size(), {}
        self._call("GetNumSignature%ss" % side, signature, ctypes.byref(count))
        for index in range(count.value):
            tensor = self._made("GetSignature%sTensorByIndex" % side, signature, _Size(index))
            number, kind = ctypes.c_uint32(), ctypes.create_string_buffer(1024)  # its type is passed on unread
            self._call("GetTensorIndex", tensor, ctypes.byref(number))
            self._call("GetRankedTensorType", tensor, kind)
            wanted = self._made("GetCompiledModel%sBufferRequirements" % side, self._model, _Size(0), _Size(index))
            made = self._made("CreateManagedTensorBufferFromRequirements", self._environment, kind, wanted)
            found[number.value] = made
        return found

    def _add(self, options: Any, name: bytes, text: str) -> None:
        payload = ctypes.create_string_buffer(text.encode())
        self._kept.append(payload)
        opaque = self._made("CreateOpaqueOptions", name, ctypes.cast(payload, _Pointer), self._kept[0])
        self._call("AddOpaqueOptions", options, opaque)

    def _made(self, name: str, *arguments: Any) -> Any:
        made = _Pointer()
        self._call(name, *arguments, ctypes.byref(made))
        return made

    def _call(self, name: str, *arguments: Any) -> None:
        try:
            function = getattr(self._library, "LiteRt" + name)
        except AttributeError:
            raise NoProfiler("this version of LiteRT has no function LiteRt%s" % name) from None
        status = function(*arguments)
        if status:
            raise NoProfiler("LiteRt%s answered with status %d" % (name, status))
