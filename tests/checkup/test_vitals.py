"""What the state of a board means, from values in the real form."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.checkup import NOTE, OK, PROBLEM, UNKNOWN, Golden, fixes, readiness, vitals
from orchestrator.checkup.check import Check, Findings
from orchestrator.checkup.history import Golden as Kept
from orchestrator.checkup.history import append, judged, read
from orchestrator.device import Board, Device, Tune
from orchestrator.lab import LAB_VARIABLE

BOARD = Board(Device("pi4", ["pi@10.0.0.7:2222"], identity_file="/keys/lab key"), "pi@10.0.0.7:2222")
STATE: dict[str, Any] = {
    "temperature_c": 45.0,
    "cpu_mhz": [600.0],
    "governor": "ondemand",
    "governors": ["ondemand", "performance"],
    "throttled": 0,
    "gpu_mhz": None,
    "fan_rpm": None,
    "over_current": None,
    "throttle_events": None,
    "supply_ma": None,
    "rtc": False,
    "serial": "1000",
    "may_tune": False,
    "missing": {},
    "time_s": 1000.0,
}


@pytest.mark.parametrize(
    ("sent_s", "received_s", "level"),
    [
        (1000.0, 1000.4, OK),
        (998.1, 998.1, OK),
        (996.0, 996.4, NOTE),
        (1003.0, 1003.0, NOTE),
        (993.0, 1005.0, OK),  # so slow an answer tells nothing better
        (900.0, 900.2, PROBLEM),
        (1100.0, 1100.2, PROBLEM),
    ],
)
def test_the_clock_is_known_to_half_of_the_round_trip(sent_s: float, received_s: float, level: str) -> None:
    assert vitals.clock(BOARD, STATE, sent_s, received_s).level == level


def test_a_clock_without_a_battery_can_be_set_from_here() -> None:
    fix = vitals.clock(BOARD, STATE, 5000.0, 5000.1).fix or ""
    assert "sudo timedatectl set-ntp true" in fix and "-p 2222 pi@10.0.0.7 'sudo date -u -s' \"@$(date +%s)\"" in fix
    assert "date -u -s" not in (vitals.clock(BOARD, {**STATE, "rtc": True}, 5000.0, 5000.1).fix or "")


@pytest.mark.parametrize(("celsius", "level"), [(60.0, OK), (60.1, NOTE), (75.0, NOTE), (75.1, PROBLEM)])
def test_the_temperature(celsius: float, level: str) -> None:
    assert vitals.temperature(BOARD, {**STATE, "temperature_c": celsius}).level == level


def test_the_governor() -> None:
    note = vitals.governor(BOARD, STATE)
    assert note.level == NOTE and "sudoers.d/edge-orchestrator" in (note.fix or "")
    assert "sudo" not in (vitals.governor(BOARD, {**STATE, "may_tune": True}).fix or "")
    assert vitals.governor(BOARD, {**STATE, "governor": "performance"}).level == OK
    assert vitals.governor(BOARD, {**STATE, "governors": ["schedutil"]}).fix is None
    assert vitals.governor(BOARD, {**STATE, "governor": None}).level == UNKNOWN
    tuned = Board(replace(BOARD.device, tune=Tune(governor="performance")), BOARD.host)
    assert vitals.governor(tuned, {**STATE, "may_tune": True}).level == OK
    assert vitals.governor(tuned, STATE).level == NOTE


@pytest.mark.parametrize(
    ("bits", "throttling", "supply"),
    [
        (0x0, (OK, "none since boot"), (OK, "no under-voltage since boot")),
        (0x20000, (NOTE, "since boot its clock was capped"), (OK, "no under-voltage since boot")),
        (
            0xE0000,
            (NOTE, "since boot its clock was capped; since boot it was throttled; since boot its soft"),
            (OK, ""),
        ),
        (0x4, (PROBLEM, "now: it is throttled"), (OK, "")),
        (0x10000, (OK, "none since boot"), (PROBLEM, "under-voltage since boot: a weak supply or cable")),
        (0x50005, (PROBLEM, "now: it is throttled"), (PROBLEM, "under-voltage now: a weak supply or cable")),
    ],
)
def test_the_bits_of_a_raspberry_pi(bits: int, throttling: tuple[str, str], supply: tuple[str, str]) -> None:
    state = {**STATE, "throttled": bits}
    for check, (level, words) in (
        (vitals.throttling(BOARD, state), throttling),
        (vitals.supply(BOARD, state), supply),
    ):
        assert check.level == level and check.found.startswith(words), check


def test_counters_of_others_and_a_supply_that_promises_little() -> None:
    jetson = vitals.throttling(BOARD, {**STATE, "throttled": None, "over_current": 7})
    assert jetson.level == NOTE and jetson.found == "7 over-current events since boot"
    x86 = vitals.throttling(BOARD, {**STATE, "throttled": None, "throttle_events": 0})
    assert (x86.level, x86.found) == (OK, "none since boot")
    assert vitals.throttling(BOARD, {**STATE, "throttled": None}).level == UNKNOWN
    assert vitals.supply(BOARD, {**STATE, "throttled": None}).level == UNKNOWN
    assert vitals.supply(BOARD, {**STATE, "supply_ma": 3000}).level == NOTE
    assert vitals.supply(BOARD, {**STATE, "supply_ma": 5000}).found == "no under-voltage since boot; it promised 5 A"


def test_commands_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LAB_VARIABLE, "/my lab")
    assert fixes.ours(BOARD, "enrol") == "python -m orchestrator --config-dir '/my lab' enrol device=pi4"
    assert fixes.on_board(BOARD, "ls ~") == "ssh -t -i '/keys/lab key' -p 2222 pi@10.0.0.7 'ls ~'"
    copy, install = fixes.allow_tuning(BOARD).splitlines()
    words = shlex.split(copy)
    assert words[:5] == ["scp", "-i", "/keys/lab key", "-P", "2222"] and words[-1] == "pi@10.0.0.7:"
    assert Path(words[5]).read_text().startswith("#!/bin/sh")
    assert "install -o root -g root -m 755 edge-orchestrator-tune /usr/local/sbin/" in shlex.split(install)[-1]
    local = Board(Device("local", ["local"]), "local")
    assert fixes.on_board(local, "ls ~") == "ls ~"
    six = Board(Device("six", ["[fe80::1]:22"]), "[fe80::1]:22")
    assert fixes.on_board(six, "true") == "ssh -t fe80::1 true"
    assert shlex.split(fixes.allow_tuning(six).splitlines()[0])[-1] == "[fe80::1]:"


def test_space_and_memory() -> None:
    class Facts:
        workdir, envs, disk_free_bytes = "/w", set[str](), 150_000_000
        available_memory_bytes: int | None = 90_000_000
        memory_bytes = 500_000_000

    facts: Any = Facts()
    assert readiness.folder(BOARD, facts).level == PROBLEM
    facts.envs = {"e"}
    assert readiness.folder(BOARD, facts).level == NOTE  # the runtime is there
    facts.disk_free_bytes = 20_000_000
    assert readiness.folder(BOARD, facts).level == PROBLEM
    facts.disk_free_bytes = None
    assert readiness.folder(BOARD, facts).level == UNKNOWN
    assert readiness.memory(BOARD, facts).level == PROBLEM
    facts.available_memory_bytes = 200_000_000
    assert readiness.memory(BOARD, facts).level == NOTE
    facts.available_memory_bytes = None
    assert readiness.memory(BOARD, facts).level == UNKNOWN


KEPT = Kept("pi4", "10.0.0.7", "pi", "1000", 1.0, 2.0, "litert", "2.3.0", "f" * 64)


def test_a_latency_against_those_before() -> None:
    before = [replace(KEPT, latency_ms=ms) for ms in (1.9, 2.0, 2.1)]
    cases = [(2.0, OK), (2.39, OK), (2.5, NOTE), (3.9, NOTE), (4.1, PROBLEM)]
    assert [judged(replace(KEPT, latency_ms=ms), before)[0] for ms, _ in cases] == [level for _, level in cases]
    assert judged(replace(KEPT, latency_ms=9.0), before[:2])[0] == NOTE
    assert judged(KEPT, []) == (OK, "the first one here")
    others = [replace(one, **change) for one in before for change in ({"serial": "2"}, {"model": "0" * 64})]
    others += [replace(one, runtime="tflite_runtime") for one in before]
    others += [replace(one, level=PROBLEM) for one in before]
    assert judged(replace(KEPT, latency_ms=9.0), others) == (OK, "the first one here")


def test_damaged_lines_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "golden.jsonl"
    assert read(path) == []
    append(path, KEPT)
    with path.open("ab") as file:
        file.write(
            b'\xff\xfe{"version": 1}\n[3]\n{"version": 2}\n{}\nnull\n\n' + b"[" * 100_000 + b'\n{"version": 1, "dev'
        )
    append(path, replace(KEPT, latency_ms=3.0))
    whole = path.read_text(errors="replace")
    with path.open("ab") as file:
        file.write(whole.splitlines()[0].replace('"latency_ms": 2.0', '"latency_ms": NaN').encode() + b"\n")
    assert [one.latency_ms for one in read(path)] == [2.0, 3.0]


def test_the_golden_model_is_whole_and_has_no_path_of_anybody() -> None:
    golden = Golden.shipped()
    artifact = golden.artifact
    assert hashlib.sha256(artifact.path.read_bytes()).hexdigest() == artifact.sha256
    assert artifact.evaluation is not None
    told = artifact.manifest["evaluation"]
    assert hashlib.sha256(artifact.evaluation.read_bytes()).hexdigest() == told["sha256"]
    with np.load(artifact.evaluation) as inputs:
        assert inputs.files
    text = artifact.path.with_name("manifest.json").read_text()
    assert "/home" not in text and "/tmp" not in text and "/root" not in text
    assert artifact.size_bytes + told["size_bytes"] < 200_000


def test_what_a_board_says_stays_text() -> None:
    findings = Findings(BOARD, ["ssh", "golden"])
    findings.add(Check("ssh", PROBLEM, "\x1b[31mred\nline", "one\ntwo\x07"))
    (first, second) = findings.examination().checks
    assert (first.found, first.fix) == (" [31mred line", "one\ntwo ")
    assert second.found == "not reached: see ssh"
