"""Raw durations as a table: none left out, outliers flagged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from orchestrator import stats
from orchestrator.samples import keep_samples, outliers, write_samples
from tests.measurement.records import make_record


def test_every_value_is_there_in_its_place(tmp_path: Path) -> None:
    record = make_record(processes=2)
    record["processes"][1]["pipeline"] = {"decode": [7, 8], "invoke": [5], "resize": []}
    record["processes"][1]["invoke_ns"][3] = 10**10
    write_samples(tmp_path / "s.parquet", record)
    table = parquet.read_table(tmp_path / "s.parquet")
    assert table.schema.names == ["phase", "process", "order", "group", "duration_ns", "outlier"]
    rows = table.to_pandas()
    for number, process in enumerate(record["processes"]):
        own = rows[(rows.process == number) & (rows.phase == "invoke")]
        assert own.duration_ns.tolist() == process["invoke_ns"]
        assert own.order.tolist() == list(range(len(own))) and set(own.group) == {process["group"]}
    steps = rows[rows.phase.str.startswith("pipeline/")]
    assert list(zip(steps.phase, steps.duration_ns, strict=True)) == [
        ("pipeline/decode", 7),
        ("pipeline/decode", 8),
        ("pipeline/invoke", 5),
    ]
    assert set(rows.phase) >= {"invoke", "end_to_end"}
    assert rows[rows.duration_ns == 10**10].outlier.tolist() == [True]


def test_the_same_ones_are_flagged_that_are_counted() -> None:
    rng = np.random.default_rng(1)
    for values in ([5, 5, 5, 900], rng.integers(1000, 1100, 200).tolist() + [10**6] * 3, [4], [1, 2, 3, 400]):
        assert outliers(np.asarray(values)).sum() == stats.outliers(values)


def test_an_hour_of_calls_is_written_in_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many values as it takes for a dict per row to need gigabytes; here only their number is asked for."""
    record = make_record(processes=1)
    record["processes"][0]["invoke_ns"] = [10**6] * 1_000_000
    assert keep_samples(tmp_path, record) == ()
    found = parquet.ParquetFile(tmp_path / "samples.parquet")
    assert found.metadata.num_rows == 1_000_000 + len(record["processes"][0]["end_to_end_ns"])


def test_what_cannot_be_written_is_a_warning_and_leaves_no_half_file(tmp_path: Path) -> None:
    record = make_record()
    record["processes"][1]["invoke_ns"] = [2**70]
    (warning,) = keep_samples(tmp_path, record)
    assert "samples.parquet could not be written" in warning and "record.json" in warning
    assert list(tmp_path.iterdir()) == []
    (warning,) = keep_samples(tmp_path / "gone", record)
    record["processes"] = []
    assert keep_samples(tmp_path, record) == () and list(tmp_path.iterdir()) == []
