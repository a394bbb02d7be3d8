"""A latency beside what others have published."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml

from orchestrator import config
from orchestrator.cell import RUNTIMES
from orchestrator.measurement import Measurement, measure
from orchestrator.sanity import anchor
from tests.measurement.records import FACTS, MANIFEST, PI4_POWER, make_axes, make_record

PI4 = {"device_tree_model": "Raspberry Pi 4 Model B Rev 1.4", "bits": 64}
AXES = make_axes(model="mobilenetv2", optimization="int8", threads="4", input_size="224")


def measured(median_ms: float, axes: dict[str, str] | None = AXES) -> Measurement:
    record = make_record(median_ms)
    record["runtime"]["name"] = "litert"
    return measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4, facts={**FACTS, **PI4}, axes=axes)


def test_a_number_far_from_what_is_published_is_suspect() -> None:
    usual, slow, fast = measured(18.0), measured(60.0), measured(5.0)
    assert usual.verdict.level == "valid" and "sanity_ratio" not in usual.verdict.unchecked
    assert usual.metrics["sanity/ratio"] == pytest.approx(18 / 17, rel=0.05)
    assert usual.tags["sanity.source"].startswith("17 ms: XNNPACK end2end_bench")
    assert slow.verdict.level == fast.verdict.level == "suspect"
    assert "3.5 times what is published" in slow.verdict.reasons[0] and "XNNPACK" in slow.verdict.reasons[0]
    assert "only 0.30 times" in fast.verdict.reasons[0]


def test_a_model_of_ones_own_is_not_judged_by_its_name() -> None:
    own = measured(60.0, None)
    assert own.verdict.level == "valid" and "sanity_ratio" in own.verdict.unchecked
    assert "nobody's published number" in own.missing["sanity/ratio"]


def test_a_gpu_is_not_judged_by_what_a_cpu_takes() -> None:
    record = make_record(60.0)
    record["runtime"]["name"] = "litert"
    record["runtime"]["delegate"].update(requested="gpu", name="LiteRT GPU")
    got = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4, facts={**FACTS, **PI4}, axes=AXES)
    assert "sanity/ratio" not in got.metrics and got.missing["sanity/ratio"]


@pytest.mark.parametrize(
    ("axes", "facts", "runtime", "ms"),
    [
        ({}, {}, "litert", 17.0),
        ({}, {"bits": 32}, "tflite_runtime", 20.0),
        ({"optimization": "none"}, {}, "litert", 46.0),
        ({"threads": "1"}, {"device_tree_model": "Raspberry Pi Zero W Rev 1.1", "bits": 32}, "litert", 1495.0),
        ({"model": "mobilenetv3small", "optimization": "none"}, {"bits": 32}, "litert", 13.0),
        ({"threads": "1"}, {}, "litert", None),
        ({"input_size": "96"}, {}, "litert", None),
        ({"batch_size": "8"}, {}, "litert", None),
        ({"optimization": "float16"}, {}, "litert", None),
        ({"model": "resnet50"}, {}, "litert", None),
        ({}, {}, "onnxruntime", None),
        ({}, {"device_tree_model": "Raspberry Pi 5 Model B Rev 1.0"}, "litert", None),
        ({}, {"device_tree_model": "Raspberry Pi Zero 2 W Rev 1.0", "bits": 32}, "litert", None),
        ({}, {"device_tree_model": None}, "litert", None),
        ({}, {"bits": None}, "litert", None),
    ],
)
def test_which_number_is_looked_at(
    axes: dict[str, str], facts: dict[str, object], runtime: str, ms: float | None
) -> None:
    found = anchor(AXES | axes, runtime, PI4 | facts)
    assert (found and found.median_ms) == ms


def test_the_table_knows_only_what_can_be_chosen() -> None:
    entries = yaml.safe_load(files("orchestrator").joinpath("sanity.yaml").read_text())["anchors"]
    for entry in entries:
        assert entry["source"] and set(entry["runtimes"]) <= set(RUNTIMES)
        for model, numbers in entry["median_ms"].items():
            file = yaml.safe_load((config.conf_directory() / "model" / f"{model}.yaml").read_text())
            assert file["input_size"] == entry["input_size"] and file["kind"] == "keras_application"
            assert all((config.conf_directory() / "optimization" / f"{name}.yaml").is_file() for name in numbers)
            assert all(ms > 0 for ms in numbers.values())
