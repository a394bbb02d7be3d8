"""The networks of MLPerf Tiny, as far as they are known without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Network:
    """``size``: pixels of a side, and another may be asked for; None: its shape is its own."""

    size: int | None = None
    width: float | None = None  # its own multiplier; None: it has none
    preprocessing: str = "auto"  # how it was trained on images; auto: it takes none
    task: str = "classification"


TINY = {
    "ds_cnn": Network(width=1.0),
    "resnet8": Network(size=32, width=1.0, preprocessing="none"),
    "mobilenetv1_025_96": Network(size=96, width=0.25, preprocessing="unit"),
    "autoencoder": Network(task="reconstruction"),
}
"""Name -> facts; built by :mod:`orchestrator.builder.tiny`."""
