"""The metrics of quality: on labelled samples how often it is right, on any how far it is from the float model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.errors import MeasurementError
from orchestrator.evaluation import Evaluation
from orchestrator.metrics import NO_DIFFERENCE
from orchestrator.quality import scores
from orchestrator.quality.answers import Array, meant
from orchestrator.sheet import Sheet
from orchestrator.stats import Interval

RECONSTRUCTION = "reconstruction"
LABELLED = ("top1", "top1_low", "top1_high", "top5", "auc", "drop", "drop_low", "drop_high")
COMPARED = ("top1_agreement", "sqnr_db")
_TOP5_CLASSES = 10
"""With fewer classes the best five say nothing."""


def judged(sheet: Sheet, record: Mapping[str, Any], manifest: Mapping[str, Any], stored: Path | None) -> None:
    """Fill in everything about quality. ``stored`` is the artifact's evaluation: without it only the reason is told."""
    quality, told = record.get("quality"), manifest.get("evaluation")
    if quality is None or told is None or stored is None:
        reason = record.get("quality_reason") or "the artifact has no stored inputs"
        sheet.lacks(str(reason), *(f"quality/{name}" for name in ("samples", *LABELLED, *COMPARED)))
        return
    try:
        _fill(sheet, quality, told, stored)
    except MeasurementError as error:
        sheet.lacks(str(error), *(f"quality/{name}" for name in ("samples", *LABELLED, *COMPARED)))
        sheet.warnings.append(f"quality: {error}")


def _fill(sheet: Sheet, quality: Mapping[str, Any], told: Mapping[str, Any], stored: Path) -> None:
    if quality["inputs_sha256"] != told["sha256"]:
        raise MeasurementError("the board has answered other inputs than those of the artifact")
    answers, evaluation = meant(quality), Evaluation.read(stored)
    count, asked = len(answers), len(evaluation.inputs[0])
    if count > asked:
        raise MeasurementError(f"the board has answered {count} samples, and there are {asked}")
    failed = int((~np.isfinite(answers).reshape(count, -1).all(axis=1)).sum())
    if failed:
        raise MeasurementError(f"{failed} of {count} answers of the board hold values that are not finite")
    sheet.tags |= {"quality.source": str(told["source"]), "quality.task": str(told["task"])}
    sheet.tags["quality.reference"] = str(told["reference"])
    sheet.tags["quality.evaluation"] = str(told["sha256"])
    if told.get("data"):  # older artifacts do not tell
        sheet.tags["quality.data"] = str(told["data"])
    reference = None if evaluation.reference is None else evaluation.reference[:count].astype(np.float64)
    if reference is not None and reference.shape != answers.shape:
        raise MeasurementError(f"the answers have the shape {answers.shape}, the float model's {reference.shape}")
    sheet.put("quality/samples", count)
    _agreement(sheet, answers, reference, told)
    labels = None if evaluation.labels is None else evaluation.labels[:count]
    meaningless = None if told.get("meaningful", True) else str(told.get("reason") or "its weights are random")
    if labels is None or meaningless:
        sheet.lacks(meaningless or "no labelled samples", *(f"quality/{name}" for name in LABELLED))
    elif told["task"] == RECONSTRUCTION:
        _anomalies(sheet, answers, reference, evaluation.inputs[0][:count], labels)
    else:
        _classes(sheet, answers, reference, labels)


def _agreement(sheet: Sheet, answers: Array, reference: Array | None, told: Mapping[str, Any]) -> None:
    if reference is None:
        return sheet.lacks("the float model's answers are not known", *(f"quality/{name}" for name in COMPARED))
    same = bool((answers == reference).all())
    otherwise = NO_DIFFERENCE if same else "the float model's answers are all 0"
    sheet.put("quality/sqnr_db", scores.sqnr_db(reference, answers), otherwise)
    if not told.get("meaningful", True):
        sheet.lacks(str(told.get("reason") or "its weights are random"), "quality/top1_agreement")
    elif told["task"] == RECONSTRUCTION or not _are_scores(answers):
        sheet.lacks("its answers are no scores of classes", "quality/top1_agreement")
    else:
        sheet.put("quality/top1_agreement", float((answers.argmax(axis=1) == reference.argmax(axis=1)).mean()))
    return None


def _are_scores(answers: Array) -> bool:
    """A row of scores per sample, as far as shapes tell."""
    return answers.ndim == 2 and answers.shape[1] > 1


def _classes(sheet: Sheet, answers: Array, reference: Array | None, labels: Array) -> None:
    if not _are_scores(answers) or labels.min() < 0 or labels.max() >= answers.shape[1]:
        reason = f"answers of shape {answers.shape} are no scores of the labels' classes"
        return sheet.lacks(reason, *(f"quality/{name}" for name in LABELLED))
    sheet.lacks("it classifies", "quality/auc")
    hits = scores.right(answers, labels)
    low, high = scores.wilson(int(hits.sum()), len(hits))
    sheet.put("quality/top1", float(hits.mean()))
    _between(sheet, "quality/top1", Interval(low, high, len(hits), "Wilson, of a share"))
    few = f"fewer than {_TOP5_CLASSES} classes"
    sheet.put("quality/top5", scores.top_k(answers, labels, 5) if answers.shape[1] >= _TOP5_CLASSES else None, few)
    found = None if reference is None else scores.paired_drop(scores.right(reference, labels), hits)
    _drop(sheet, found, len(hits), "Agresti-Min, of paired shares")
    return None


def _anomalies(sheet: Sheet, answers: Array, reference: Array | None, inputs: Array, labels: Array) -> None:
    sheet.lacks("it reconstructs, and tells no classes", *(f"quality/{n}" for n in LABELLED if n.startswith("top")))
    if inputs.size != answers.size:
        return sheet.lacks("its output is not of its input's size", "quality/auc", *_DROPS)
    errors = scores.reconstruction_errors(inputs, answers)
    sheet.put("quality/auc", scores.auc(errors, labels), "the samples answered are all of one kind")
    theirs = None if reference is None else scores.reconstruction_errors(inputs, reference)
    found = None if theirs is None else scores.auc_drop(theirs, errors, labels)
    _drop(sheet, found, len(labels), f"paired bootstrap of {scores.DRAWS} draws")
    return None


_DROPS = ("quality/drop", "quality/drop_low", "quality/drop_high")


def _drop(sheet: Sheet, found: tuple[float, float, float] | None, samples: int, method: str) -> None:
    if found is None:
        return sheet.lacks("the float model's answers are not known", *_DROPS)
    sheet.put("quality/drop", found[0])
    _between(sheet, "quality/drop", Interval(found[1], found[2], samples, method))
    return None


def _between(sheet: Sheet, name: str, interval: Interval) -> None:
    sheet.uncertainty[name] = interval
    sheet.put(f"{name}_low", interval.low)
    sheet.put(f"{name}_high", interval.high)
