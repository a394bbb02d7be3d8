"""The golden benchmark: a tiny model that ships with the orchestrator, through the whole chain, in about a second.

Session, runtime, deployment, run, record, measurement: what a cell of a sweep goes through, with an answer that is
known. The model is the one of ``model=digits``; :mod:`orchestrator.checkup.ship` made it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from orchestrator.artifact import Artifact
from orchestrator.cell import Cell, Model, Quality, Runtime, Scenario, Settings, Tracking
from orchestrator.checkup.history import GOLDEN_FILE
from orchestrator.device import Board, Meter
from orchestrator.errors import BenchmarkFailed, BoardError, BoardNotReady
from orchestrator.measurement import Measurement, measure
from orchestrator.optimization import Optimization
from orchestrator.provisioning import Facts
from orchestrator.session import Part, Session
from orchestrator.session.link import Progress
from remote.contract import RUNTIME_FORMATS

SHIPPED = Path(str(files("orchestrator.checkup").joinpath("shipped")))
AUTO = Runtime("auto", candidates=["litert", "tflite_runtime"])
SCENARIO = Scenario(
    "golden",
    processes=2,
    cool_down_s=0.0,
    warmup_s=0.1,
    window_s=0.5,
    max_window_s=5.0,
    end_to_end_s=0.0,
    energy_s=0.0,
    idle_s=0.0,
    timeout_s=120.0,
)
TOLERANCE = 0.01
"""Of accuracy, and of answers that are another than the float model's where it was built: one point."""


@dataclass(frozen=True, slots=True)
class Golden:
    """What is run and with which runtime, and the file that keeps the latencies (None: nowhere)."""

    artifact: Artifact
    runtime: Runtime
    kept: Path | None = None

    @classmethod
    def shipped(cls, runtime: Runtime | None = None, root: Path | None = None) -> Golden:
        """The model of the package, with ``runtime`` if that executes it, else with whatever serves the board.

        ``root``: where results lie; latencies are kept there, in ``lab/golden.jsonl``.
        """
        manifest = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))
        artifact = Artifact(
            manifest["key"], SHIPPED / "model.tflite", manifest["sha256"], manifest["size_bytes"], manifest
        )
        able = runtime is not None and any(artifact.format in RUNTIME_FORMATS.get(name, ()) for name in runtime.names)
        chosen = runtime if runtime is not None and able else AUTO
        return cls(artifact, chosen, root / GOLDEN_FILE if root is not None else None)

    @property
    def expected_top1(self) -> float:
        """The share of right answers where it was built."""
        return float(self.artifact.manifest["training"]["test_accuracy"])

    def board(self, board: Board) -> Board:
        """The board as it is used here: no energy is measured, and nothing waits for it to cool down."""
        return Board(replace(board.device, meter=Meter(), cool_to_c=None), board.host)

    def cell(self, board: Board) -> Cell:
        """As a cell of a sweep. Its directory is never written."""
        settings = Settings(
            self.board(board).device,
            Model("digits", "digits", weights="trained", input_size=8),
            Optimization("none"),
            self.runtime,
            SCENARIO,
            Tracking("none"),
            quality=Quality(),
        )
        return Cell(0, settings, Path())

    def run(self, session: Session, progress: Progress) -> tuple[dict[str, Any], Measurement]:
        """Through an open session: the checked record, and what it comes to.

        Raises:
            BoardNotReady: no runtime serves the board, or it cannot be imported there.
            BenchmarkFailed: the board says so.
            BoardError: as the class says.
            Interrupted: it was asked to end.
            MeasurementError: the record holds nothing to measure.
        """
        cell, run_id = self.cell(session.board), f"golden-{secrets.token_hex(8)}"
        session.deploy(cell, self.artifact, progress)
        outcome = session.run(cell, self.artifact, Part.whole(cell, run_id), progress)
        session.taken([run_id])
        error = outcome.record["error"]
        if error is not None:
            words = f"{error['message']} (in phase '{error['phase']}')"
            if outcome.record["runtime"] is None:
                raise BoardNotReady(f"the runtime cannot be used there: {words}", board=session.board.name)
            raise BenchmarkFailed(words, kind=error["type"], trace=error["traceback"] or "")
        return outcome.record, self._measured(session, outcome.record)

    def _measured(self, session: Session, record: dict[str, Any]) -> Measurement:
        facts: Facts | None = session.facts
        if facts is None:
            raise BoardError("the session lost its facts", board=session.board.name)
        return measure(
            record,
            manifest=self.artifact.manifest,
            power=session.board.power,
            cores=facts.cores,
            scenario=SCENARIO,
            evaluation=self.artifact.evaluation,
        )


def doubts(golden: Golden, record: dict[str, Any], measured: Measurement) -> list[str]:
    """Why its answers are not to be believed; none where they are."""
    processes, said = record["processes"], []
    if not all(process["output_finite"] for process in processes):
        said.append("its outputs are not finite")
    if len({process["output_sha256"] for process in processes}) > 1:
        said.append("its processes gave different outputs for one input")
    top1, agreement = (measured.metrics.get(f"quality/{name}") for name in ("top1", "top1_agreement"))
    if top1 is None or agreement is None:
        said.append(f"it answered no stored inputs: {record['quality_reason'] or 'no reason was given'}")
    elif abs(top1 - golden.expected_top1) > TOLERANCE or agreement < 1 - TOLERANCE:
        said.append(f"its answers are wrong: {top1:.1%} right, {golden.expected_top1:.1%} where it was built")
    return said
