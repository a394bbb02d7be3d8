"""What a model is built as for a runtime, and which optimizations that format cannot hold; no TensorFlow here."""

from __future__ import annotations

from orchestrator.cell import RUNTIME_FORMATS, Runtime
from orchestrator.errors import UnsupportedOptimization
from orchestrator.optimization import QUANTIZATIONS, Optimization

_NOT_HELD = {
    (
        "onnx",
        "int16x8",
    ): "no runtime of .onnx multiplies in 16-bit integers: ONNX Runtime computes such a model in float, "
    "three times slower than the float one (use int8, or a runtime for .tflite)",
    **{
        (
            "graphdef",
            step,
        ): "TensorFlow is the float reference, and executes what is not quantized (use another runtime)"
        for step in QUANTIZATIONS
    },
}


def format_for(runtime: Runtime | None) -> str:
    """What the runtime, or the first candidate, prefers; TFLite where none is named."""
    names = [] if runtime is None else runtime.names
    return next((RUNTIME_FORMATS[name][0] for name in names if name in RUNTIME_FORMATS), "tflite")


def activations_for(optimization: Optimization, form: str, runtime: Runtime | None) -> str | None:
    """How int8 in ONNX holds activations. TensorRT takes signed ones without zero points only; processors have kernels
    for unsigned ones, and those are the faster ones on x86."""
    if form != "onnx" or "int8" not in optimization.steps:
        return None
    return "int8" if _is_tensorrt(runtime) else "uint8"


def check_format(optimization: Optimization, form: str, runtime: Runtime | None) -> None:
    """Raises UnsupportedOptimization with the reason where the format, or what reads it, cannot hold a step."""
    name = optimization.name
    for step in optimization.steps:
        if why := _NOT_HELD.get((form, step)):
            raise UnsupportedOptimization(f"optimization {name!r} ({step}) is not to be had as .{form}: {why}")
    if form == "onnx" and "dynamic_range" in optimization.steps and _is_tensorrt(runtime):
        raise UnsupportedOptimization(
            f"optimization {name!r} (dynamic_range) is not to be had for TensorRT: it has no operators that quantize "
            "on the fly (use int8 or weight_only)"
        )


def _is_tensorrt(runtime: Runtime | None) -> bool:
    """Whether the first candidate that reads ONNX is TensorRT, or hands over to it."""
    names = [] if runtime is None else runtime.names
    first = next((name for name in names if "onnx" in RUNTIME_FORMATS.get(name, ())), None)
    return first == "tensorrt" or (runtime is not None and first == "onnxruntime" and runtime.delegate == "tensorrt")
