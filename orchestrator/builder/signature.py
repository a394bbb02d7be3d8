"""Gives a TFLite file a signature, by which tools call its inputs and outputs. TensorFlow: worker only."""

from __future__ import annotations

from typing import Any

import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema

KEY = "serving_default"


def signed(content: bytes) -> bytes:
    """The same model with one signature, if it has none: inputs ``input_0`` ..., outputs ``output_0`` ..., in order."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    if model.signatureDefs:
        return content
    main = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = KEY, 0
    signature.inputs = [_named(f"input_{number}", tensor) for number, tensor in enumerate(main.inputs)]
    signature.outputs = [_named(f"output_{number}", tensor) for number, tensor in enumerate(main.outputs)]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(len(content) + 1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _named(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, int(tensor)
    return entry
