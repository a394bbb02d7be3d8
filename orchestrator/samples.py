"""Every raw duration of a cell as a Parquet table: one row per value, outliers flagged and none left out."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator import stats
from orchestrator.errors import reason

log = logging.getLogger(__name__)

SAMPLES_FILE = "samples.parquet"
BEYOND_SIGMA = 10
"""As ``stats.outliers`` counts them."""

Json = Mapping[str, Any]


def keep_samples(directory: Path, record: Json) -> tuple[str, ...]:
    """Write SAMPLES_FILE into the cell's directory; what went wrong as a warning, since the record holds all of it."""
    path = directory / SAMPLES_FILE
    try:
        write_samples(path, record)
    except Exception as error:  # a full disk, a pyarrow that cannot be loaded: the result must not be lost for it
        log.exception("%s", path)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return (f"{SAMPLES_FILE} could not be written ({reason(error)}); record.json holds the raw values",)
    return ()


def write_samples(path: Path, record: Json) -> None:
    """The table: phase, process (from 0), order within both, calls per value (group), duration_ns, outlier.

    Written phase by phase, in columns: an hour of calls of 1 ms are 3.6 million rows. No file where there is no value.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [
            ("phase", pa.dictionary(pa.int32(), pa.string())),
            ("process", pa.int32()),
            ("order", pa.int32()),
            ("group", pa.int32()),
            ("duration_ns", pa.int64()),
            ("outlier", pa.bool_()),
        ]
    )
    with contextlib.ExitStack() as opened:
        writer: Any = None
        for phase, process, group, values in series(record):
            durations = np.asarray(values, dtype=np.int64)
            count = durations.size
            columns = [
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), [phase]),
                np.full(count, process, np.int32),
                np.arange(count, dtype=np.int32),
                np.full(count, group, np.int32),
                durations,
                outliers(durations),
            ]
            if writer is None:
                writer = opened.enter_context(parquet.ParquetWriter(path, schema, compression="zstd"))
            writer.write_table(pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema))


def series(record: Json) -> Iterator[tuple[str, int, int, Sequence[int]]]:
    """Phase, process, calls per value and nanoseconds of every series that is not empty."""
    for number, process in enumerate(record["processes"]):
        phases = {
            "invoke": (process["group"], process["invoke_ns"]),
            "end_to_end": (process["end_to_end_group"], process["end_to_end_ns"]),
            **{f"pipeline/{step}": (1, values) for step, values in (process.get("pipeline") or {}).items()},
        }
        for phase, (group, values) in phases.items():
            if values:
                yield phase, number, group, values


def outliers(durations: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which values are beyond BEYOND_SIGMA sigma-equivalents from the median of their series."""
    away = np.abs(durations - np.median(durations))
    limit = BEYOND_SIGMA * stats.MAD_TO_SIGMA * float(np.median(away))
    return away > limit if limit > 0 else np.zeros(durations.size, np.bool_)
