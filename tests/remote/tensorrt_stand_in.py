"""Stands for the ``tensorrt`` package, as NVIDIA documents it: what the board program calls, and no more.

Beside it lies ``version``. An engine is a JSON text: the sum of the inputs times ``factor`` goes to the one output.
"""

import ctypes
import enum
import json
import pathlib

__version__ = pathlib.Path(__file__).with_name("version").read_text()
_NAMED = tuple(map(int, __version__.split(".")[:2])) >= (8, 5)


class DataType(enum.Enum):
    FLOAT = 0


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class Logger:
    WARNING = 2

    def __init__(self, severity):
        pass


class Runtime:
    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, data):
        return (_Named if _NAMED else _Bound)(json.loads(data.decode()))


class _Engine:
    num_layers = 3

    def __init__(self, told):
        self.told = told

    def create_execution_context(self):
        return (_NamedContext if _NAMED else _BoundContext)(self.told)


class _Named(_Engine):
    @property
    def num_io_tensors(self):
        return len(self.told["tensors"])

    def get_tensor_name(self, index):
        return self.told["tensors"][index][0]

    def _of(self, name):
        return next(tensor for tensor in self.told["tensors"] if tensor[0] == name)

    def get_tensor_mode(self, name):
        return TensorIOMode[self._of(name)[1]]

    def get_tensor_shape(self, name):
        return tuple(self._of(name)[2])

    def get_tensor_dtype(self, name):
        return DataType.FLOAT


class _Bound(_Engine):
    @property
    def num_bindings(self):
        return len(self.told["tensors"])

    def get_binding_name(self, index):
        return self.told["tensors"][index][0]

    def binding_is_input(self, index):
        return self.told["tensors"][index][1] == "INPUT"

    def get_binding_shape(self, index):
        return tuple(self.told["tensors"][index][2])

    def get_binding_dtype(self, index):
        return DataType.FLOAT


def _execute(told, addresses):
    total, target = 0.0, None
    for name, mode, shape in told["tensors"]:
        size = 1
        for one in shape:
            size *= one
        values = (ctypes.c_float * size).from_address(addresses[name])
        if mode == "INPUT":
            total += sum(values)
        else:
            target = values
    for index in range(len(target)):
        target[index] = total * told["factor"]
    return True


class _NamedContext:
    def __init__(self, told):
        self.told, self.addresses = told, {}

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle):
        return _execute(self.told, self.addresses)


class _BoundContext:
    def __init__(self, told):
        self.told = told

    def execute_async_v2(self, bindings, stream_handle):
        names = [tensor[0] for tensor in self.told["tensors"]]
        return _execute(self.told, dict(zip(names, bindings, strict=True)))
