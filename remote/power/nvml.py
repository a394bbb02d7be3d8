"""NVIDIA's management library, by ctypes: the energy counter of a GPU (mJ since the driver was loaded, from Volta on),
else its power (mW, an average over up to a second). A Jetson has the library and answers Not Supported.

Names and codes: nvml.h of the NVML API reference.
"""

from __future__ import annotations

from remote.power.counter import Counter
from remote.power.rail import Group, Rail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_LIBRARY = "libnvidia-ml.so.1"
_NOT_SUPPORTED = 3
_MAX_GPU_W = 1500.0
_UPDATE_S = 0.1  # the counter moves as seldom as 10 times a second (measured by Zeus)


class _Error(OSError):
    """An error code of NVML, which is no errno, and its words."""


class _Library:
    def __init__(self, ctypes: Any, library: Any) -> None:
        self.ctypes = ctypes
        self._library = library
        library.nvmlErrorString.restype = ctypes.c_char_p

    def call(self, name: str, *arguments: Any) -> None:
        """Raises :class:`_Error`."""
        code = getattr(self._library, name)(*arguments)
        if code:
            words = (self._library.nvmlErrorString(code) or b"").decode("utf-8", "replace")
            raise _Error(code, "%s: %s" % (name, words or "error"))

    def number(self, name: str, kind: Any, *arguments: Any) -> int:
        """What a function writes to its last argument."""
        value = kind()
        self.call(name, *arguments, self.ctypes.byref(value))
        return int(value.value)

    def text(self, name: str, *arguments: Any) -> str:
        """The same for a text."""
        buffer = self.ctypes.create_string_buffer(96)
        self.call(name, *arguments, buffer, self.ctypes.c_uint(96))
        value: bytes = buffer.value
        return value.decode("utf-8", "replace")


def _opened() -> _Library | None:
    import ctypes

    try:
        return _Library(ctypes, ctypes.CDLL(_LIBRARY))
    except (OSError, AttributeError):
        return None


def _reads(nvml: _Library, handle: Any) -> tuple[Callable[[], float], Counter | None]:
    """By a real read: the counter, else the power. Raises :class:`_Error` where neither answers."""
    ctypes = nvml.ctypes

    def energy_j() -> float:
        return nvml.number("nvmlDeviceGetTotalEnergyConsumption", ctypes.c_ulonglong, handle) / 1e3

    def power_w() -> float:
        return nvml.number("nvmlDeviceGetPowerUsage", ctypes.c_uint, handle) / 1e3

    try:
        energy_j()
    except (_Error, AttributeError):  # an old library does not have the function
        power_w()
        return power_w, None
    counter = Counter(energy_j, None, _MAX_GPU_W)
    return counter.read, counter


def _rail(nvml: _Library, index: int) -> Rail:
    name = "GPU %d" % index
    source = "nvml:%d" % index
    handle = nvml.ctypes.c_void_p()
    try:
        nvml.call("nvmlDeviceGetHandleByIndex_v2", nvml.ctypes.c_uint(index), nvml.ctypes.byref(handle))
        name = "%s (%s)" % (name, nvml.text("nvmlDeviceGetName", handle))
        read, counter = _reads(nvml, handle)
    except _Error as error:
        rail = Rail(source, name, lambda: 0.0)
        kind = "tells no power" if error.errno == _NOT_SUPPORTED else "does not answer"
        rail.reason = "%s by NVML: %s" % (kind, error.strerror)
        return rail
    rail = Rail(source, name, read, counter)
    rail.details = _details(nvml, handle)
    rail.update_s = _UPDATE_S
    return rail


def _details(nvml: _Library, handle: Any) -> dict[str, str]:
    found = {}
    try:
        found["driver"] = nvml.text("nvmlSystemGetDriverVersion")
        found["power_limit_mw"] = str(nvml.number("nvmlDeviceGetEnforcedPowerLimit", nvml.ctypes.c_uint, handle))
    except (_Error, AttributeError):
        pass  # told or not, the readings are the same
    return found


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """Every GPU that answers, each a total of its own; nothing where there is no such library."""
    nvml = _opened()
    if nvml is None:
        return [], []
    try:
        nvml.call("nvmlInit_v2")
        count = nvml.number("nvmlDeviceGetCount_v2", nvml.ctypes.c_uint)
    except (_Error, AttributeError) as error:
        rail = Rail("nvml:" + _LIBRARY, "NVML", lambda: 0.0)
        rail.reason = "does not answer: %s" % error
        return [rail], []
    rails = [_rail(nvml, index) for index in range(min(count, 64))]
    return rails, [Group("gpu_board", [rail], _MAX_GPU_W) for rail in rails if rail.reason is None]
