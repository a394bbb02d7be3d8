"""Costs and round-trip errors of graphs small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.builder import cost
from orchestrator.builder.graph import Graph, Op, Tensor
from orchestrator.builder.images import Array, photographic_noise
from orchestrator.builder.roundtrip import weight_report


def computed(*shape: int) -> Tensor:
    return Tensor("t", shape, "float32", np.zeros(0), np.zeros(0, np.int64), 0, None, False)


def stored(data: Array, scales: tuple[float, ...] = (), zeros: tuple[int, ...] = (), axis: int = 0) -> Tensor:
    return Tensor("w", data.shape, str(data.dtype), np.array(scales), np.array(zeros, np.int64), axis, data, True)


def graph(name: str, *tensors: Tensor) -> Graph:
    """One operator: all tensors but the last are its inputs."""
    last = len(tensors) - 1
    return Graph(tensors, (Op(name, tuple(range(last)), (last,)),), (0,), (last,), 1)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (graph("CONV_2D", computed(1, 8, 8, 3), computed(16, 3, 3, 3), computed(1, 4, 4, 16)), 4 * 4 * 16 * 27),
        # two groups: the kernel holds half of the input's channels
        (graph("CONV_2D", computed(1, 8, 8, 4), computed(6, 3, 3, 2), computed(1, 8, 8, 6)), 8 * 8 * 6 * 18),
        (graph("DEPTHWISE_CONV_2D", computed(1, 8, 8, 4), computed(1, 3, 3, 4), computed(1, 8, 8, 4)), 64 * 4 * 9),
        (
            graph("TRANSPOSE_CONV", computed(4), computed(5, 3, 3, 2), computed(1, 4, 4, 2), computed(1, 8, 8, 5)),
            4 * 4 * 2 * 5 * 9,
        ),
        (graph("FULLY_CONNECTED", computed(2, 10), computed(7, 10), computed(2, 7)), 140),
        (graph("BATCH_MATMUL", computed(3, 4, 5), computed(3, 5, 6), computed(3, 4, 6)), 3 * 4 * 5 * 6),
        (graph("BATCH_MATMUL", computed(3, 5, 4), computed(3, 5, 6), computed(3, 4, 6)), 3 * 4 * 5 * 6),
        (graph("ADD", computed(9), computed(9), computed(9)), 0),
    ],
)
def test_macs(made: Graph, expected: int) -> None:
    assert cost.macs(made) == expected


def test_what_cannot_be_counted_is_named() -> None:
    assert cost.uncounted(graph("CUSTOM:TFLite_Detection", computed(1), computed(1))) == ["CUSTOM:TFLite_Detection"]
    assert cost.uncounted(graph("ADD", computed(1), computed(1))) == []


def typed(dtype: str, *shape: int, constant: bool = False) -> Tensor:
    return Tensor("t", shape, dtype, np.zeros(0), np.zeros(0, np.int64), 0, None, constant)


@pytest.mark.parametrize(
    ("given", "kernel", "arithmetic"),
    [
        ("float32", "float32", "float32"),
        ("float16", "float16", "float16"),
        ("float32", "int8", "int8"),  # dynamic range
        ("uint8", "uint8", "int8"),
        ("int16", "int8", "int16x8"),
        ("float32", "float16", "float32 x float16"),  # which nobody has a figure for
    ],
)
def test_what_is_multiplied_with_what(given: str, kernel: str, arithmetic: str) -> None:
    made = graph("FULLY_CONNECTED", typed(given, 2, 10), typed(kernel, 7, 10, constant=True), typed(given, 2, 7))
    assert cost.macs_by_arithmetic(made) == {arithmetic: 140}


def test_what_is_moved_counts_weights_once_and_activations_by_reader() -> None:
    tensors = (typed("float32", 10), typed("float16", 20, constant=True), typed("float32", 20), typed("float32", 2))
    made = Graph(
        (*tensors, typed("float32", 2)),
        (
            Op("DEQUANTIZE", (1,), (2,)),  # of weights: once, at load
            Op("FULLY_CONNECTED", (0, 2, -1), (3,)),
            Op("RESHAPE", (3,), (4,)),  # moves nothing
            Op("ADD", (3, 4), (4,)),
        ),
        (0,),
        (4,),
        1,
    )
    assert cost.traffic(made) == (80, 40 + 8 + (8 + 8) + 8)
    assert cost.traffic(graph("ADD", typed("string", 1), typed("string", 1))) is None


def conv(kernel: Tensor) -> Graph:
    return graph("CONV_2D", computed(1, 4, 4, 2), kernel, computed(1, 4, 4, kernel.shape[0]))


def test_sparsity_counts_what_means_zero() -> None:
    data = np.array([0, 5, 0, 1, 2, 3, 4, 0], np.int8).reshape(4, 1, 1, 2)
    assert cost.sparsity(conv(stored(data, (0.1,), (0,)))) == 3 / 8
    assert cost.sparsity(conv(stored(data, (0.1,), (5,)))) == 1 / 8
    assert cost.sparsity(graph("ADD", computed(1), computed(1))) is None


def quantized(original: Array, scales: Array) -> Tensor:
    shaped = scales.reshape(-1, 1, 1, 1)
    return stored(np.round(original / shaped).astype(np.int8), tuple(scales), (0,) * len(scales))


def test_rounding_costs_at_most_half_a_scale() -> None:
    original = np.random.default_rng(0).normal(size=(4, 3, 3, 2)).astype(np.float32)
    scales = np.abs(original).max(axis=(1, 2, 3)) / 127
    report = weight_report(conv(quantized(original, scales)), conv(stored(original)))
    (entry,) = report["tensors"]
    assert 0.4 < entry["max_error_scales"] <= 0.5 + 1e-6
    assert entry["scale"] == {"count": 4, "min": scales.min(), "max": scales.max()}
    assert entry["sqnr_db"] > 35
    assert report["max_error_scales"] == entry["max_error_scales"]


def test_a_wrong_weight_shows() -> None:
    original = np.ones((4, 3, 3, 2), np.float32)
    broken = quantized(original, np.full(4, 0.1))
    assert broken.data is not None
    broken.data[2, 0, 0, 1] += 3
    report = weight_report(conv(broken), conv(stored(original)))
    assert report["max_error_scales"] == pytest.approx(3)
    assert report["tensors"][0]["max_abs_error"] == pytest.approx(0.3)


def test_a_zero_point_is_honoured() -> None:
    original = np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 1, 1, 2)
    data = (np.round(original / 0.01) - 100).astype(np.int8)
    report = weight_report(conv(stored(data, (0.01,), (-100,))), conv(stored(original)))
    assert report["max_error_scales"] <= 0.5 + 1e-5


def test_no_float_source_is_null_with_a_reason() -> None:
    kernel = stored(np.ones((4, 1, 1, 2), np.int8), (0.1,), (0,))
    (entry,) = weight_report(conv(kernel), None)["tensors"]
    assert (entry["max_error_scales"], entry["reason"]) == (None, "no float source")
    other = conv(stored(np.ones((5, 1, 1, 2), np.float32)))
    (entry,) = weight_report(conv(kernel), other)["tensors"]
    assert (entry["max_error_scales"], entry["reason"]) == (None, "the converter built another graph than for float")
    assert weight_report(other, other) == {
        "tensors": [],
        "max_error_scales": None,
        "min_sqnr_db": None,
        "reason": "all weights are stored in float32",
    }


def test_photographic_noise_differs_from_image_to_image() -> None:
    images = photographic_noise(6, 32, 32, 3, seed=1)
    assert (images == photographic_noise(6, 32, 32, 3, seed=1)).all()
    assert images.min() == 0
    assert images.max() == pytest.approx(255)
    assert images.mean(axis=(1, 2, 3)).std() > 5  # white noise of this size: 1.3
