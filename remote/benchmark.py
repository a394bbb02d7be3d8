"""The runner of a job: fresh measuring processes one after the other, board state beside them, one record."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress

from remote import contract
from remote.board import State
from remote.child import Worker, WorkerFailed
from remote.contract_quality import ANSWERS_START_S, LONGEST_ANSWERS_S, check_quality
from remote.files import is_full, write_json
from remote.gate import Coldest, Gate
from remote.jobs import NO_SPACE_STATUS, Paths
from remote.journal import cap_log
from remote.process import boot_id, die_with_parent
from remote.runtimes import LONGEST_PROFILE_S, PROFILE_START_S
from remote.schema import clean, cleaned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


PROFILE_SHARE = 0.8
"""Of the time that is left a profiler gets so much at most: the record is written after it."""


class _Events:
    """The pipe to the supervisor; stray prints go to the log instead."""

    def __init__(self) -> None:
        self._pipe = os.dup(1)
        os.dup2(2, 1)

    def emit(self, event: str, **more: Any) -> None:
        os.write(self._pipe, json.dumps(dict({"event": event, "at": time.time()}, **more)).encode() + b"\n")


class _Job:
    """One job from its file to its record."""

    def __init__(self, workdir: str, job: dict[str, Any], events: _Events, sys_root: str, tuning: Any = ()) -> None:
        self.job = job
        self.deadline_s = time.monotonic() + job["deadline_s"]
        self.scenario = job["scenario"]
        self.events = events
        self.workdir = workdir
        self.sys_root = sys_root
        self.tuning = list(tuning)
        self.state = State(sys_root, cpus=job["cpus"])
        coldest = Coldest(workdir, os.getppid())
        self.gate = Gate(job["cool_to_c"], self.scenario["cool_down_s"], self.state, coldest, self._cooling)
        self.folder = Paths(workdir, job["run_id"]).folder
        env = job["env"]
        self.order = {
            "mode": "latency",
            "parent": os.getpid(),
            "env": os.path.join(workdir, "envs", env) if env else None,
            "artifact": os.path.join(workdir, "blobs", job["artifact"]["sha256"]),
            "runtime": job["runtime"],
            "threads": job["threads"],
            "cpus": job["cpus"],
            "xnnpack": job["xnnpack"],
            "delegate": job["delegate"],
            "library": job["library"],
            "options": {option["name"]: option["value"] for option in job["options"]},
            "workdir": workdir,
            "seed": job["seed"],
            "scenario": job["scenario"],
        }
        self.record: dict[str, Any] = {
            "version": contract.CONTRACT,
            "run_id": job["run_id"],
            "cell_id": job["cell_id"],
            "artifact_sha256": job["artifact"]["sha256"],
            "started_at": time.time(),
            "finished_at": 0.0,
            "boot_id": boot_id(),
            "runtime": None,
            "inputs": [],
            "outputs": [],
            "processes": [],
            "state": {},
            "energy": {"sensors": [], "pass": None, "reason": "the measurement failed before"},
            "quality": None,
            "quality_reason": "not asked for",
            "profile": None,
            "profile_reason": "not asked for: profile_runs is 0",
            "error": None,
        }

    def run(self) -> dict[str, Any]:
        """Measure; whatever came of it is the record."""
        self.events.emit(contract.STARTED)
        try:
            for number in range(self.job["first"], self.job["first"] + self.scenario["processes"]):
                self._measure(number)
            self.record["energy"] = self._energy()
            self._answers()
            self._profile()
        except WorkerFailed as failed:
            self.record["error"] = failed.error
        self.state.fire(whole=True)
        self.record["state"] = dict(self.state.told(), gates=self.gate.outcomes, tuning=self.tuning)
        self.record["finished_at"] = time.time()
        return self.record

    def _measure(self, number: int) -> None:
        self.gate.wait(number)
        self.state.fire(whole=True)  # what was counted and set before is not of this process
        self.events.emit(contract.PROCESS, number=number, of=self.job["of"])
        worker = Worker(dict(self.order, number=number), self.state)
        loaded = worker.expect("loaded", self.state)["loaded"]
        expected_s = sum(self.scenario[key] for key in ("warmup_s", "window_s", "end_to_end_s", "pipeline_s"))
        self.events.emit(contract.LOADED, number=number, load_ns=loaded["load_ns"], expected_s=expected_s)
        message = worker.expect("process", self.state)
        worker.close()
        self.state.fire(whole=True)
        self.record["processes"].append(message["process"])
        first = self.record["runtime"]
        self.record.update(message["description"])
        if first is not None:
            self.record["runtime"]["engine"] = first["engine"]  # built by the first process, if by any
        self.events.emit(contract.MEASURED, number=number)

    def _cooling(self, **how: Any) -> None:
        self.events.emit(contract.COOLING, of=self.job["of"], **how)

    def _energy(self) -> dict[str, Any]:
        """In a pass of its own, so that the sensors' reads disturb no latency."""
        from remote.energy import measure_energy

        return measure_energy(self.job, self.order, self.state, self.sys_root, self.events.emit)

    def _answers(self) -> None:
        """Of the board to stored inputs, after everything that is timed. That there are none is a reason and no
        failure."""
        asked = self.job["quality"]
        if asked is None:
            return
        left_s = PROFILE_SHARE * max(0.0, self.deadline_s - time.monotonic())
        limit_s = min(LONGEST_ANSWERS_S + ANSWERS_START_S, left_s)
        self.events.emit(contract.ANSWERS, samples=asked["samples"])
        more = {
            "inputs": os.path.join(self.workdir, "blobs", asked["sha256"]),
            "inputs_sha256": asked["sha256"],
            "samples": asked["samples"],
            "limit_s": min(LONGEST_ANSWERS_S, limit_s / 2),
        }
        try:
            worker = Worker(dict(self.order, **more), self.state, verb="quality")
            said = worker.expect("quality", self.state, limit_s=limit_s)
            worker.close()
            check_quality(said["quality"])
            self.record.update(quality=said["quality"], quality_reason=said["reason"])
        except WorkerFailed as failed:
            self.record["quality_reason"] = clean("the answers failed: %s" % failed, 1000)
        except contract.ContractError as error:
            self.record["quality_reason"] = clean("the answers cannot be: %s" % error, 1000)

    def _profile(self) -> None:
        """Time by operator, after everything that is timed. That there is none, or that the profiler crashed or hangs,
        is a reason and no failure; what it wrote into the job's folder goes."""
        if self.scenario["profile_runs"] <= 0:
            return
        self.events.emit(contract.PROFILE)
        left_s = max(0.0, self.deadline_s - time.monotonic())
        limit_s = min(LONGEST_PROFILE_S + PROFILE_START_S, PROFILE_SHARE * left_s)
        try:
            worker = Worker(dict(self.order, folder=self.folder), self.state, verb="profile")
            said = worker.expect("profile", self.state, limit_s=limit_s)
            worker.close()
            contract.check_profile(said["profile"])
            self.record.update(profile=said["profile"], profile_reason=said["reason"])
        except WorkerFailed as failed:
            self.record["profile_reason"] = clean("the profiler failed: %s" % failed, 1000)
        except contract.ContractError as error:
            self.record["profile_reason"] = clean("the profile cannot be: %s" % error, 1000)
        for name in os.listdir(self.folder):
            if name.startswith("profile"):
                with suppress(OSError):
                    os.remove(os.path.join(self.folder, name))


def _fitting(record: dict[str, Any]) -> dict[str, Any]:
    """The record as the controller takes it. One that it would refuse becomes an error that says why, since a record
    that nobody can read looks like a lost one."""
    record = cleaned(record)
    try:
        contract.check_record(record)
        size = len(json.dumps(record, separators=(",", ":")))
        if size > contract.MAX_RECORD_BYTES:
            raise contract.ContractError("record", "%d bytes of %d; measure less" % (size, contract.MAX_RECORD_BYTES))
    except contract.ContractError as error:
        problem = {"type": "ContractError", "message": clean(str(error), 4000), "phase": "record"}
        problem["traceback"] = json.dumps(record["error"])[:20_000] if record["error"] else ""
        rest: dict[str, Any] = {"runtime": None, "inputs": [], "outputs": [], "processes": [], "error": problem}
        rest["boot_id"] = record["boot_id"][:100]
        rest["state"] = {"samples": [], "missing": {}, "pinned_mhz": None, "gates": [], "tuning": []}
        rest.update(profile=None, profile_reason=None, quality=None, quality_reason=None)
        rest["energy"] = {"sensors": [], "pass": None, "reason": "the record broke the contract"}
        return dict(record, **rest)
    return record


def _save(paths: Paths, record: dict[str, Any]) -> None:
    """A log that filled the disk is worth less than the record: it is cut, and then there may be room."""
    try:
        write_json(paths.record, record)
    except OSError:
        cap_log(paths.log)
        write_json(paths.record, record)


def main(arguments: list[str]) -> int:
    """Exit status 0: measured; 1: the record holds an error; :data:`NO_SPACE_STATUS`: there was no room for it.
    Anything else is the supervisor's to explain."""
    options = dict(zip(arguments[::2], arguments[1::2]))
    die_with_parent(int(options["--parent"]))
    workdir, sys_root = options["--workdir"], options.get("--sys-root", "/sys")
    events = _Events()
    paths = Paths(workdir, options["--run-id"])
    with open(paths.job, "rb") as stream:
        job = contract.parse_job(stream.read())
    tuning = json.loads(options.get("--tuning", "[]"))
    record = _fitting(_Job(workdir, job, events, sys_root, tuning).run())
    try:
        _save(paths, record)
    except OSError as error:
        if not is_full(error):
            raise
        return NO_SPACE_STATUS
    return 0 if record["error"] is None else 1
