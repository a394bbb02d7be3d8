"""The contract between controller and board: version, words, the job and the record; imported by both sides."""

from __future__ import annotations

import json

from remote.contract_energy import ENERGY_RECORD, KINDS, MAX_SAMPLES, MAX_VALUES, MAX_WINDOWS, SCOPES, check_energy
from remote.contract_quality import DIGEST, QUALITY, QUALITY_JOB
from remote.contract_runtime import (
    ALL_DELEGATES,
    DELEGATE_STATES,
    DELEGATES,
    FORMATS,
    OPTIONS,
    RUNTIME,
    RUNTIME_FORMATS,
    RUNTIMES,
    SYSTEM_ONLY,
    WITH_LIBRARY,
    WITH_XNNPACK,
    XNNPACK,
)
from remote.schema import (
    ContractError,
    exactly,
    fields,
    flag,
    integer,
    integers,
    many,
    maybe,
    number,
    one_of,
    pair,
    text,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ALL_DELEGATES",
    "CONTRACT",
    "DELEGATES",
    "DELEGATE_STATES",
    "FORMATS",
    "KINDS",
    "MAX_SAMPLES",
    "MAX_VALUES",
    "MAX_WINDOWS",
    "RUNTIMES",
    "RUNTIME_FORMATS",
    "SCOPES",
    "SYSTEM_ONLY",
    "WITH_LIBRARY",
    "WITH_XNNPACK",
    "XNNPACK",
    "ContractError",
    "check_energy",
    "check_job",
    "check_profile",
    "check_record",
    "check_tune",
    "check_tuning",
    "parse_job",
    "parse_record",
]

CONTRACT = 5

MAX_RECORD_BYTES = 64 * 1024 * 1024
MAX_LOG_BYTES = 4 * 1024 * 1024  # as much of log.txt as is worth fetching
MAX_LINE_BYTES = 1024 * 1024  # of the stream protocol
MAX_TENSORS = 256
MAX_PROCESSES = 100

MODES = ("single_stream", "sustained", "offline")
PIPELINE = ("decode", "resize", "normalize", "set", "invoke", "get", "postprocess")
"""The steps of an application that classifies a photograph, in their order."""
RUNNING = "running"
DONE = "done"
FAILED = "failed"
DIED = "died"
LOST = "lost"
TIMED_OUT = "timed_out"
CANCELLED = "cancelled"
FINAL = (DONE, FAILED, DIED, LOST, TIMED_OUT, CANCELLED)

# Events of a job; none is written while a timed loop runs.
STARTED = "started"  # the benchmark runs
PROCESS = "process"  # a measuring process was started: number, of
COOLING = "cooling"  # the board is too warm for the next process: number, temperature_c, limit_c
LOADED = "loaded"  # it has loaded the model and begins its warm-up: number, load_ns, expected_s
MEASURED = "measured"  # it has ended: number
ENERGY = "energy"  # the energy pass begins: expected_s
ANSWERS = "answers"  # the stored inputs are answered: samples
PROFILE = "profile"  # the profile by operator begins
FINISHED = "finished"  # the last one: status, reason

RUN_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
ENV_NAME = r"[0-9a-f]{8,64}"
FACTS_SENTINEL = "@@edge-facts@@"

_ns = integer()
_seconds = number(0, 1e15)
_name = text(200)
_count = integer(0, 10**12)

_JOB = fields(
    {
        "version": exactly(CONTRACT),
        "run_id": text(100, RUN_ID),
        "cell_id": text(1000),
        "artifact": fields({"sha256": text(64, DIGEST), "format": one_of(*FORMATS)}),
        "env": maybe(text(64, ENV_NAME)),
        "runtime": one_of(*RUNTIMES),
        "threads": integer(1, 256),
        "xnnpack": one_of(*XNNPACK),
        "delegate": maybe(one_of(*ALL_DELEGATES)),  # required, where it is named
        "library": maybe(text(1000)),  # path on the board
        "options": OPTIONS,
        "quality": maybe(QUALITY_JOB),
        "seed": integer(0, 2**31 - 1),
        "scenario": fields(
            {
                "mode": one_of(*MODES),
                "processes": integer(1, MAX_PROCESSES),  # of this job, which may be a part of the cell's
                "cool_down_s": number(0, 3600),
                "warmup_s": number(0, 3600),
                "warmup_runs": integer(1, 100_000),
                "window_s": number(0.001, 7200),
                "max_window_s": number(0.001, 7200),
                "min_runs": integer(1, 1_000_000),
                "streams": integer(1, 256),
                "end_to_end_s": number(0, 3600),
                "pipeline_s": number(0, 3600),
                "image": pair(integer(16, 8192), integer(16, 8192)),  # width, height
                "profile_runs": integer(0, 100_000),
                "energy_s": number(0, 3600),  # of one window
                "energy_windows": integer(1, MAX_WINDOWS),
                "idle_s": number(0, 600),  # before the first window, and again after the last
            }
        ),
        "meter": flag,  # an instrument beside the board reads its power: the pass runs without a sensor, too
        # whose scope the inventory knows where a chip's name does not tell it: a glob of chip/label
        "sensor_scopes": many(fields({"match": _name, "scope": one_of(*SCOPES)}), 100),
        "first": integer(1, MAX_PROCESSES),  # the number of this job's first process among those of the cell
        "of": integer(1, MAX_PROCESSES),  # processes of the cell
        "cpus": many(integer(0, 4095), 4096),  # none: whatever the kernel chooses
        "cool_to_c": maybe(number(0, 150)),
        "deadline_s": number(0.1, 7 * 86400),
    }
)

_TENSORS = many(
    fields({"name": text(500), "shape": many(maybe(integer(0, 2**40)), 16), "dtype": text(40)}),
    MAX_TENSORS,
)

_PROCESS = fields(
    {
        "number": integer(1, MAX_PROCESSES),
        "cpus": many(integer(0, 4095), 4096),  # that the process was allowed to run on
        "streams": integer(1, 256),
        "import_ns": _ns,
        "load_ns": _ns,
        "first_ns": _ns,
        "warmup_runs": _count,
        "warmup_ns": _ns,
        "group": integer(1, 10**9),
        "invoke_ns": integers(MAX_VALUES),  # stream after stream
        "stream_values": many(_count, 256),  # how many of them each stream gave
        "window_ns": _ns,
        "cpu_ns": _ns,
        "end_to_end_ns": integers(MAX_VALUES),
        "end_to_end_group": integer(1, 10**9),
        "pipeline": maybe(fields({step: integers(MAX_VALUES) for step in PIPELINE})),
        "pipeline_reason": maybe(text(1000)),
        "clock_ns": _ns,
        "peak_rss_bytes": maybe(_count),
        "rss_loaded_bytes": maybe(_count),
        "rss_start_bytes": maybe(_count),
        "voluntary_switches": _count,
        "involuntary_switches": _count,
        "output_sha256": text(64, DIGEST),
        "output_finite": flag,
        "begin_s": _seconds,
        "end_s": _seconds,
    }
)

_SAMPLE = fields(
    {
        "t_s": _seconds,
        "temperature_c": maybe(number(-100, 300)),
        "cpu_mhz": maybe(many(number(0, 100_000), 1024)),
        "throttled": maybe(integer(0, 2**32 - 1)),
        "governor": maybe(text(60)),
        "gpu_mhz": maybe(number(0, 100_000)),
        "fan_rpm": maybe(number(0, 1e6)),
        "over_current": maybe(_count),  # events so far, of all counters
        "throttle_events": maybe(_count),  # of the CPU so far
        "involuntary_switches": maybe(_count),  # of the measuring process so far
        "cpu_busy": maybe(number(0, 1)),
        "own_busy": maybe(number(0, 1)),
    }
)

_GATE = fields(
    {
        "number": integer(1, MAX_PROCESSES),  # of the process that waited
        "begin_s": _seconds,
        "waited_s": _seconds,
        "limit_c": number(0, 150),
        "temperature_c": maybe(number(-100, 300)),  # at its end
        "passed": flag,
    }
)

_TUNED = fields(
    {
        "setting": _name,
        "wanted": _name,
        "before": maybe(_name),
        "now": maybe(_name),
        "reason": maybe(text(1000)),  # why it is not as wanted
    }
)

_STATE = fields(
    {
        "samples": many(_SAMPLE, MAX_SAMPLES),
        "missing": texts(20, 500),
        # the clocks that the CPUs are meant to keep, as in cpu_mhz; null for one that may change its clock
        "pinned_mhz": maybe(many(maybe(number(0, 100_000)), 1024)),
        "gates": many(_GATE, MAX_PROCESSES),
        "tuning": many(_TUNED, 100),
    }
)

_OPERATOR = fields(
    {
        "type": _name,
        "provider": maybe(_name),  # what executed it: a delegate or an execution provider
        "count": number(0, 1e12),  # per run; not whole where a graph branches
        "total_ns": _ns,  # of all runs
    }
)

_PROFILE = fields({"tool": _name, "runs": integer(1, 100_000), "operators": many(_OPERATOR, 10_000)})

_ERROR = fields({"type": _name, "message": text(4000), "traceback": text(20_000), "phase": text(60)})

_RECORD = fields(
    {
        "version": exactly(CONTRACT),
        "run_id": text(100, RUN_ID),
        "cell_id": text(1000),
        "artifact_sha256": text(64, DIGEST),
        "started_at": _seconds,
        "finished_at": _seconds,
        "boot_id": text(100),
        "runtime": maybe(RUNTIME),  # null only beside an error: it never got so far
        "inputs": _TENSORS,
        "outputs": _TENSORS,
        "processes": many(_PROCESS, MAX_PROCESSES),
        "state": _STATE,
        "energy": ENERGY_RECORD,
        "quality": maybe(QUALITY),
        "quality_reason": maybe(text(1000)),
        "profile": maybe(_PROFILE),
        "profile_reason": maybe(text(1000)),
        "error": maybe(_ERROR),
    }
)


_TUNE = fields(
    {
        "governor": maybe(text(30, r"[a-z_]+")),
        "cpu_mhz": maybe(number(1, 100_000)),
        "power_mode": maybe(text(60, r"[A-Za-z0-9_]+")),
        "jetson_clocks": flag,
        "fan": maybe(integer(0, 100)),
        "cpus": many(integer(0, 4095), 4096),  # whose clock cpu_mhz is; none: of all
    }
)


def check_tune(data: object) -> dict[str, Any]:
    """The settings that a session asks for; raises :class:`ContractError`."""
    settings: dict[str, Any] = _TUNE(data, "settings")
    return settings


def check_tuning(data: object) -> list[dict[str, Any]]:
    """What became of those settings; raises :class:`ContractError`."""
    outcomes: list[dict[str, Any]] = many(_TUNED, 100)(data, "tuning")
    return outcomes


def check_job(data: object) -> dict[str, Any]:
    """The job, checked; raises :class:`ContractError` naming the path of what is wrong."""
    job: dict[str, Any] = _JOB(data, "job")
    runtime, form = job["runtime"], job["artifact"]["format"]
    if form not in RUNTIME_FORMATS[runtime]:
        raise ContractError("job.runtime", "%s does not execute %s" % (runtime, form))
    if job["delegate"] is not None and job["delegate"] not in DELEGATES[runtime]:
        raise ContractError("job.delegate", "%s has no delegate %s" % (runtime, job["delegate"]))
    return job


def check_profile(data: object) -> None:
    """The record's ``profile`` alone; raises :class:`ContractError`."""
    maybe(_PROFILE)(data, "record.profile")


def check_record(data: object) -> dict[str, Any]:
    """The record, checked in form and for what it promises together; raises :class:`ContractError`."""
    record: dict[str, Any] = _RECORD(data, "record")
    if record["error"] is None:
        if record["runtime"] is None or not record["processes"]:
            raise ContractError("record", "neither an error nor a measurement")
        for index, process in enumerate(record["processes"]):
            if not process["invoke_ns"]:
                raise ContractError("record.processes[%d].invoke_ns" % index, "no value was measured")
            if sum(process["stream_values"]) != len(process["invoke_ns"]):
                raise ContractError("record.processes[%d].stream_values" % index, "they are not those of invoke_ns")
    return record


def _parsed(raw: bytes, what: str, limit: int) -> object:
    if len(raw) > limit:
        raise ContractError(what, "%d bytes are more than the %d allowed" % (len(raw), limit))
    try:
        return json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ContractError(what, "no JSON: %s" % error) from error


def parse_job(raw: bytes) -> dict[str, Any]:
    """The job from its file's bytes."""
    return check_job(_parsed(raw, "job", MAX_LINE_BYTES))


def parse_record(raw: bytes) -> dict[str, Any]:
    """The record from its file's bytes, which come from a board and are not trusted."""
    return check_record(_parsed(raw, "record", MAX_RECORD_BYTES))
