"""ONNX Runtime: on its CPU execution provider, on an accelerator's where that is the delegate, or on XNNPACK's where
that is required and the board's build has it."""

from __future__ import annotations

import functools
import os
import time
from contextlib import suppress
from typing import Any, Dict, List, Tuple

import numpy as np
import onnxruntime

from remote.inputs import seeded
from remote.runtimes import LONGEST_PROFILE_S, PROFILE_WARMUP_RUNS, Asked, asked_of, delegation, providers
from remote.runtimes.onnx_profile import summary
from remote.schema import clean

_TELL = "session.record_ep_graph_assignment_info"  # versions that do not know it pass over it
_WARNINGS_TOO = 2  # log severity
_TYPES = {"float": "float32", "double": "float64"}  # the others are called as numpy calls them


class Library:
    """The imported runtime; :meth:`load` makes a session of an artifact."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = clean(str(onnxruntime.__version__), 200)

    def load(self, asked: Asked) -> Bound:
        """Construct and optimize the graph. Threads are within an operator; operators run one after the other."""
        before = delegation.log_size()
        made = session(asked, settings(asked.threads))
        return Bound(self, made, asked, delegation.logged_since(before))

    def profile(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Time by operator, on the same values as the measurement; raises :class:`NoProfiler`."""
        asked, options = asked_of(order), settings(order["threads"])
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(order["folder"], "profile")
        profiled = session(asked, options)
        bound = Bound(self, profiled, asked, None)
        bound.set_inputs(seeded(bound.input_types(), order["seed"]))
        end_s = time.monotonic() + LONGEST_PROFILE_S
        for number in range(PROFILE_WARMUP_RUNS + order["scenario"]["profile_runs"]):
            bound.call()
            if number > PROFILE_WARMUP_RUNS and time.monotonic() > end_s:
                break
        with open(profiled.end_profiling(), encoding="utf-8", errors="replace") as stream:
            return summary(stream, PROFILE_WARMUP_RUNS)


def settings(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _WARNINGS_TOO
    options.add_session_config_entry(_TELL, "1")
    return options


def session(asked: Asked, options: Any) -> Any:
    """A session on the provider that is asked for, before the CPU's. One that this build lacks, or that finds no
    device, is left out with no more than a warning; one that fails raises, since a fallback would measure something
    else."""
    return onnxruntime.InferenceSession(asked.artifact, options, providers=providers.wanted(asked), enable_fallback=0)


def placed(session: Any, wanted: str | None, said: str | None) -> Dict[str, Any]:
    """Which provider holds which node of the partitioned graph; older versions and minimal builds do not tell. Where
    the wanted one is not among them, the log says why."""
    assigned = None
    with suppress(AttributeError, RuntimeError):
        told = session.get_provider_graph_assignment_info()
        assigned = [(clean(str(graph.ep_name), 200), len(graph.get_nodes())) for graph in told]
    found = delegation.of_providers(wanted, session.get_providers(), assigned)
    if wanted is not None and wanted not in session.get_providers():
        found["reason"] = clean("; ".join([found["reason"], *providers.troubles(said)]), 1000)
    return found


class Bound:
    """A model in an InferenceSession, its inputs and outputs bound once: a call passes no arrays."""

    def __init__(self, library: Library, session: Any, asked: Asked, said: str | None) -> None:
        self._session = session
        wanted = providers.called(asked)
        told = dict(placed(session, wanted, said), requested=asked.delegate or asked.xnnpack)
        self._runtime = {"name": library.name, "version": library.version, "delegate": told}
        processor = providers.processor(asked)
        if processor is not None and told["state"] == "engaged":
            self._runtime["processor"] = processor
        self._memory = providers.memory(asked, session.get_providers())
        self._binding = session.io_binding()
        self._values = [self._bind(given) for given in session.get_inputs()]
        for answered in session.get_outputs():
            self._binding.bind_output(answered.name, self._memory)
        self.call = functools.partial(session.run_with_iobinding, self._binding)

    def _bind(self, given: Any) -> Any:
        """A tensor of the runtime's own for an input, that later values are copied into."""
        shape, dtype = _shape(given), _dtype(given)
        if None in shape:
            raise ValueError("the shape of input %s is open: %r" % (given.name, given.shape))
        value = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, dtype), self._memory, 0)
        self._binding.bind_ortvalue_input(given.name, value)
        return value

    def describe(self) -> Dict[str, Any]:
        return {
            "runtime": self._runtime,
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
