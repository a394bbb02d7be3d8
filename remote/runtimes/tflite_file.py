"""The few facts of a ``.tflite`` file that only its own interpreter tells: names, types and scales of what goes in and
out, and how many operators there are. Read from the FlatBuffer, without loading the weights."""

from __future__ import annotations

import mmap
import struct
from typing import Any, List, NamedTuple, Tuple

_KINDS = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    10: "float64",
    12: "uint64",
    15: "uint32",
    16: "uint16",
}
_SUBGRAPHS = 2  # numbers of fields in TFLite's schema: of Model,
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3  # SubGraph,
_SHAPE, _KIND, _NAME, _QUANTIZATION = 0, 1, 3, 4  # Tensor
_SCALE, _ZERO_POINT = 2, 3  # and QuantizationParameters


class Tensor(NamedTuple):
    """As the interpreter describes it; the scale is 0 where it is not quantized, or not as a whole."""

    number: int
    name: str
    shape: Tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


class Graph(NamedTuple):
    """The main subgraph."""

    inputs: List[Tensor]
    outputs: List[Tensor]
    operators: int


def read(path: str) -> Graph:
    """Raises ValueError for what is no ``.tflite`` file."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[4:8] != b"TFL3":
            raise ValueError("this is no .tflite file")
        try:
            return _graph(_Table(data, struct.unpack_from("<I", data, 0)[0]))
        except (struct.error, IndexError, KeyError) as error:
            raise ValueError("this .tflite file is damaged: %r" % error) from None


def _graph(model: _Table) -> Graph:
    subgraph = model.tables(_SUBGRAPHS)[0]
    tensors = subgraph.tables(_TENSORS)
    sides = [[_tensor(n, tensors[n]) for n in subgraph.numbers(side, "i")] for side in (_INPUTS, _OUTPUTS)]
    return Graph(sides[0], sides[1], len(subgraph.tables(_OPERATORS)))


def _tensor(number: int, table: _Table) -> Tensor:
    quantization = table.table(_QUANTIZATION)
    scales = quantization.numbers(_SCALE, "f") if quantization else []
    zeros = quantization.numbers(_ZERO_POINT, "q") if quantization else []
    whole = len(scales) == 1
    return Tensor(
        number,
        table.text(_NAME),
        tuple(table.numbers(_SHAPE, "i")),
        _KINDS[table.byte(_KIND)],
        scales[0] if whole else 0.0,
        zeros[0] if whole and zeros else 0,
    )


class _Table:
    """A FlatBuffers table at a place in the data."""

    def __init__(self, data: Any, place: int) -> None:
        self._data, self._place = data, place

    def _field(self, number: int) -> int | None:
        """Where a field is; None: it has its default."""
        head = self._place - int(struct.unpack_from("<i", self._data, self._place)[0])
        size = struct.unpack_from("<H", self._data, head)[0]
        entry = 4 + 2 * number
        offset = struct.unpack_from("<H", self._data, head + entry)[0] if entry < size else 0
        return self._place + offset if offset else None

    def _vector(self, number: int) -> Tuple[int, int]:
        """Where the items of a vector begin, and how many there are."""
        at = self._field(number)
        if at is None:
            return 0, 0
        at += struct.unpack_from("<I", self._data, at)[0]
        return at + 4, struct.unpack_from("<I", self._data, at)[0]

    def byte(self, number: int) -> int:
        at = self._field(number)
        return 0 if at is None else int(self._data[at])

    def numbers(self, number: int, kind: str) -> List[Any]:
        begin, count = self._vector(number)
        return list(struct.unpack_from("<%d%s" % (count, kind), self._data, begin)) if count else []

    def text(self, number: int) -> str:
        begin, count = self._vector(number)
        return bytes(self._data[begin : begin + count]).decode("utf-8", "replace")

    def table(self, number: int) -> _Table | None:
        at = self._field(number)
        return None if at is None else _Table(self._data, at + struct.unpack_from("<I", self._data, at)[0])

    def tables(self, number: int) -> List[_Table]:
        begin, count = self._vector(number)
        places = range(begin, begin + 4 * count, 4)
        return [_Table(self._data, at + struct.unpack_from("<I", self._data, at)[0]) for at in places]
