"""What does each optimization of MobileNetV2 buy, and cost? Fresh processes in which all variants take turns.

Each process gives a ratio to the dense float model that has seen the same neighbours; the interval is by ranks over the
processes. Beside it stand size, compressed size, multiplications and the signal to noise ratio against the dense float
model. Its weights are random, so what leaves with half of the channels is never trained back: 0 dB is no surprise.
"""

from __future__ import annotations

import importlib.util
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.board import cell
from benchmarks.cross_check import interval
from orchestrator.artifact import Artifact
from orchestrator.builder import Builder, Recipe
from orchestrator.cache import cache_directory
from orchestrator.evaluation import Evaluation
from orchestrator.quality import scores

PROCESSES, BURSTS = 24, 8
BURST = Path(__file__).with_name("bursts.py")
LEAST = {"prune_channels": 1.5, "int8": 1.5}
"""So many times faster than dense, with all of the interval."""
VARIANTS: dict[str, tuple[str, ...]] = {
    "none": ("[]",),
    "int8": ("[int8]",),
    "prune_channels": ("[prune_channels]", "optimization.channels=0.5"),
    "prune_channels+int8": ("[prune_channels,int8]", "optimization.channels=0.5"),
    "prune_sparse": ("[prune]", "optimization.sparsity=0.9", "optimization.sparse_encoding=true"),
    "cluster+int8": ("[cluster,int8]",),
}


def run() -> dict[str, Any]:
    """Per variant: median latency, how many times faster than dense with its 95 % interval, sizes and quality."""
    built = _built()
    rounds = [_process(built) for _ in range(PROCESSES)]
    found: dict[str, Any] = {"processes": PROCESSES}
    for name, artifact in built.items():
        low, middle, high = interval([math.log(each["none"] / each[name]) for each in rounds])
        found[name] = {
            "latency_ms": round(statistics.median(each[name] for each in rounds), 3),
            "times_faster": round(1 + middle / 100, 3),
            "interval": [round(1 + low / 100, 3), round(1 + high / 100, 3)],
            **_told(artifact),
        }
    return found | {"meets": all(found[name]["interval"][0] >= least for name, least in LEAST.items())}


def _built() -> dict[str, Artifact]:
    built = {}
    with Builder(cache_directory()) as builder:
        for name, (steps, *rest) in VARIANTS.items():
            s = cell("model=mobilenetv2", f"optimization.steps={steps}", *rest).settings
            built[name] = builder.build(Recipe.of(s.model, s.optimization, input_size=s.input_size, seed=s.seed))
    return built


def _process(built: dict[str, Artifact]) -> dict[str, float]:
    """Median milliseconds of each in one process."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        raise RuntimeError("LiteRT is not installed here")
    packages, paths = str(Path(spec.origin).parent.parent), [str(artifact.path) for artifact in built.values()]
    argv = [sys.executable, "-I", "-S", str(BURST), packages, str(BURSTS), *paths]
    done = subprocess.run(argv, check=True, capture_output=True)
    return {name: nanoseconds / 1e6 for name, nanoseconds in zip(built, json.loads(done.stdout), strict=True)}


def _told(artifact: Artifact) -> dict[str, Any]:
    from orchestrator.builder.inference import answers  # TensorFlow: after everything has been timed

    manifest = artifact.manifest
    told: dict[str, Any] = {
        "size_mb": round(artifact.size_bytes / 1e6, 2),
        "gzip_mb": round(manifest["gzip_bytes"] / 1e6, 2),
        "million_macs": round(manifest["macs"] / 1e6),
        "sparsity": round(manifest["sparsity"], 2),
    }
    if artifact.evaluation is not None:
        stored = Evaluation.read(artifact.evaluation)
        if stored.reference is not None:
            found = scores.sqnr_db(stored.reference, answers(artifact.path.read_bytes(), list(stored.inputs)))
            told["sqnr_db"] = None if found is None else round(found, 1)
    return told
