"""Scores against values computed by hand or by scikit-learn, and which metrics a record gets."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, top_k_accuracy_score

from orchestrator.evaluation import Evaluation
from orchestrator.quality import judged, scores
from orchestrator.sheet import Sheet

SHA = "a" * 64
DRAW = np.random.default_rng(7)


def test_wilson_is_the_interval_of_the_literature() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for hits, samples, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert scores.wilson(hits, samples) == pytest.approx((low, high), abs=2e-4)


def test_a_drop_is_paired() -> None:
    reference = np.array([True] * 90 + [False] * 10)
    ours = reference.copy()
    ours[:4], ours[95] = False, True  # 4 lost, 1 won
    drop, low, high = scores.paired_drop(reference, ours)
    assert drop == pytest.approx(0.03)
    # (4-1)/102 -+ 1.96 sqrt(6 - 9/102)/102
    assert (low, high) == pytest.approx((0.02941 - 0.04672, 0.02941 + 0.04672), abs=2e-4)
    same = scores.paired_drop(reference, reference)
    assert same[0] == 0 and same[1] < 0 < same[2]


def test_intervals_of_a_drop_cover_the_truth() -> None:
    """Of 400 draws of 200 samples at least 92 % hold the true drop of 3 points."""
    held = 0
    for _ in range(400):
        draw = DRAW.random(200)
        reference, ours = draw < 0.95, (draw < 0.90) | (draw > 0.98)
        _, low, high = scores.paired_drop(reference, ours)
        held += low <= 0.03 <= high
    assert held >= 0.92 * 400


def test_top_5_and_auc_are_those_of_scikit_learn() -> None:
    answers, labels = DRAW.random((50, 20)), DRAW.integers(0, 20, 50)
    expected = top_k_accuracy_score(labels, answers, k=5, labels=range(20))
    assert scores.top_k(answers, labels, 5) == pytest.approx(expected)
    found, truth = np.round(DRAW.random(200), 1), DRAW.integers(0, 2, 200)  # with ties
    assert scores.auc(found, truth) == pytest.approx(roc_auc_score(truth, found))
    assert scores.auc(found, np.zeros(200)) is None


def test_equal_scores_are_no_right_answer() -> None:
    assert scores.top_k(np.zeros((4, 10)), np.arange(4), 5) == 0.0


def test_sqnr() -> None:
    reference = np.array([3.0, 4.0])
    assert scores.sqnr_db(reference, reference + np.array([0.3, 0.4])) == pytest.approx(20.0)
    assert scores.sqnr_db(reference, reference) is None


def quality(answers: np.ndarray[Any, Any], **more: Any) -> dict[str, Any]:
    output = {"name": "o", "dtype": answers.dtype.name, "shape": list(answers.shape), "scale": None, "zero_point": None}
    output |= {"data": base64.b64encode(zlib.compress(answers.tobytes())).decode()} | more
    return {"inputs_sha256": SHA, "samples": len(answers), "batch": 1, "duration_ns": 1, "outputs": [output]}


def told(**more: Any) -> dict[str, Any]:
    plain = {"sha256": SHA, "samples": 4, "labelled": True, "task": "classification", "source": "test images"}
    return {"evaluation": plain | {"reference": "the float model", "meaningful": True} | more}


def judge(tmp_path: Path, record: dict[str, Any], manifest: dict[str, Any], made: Evaluation) -> Sheet:
    made.write(tmp_path / "evaluation.npz")
    sheet = Sheet()
    judged(sheet, record, manifest, tmp_path / "evaluation.npz")
    return sheet


EYE = np.eye(4, dtype=np.float32)
INPUTS = (np.zeros((4, 3), np.float32),)


def test_a_classifier(tmp_path: Path) -> None:
    answers = EYE.copy()
    answers[3] = EYE[0]
    made = Evaluation(INPUTS, reference=EYE, labels=np.arange(4))
    sheet = judge(tmp_path, {"quality": quality(answers)}, told(), made)
    found = {name.removeprefix("quality/"): value for name, value in sheet.metrics.items()}
    assert (found["samples"], found["top1"], found["drop"], found["top1_agreement"]) == (4, 0.75, 0.25, 0.75)
    assert found["top1_low"] < 0.75 < found["top1_high"] and found["drop_low"] < 0.25 < found["drop_high"]
    assert found["sqnr_db"] == pytest.approx(10 * np.log10(4 / 2))
    assert sheet.missing["quality/top5"] == "fewer than 10 classes"
    assert sheet.tags["quality.source"] == "test images"


def test_quantized_answers_mean_what_their_scale_says(tmp_path: Path) -> None:
    levels = np.where(EYE > 0, 127, -128).astype(np.int8)
    made = Evaluation(INPUTS, reference=EYE, labels=np.arange(4))
    record = {"quality": quality(levels, scale=1 / 255, zero_point=-128)}
    sheet = judge(tmp_path, record, told(), made)
    assert sheet.metrics["quality/top1"] == 1.0
    assert sheet.metrics.get("quality/sqnr_db", 200) > 100


def test_random_weights_have_no_accuracy_but_a_distance(tmp_path: Path) -> None:
    made = Evaluation(INPUTS, reference=EYE)
    manifest = told(meaningful=False, reason="its weights are random", labelled=False)
    sheet = judge(tmp_path, {"quality": quality(EYE + np.float32(0.1))}, manifest, made)
    assert set(sheet.metrics) == {"quality/samples", "quality/sqnr_db"}
    assert sheet.missing["quality/top1"] == sheet.missing["quality/top1_agreement"] == "its weights are random"
    assert sheet.missing["quality/drop"] == "its weights are random"


def test_the_float_model_itself(tmp_path: Path) -> None:
    made = Evaluation(INPUTS, reference=EYE, labels=np.arange(4))
    sheet = judge(tmp_path, {"quality": quality(EYE)}, told(), made)
    assert sheet.metrics["quality/drop"] == 0.0
    assert sheet.missing["quality/sqnr_db"] == "no difference at all from the float model"


def test_an_autoencoder_finds_anomalies(tmp_path: Path) -> None:
    inputs = DRAW.normal(0, 1, (60, 5)).astype(np.float32)
    labels = np.arange(60) % 2
    noise = DRAW.normal(0, 1, inputs.shape) * np.where(labels, 0.5, 0.1)[:, None]
    reference = (inputs + noise).astype(np.float32)
    answers = (reference + DRAW.normal(0, 0.3, inputs.shape)).astype(np.float32)
    manifest = told(task="reconstruction", samples=60)
    made = Evaluation((inputs,), reference=reference, labels=labels)
    sheet = judge(tmp_path, {"quality": quality(answers)}, manifest, made)
    errors = ((answers.astype(float) - inputs) ** 2).mean(axis=1)
    assert sheet.metrics["quality/auc"] == pytest.approx(roc_auc_score(labels, errors))
    drop = roc_auc_score(labels, ((reference.astype(float) - inputs) ** 2).mean(axis=1)) - sheet.metrics["quality/auc"]
    assert sheet.metrics["quality/drop"] == pytest.approx(drop)
    assert sheet.metrics["quality/drop_low"] <= drop <= sheet.metrics["quality/drop_high"]
    assert "reconstructs" in sheet.missing["quality/top1"] and "quality/top1" not in sheet.metrics


@pytest.mark.parametrize(
    ("record", "manifest", "says"),
    [
        ({"quality": None, "quality_reason": "the answers failed: x"}, told(), "the answers failed: x"),
        ({"quality": quality(EYE), "quality_reason": None}, {}, "has no stored inputs"),
        ({"quality": quality(EYE)}, told(sha256="b" * 64), "other inputs"),
        ({"quality": quality(np.zeros((9, 4), np.float32))}, told(), "answered 9 samples"),
        ({"quality": quality(np.zeros((4, 7), np.float32))}, told(), "the float model's (4, 4)"),
    ],
)
def test_without_answers_there_is_a_reason(
    tmp_path: Path, record: dict[str, Any], manifest: dict[str, Any], says: str
) -> None:
    made = Evaluation(INPUTS, reference=EYE, labels=np.arange(4))
    sheet = judge(tmp_path, record, manifest, made)
    assert not sheet.metrics
    assert says in sheet.missing["quality/top1"] and says in sheet.missing["quality/samples"]


def test_labels_that_are_no_classes_of_the_model(tmp_path: Path) -> None:
    made = Evaluation(INPUTS, reference=EYE, labels=np.arange(4) + 1)
    sheet = judge(tmp_path, {"quality": quality(EYE)}, told(), made)
    assert "no scores of the labels' classes" in sheet.missing["quality/top1"]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_answers_that_are_not_finite_are_none(tmp_path: Path, wrong: float) -> None:
    """The highest of NaN would be class 0, and no noise has a logarithm of infinity."""
    answers = EYE.copy()
    answers[0, 1] = wrong
    made = Evaluation(INPUTS, reference=EYE, labels=np.arange(4))
    sheet = judge(tmp_path, {"quality": quality(answers)}, told(), made)
    assert not any(name.startswith("quality/") for name in sheet.metrics)
    assert sheet.missing["quality/top1"] == "1 of 4 answers of the board hold values that are not finite"
    assert sheet.warnings == [f"quality: {sheet.missing['quality/drop']}"]
