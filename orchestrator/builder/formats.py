"""What a model is built as for a runtime, and which optimizations that format cannot hold; no TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.cell import RUNTIME_FORMATS, Runtime
from orchestrator.errors import UnsupportedOptimization
from orchestrator.optimization import QUANTIZATIONS, Optimization

_NO_16_BITS = (
    "no runtime that executes .onnx multiplies in 16-bit integers: ONNX Runtime computes such a model in float, three "
    "times slower than the float one"
)
_REFERENCE = "TensorFlow is the float reference: it executes what is not quantized"
_NOT_HELD = {
    ("onnx", "int16x8"): f"{_NO_16_BITS} (use int8, or a runtime for .tflite)",
    **{("graphdef", step): f"{_REFERENCE} (use another runtime)" for step in QUANTIZATIONS},
}


def format_for(runtime: Runtime | None) -> str:
    """What the runtime, or the first candidate, prefers; TFLite where none is named."""
    return next((RUNTIME_FORMATS[name][0] for name in _names(runtime) if name in RUNTIME_FORMATS), "tflite")


def activations_for(form: str, optimization: Optimization, runtime: Runtime | None) -> str | None:
    """How int8 in ONNX holds activations. TensorRT takes signed ones without zero points only; processors have kernels
    for unsigned ones, and those are the faster ones on x86."""
    if form != "onnx" or "int8" not in optimization.steps:
        return None
    return "int8" if _is_tensorrt(runtime) else "uint8"


def refuse(form: str, optimization: Optimization, runtime: Runtime | None, model: str) -> None:
    """Raises UnsupportedOptimization with the reason where the format, or what reads it, cannot hold a step."""
    for step in optimization.steps:
        if why := _NOT_HELD.get((form, step)):
            raise UnsupportedOptimization(f"model {model!r} is not to be had as .{form} with {step}: {why}")
    for is_asked, why in _RULES:
        if is_asked(form, optimization, runtime):
            raise UnsupportedOptimization(f"model {model!r} is not to be had as .{form}: {why}")


def _sparse_elsewhere(form: str, optimization: Optimization, runtime: Runtime | None) -> bool:
    return form != "tflite" and "prune" in optimization.steps and optimization.sparse_encoding


def _dynamic_for_tensorrt(form: str, optimization: Optimization, runtime: Runtime | None) -> bool:
    return form == "onnx" and "dynamic_range" in optimization.steps and _is_tensorrt(runtime)


_Rule = Callable[[str, Optimization, Runtime | None], bool]
_RULES: tuple[tuple[_Rule, str], ...] = (
    (_sparse_elsewhere, "only .tflite leaves zeros out of the file (set optimization.sparse_encoding=false)"),
    (_dynamic_for_tensorrt, "TensorRT quantizes nothing on the fly (dynamic_range; use int8 or weight_only)"),
)


def _names(runtime: Runtime | None) -> list[str]:
    if runtime is None:
        return []
    return runtime.candidates if runtime.name == "auto" else [runtime.name]


def _is_tensorrt(runtime: Runtime | None) -> bool:
    """Whether the first candidate that reads ONNX is TensorRT, or hands over to it."""
    first = next((name for name in _names(runtime) if "onnx" in RUNTIME_FORMATS.get(name, ())), None)
    return first == "tensorrt" or (runtime is not None and first == "onnxruntime" and runtime.delegate == "tensorrt")
