"""The contract: what is taken, what is refused, and how the refusal reads."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from remote import contract
from remote.contract import ContractError, check_job, check_record, parse_record
from remote.schema import clean, cleaned
from tests.measurement.records import make_energy_pass

JOB: dict[str, Any] = {
    "version": 5,
    "run_id": "run-1",
    "cell_id": "local/tiny/none",
    "artifact": {"sha256": "a" * 64, "format": "tflite"},
    "env": "e" * 16,
    "runtime": "litert",
    "threads": 1,
    "xnnpack": "auto",
    "delegate": None,
    "library": None,
    "options": [],
    "quality": None,
    "seed": 0,
    "scenario": {
        "processes": 3,
        "mode": "single_stream",
        "cool_down_s": 0.0,
        "max_window_s": 600.0,
        "streams": 1,
        "pipeline_s": 0.0,
        "image": [1280, 720],
        "profile_runs": 0,
        "warmup_s": 0.5,
        "warmup_runs": 3,
        "window_s": 2.0,
        "min_runs": 10,
        "end_to_end_s": 0.5,
        "energy_s": 5.0,
        "energy_windows": 3,
        "idle_s": 2.0,
    },
    "meter": False,
    "sensor_scopes": [],
    "first": 1,
    "of": 3,
    "cpus": [],
    "cool_to_c": None,
    "deadline_s": 300.0,
}

PROCESS: dict[str, Any] = {
    "number": 1,
    "cpus": [0, 1],
    "streams": 1,
    "pipeline": None,
    "pipeline_reason": None,
    "import_ns": 1,
    "load_ns": 1,
    "first_ns": 1,
    "warmup_runs": 3,
    "warmup_ns": 1,
    "group": 1,
    "invoke_ns": [1000000, 1000001],
    "stream_values": [2],
    "window_ns": 2000001,
    "cpu_ns": 1,
    "end_to_end_ns": [],
    "end_to_end_group": 1,
    "clock_ns": 70,
    "peak_rss_bytes": 1,
    "rss_loaded_bytes": 1,
    "rss_start_bytes": None,
    "voluntary_switches": 0,
    "involuntary_switches": 0,
    "output_sha256": "b" * 64,
    "output_finite": True,
    "begin_s": 1.5,
    "end_s": 2.5,
}

RECORD: dict[str, Any] = {
    "version": 5,
    "run_id": "run-1",
    "cell_id": "local/tiny/none",
    "artifact_sha256": "a" * 64,
    "started_at": 1.0,
    "finished_at": 2.0,
    "boot_id": "x",
    "runtime": {
        "name": "litert",
        "version": "2.3.0",
        "numpy": "2.4.6",
        "python": "3.11.7",
        "pillow": None,
        "processor": None,
        "engine": None,
        "threads": 1,
        "delegate": {
            "requested": "auto",
            "name": "XNNPACK",
            "state": "engaged",
            "partitions": 1,
            "nodes": 5,
            "delegated_nodes": 5,
            "placement": [{"provider": "XNNPACK", "nodes": 5}],
            "reason": None,
        },
    },
    "inputs": [{"name": "x", "shape": [1, 2], "dtype": "float32"}],
    "outputs": [],
    "processes": [PROCESS],
    "state": {
        "samples": [],
        "missing": {"throttled": "no Raspberry Pi firmware"},
        "pinned_mhz": None,
        "gates": [],
        "tuning": [],
    },
    "energy": {"sensors": [], "pass": None, "reason": "not asked for"},
    "profile": None,
    "profile_reason": "not asked for",
    "quality": None,
    "quality_reason": "not asked for",
    "error": None,
}


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one place set; a number in the path is an index."""
    result = copy.deepcopy(data)
    place: Any = result
    *way, last = path.split(".")
    for word in way:
        place = place[int(word) if word.isdigit() else word]
    place[int(last) if last.isdigit() else last] = value
    return result


def test_a_good_job_and_record_come_back_equal() -> None:
    assert check_job(JOB) == JOB
    assert check_record(RECORD) == RECORD
    assert parse_record(json.dumps(RECORD).encode()) == RECORD


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("threads", 0, "job.threads: 0 is no whole number from 1 to 256"),
        ("threads", True, "job.threads"),
        ("threads", 1.0, "job.threads"),
        ("run_id", "../../etc", "job.run_id"),
        ("run_id", "", "job.run_id"),
        ("env", "..", "job.env"),
        ("artifact.sha256", "A" * 64, "job.artifact.sha256"),
        ("runtime", "torch", "job.runtime: 'torch' is none of litert, tflite_runtime, onnxruntime"),
        ("scenario.window_s", float("nan"), "job.scenario.window_s: nan is no finite number"),
        ("scenario.window_s", float("inf"), "job.scenario.window_s"),
        ("scenario.more", 1, "job.scenario: unknown key 'more'"),
        ("version", 1, "job.version: 1 is not 5"),
        ("scenario", [], "job.scenario: list is no object"),
    ],
)
def test_a_bad_job_is_refused_by_its_path(path: str, value: Any, says: str) -> None:
    with pytest.raises(ContractError) as refused:
        check_job(changed(JOB, path, value))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("processes.0.invoke_ns.1", -5, "record.processes[0].invoke_ns[1]"),
        ("processes.0.invoke_ns.1", 1.5, "record.processes[0].invoke_ns[1]"),
        ("processes.0.invoke_ns", [], "record.processes[0].invoke_ns: no value was measured"),
        ("processes.0.output_finite", 1, "record.processes[0].output_finite"),
        ("processes", [], "record: neither an error nor a measurement"),
        ("processes", [PROCESS] * 101, "record.processes: a list of 101"),
        ("runtime", None, "record: neither an error nor a measurement"),
        ("runtime.version", "x" * 201, "record.runtime.version"),
        ("runtime.delegate.state", "certainly", "record.runtime.delegate.state"),
        ("inputs.0.shape", [1] * 17, "record.inputs[0].shape"),
        ("state.missing", {"a": 1}, "record.state.missing.a"),
        ("energy.pass", {}, "record.energy.pass: key 'idle' is missing"),
        ("cell_id", None, "record.cell_id"),
    ],
)
def test_a_bad_record_is_refused_by_its_path(path: str, value: Any, says: str) -> None:
    with pytest.raises(ContractError) as refused:
        check_record(changed(RECORD, path, value))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("windows.1.end_s", 0.0, r"windows\[1\]: it ends at 0.0 s, and begins at"),
        ("windows.0.inferences", 10**12, r"windows\[0\].inferences: 1000000000000 are not the 121 of invoke_ns"),
        ("windows.2.invoke_ns", [0] * 121, r"windows\[2\].invoke_ns: they took no time"),
        ("idle.0.end_s", 2000.0, r"idle\[0\]: it ends"),
        ("traces.0.points.3", [2000.3, -10_001], r"traces\[0\].points\[3\]\[1\]: no board takes -10001 W"),
    ],
)
def test_a_pass_that_cannot_be_is_refused_by_its_path(path: str, value: Any, says: str) -> None:
    good = {"sensors": [], "pass": make_energy_pass(), "reason": None}
    contract.check_energy(good)
    with pytest.raises(ContractError, match=says):
        contract.check_energy(changed(good, f"pass.{path}", value))
    contract.check_energy(changed(changed(good, "pass.traces.0.kind", "counter"), "pass.traces.0.points", [[1.0, 1e6]]))


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"[" * 100_000, b"{}", b"null", b'{"version": NaN}', b'"' * 9])
def test_garbage_is_a_contract_error_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(ContractError):
        parse_record(raw)


def test_a_number_in_json_that_is_not_finite_is_refused() -> None:
    raw = json.dumps(RECORD).replace('"begin_s": 1.5', '"begin_s": Infinity').encode()
    with pytest.raises(ContractError, match=r"record.processes\[0\].begin_s"):
        parse_record(raw)


def test_a_record_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_RECORD_BYTES", 100)
    with pytest.raises(ContractError, match="more than the 100 allowed"):
        parse_record(json.dumps(RECORD).encode())


TERMINAL = ["\ud800", "x\udfff", "\x1b[2J", "\r", "\0", "\x7f", "\x9b31m", "\x0b"]


@pytest.mark.parametrize("bad", TERMINAL, ids=ascii)
@pytest.mark.parametrize(
    "path",
    ["cell_id", "boot_id", "inputs.0.name", "runtime.version", "runtime.delegate.reason", "energy.reason"],
)
def test_text_that_breaks_files_or_terminals_is_refused(path: str, bad: str) -> None:
    raw = json.dumps(changed(RECORD, path, f"a{bad}b")).encode()
    with pytest.raises(ContractError, match="control character or half a surrogate pair") as refused:
        parse_record(raw)
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("bad", TERMINAL, ids=ascii)
def test_neither_may_a_key_or_a_job_hold_it(bad: str) -> None:
    for refused in (changed(RECORD, "state.missing", {bad: "x"}), changed(RECORD, "state.missing", {"x": bad})):
        with pytest.raises(ContractError):
            check_record(refused)
    with pytest.raises(ContractError):
        check_job(changed(JOB, "cell_id", bad))
    with pytest.raises(ContractError) as unknown:
        check_record({**RECORD, bad: 1})
    assert str(unknown.value).isprintable()


def test_lines_tabs_and_every_script_are_text() -> None:
    said = "a\n\tb \u00e4\u4e2d\u00a0\U0001f600\u2028"
    assert check_record(changed(RECORD, "energy.reason", said))["energy"]["reason"] == said
    assert clean(said) == said
    assert clean(said, 3) == said[:3]


def test_the_writer_escapes_what_the_reader_refuses() -> None:
    assert clean("a\udc80b\x1b[2J\rc\r\nd\x9b\0") == "a\\udc80b\\x1b[2J\\x0dc\nd\\x9b\\x00"
    assert clean("\x1b" * 300, 200) == ("\\x1b" * 50)
    dirty = {"a\x1b": ["\ud800", {"b": "\0"}], "n": [1, 2], "x": None}
    assert cleaned(dirty) == {"a\\x1b": ["\\ud800", {"b": "\\x00"}], "n": [1, 2], "x": None}
