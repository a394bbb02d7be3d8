"""A search under limits on the local board, with a real Optuna: what it finds keeps them, though others beat it."""

from __future__ import annotations

import json

import yaml

from tests.sweeps.lab import Lab

OPTIMIZATIONS = "optimization=choice(none,float16,dynamic_range,int8)"


def test_the_smallest_that_keeps_its_distance_from_float_is_found(lab: Lab) -> None:
    """The smallest files are dynamic_range and int8, some 40 dB from float; float16 is the smallest beyond 50 dB.

    By size rather than by latency, so that what is the best does not depend on how busy this machine is.
    """
    lab.tracking = "mlflow"
    done = lab.run(
        *("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=10", "hydra.sweeper.sampler.seed=1", "model=digits"),
        *(OPTIMIZATIONS, "objective=model/size_bytes", "quality.min_sqnr_db=50"),
    )
    assert done.status == 0, done.text
    assert done.sweep is not None
    sizes = {r["axes"]["optimization"]: r["measurement"]["metrics"]["model/size_bytes"] for r in done.results()}
    assert {"float16", "int8"} <= set(sizes), "the seed tries both"
    assert min(sizes, key=lambda name: sizes[name]) in ("int8", "dynamic_range")
    best = yaml.safe_load((done.sweep / "optimization_results.yaml").read_text())
    assert best["best_params"] == {"optimization": "float16"} and best["best_value"] == sizes["float16"]
    assert "best      optimization=float16   (model/size_bytes=" in done.text
    assert f"limits    quality.min_sqnr_db: {len(sizes) - 2} of {len(sizes)} cells break it" in done.text
    assert "breaks" in done.text and "dB < 50 asked for" in done.text
    assert "the fastest within the limits: " in done.text
    stored = json.loads((done.sweep / "sweep.json").read_text())
    assert stored["gates"] == {"min_sqnr_db": 50.0} and list(stored["recommended"]) == ["local, digits"]
    (parent,) = (run for run in lab.runs() if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.tags["recommended.local digits"] == stored["recommended"]["local, digits"]
    assert parent.data.tags["sweep.limits"] == "SQNR ≥ 50 dB"


def test_a_search_for_what_its_settings_leave_out_is_refused_before_anything_runs(lab: Lab) -> None:
    done = lab.run("-m", "hydra/sweeper=optuna", "objective=energy/per_inference_mj", "threads=choice(1,2)")
    assert done.status == 1, done.text
    assert "'energy/per_inference_mj', and scenario.energy_s=0 leaves that out" in done.text
    assert list(lab.root.iterdir()) == []
