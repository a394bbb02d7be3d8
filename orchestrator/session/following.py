"""Following a job to its end, across lost links, and taking its record home."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from orchestrator.energy import MeterReadings
from orchestrator.errors import ConnectionFailed, Interrupted, MeasurementError, TransferFailed
from orchestrator.session.job import ended, phase
from orchestrator.session.link import LINK_LOST, Link, Progress
from orchestrator.session.metering import Metering
from remote import contract

GRACE_S = 60.0
"""The board enforces the deadline; the controller gives up only this much later."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished cell as the board left it: the checked record, its log, and with what it ran."""

    record: dict[str, Any]
    log: str
    runtime: str
    environment: str | None
    meter: MeterReadings | None = None  # of an instrument beside the board, in the part that has the energy pass


def follow(link: Link, run_id: str, limit_s: float, meter: Metering | None, progress: Progress) -> dict[str, Any]:
    """Wait for the job's last event and return it; the meter is recorded from the energy pass on."""
    deadline = time.monotonic() + limit_s
    offset, following = 0, False
    while True:
        try:
            if link.stop.is_set():
                link.talk().request("cancel", run_id=run_id, timeout_s=15.0)
                raise Interrupted("stopped on the board")
            if not following:
                link.talk().request("follow", run_id=run_id, offset=offset)
                following = True
            if meter is not None:
                meter.sight(link.talk())
            message = link.talk().next_event(1.0)
        except LINK_LOST as error:
            if meter is not None:
                meter.away()
            link.reconnect(error, progress)
            following = False
            continue
        if message is not None and message.get("run_id") == run_id:
            offset = max(offset, whole(message.get("offset")))
            event = message["event"] if isinstance(message["event"], dict) else {}
            if event.get("event") == contract.FINISHED:
                return event
            progress(phase(event))
            if meter is not None and event.get("event") == contract.ENERGY:
                meter.begin()
        if time.monotonic() > deadline:
            raise ConnectionFailed(f"no final word on {run_id} {limit_s:.0f} s after its start")


def collect(
    link: Link, run_id: str, final: dict[str, Any], runtime: str, environment: str | None, progress: Progress
) -> Outcome:
    """The record first: nothing that is wrong with the log may cost a measurement."""
    folder = f"{link.known_facts().workdir}/jobs/{run_id}"
    status, raw = str(final.get("status")), b""
    if status in (contract.DONE, contract.FAILED):
        raw = _read(link, f"{folder}/record.json", contract.MAX_RECORD_BYTES, progress)
    try:
        text = _read(link, f"{folder}/log.txt", contract.MAX_LOG_BYTES, progress).decode("utf-8", "replace")
    except TransferFailed as error:
        text = f"(the board's log could not be fetched: {error})"
    if not raw:
        raise ended(status, final, text)
    try:
        record = contract.parse_record(raw)
    except contract.ContractError as error:
        raise MeasurementError(f"the board answered with a record that is none: {error}") from error
    if record["run_id"] != run_id:
        raise MeasurementError("the board answered with the record of another run")
    return Outcome(record, text, runtime, environment)


def _read(link: Link, path: str, limit_bytes: int, progress: Progress) -> bytes:
    content: list[bytes] = []
    link.patiently(lambda: content.append(link.need_connection().get(path, limit_bytes=limit_bytes)), progress)
    return content[-1]


def whole(value: object) -> int:
    """A byte offset from the board, 0 if it is none."""
    return value if isinstance(value, int) and value >= 0 else 0
