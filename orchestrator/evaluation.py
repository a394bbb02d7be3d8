"""An evaluation: stored inputs that the board answers, with their labels and the float model's own answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import MeasurementError
from remote.stored_inputs import inputs_of

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Samples along the first axis of every array.

    ``inputs``: an array per input of the model, in the values that the float model takes; or of uint8, and then
    ``affine`` holds a scale and an offset per channel, broadcast against a sample, that make float32 values of them.
    ``labels``: a class per sample, or 1 for an anomaly and 0 for none. ``reference``: the float model's first output.
    """

    inputs: tuple[Array, ...]
    reference: Array | None = None
    labels: Array | None = None
    affine: tuple[Array, Array] | None = None  # of the first input

    def write(self, path: Path) -> None:
        """The same content gives the same bytes (numpy's zip entries carry no time)."""
        arrays: dict[str, Array] = {f"input_{number}": array for number, array in enumerate(self.inputs)}
        if self.affine is not None:
            arrays |= {"scale": self.affine[0].astype(np.float32), "offset": self.affine[1].astype(np.float32)}
        if self.labels is not None:
            arrays["labels"] = self.labels.astype(np.int64)
        if self.reference is not None:
            arrays["reference"] = self.reference.astype(np.float32)
        np.savez(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """``inputs`` as float values. Raises MeasurementError where the file is none."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(tuple(inputs_of(stored)), stored.get("reference"), stored.get("labels"))
        except (OSError, ValueError, KeyError) as error:
            raise MeasurementError(f"{path} is no evaluation: {error}") from error
