"""Modes of a scenario on the board: windows that end, parallel streams, the steps of an application."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from remote import pipeline, timing
from remote.contract import PIPELINE
from tests.remote.boards import Board
from tests.remote.test_benchmark import measure, run_benchmark
from tests.remote.test_power import ina3221_hwmon

FLOAT = ((1, 32, 32, 3), np.float32, 0.0, 0)
INT8_FIRST = ((1, 3, 32, 32), np.int8, 1 / 127.5, -1)


def test_a_window_ends_whatever_number_was_asked_for() -> None:
    def slow() -> None:
        time.sleep(0.01)

    for group in (1, 2):
        assert 1 <= len(timing.durations(slow, group, 0.01, 1000, 0.05)) < 20
    assert all(1 <= len(values) < 20 for values in timing.streams([slow, slow], 1, 0.01, 1000, 0.05))
    assert len(timing.durations(slow, 1, 0.0, 7, 0.02)) < 7  # the end wins
    assert len(timing.durations(slow, 1, 0.03, 1, 0.01)) > 1  # but the least time is kept


def test_the_number_of_runs_counts_calls_of_all_groups_and_streams() -> None:
    assert [timing.values_for(1024, group, streams) for group, streams in ((1, 1), (10, 1), (10, 4))] == [1024, 103, 26]


def test_streams_run_at_once_and_fill_their_time() -> None:
    def wait() -> None:
        time.sleep(0.005)

    window = timing.window(lambda: timing.streams([wait] * 4, 1, 0.1, 1), 1)
    assert window["stream_values"] == pytest.approx([20] * 4, abs=15)
    assert sum(window["invoke_ns"]) > 2 * window["window_ns"]  # four beside each other, not one after the other
    first = window["invoke_ns"][: window["stream_values"][0]]
    assert 0.1e9 <= sum(first) <= window["window_ns"]  # no gap between values


def test_what_a_stream_raises_comes_out() -> None:
    def bad() -> None:
        raise RuntimeError("not allocated")

    with pytest.raises(RuntimeError, match="not allocated"):
        timing.streams([bad, lambda: None], 1, 0.01, 1)


def test_offline_in_two_streams_with_energy_in_the_same_loop(ready: Board) -> None:
    sys_root = ready.workdir / "sys"
    ina3221_hwmon(sys_root, ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"), watts=5.0)
    record = run_benchmark(ready, sys_root, mode="offline", streams=2, energy_s=0.3, min_runs=100, end_to_end_s=0.0)
    (process,) = record["processes"]
    assert record["error"] is None
    assert process["streams"] == len(process["stream_values"]) == 2
    assert min(process["stream_values"]) > 0
    assert process["end_to_end_ns"] == []
    assert sum(process["invoke_ns"]) > 1.2 * process["window_ns"]
    energy = record["energy"]["pass"]["windows"][0]
    assert sum(energy["invoke_ns"]) > 1.2e9 * (energy["end_s"] - energy["begin_s"])  # two streams there, too


def test_streams_are_of_mode_offline_only(ready: Board) -> None:
    process = measure(ready, streams=2, mode="sustained")["processes"][0]
    assert process["streams"] == len(process["stream_values"]) == 1


# -- the steps of an application


@pytest.mark.parametrize("model", ["tiny_float", "tiny_int8"])
def test_every_step_of_a_photograph(ready: Board, model: str) -> None:
    record = measure(ready, model=model, pipeline_s=0.1, image=[640, 480])
    (process,) = record["processes"]
    assert process["pipeline_reason"] is None
    assert tuple(process["pipeline"]) == PIPELINE
    assert len({len(values) for values in process["pipeline"].values()}) == 1
    medians = {step: np.median(values) for step, values in process["pipeline"].items()}
    assert max(medians, key=lambda step: medians[step]) == "decode"  # of a model that takes microseconds
    assert min(medians.values()) > 0
    assert record["runtime"]["pillow"].count(".") == 2


def test_a_model_that_takes_no_photograph(ready: Board) -> None:
    record = measure(ready, model="tiny_int32", pipeline_s=0.1)
    assert record["processes"][0]["pipeline"] is None
    assert record["processes"][0]["pipeline_reason"].startswith("the input is no image: its shape is [")
    assert record["runtime"]["pillow"] is None


@pytest.mark.parametrize(
    ("types", "why"),
    [
        ([FLOAT, FLOAT], "2 inputs"),
        ([((1, 32), np.float32, 0.0, 0)], "no image"),
        ([((1, 32, 32, 5), np.float32, 0.0, 0)], "no image"),
        ([((8, 32, 32, 3), np.float32, 0.0, 0)], "the batch is 8"),
        ([((1, 32, 32, 3), np.int8, 0.0, 0)], "no scale"),
    ],
)
def test_why_there_is_no_pipeline(types: list[object], why: str) -> None:
    assert why in str(pipeline.refusal(types))  # type: ignore[arg-type]
    assert pipeline.refusal([FLOAT]) is pipeline.refusal([INT8_FIRST]) is None


class Told:
    """A session that keeps what it is given, and answers with what it is told to."""

    def __init__(self, kind: object, answer: list[float]) -> None:
        self.kind, self.answer = kind, np.array([answer], np.float32)
        self.call = lambda: None

    def input_types(self) -> list[object]:
        return [self.kind]

    def output_types(self) -> list[object]:
        return [(self.answer.shape, np.float32, 0.0, 0)]

    def set_inputs(self, values: list[np.ndarray]) -> None:
        (self.value,) = values

    def get_outputs(self) -> list[np.ndarray]:
        return [self.answer]


def passes(kind: object, pixels: np.ndarray, answer: list[float]) -> tuple[Told, pipeline._Passes]:
    session = Told(kind, answer)
    return session, pipeline._Passes(session, kind, pipeline._encoded(Image, pixels), Image)  # type: ignore[arg-type]


def test_pixels_become_what_the_input_takes() -> None:
    """The int8 model sees its float twin's values, quantized; channels first where the model wants it."""
    left_red = np.zeros((64, 64, 3), np.uint8)
    left_red[:, :32, 0] = 255
    plain, whole = passes(FLOAT, left_red, [1.0, 0.0])
    whole.run(0.0)
    assert plain.value.shape == (1, 32, 32, 3)
    assert plain.value.dtype == np.float32
    assert plain.value[0, 16, 4, 0] > 0.9 > -0.9 > plain.value[0, 16, 28, 0]  # red on the left, none on the right
    assert np.abs(plain.value).max() <= 1
    twin, whole = passes(INT8_FIRST, left_red, [1.0, 0.0])
    whole.run(0.0)
    back = (twin.value.transpose(0, 2, 3, 1).astype(float) + 1) / 127.5
    assert np.abs(back - plain.value).max() <= 1 / 127.5
    grey, whole = passes(((1, 8, 8, 1), np.uint8, 0.0, 0), left_red, [1.0])
    whole.run(0.0)
    assert grey.value.shape == (1, 8, 8, 1)


def test_the_best_classes_and_softmax_only_where_it_is_missing() -> None:
    _, scores = passes(FLOAT, np.zeros((8, 8, 3), np.uint8), [0.0, 3.0, 1.0, 2.0, -1.0, -2.0, 0.5])
    scores.run(0.0)
    best = scores._best(scores._session.get_outputs())
    assert [index for index, _ in best] == [1, 3, 2, 6, 0]
    assert 0.5 < best[0][1] < 0.7
    _, done = passes(FLOAT, np.zeros((8, 8, 3), np.uint8), [0.2, 0.7, 0.1])
    done.run(0.0)
    assert done._best(done._session.get_outputs())[0] == (1, pytest.approx(0.7))


def test_a_photograph_costs_a_decoder_what_photographs_do() -> None:
    """At quality 90 those of cameras take 2 to 3 bits a pixel."""
    picture = pipeline.photograph(1100, 480, 1)
    assert picture.shape == (480, 1100, 3)
    assert 1.5 < 8 * len(pipeline._encoded(Image, picture)) / (1100 * 480) < 3.5
    assert (picture == pipeline.photograph(1100, 480, 1)).all()
    assert (picture != pipeline.photograph(1100, 480, 2)).any()
    again = np.asarray(Image.open(io.BytesIO(pipeline._encoded(Image, picture))))
    assert np.abs(again.astype(int) - picture).mean() < 8
