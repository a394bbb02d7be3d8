"""What artifacts answer, for tests that ask how well they do."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from orchestrator.artifact import Artifact
from orchestrator.builder.inference import answers
from orchestrator.evaluation import Evaluation
from orchestrator.quality import scores


@dataclasses.dataclass(frozen=True)
class Answers:
    """What an artifact answers to its stored inputs, and what the float model did."""

    ours: np.ndarray[Any, Any]
    reference: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any] | None

    @property
    def top1(self) -> float:
        assert self.labels is not None
        return float(scores.right(self.ours, self.labels).mean())

    @property
    def agreement(self) -> float:
        return float((self.ours.argmax(axis=1) == self.reference.argmax(axis=1)).mean())

    @property
    def sqnr_db(self) -> float:
        found = scores.sqnr_db(self.reference, self.ours)
        return 999.0 if found is None else found


def answers_of(artifact: Artifact) -> Answers:
    """Of a TFLite artifact, by the interpreter."""
    assert artifact.evaluation is not None
    stored = Evaluation.read(artifact.evaluation)
    assert stored.reference is not None
    ours = answers(artifact.path.read_bytes(), list(stored.inputs))
    return Answers(ours, stored.reference.astype(np.float64), stored.labels)
