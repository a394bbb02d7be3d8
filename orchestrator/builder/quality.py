"""How well an artifact answers, computed here and not on a board: against labels, and against its float twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.builder.images import Array
from orchestrator.builder.inference import answers
from orchestrator.builder.roundtrip import sqnr_db
from orchestrator.builder.source import Source

_SAMPLES = 16
_SEED = 2_000_003
"""Added to the seed: neither BatchNorm nor calibration has seen these."""


def judge(content: bytes, reference: bytes, source: Source, seed: int) -> dict[str, Any]:
    """``agreement`` with the float artifact (as it came, not pruned) on unseen inputs; ``top1`` on labelled ones."""
    ours = answers(content, source.inputs(_SAMPLES, seed + _SEED))
    return {
        "mean_top1_score": float(ours.max(axis=-1).mean()) if _are_scores(ours) else None,
        "computed_by": "tensorflow.lite in the build worker",
        "agreement": None if content == reference else _agreement(ours, reference, source, seed),
        "agreement_reason": "this is the float artifact" if content == reference else None,
        "top1": _top1(content, source),
        "top1_reason": None if source.held_out else "no labelled inputs",
        "top1_images": len(source.held_out[1]) if source.held_out else None,
    }


def _agreement(ours: Array, reference: bytes, source: Source, seed: int) -> dict[str, Any]:
    theirs = answers(reference, source.inputs(_SAMPLES, seed + _SEED))
    norms = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    return {
        "samples": _SAMPLES,
        "sqnr_db": sqnr_db(theirs, ours),
        "cosine": float((ours * theirs).sum()) / norms if norms else None,
        "top1": float((ours.argmax(axis=-1) == theirs.argmax(axis=-1)).mean()) if _are_scores(ours) else None,
    }


def _are_scores(outputs: Array) -> bool:
    """A row of scores per sample: the outputs of a classifier, as far as shapes tell."""
    return outputs.ndim == 2 and outputs.shape[1] > 1


def _top1(content: bytes, source: Source) -> float | None:
    if source.held_out is None:
        return None
    inputs, labels = source.held_out
    return float((answers(content, inputs).argmax(axis=-1) == labels).mean())
