"""Writes a TFLite file anew: with a signature, and its constants where every interpreter finds them. Worker only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

_KEY = "serving_default"
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
"""Bytes; what schema.fbs demands of the data of a buffer."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A file whose main subgraph has a signature: by what names tools call its inputs, in the order of the graph."""

    content: bytes
    key: str
    inputs: tuple[str, ...]


def signed(content: bytes) -> Signed:
    """The same model with a signature of its main subgraph: its own one, or one that is added here."""
    model = _unpacked(content)
    main = [signature for signature in model.signatureDefs or [] if signature.subgraphIndex == 0]
    if not main:
        main = [_signature(model.subgraphs[0])]
        model.signatureDefs = [*(model.signatureDefs or []), *main]
        content = _packed(model)
    names = {entry.tensorIndex: _text(entry.name) for entry in main[0].inputs}
    return Signed(
        content, _text(main[0].signatureKey), tuple(names[int(tensor)] for tensor in model.subgraphs[0].inputs)
    )


def inlined(content: bytes) -> bytes:
    """The same model with all constants inside of the flatbuffer.

    Newer writers append those of files above 256 KiB behind it. Measured with a MobileNetV2 of ai-edge-quantizer:
    tflite_runtime 2.14 reads such a file, 2.13 (the last one for Python 3.8) and older ones refuse it with "Input
    tensor 101 lacks data".
    """
    model = _unpacked(content)
    behind = [buffer for buffer in model.buffers if buffer.offset > 1]
    for buffer in behind:
        buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return _packed(model) if behind else content


def _unpacked(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _packed(model: Any) -> bytes:
    for buffer in model.buffers:
        buffer.__class__ = _Aligned
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


class _Aligned(schema.BufferT):  # type: ignore[misc]
    """A buffer that is packed as the schema demands; the generated code aligns its data to single bytes."""

    def Pack(self, builder: Any) -> Any:
        data = None if self.data is None or not len(self.data) else _vector(builder, bytes(self.data))
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def _vector(builder: Any, data: bytes) -> Any:
    builder.StartVector(1, len(data), _ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return builder.EndVector()


def _signature(main: Any) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = _KEY, 0
    signature.inputs = [_entry(f"input_{number}", tensor) for number, tensor in enumerate(main.inputs)]
    signature.outputs = [_entry(f"output_{number}", tensor) for number, tensor in enumerate(main.outputs)]
    return signature


def _entry(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, int(tensor)
    return entry


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
