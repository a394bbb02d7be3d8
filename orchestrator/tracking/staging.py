"""The files of one cell as they are stored with its run: gathered in a folder, raw values also as Parquet."""

from __future__ import annotations

import gzip
import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.energy.drawing import power_drawing
from orchestrator.energy.meter import METER_FILE, MeterReadings
from orchestrator.energy.phases import power_rows
from orchestrator.measurement.operators import operators
from orchestrator.result import RESULT_FILE, Result
from orchestrator.samples import SAMPLES_FILE, write_samples

log = logging.getLogger(__name__)

GZIP_FROM_BYTES = 256 * 1024
COPIED = ("config.yaml", "log.txt", RESULT_FILE, SAMPLES_FILE, METER_FILE)
MORNING = ("morning.html", "morning.md", "junit.xml", "gate.json", "trends.json")
COMPARISON = ("comparison.html", "comparison.png", "comparison.md", "comparison.csv", "comparison.parquet")


def stage(result: Result, folder: Path) -> None:
    """Put what there is of the cell's files into ``folder``; absent ones (a cell failed early) are left out."""
    source = result.directory
    if source is not None:
        _copy(source, folder, COPIED)
        if (source / "record.json").is_file():
            record = _record(source / "record.json", folder)
            tags = result.measurement.tags if result.measurement else {}
            try:
                _power(record["energy"], source, folder, tags.get("energy.source"))
            except (OSError, ValueError, KeyError, TypeError, IndexError, ArithmeticError) as error:  # see record.json
                log.warning("%s: no picture of its power: %s: %s", result.cell_id, type(error).__name__, error)
    if result.error:
        text = f"{result.error}\n\n{result.error.traceback or ''}".rstrip()
        (folder / "error.txt").write_text(text + "\n", encoding="utf-8")


def stage_sweep(directory: Path, skipped: list[Result], folder: Path) -> None:
    """The comparison and the list of skipped cells."""
    _copy(directory, folder, (*COMPARISON, *MORNING, "sweep.json", "sweep.log"))
    if skipped:
        rows = [{"cell": r.cell_id, "status": r.status, "reason": r.why} for r in skipped]
        (folder / "skipped.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _copy(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _record(path: Path, folder: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    if len(raw) < GZIP_FROM_BYTES:
        (folder / path.name).write_bytes(raw)
    else:
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(raw, 6, mtime=0))
    record: dict[str, Any] = json.loads(raw)
    if not (folder / SAMPLES_FILE).is_file():  # of an older version, or one that could not be written then
        write_samples(folder / SAMPLES_FILE, record)
    _parquet(folder / "operators.parquet", [asdict(operator) for operator in operators(record["profile"])])
    return record


def _power(energy: dict[str, Any], source: Path, folder: Path, chosen: str | None) -> None:
    """Power over the energy pass, as a table and as a picture of its own."""
    if not energy["pass"]:
        return
    read = source / METER_FILE
    meter = MeterReadings.from_json(json.loads(read.read_bytes())) if read.is_file() else None
    _parquet(folder / "power_trace.parquet", list(power_rows(energy, meter)))
    if drawing := power_drawing(energy, meter, chosen, alone=True):
        (folder / "power_trace.svg").write_text(drawing, encoding="utf-8")


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    if rows:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, compression="zstd")
