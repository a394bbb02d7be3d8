"""The part of the contract about runtimes: which there are, what they execute, on what, and what the record says."""

from __future__ import annotations

from remote.schema import fields, flag, integer, many, maybe, one_of, text

RUNTIME_FORMATS = {
    "litert": ("tflite",),
    "tflite_runtime": ("tflite",),
    "onnxruntime": ("onnx",),
    "openvino": ("onnx", "tflite"),
    "tensorrt": ("onnx",),
    "tensorflow": ("graphdef",),
}
"""Every runtime, and which artifact formats it executes; the first is what models are built as for it."""
RUNTIMES = tuple(RUNTIME_FORMATS)
FORMATS = ("tflite", "onnx", "graphdef")

DELEGATES = {
    "litert": ("gpu", "npu", "edgetpu", "external"),
    "tflite_runtime": ("edgetpu", "external"),
    "onnxruntime": ("cuda", "tensorrt", "openvino"),
    "openvino": ("gpu", "npu"),
    "tensorrt": (),
    "tensorflow": ("gpu",),
}
"""What each runtime can be asked to compute on beside the CPU. TensorRT is the GPU's alone, and needs no delegate."""
ALL_DELEGATES = tuple(sorted({name for names in DELEGATES.values() for name in names}))
WITH_LIBRARY = ("edgetpu", "external")
"""Delegates that are a library on the board."""
SYSTEM_ONLY = ("tensorrt", "tensorflow")
"""Runtimes that are never pushed: the board's own Python has them."""

WITH_XNNPACK = ("litert", "tflite_runtime", "onnxruntime")
XNNPACK = ("auto", "require", "off")
DELEGATE_STATES = ("engaged", "absent", "unproven")

_name = text(200)
_count = integer(0, 10**12)

OPTIONS = many(fields({"name": _name, "value": text(1000)}), 100)
"""Of a delegate, a provider or an engine, as it calls them."""

_DELEGATE = fields(
    {
        "requested": one_of(*XNNPACK, *ALL_DELEGATES),
        "name": maybe(_name),
        "state": one_of(*DELEGATE_STATES),
        "partitions": maybe(_count),
        "nodes": maybe(_count),
        "delegated_nodes": maybe(_count),
        "placement": many(fields({"provider": _name, "nodes": maybe(_count)}), 100),
        "reason": maybe(text(1000)),
    }
)

_ENGINE = fields(
    {
        "key": _name,  # of the cache on the board: device, runtime and its version, model, options
        "cached": flag,  # it was there, built before
        "build_ns": integer(),  # by whoever built it, now or then
        "size_bytes": _count,
    }
)
"""What a runtime has compiled on the board from the artifact, and keeps there."""

RUNTIME = fields(
    {
        "name": one_of(*RUNTIMES),
        "version": _name,
        "numpy": _name,
        "python": _name,
        "pillow": maybe(_name),  # what decoded the photograph, where pipeline_s asks for it
        "threads": integer(1, 256),
        "processor": maybe(_name),  # what computed, as the runtime calls it; null: the CPU, as far as is known
        "delegate": _DELEGATE,
        "engine": maybe(_ENGINE),
    }
)
