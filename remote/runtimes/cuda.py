"""As much of the CUDA runtime as an engine needs, through ctypes: no Python package for it comes with JetPack."""

from __future__ import annotations

import ctypes
import glob
from typing import Any, NamedTuple

_NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2")
_PLACES = ("/usr/local/cuda*/lib64/libcudart.so*", "/usr/local/cuda*/targets/*/lib/libcudart.so*")
_TO_DEVICE, _TO_HOST = 1, 2  # cudaMemcpyKind
_MAJOR, _MINOR = 75, 76  # cudaDevAttrComputeCapability...
_PROPERTIES_BYTES = 1 << 16  # cudaDeviceProp begins with char name[256]; how long it is depends on the version


class CudaError(Exception):
    """There is no CUDA on this board, or it refuses."""


class Gpu(NamedTuple):
    """The GPU that computes."""

    name: str
    capability: str  # 8.7


class Cuda:
    """The library, one stream of work on the current GPU, and memory there."""

    def __init__(self) -> None:
        self._library = _loaded()
        self._library.cudaGetErrorString.restype = ctypes.c_char_p
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(stream))
        self.stream = int(stream.value or 0)

    def gpu(self) -> Gpu:
        number, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self._call("cudaGetDevice", ctypes.byref(number))
        self._call("cudaDeviceGetAttribute", ctypes.byref(major), _MAJOR, number)
        self._call("cudaDeviceGetAttribute", ctypes.byref(minor), _MINOR, number)
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        self._call("cudaGetDeviceProperties", properties, number)
        return Gpu(properties.value.decode("utf-8", "replace"), "%d.%d" % (major.value, minor.value))

    def allocate(self, size_bytes: int) -> int:
        """An address on the GPU. It is freed with the process."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(max(1, size_bytes)))
        return int(address.value or 0)

    def write(self, address: int, value: Any) -> None:
        """Copy a contiguous array to the GPU."""
        source = ctypes.c_void_p(value.ctypes.data)
        self._call("cudaMemcpy", ctypes.c_void_p(address), source, ctypes.c_size_t(value.nbytes), _TO_DEVICE)

    def read(self, address: int, value: Any) -> None:
        """Fill a contiguous array from the GPU."""
        target = ctypes.c_void_p(value.ctypes.data)
        self._call("cudaMemcpy", target, ctypes.c_void_p(address), ctypes.c_size_t(value.nbytes), _TO_HOST)

    def synchronize(self) -> None:
        """Wait until the stream's work is done."""
        self._call("cudaStreamSynchronize", ctypes.c_void_p(self.stream))

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            words = self._library.cudaGetErrorString(code) or b"unknown"
            raise CudaError("%s answered %d: %s" % (name, code, words.decode("utf-8", "replace")))


def _loaded() -> Any:
    tried = [*_NAMES, *sorted(path for place in _PLACES for path in glob.glob(place))]
    for name in tried:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise CudaError(
        "the CUDA runtime (libcudart.so) is not on this board; JetPack has it in cuda-cudart, and where it lies "
        "elsewhere, LD_LIBRARY_PATH of the SSH user names the folder"
    )
