"""What an application that classifies a photograph does, each step timed by itself: decode, resize, normalize, set,
invoke, get, postprocess. Pillow and numpy, as applications in Python have it."""

from __future__ import annotations

import io
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from remote.contract import PIPELINE
from remote.schema import clean

Array = np.ndarray  # of any type: Python 3.8's has no parameters
Pixels = Callable[[Array], Array]

_QUALITY = 90
_LEAST = 3
_WARM = 2
_TOP = 5
_TILE = 1024  # pixels; a larger photograph repeats it, so that a small board has memory for it


def measured(
    session: Any, size: List[int], seed: int, seconds: float
) -> Tuple[Optional[Dict[str, List[int]]], Optional[str], Optional[str]]:
    """Durations in ns of every step of every pass, in order; else None and why. Pillow's version is the third."""
    try:
        import PIL
        from PIL import Image
    except ImportError as error:
        return None, clean("Pillow cannot be imported here: %s" % error, 1000), None
    types = session.input_types()
    reason = refusal(types)
    if reason is not None:
        return None, reason, None
    passes = _Passes(session, types[0], _encoded(Image, photograph(size[0], size[1], seed)), Image)
    return passes.run(seconds), None, clean(str(PIL.__version__), 200)


def refusal(types: List[Tuple[Tuple[int, ...], Any, float, int]]) -> Optional[str]:
    """Why a model takes no photograph, from the types of its inputs; None if it does."""
    if len(types) != 1:
        return "the model has %d inputs, a photograph is one" % len(types)
    shape, kind, scale, _ = types[0]
    dtype = np.dtype(kind)
    if len(shape) != 4 or _channels(shape) is None:
        return "the input is no image: its shape is %s" % list(shape)
    if shape[0] != 1:
        return "a pass is one photograph, and the batch is %d" % shape[0]
    if dtype.kind != "f" and scale <= 0 and dtype != np.uint8:
        return "nobody says how pixels become %s: the input has no scale" % dtype.name
    return None


def _channels(shape: Tuple[int, ...]) -> Optional[int]:
    """Which axis holds 1 or 3 channels: the last, as TensorFlow has it, else the second, as PyTorch; None: neither."""
    return next((axis for axis in (3, 1) if shape[axis] in (1, 3)), None)


def photograph(width: int, height: int, seed: int) -> Array:
    """A seeded picture of height x width x 3 bytes that costs a decoder what a photograph does: its spectrum falls
    with the frequency as that of natural scenes (light and clouds at all scales), with edges and a sensor's noise."""
    draw = np.random.default_rng(seed)
    rows, columns = min(height, _TILE), min(width, _TILE)
    scene = np.zeros((rows, columns, 3), np.float32)
    cell, strength = max(rows, columns), 60.0
    while cell >= 2:
        grid = draw.normal(0.0, 1.0, (rows // cell + 2, columns // cell + 2, 3)).astype(np.float32)
        scene += strength * _smooth(grid, cell, rows, columns)
        cell, strength = cell // 2, strength * 0.66
    for _ in range(24):
        top, left = int(draw.integers(0, rows)), int(draw.integers(0, columns))
        tall, wide = int(draw.integers(1, rows // 3 + 2)), int(draw.integers(1, columns // 3 + 2))
        scene[top : top + tall, left : left + wide] += draw.normal(0.0, 25.0, 3)
    scene += draw.normal(118.0, 4.0, (rows, columns, 1))
    tile = np.clip(scene, 0, 255).astype(np.uint8)
    return np.tile(tile, (-(-height // rows), -(-width // columns), 1))[:height, :width]


def _smooth(grid: Array, cell: int, rows: int, columns: int) -> Array:
    """A coarse grid drawn out to pixels, linear between its points."""
    y, x = np.arange(rows) / cell, np.arange(columns) / cell
    top, left = y.astype(int), x.astype(int)
    down = (y - top).astype(np.float32)[:, None, None]
    right = (x - left).astype(np.float32)[None, :, None]
    lines = grid[top] * (1 - down) + grid[top + 1] * down
    drawn: Array = lines[:, left] * (1 - right) + lines[:, left + 1] * right
    return drawn


def _encoded(image: Any, pixels: Array) -> bytes:
    stream = io.BytesIO()
    image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


class _Passes:
    """One pass after the other; a reading of the clock between the steps."""

    def __init__(self, session: Any, kind: Tuple[Tuple[int, ...], Any, float, int], jpeg: bytes, image: Any) -> None:
        shape, dtype, scale, zero_point = kind
        axis = _channels(shape)
        self._session, self._jpeg, self._image = session, jpeg, image
        self._mode = "L" if axis is not None and shape[axis] == 1 else "RGB"
        height, width = (shape[1], shape[2]) if axis == 3 else (shape[2], shape[3])
        self._size = (width, height)
        self._shape, self._first = shape, axis == 1
        self._pixels = _pixels(np.dtype(dtype), scale, zero_point)
        _, _, self._scale, self._zero_point = session.output_types()[0]
        self._softmax = False

    def run(self, seconds: float) -> Dict[str, List[int]]:
        """Passes for so long, after two that also tell whether the outputs are probabilities already."""
        for _ in range(_WARM):
            self._once()
        self._softmax = not _probabilities(self._scores(self._session.get_outputs()))
        steps: Dict[str, List[int]] = {step: [] for step in PIPELINE}
        keeps = [steps[step].append for step in PIPELINE]
        end = time.perf_counter_ns() + int(seconds * 1e9)
        while time.perf_counter_ns() < end or len(steps["invoke"]) < _LEAST:
            times = self._once()
            for keep, before, after in zip(keeps, times, times[1:]):
                keep(after - before)
        return steps

    def _once(self) -> Tuple[int, ...]:
        """One photograph from its bytes to its five best classes; the clock before, between and after the steps."""
        clock, session = time.perf_counter_ns, self._session
        begin = clock()
        photo = self._image.open(io.BytesIO(self._jpeg)).convert(self._mode)  # in full: no draft of a smaller scale
        decoded = clock()
        small = photo.resize(self._size, self._image.BILINEAR)
        resized = clock()
        values = self._normalized(np.asarray(small))
        normalized = clock()
        session.set_inputs([values])
        was_set = clock()
        session.call()
        invoked = clock()
        outputs = session.get_outputs()
        got = clock()
        self._best(outputs)
        return begin, decoded, resized, normalized, was_set, invoked, got, clock()

    def _normalized(self, pixels: Array) -> Array:
        values = self._pixels(pixels)
        if self._first and values.ndim == 3:
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values).reshape(self._shape)

    def _scores(self, outputs: List[Array]) -> Array:
        scores = outputs[0].reshape(-1).astype(np.float32)
        return (scores - self._zero_point) * self._scale if self._scale > 0 else scores

    def _best(self, outputs: List[Array]) -> List[Tuple[int, float]]:
        scores = self._scores(outputs)
        if self._softmax:
            powers = np.exp(scores - scores.max())
            scores = powers / powers.sum()
        count = min(_TOP, scores.size)
        some = np.argpartition(scores, scores.size - count)[scores.size - count :]
        return [(int(index), float(scores[index])) for index in some[np.argsort(-scores[some])]]


def _probabilities(scores: Array) -> bool:
    """Whether a softmax was the model's last step; a quantized one does not sum to 1 exactly."""
    return bool(scores.min() >= 0 and abs(float(scores.sum()) - 1) < 0.05)


def _pixels(dtype: Any, scale: float, zero_point: int) -> Pixels:
    """From bytes to the input's type: floats from -1 to 1, an integer input those floats quantized with its own scale
    (by a table of all 256 bytes), bytes without a scale as they are."""
    if dtype.kind == "f":
        half = dtype.type(127.5)
        return lambda pixels: (pixels.astype(dtype) - half) / half
    if scale <= 0:
        return lambda pixels: pixels
    limits = np.iinfo(dtype)
    levels = np.rint((np.arange(256) / 127.5 - 1) / scale) + zero_point
    table = np.clip(levels, limits.min, limits.max).astype(dtype)
    return lambda pixels: table[pixels]
