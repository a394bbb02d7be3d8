"""The board's answers as it wrote them, turned into the numbers that they mean."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import MeasurementError
from remote.contract_quality import MAX_OUTPUT_BYTES

Array = NDArray[Any]
_TYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "int64", "bool")


def meant(quality: Mapping[str, Any]) -> Array:
    """The first output of every sample in float64, dequantized; shape (samples, ...).

    Raises MeasurementError where the data are not what the record says of them.
    """
    output = quality["outputs"][0] if quality["outputs"] else None
    if output is None:
        raise MeasurementError("the record holds no answers")
    shape, name = [int(size) for size in output["shape"]], str(output["dtype"])
    if name not in _TYPES or not shape or shape[0] != quality["samples"]:
        raise MeasurementError(f"the record's answers are of type {name} and shape {shape}: no answers to samples")
    dtype = np.dtype(name).newbyteorder("<")
    try:
        raw = _inflated(base64.b64decode(output["data"], validate=True))
    except (binascii.Error, zlib.error) as error:
        raise MeasurementError(f"the record's answers cannot be read: {error}") from error
    if len(raw) != dtype.itemsize * math.prod(shape):
        raise MeasurementError(f"the record's answers have {len(raw)} bytes, which is not {name} of shape {shape}")
    values = np.frombuffer(raw, dtype).reshape(shape).astype(np.float64)
    if output["scale"]:
        values = (values - (output["zero_point"] or 0)) * output["scale"]
    return values


def _inflated(data: bytes) -> bytes:
    """Never more than the contract allows, however small it was packed."""
    unpacking = zlib.decompressobj()
    raw = unpacking.decompress(data, MAX_OUTPUT_BYTES + 1)
    if len(raw) > MAX_OUTPUT_BYTES or not unpacking.eof:
        raise MeasurementError(f"the record's answers are more than {MAX_OUTPUT_BYTES} bytes, or cut off")
    return raw
