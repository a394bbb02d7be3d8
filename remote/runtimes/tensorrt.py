"""TensorRT: an engine built on the board from an ``.onnx`` file, executed through its Python API and CUDA's runtime.

Written after NVIDIA's documentation of 8.2 to 11 (named tensors since 8.5, bindings before) and not run on hardware. A
call is the execution and the wait for its end; the copies to and from the GPU are ``set_inputs`` and ``get_outputs``.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np
import tensorrt as trt

from remote.runtimes import Asked, NoProfiler, delegation, engines
from remote.runtimes.cuda import Cuda
from remote.schema import clean

NAME = "TensorRT"
_KINDS = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}
_MIB = 1 << 20


class Library:
    """The imported runtime; :meth:`load` makes a session of an artifact."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = clean(str(trt.__version__), 200)
        self._logger = trt.Logger(trt.Logger.WARNING)

    def load(self, asked: Asked) -> Executed:
        """The engine from the cache, or built now; then deserialized, with its memory on the GPU.

        Raises :class:`engines.EngineFailed`, :class:`remote.runtimes.cuda.CudaError`.
        """
        want = engines.wanted(asked.options, self.version, asked.artifact)
        cuda = Cuda()
        gpu = cuda.gpu()
        name = engines.key(gpu.name, gpu.capability, self.version, asked.artifact, want)
        kept = engines.found_or_built(asked.workdir, name, lambda path: self._build(asked.artifact, path, want))
        with open(kept.path, "rb") as stream:
            engine = trt.Runtime(self._logger).deserialize_cuda_engine(stream.read())
        if engine is None:
            raise engines.EngineFailed("TensorRT does not take its own engine %s; remove it" % kept.path)
        told = {
            "name": self.name,
            "version": self.version,
            "processor": clean(gpu.name + ("" if want.dla is None else " DLA %d" % want.dla), 200),
            "delegate": dict(delegation.whole(NAME, NAME, int(engine.num_layers)), requested=asked.xnnpack),
            "engine": kept.told,
        }
        return Executed(engine, cuda, told)

    def profile(self, order: Dict[str, Any]) -> Dict[str, Any]:
        raise NoProfiler("TensorRT is not profiled here; run trtexec --dumpProfile on the board by hand")

    def _build(self, model: str, target: str, want: engines.Wanted) -> None:
        program = engines.trtexec()
        if program is not None:
            engines.run_trtexec(engines.trtexec_command(program, model, target, want, self.version))
            return
        data = self._built(model, want)
        with open(target, "wb") as stream:
            stream.write(data)

    def _built(self, model: str, want: engines.Wanted) -> Any:
        """With the Python API, where the board has no trtexec."""
        builder = trt.Builder(self._logger)
        explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)  # the only way since 10
        network = builder.create_network(0 if explicit is None else 1 << int(explicit))
        parser = trt.OnnxParser(network, self._logger)
        with open(model, "rb") as stream:
            if not parser.parse(stream.read()):
                errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
                raise engines.EngineFailed("TensorRT cannot read the model: %s" % clean("; ".join(errors), 2000))
        config = builder.create_builder_config()
        if want.workspace_mib is not None and hasattr(config, "set_memory_pool_limit"):
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, want.workspace_mib * _MIB)
        elif want.workspace_mib is not None:
            config.max_workspace_size = want.workspace_mib * _MIB
        if want.fp16:
            config.set_flag(trt.BuilderFlag.FP16)
        if want.int8 and hasattr(trt.BuilderFlag, "INT8"):
            config.set_flag(trt.BuilderFlag.INT8)
        if want.dla is not None:
            config.default_device_type, config.DLA_core = trt.DeviceType.DLA, want.dla
            config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
        data = builder.build_serialized_network(network, config)
        if data is None:
            raise engines.EngineFailed("TensorRT built no engine; its reasons are in the log")
        return data


class _Tensor(NamedTuple):
    """Something that goes in or comes out, and where it lies on the GPU."""

    name: str
    shape: Tuple[int, ...]
    dtype: Any
    address: int


class Executed:
    """An engine with its context, its memory and its stream."""

    def __init__(self, engine: Any, cuda: Cuda, runtime: Dict[str, Any]) -> None:
        self._engine, self._cuda, self._runtime = engine, cuda, runtime
        self._context = engine.create_execution_context()
        if self._context is None:
            raise engines.EngineFailed("TensorRT makes no context of the engine; the GPU's memory may be full")
        described = _named(engine) if hasattr(engine, "num_io_tensors") else _bound(engine)
        tensors = [(goes_in, self._placed(*rest)) for goes_in, *rest in described]
        self._inputs = [tensor for goes_in, tensor in tensors if goes_in]
        self._outputs = [tensor for goes_in, tensor in tensors if not goes_in]
        self.call = self._caller([tensor for _, tensor in tensors])

    def _placed(self, name: str, shape: Tuple[int, ...], dtype: Any) -> _Tensor:
        if any(size < 0 for size in shape):
            raise ValueError("the shape of %s is open: %s" % (name, list(shape)))
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return _Tensor(name, shape, dtype, self._cuda.allocate(size))

    def _caller(self, tensors: List[_Tensor]) -> Callable[[], object]:
        context, stream, wait = self._context, self._cuda.stream, self._cuda.synchronize
        if hasattr(context, "execute_async_v3"):
            for tensor in tensors:
                context.set_tensor_address(tensor.name, tensor.address)
            execute: Callable[[], bool] = lambda: context.execute_async_v3(stream)  # noqa: E731
        else:
            bindings = [tensor.address for tensor in tensors]
            execute = lambda: context.execute_async_v2(bindings, stream)  # noqa: E731

        def call() -> None:
            if not execute():
                raise engines.EngineFailed("TensorRT could not execute the engine; its reasons are in the log")
            wait()

        return call

    def describe(self) -> Dict[str, Any]:
        return {
            "runtime": self._runtime,
            "inputs": [_told(tensor) for tensor in self._inputs],
            "outputs": [_told(tensor) for tensor in self._outputs],
        }

    def input_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        """No scales: ONNX quantizes by operators inside of the graph."""
        return [(tensor.shape, tensor.dtype, 0.0, 0) for tensor in self._inputs]

    def output_types(self) -> List[Tuple[Tuple[int, ...], Any, float, int]]:
        return [(tensor.shape, tensor.dtype, 0.0, 0) for tensor in self._outputs]

    def set_inputs(self, values: List[np.ndarray[Any, Any]]) -> None:
        for tensor, value in zip(self._inputs, values):
            self._cuda.write(tensor.address, np.ascontiguousarray(value, tensor.dtype))

    def get_outputs(self) -> List[np.ndarray[Any, Any]]:
        found = [np.empty(tensor.shape, tensor.dtype) for tensor in self._outputs]
        for tensor, value in zip(self._outputs, found):
            self._cuda.read(tensor.address, value)
        return found


def _named(engine: Any) -> List[Tuple[Any, ...]]:
    """Whether it goes in, name, shape and type of every tensor; since 8.5."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return [
        (
            engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
            name,
            tuple(int(size) for size in engine.get_tensor_shape(name)),
            _dtype(name, engine.get_tensor_dtype(name)),
        )
        for name in names
    ]


def _bound(engine: Any) -> List[Tuple[Any, ...]]:
    """The same, before 8.5."""
    return [
        (
            bool(engine.binding_is_input(index)),
            engine.get_binding_name(index),
            tuple(int(size) for size in engine.get_binding_shape(index)),
            _dtype(engine.get_binding_name(index), engine.get_binding_dtype(index)),
        )
        for index in range(engine.num_bindings)
    ]


def _dtype(name: str, kind: Any) -> Any:
    """numpy's. ``trt.nptype`` of 8.x uses a name that numpy 1.24 has removed."""
    word = str(kind).rpartition(".")[2]
    if word not in _KINDS:
        raise TypeError("%s is of type %s, which cannot be made up; only numbers can" % (name, word))
    return np.dtype(_KINDS[word])


def _told(tensor: _Tensor) -> Dict[str, Any]:
    return {"name": clean(tensor.name, 500), "shape": list(tensor.shape), "dtype": tensor.dtype.name}
