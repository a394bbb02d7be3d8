"""From a checked record to a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator import energy, quality
from orchestrator.cell import Scenario
from orchestrator.device import Calibration, PowerProfile
from orchestrator.energy import MeterReadings
from orchestrator.errors import MeasurementError
from orchestrator.measurement.evidence import evidence
from orchestrator.measurement.latency import latency, load_and_memory
from orchestrator.measurement.measurement import Json, Measurement
from orchestrator.measurement.parts import SINGLE_STREAM
from orchestrator.measurement.pipeline import pipeline
from orchestrator.measurement.sanity import sanity
from orchestrator.measurement.state import details, state_of_board
from orchestrator.measurement.sustained import sustained
from orchestrator.measurement.tags import delegate, model, tags_of
from orchestrator.measurement.throughput import per_process_ms, throughput
from orchestrator.sheet import Sheet
from orchestrator.verdict import judge


def measure(
    record: Json,
    *,
    manifest: Json,
    power: PowerProfile,
    cores: int | None,
    facts: Mapping[str, object] | None = None,
    mismatches: Sequence[str] = (),
    scenario: Scenario | None = None,
    batch_size: int = 1,
    axes: Mapping[str, str] | None = None,
    meter: MeterReadings | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    evaluation: Path | None = None,
) -> Measurement:
    """Compute everything that is published about one cell from its checked record.

    ``manifest`` is the artifact's, ``power`` the device's published watts (for the estimate only), ``cores`` of the
    board, ``facts`` the board's own (BOARD_FACTS of them become tags), ``mismatches`` what they say against the
    inventory (see ``declared``), ``scenario`` what was asked for (None: a single stream, of any number of runs),
    ``batch_size`` the samples of one call,
    ``axes`` the cell's own where its model is one of the catalogue (for the sanity band), ``meter`` what an instrument
    beside the board read, ``calibrations`` the lines of the board's own sensors, by their readers, ``evaluation`` the
    file of stored inputs that the board has answered.

    Raises MeasurementError if the record holds no measured process.
    """
    processes = record["processes"]
    if not processes or not all(p["invoke_ns"] for p in processes):
        raise MeasurementError("the record holds no timed run", hint="see log.txt of the cell")
    sheet = Sheet()
    medians_ms = per_process_ms(processes, SINGLE_STREAM)
    if min(medians_ms) <= 0:
        raise MeasurementError("the record holds durations of 0 ns: the clock of the board does not advance")
    mode = scenario.mode if scenario else SINGLE_STREAM
    latency(sheet, processes, medians_ms)
    throughput(sheet, processes, mode, batch_size)
    compared_ms = per_process_ms(processes, mode)
    sustained(sheet, record, processes, mode, batch_size)
    pipeline(sheet, processes)
    load_and_memory(sheet, processes)
    model(sheet, manifest)
    delegate(sheet, record["runtime"])
    state_of_board(sheet, record["state"], processes, cores)
    energy.measured(sheet, record["energy"], processes, meter, calibrations, record["state"]["samples"])
    energy.derived(sheet)
    energy.estimated(sheet, processes, power, cores)
    energy.operations(sheet, manifest)
    quality.judged(sheet, record, manifest, evaluation)
    tags_of(sheet, record, manifest, facts or {})
    sanity(sheet, axes, record["runtime"], facts or {})
    sheet.warnings.extend(mismatches)
    seen = evidence(sheet, record, processes, compared_ms, scenario)
    verdict = judge(seen | {"mismatches": len(mismatches)}, mode, details(record["state"]))
    sheet.tags["verdict"] = verdict.level
    if verdict.reasons:
        sheet.tags["verdict.reasons"] = "; ".join(verdict.reasons)
    return Measurement(
        sheet.metrics, sheet.missing, sheet.uncertainty, compared_ms, verdict, sheet.tags, tuple(sheet.warnings)
    )
