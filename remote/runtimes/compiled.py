"""LiteRT's CompiledModel on an accelerator: the GPU over WebGPU, or an NPU over a vendor's plug-in.

The accelerator is asked for alone. With the CPU beside it LiteRT falls back in silence and still says that the model
is fully accelerated (ai-edge-litert 2.3, measured with the plug-in missing); alone it refuses a model that it does not
hold as a whole. So a model that was loaded is the proof, and for an NPU the log has to name the plug-in as well.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Dict, List, Tuple

import numpy as np

from remote.runtimes import Asked, delegation, tflite_file
from remote.runtimes.delegation import DelegateNotEngaged
from remote.schema import clean

_NAMES = {"gpu": "LiteRT GPU", "npu": "LiteRT NPU"}
_PLUGIN = re.compile(r"[1-9]\d* compiler plugins? w\w+ applied successfully: (.*)")
_TROUBLE = re.compile(r"\b(?:ERROR|Error|Warning|WARNING|E\d{4})\b.*|Cannot load library.*|.*: cannot open shared.*")
_NO_TROUBLE = re.compile(
    r"DestroyAccelerator|Logging before InitGoogle|unknown SDK version|accelerator could not be loaded and registered"
)
_BACKEND = "graph_backend"  # CPU, GPU or NPU; all other options go to OpenVINO as they are


def compiled(name: str, version: str, asked: Asked) -> Compiled:
    """Raises :class:`DelegateNotEngaged` with what LiteRT logged where the accelerator is not to be had."""
    delegate = str(asked.delegate)
    before = delegation.log_size()
    try:
        from ai_edge_litert.compiled_model import CompiledModel

        model = CompiledModel.from_file(asked.artifact, options=_options(asked))
    except (ImportError, RuntimeError, ValueError, TypeError) as error:
        raise DelegateNotEngaged(
            "delegate %s was required, but LiteRT does not have it here: %s" % (delegate, _why(error, before))
        ) from None
    plugin = _PLUGIN.search(delegation.logged_since(before) or "")
    graph = tflite_file.read(asked.artifact)
    provider = "%s (%s)" % (_NAMES[delegate], plugin.group(1)) if plugin else _NAMES[delegate]
    told = delegation.whole(_NAMES[delegate], clean(provider, 200), graph.operators)
    if delegate == "npu" and plugin is None:
        told = delegation.unproven("LiteRT's log does not name a plug-in that compiled the model")
    found = {"name": name, "version": version, "delegate": dict(told, requested=delegate)}
    if delegate == "npu":
        found["processor"] = clean("OpenVINO %s" % asked.options.get(_BACKEND, "NPU"), 200)
    return Compiled(model, graph, found)


def _options(asked: Asked) -> Any:
    """CPU threads are for what the host does beside the accelerator."""
    from ai_edge_litert.compiled_model import GpuOptions, HardwareAccelerator, Options

    if asked.delegate == "gpu":
        flags = {name: value.lower() in ("1", "true", "yes", "on") for name, value in asked.options.items()}
        gpu = GpuOptions(**{"hint_waiting_for_completion": True, **flags})
        return Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=gpu)
    from ai_edge_litert.options import IntelOpenVinoOptions

    more = {name: value for name, value in asked.options.items() if name != _BACKEND}
    backend = asked.options.get(_BACKEND, "NPU")
    if backend not in IntelOpenVinoOptions.GRAPH_BACKEND.__members__:
        raise ValueError("runtime.options.%s is %r, and must be CPU, GPU or NPU" % (_BACKEND, backend))
    plugin = IntelOpenVinoOptions(graph_backend=IntelOpenVinoOptions.GRAPH_BACKEND[backend], configs_map=more)
    return Options(hardware_accelerators=HardwareAccelerator.NPU, intel_openvino_options=plugin)


def _why(error: Exception, before: int | None) -> str:
    """LiteRT's exceptions name a line of its source; the reason is in its log."""
    lines = [line.strip() for line in (delegation.logged_since(before) or "").splitlines()]
    telling = [line for line in lines if _TROUBLE.search(line) and not _NO_TROUBLE.search(line)]
    said = "; ".join(dict.fromkeys(re.sub(r"^\w+: \[[\w.]+:\d+\] |\S*/", "", line) for line in telling))
    return clean(" (".join(filter(None, (said[-1200:], " ".join(str(error).split())[-300:]))) + ")" * bool(said), 2000)


class Compiled:
    """A CompiledModel with its buffers, in the order of the file's own inputs and outputs."""

    def __init__(self, model: Any, graph: tflite_file.Graph, runtime: Dict[str, Any]) -> None:
        self._model, self._runtime = model, runtime
        self._inputs, self._outputs = graph.inputs, graph.outputs
        signature = model.get_signature_by_index(0)
        key, given, taken = signature["key"], model.create_input_buffers(0), model.create_output_buffers(0)
        self._given = _ordered(given, signature["inputs"], model.get_input_tensor_details(key), graph.inputs)
        self._taken = _ordered(taken, signature["outputs"], model.get_output_tensor_details(key), graph.outputs)
        self.call = functools.partial(model.run_by_index, 0, given, taken)

    def describe(self) -> Dict[str, Any]:
        return {
            "runtime": self._runtime,
            "inputs": [_tensor(one) for one in self._inputs],
            "outputs": [_tensor(one) for one in self._outputs],
        }

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [(one.shape, np.dtype(one.dtype), one.scale, one.zero_point) for one in self._inputs]

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [(one.shape, np.dtype(one.dtype), one.scale, one.zero_point) for one in self._outputs]

    def set_inputs(self, values: List[np.ndarray[Any, Any]]) -> None:
        for buffer, value in zip(self._given, values):
            buffer.write(value)

    def get_outputs(self) -> List[np.ndarray[Any, Any]]:
        kinds = [(one.shape, np.dtype(one.dtype)) for one in self._outputs]
        return [
            buffer.read(int(np.prod(shape)), dtype).reshape(shape) for buffer, (shape, dtype) in zip(self._taken, kinds)
        ]


def _ordered(buffers: List[Any], names: List[str], details: Any, wanted: List[tflite_file.Tensor]) -> List[Any]:
    """Buffers come in the order of a signature."""
    numbers = {int(details[name]["index"]): buffer for name, buffer in zip(names, buffers)}
    return [numbers[one.number] for one in wanted]


def _tensor(one: tflite_file.Tensor) -> Dict[str, Any]:
    return {"name": clean(one.name, 500), "shape": list(one.shape), "dtype": one.dtype}
