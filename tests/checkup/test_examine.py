"""One board is examined over a real sshd, and whatever can be wrong with it is made wrong."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cell import Runtime
from orchestrator.checkup import NOTE, OK, PROBLEM, UNKNOWN, Check, Examination, Golden, examine, visit
from orchestrator.checkup.history import append, read
from orchestrator.device import Board, Meter, Tune
from orchestrator.errors import Interrupted
from orchestrator.session import Session, Workshop
from remote.hold import connect as holder_of
from tests.checkup.conftest import Python
from tests.remote.boards import eventually
from tests.remote.test_board import raspberry, write
from tests.sshd import Sshd, free_port, keygen

pytestmark = pytest.mark.usefixtures("home")


def examined(board: Board, workshop: Workshop, golden: Golden | None = None, **more: object) -> Examination:
    return examine(board, workshop, threading.Event(), golden, **more)  # type: ignore[arg-type]


def of(found: Examination, name: str) -> Check:
    return next(check for check in found.checks if check.name == name)


def levels(found: Examination) -> dict[str, str]:
    return {check.name: check.level for check in found.checks}


def is_free(board: Board) -> bool:
    connection = holder_of(board.hold)
    if connection is not None:
        connection.close()
    return connection is None


@contextmanager
def held(board: Board, workshop: Workshop) -> Iterator[Session]:
    """By somebody else."""
    session = Session(board, workshop, threading.Event())
    session.open(lambda _: None, 0.0)
    try:
        yield session
    finally:
        session.close()


def test_a_board_without_faults_passes(board: Board, workshop: Workshop, golden: Golden) -> None:
    said: list[str] = []
    found = examined(board, workshop, golden, progress=said.append)
    assert found.passed, found.why
    assert not found.problems
    assert [check.name for check in found.checks] == [
        *("ssh", "host key", "python", "work folder", "memory", "clock", "temperature", "governor", "throttling"),
        *("power supply", "sensors", "hold", "runtime", "delegate", "golden"),
    ]
    must = {"ssh", "host key", "python", "work folder", "clock", "hold", "runtime", "delegate", "golden"}
    assert {name for name, level in levels(found).items() if level == OK} >= must
    assert "127.0.0.1" in of(found, "ssh").found
    assert of(found, "runtime").found.startswith("litert ")
    assert "XNNPACK engaged" in of(found, "delegate").found
    assert found.facts["hostname"] == socket.gethostname() and found.facts["latency_ms"] > 0
    assert {"connecting", "reading its sensors", "measuring 2"} <= set(said)
    assert eventually(lambda: is_free(board))
    (kept,) = read(golden.kept or Path())
    assert (kept.board, kept.latency_ms, kept.level) == (board.name, found.facts["latency_ms"], OK)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["checks"][0]["name"] == "ssh"


def test_without_a_golden_benchmark_nothing_is_held(board: Board, workshop: Workshop) -> None:
    found = examined(board, workshop)
    assert found.passed and "golden" not in levels(found)
    assert of(found, "runtime").level == UNKNOWN and "litert" in of(found, "runtime").found


def test_an_open_session_is_used_and_stays_open(board: Board, workshop: Workshop, golden: Golden) -> None:
    with held(board, workshop) as session:
        found = examined(board, workshop, golden, session=session)
        assert found.passed and of(found, "hold").found == "ours", found.why
        assert session.need_connection().is_alive and not is_free(board)
        assert session.left("") == []


def test_a_host_key_that_nobody_has_pinned(sshd: Sshd, tmp_path: Path, workshop: Workshop, golden: Golden) -> None:
    found = examined(sshd.board(known_hosts=str(tmp_path / "none")), workshop, golden)
    assert not found.passed
    assert levels(found)["ssh"] == UNKNOWN
    key = of(found, "host key")
    assert key.level == PROBLEM and "is unknown" in key.found
    assert (key.fix or "").splitlines()[-1] == "python -m orchestrator enrol device=board"
    assert {check.found for check in found.checks[2:]} == {"not reached: see host key"}


def test_a_host_key_that_has_changed(sshd: Sshd, tmp_path: Path, workshop: Workshop) -> None:
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text().split()[:2]
    known = tmp_path / "known_hosts"
    known.write_text(f"{sshd.name} {' '.join(other)}\n")
    key = of(examined(sshd.board(known_hosts=str(known)), workshop), "host key")
    assert key.level == PROBLEM and "has changed" in key.found
    assert f"ssh-keygen -R '{sshd.name}'" in (key.fix or "") and "enrol device=board" in (key.fix or "")


def test_a_key_that_is_not_let_in(sshd: Sshd, tmp_path: Path, workshop: Workshop) -> None:
    found = examined(sshd.board(identity_file=str(keygen(tmp_path / "stranger"))), workshop)
    assert levels(found)["ssh"] == PROBLEM and levels(found)["host key"] == OK
    assert "ssh-copy-id" in (of(found, "ssh").fix or "")


def test_a_board_that_is_unplugged(sshd: Sshd, workshop: Workshop, golden: Golden) -> None:
    board = sshd.board()
    port = free_port()
    found = examined(Board(replace(board.device, hosts=[f"127.0.0.1:{port}"]), f"127.0.0.1:{port}"), workshop, golden)
    assert levels(found)["ssh"] == PROBLEM and "does not answer" in of(found, "ssh").found
    assert {check.level for check in found.checks[1:]} == {UNKNOWN}
    assert not found.passed and found.why.startswith("ssh: ")


def test_a_python_that_is_too_old(board: Board, workshop: Workshop, with_python: Python) -> None:
    old = with_python(board, 'exec python3 -c "import sys; sys.version_info = (3, 6, 9); exec(sys.stdin.read())"')
    found = examined(old, workshop)
    assert levels(found)["python"] == PROBLEM and levels(found)["ssh"] == OK
    assert "3.6.9" in of(found, "python").found and "uv python install" in (of(found, "python").fix or "")


def test_a_work_folder_that_cannot_be_written(sshd: Sshd, tmp_path: Path, workshop: Workshop, golden: Golden) -> None:
    (tmp_path / "file").touch()
    found = examined(sshd.board(workdir=str(tmp_path / "file" / "in it")), workshop, golden)
    assert levels(found)["work folder"] == PROBLEM and levels(found)["python"] == OK
    assert levels(found)["memory"] != UNKNOWN  # it was told all the same
    assert of(found, "golden").found == "not reached: see work folder"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Of 40 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_full(sshd: Sshd, small_disk: Path, workshop: Workshop, golden: Golden) -> None:
    found = examined(sshd.board(workdir=str(small_disk / "work")), workshop, golden)
    check = of(found, "work folder")
    assert check.level == PROBLEM and "a runtime and a model need 200 MB" in check.found
    assert (check.fix or "").splitlines()[0] == "python -m orchestrator board clean device=board"
    assert f"-i {sshd.user_key} -p {sshd.port} 127.0.0.1" in (check.fix or "")
    assert "-o UserKnownHostsFile=" in (check.fix or "") and "df --output=target" in (check.fix or "")
    assert levels(found)["hold"] == OK  # what needs no room was looked at
    assert of(found, "golden").level == UNKNOWN


def test_a_disk_without_room_for_the_program(sshd: Sshd, small_disk: Path, workshop: Workshop) -> None:
    (small_disk / "ballast").write_bytes(bytes(30 * 1024 * 1024))
    found = examined(sshd.board(workdir=str(small_disk / "work of mine")), workshop)
    check = of(found, "work folder")
    assert check.level == PROBLEM and "not enough space" in check.found
    *_, remote = shlex.split((check.fix or "").splitlines()[0])
    assert shlex.split(remote) == ["rm", "-rf", *(f"{small_disk}/work of mine/{name}" for name in ("envs", "blobs"))]
    assert of(found, "clock").found == "not reached: see work folder"


def test_a_board_that_somebody_else_holds(board: Board, workshop: Workshop, golden: Golden) -> None:
    with held(board, workshop):
        found = examined(board, workshop, golden)
    assert not found.passed and not found.problems
    assert of(found, "hold").level == NOTE and "since" in of(found, "hold").found
    assert "board release device=board" in (of(found, "hold").fix or "")
    assert of(found, "golden").level == UNKNOWN and of(found, "golden").found.startswith("not run: held by ")
    assert levels(found)["clock"] == OK  # what needs no hold is done
    assert read(golden.kept or Path()) == []


def test_the_hold_is_waited_for_where_the_device_says_so(board: Board, workshop: Workshop, golden: Golden) -> None:
    patient = Board(replace(board.device, wait_for_hold_s=60.0), board.host)
    with held(board, workshop) as other:

        def release(words: str) -> None:
            if words == "taking the hold":
                threading.Timer(0.5, other.close).start()

        found = examined(patient, workshop, golden, progress=release)
    assert found.passed and of(found, "golden").level in (OK, NOTE), found.why


def test_what_a_raspberry_pi_tells(
    board: Board, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "pi"
    raspberry(root / "sys")
    write(root / "sys/class/thermal/thermal_zone0/temp", 81234)
    cpufreq = root / "sys/devices/system/cpu/cpufreq/policy0"
    write(cpufreq / "scaling_governor", "ondemand")
    write(cpufreq / "scaling_available_governors", "ondemand performance powersave")
    power = root / "proc/device-tree/chosen/power/max_current"
    power.parent.mkdir(parents=True)
    power.write_bytes((3000).to_bytes(4, "big"))
    monkeypatch.setattr(visit, "ROOT", str(root))
    found = examined(board, workshop)
    assert of(found, "temperature").found == "81.2 °C: hot before anything runs, so it will throttle"
    assert of(found, "governor").level == NOTE and "device.tune.governor=performance" in (
        of(found, "governor").fix or ""
    )
    assert of(found, "throttling").level == PROBLEM and of(found, "throttling").found == "now: it is throttled"
    supply = of(found, "power supply")
    assert supply.level == PROBLEM
    assert supply.found == "under-voltage now: a weak supply or cable; it promised 3 A"
    assert {check.name for check in found.problems} == {"temperature", "throttling", "power supply"}


STATE = 'case "$*" in *" state "*) python3 "$@" | {filter}; exit ;; esac\nexec python3 "$@"'


def test_a_clock_that_is_wrong(board: Board, workshop: Workshop, with_python: Python) -> None:
    late = """python3 -c 'import json,sys; d=json.load(sys.stdin); d["ok"]["time_s"] -= 10800; print(json.dumps(d))'"""
    clock = of(examined(with_python(board, STATE.format(filter=late)), workshop), "clock")
    assert clock.level == PROBLEM and clock.found.startswith("3.0 h behind this machine's")
    assert "sudo timedatectl set-ntp true" in (clock.fix or "")


@pytest.mark.parametrize(
    "answer",
    [
        'sed s/\\"rtc\\":/\\"ttc\\":/',
        'sed \'s/"time_s": [0-9.]*/"time_s": NaN/\'',
        "head -c 20",
        """python3 -c 'print(input().replace(",", "," + 400000 * " ", 1))'""",  # JSON, and far too long
    ],
)
def test_an_answer_without_sense_is_a_problem_and_ends_nothing(
    board: Board, workshop: Workshop, with_python: Python, answer: str
) -> None:
    found = examined(with_python(board, STATE.format(filter=answer)), workshop)
    assert of(found, "clock").level == PROBLEM and "no sense" in of(found, "clock").found
    assert len(of(found, "clock").found) < 300
    assert {of(found, name).level for name in ("temperature", "power supply")} == {UNKNOWN}
    assert levels(found)["hold"] == OK


def test_sensors_that_answer_with_no_sense(board: Board, workshop: Workshop, with_python: Python) -> None:
    script = """case "$*" in *" power") read x; echo '{"found": {"sensors": 3, "traces": [], "reason": null}}'
read x; echo '{"clock": ["a", "b"]}'; exit ;; esac\nexec python3 "$@\""""
    found = examined(with_python(board, script), workshop)
    assert levels(found)["sensors"] == UNKNOWN and levels(found)["hold"] == OK


def test_a_runtime_that_cannot_be_imported(
    board: Board, workshop: Workshop, golden: Golden, with_python: Python
) -> None:
    own = replace(golden, runtime=Runtime("litert", ["litert"], install="system"))
    bare = with_python(board, 'exec python3 -S "$@"')
    found = examined(bare, workshop, own)
    assert levels(found)["runtime"] == PROBLEM, found.checks
    assert of(found, "golden").found == "not reached: see runtime"
    assert eventually(lambda: is_free(board))


def test_a_runtime_that_serves_no_such_board(board: Board, workshop: Workshop, golden: Golden) -> None:
    none = replace(golden, runtime=Runtime("onnxruntime", ["onnxruntime"]))
    found = examined(board, workshop, none)
    assert levels(found)["runtime"] == PROBLEM and "runtime=auto" in (of(found, "runtime").fix or "")


def test_a_runtime_for_another_format_is_replaced() -> None:
    assert Golden.shipped(Runtime("onnxruntime", ["onnxruntime"])).runtime.name == "auto"
    assert Golden.shipped(Runtime("tflite_runtime", ["tflite_runtime"])).runtime.name == "tflite_runtime"


def test_answers_that_are_wrong(board: Board, workshop: Workshop, golden: Golden) -> None:
    manifest = golden.artifact.manifest
    better = {**manifest, "training": {**manifest["training"], "test_accuracy": 0.99}}
    found = examined(board, workshop, replace(golden, artifact=replace(golden.artifact, manifest=better)))
    check = of(found, "golden")
    assert check.level == PROBLEM and "95.8% right, 99.0% where it was built" in check.found
    assert levels(found)["runtime"] == OK


def test_a_board_that_became_slow(board: Board, workshop: Workshop, golden: Golden) -> None:
    assert golden.kept is not None
    assert examined(board, workshop, golden).passed
    (first,) = read(golden.kept)
    golden.kept.unlink()
    append(golden.kept, replace(first, latency_ms=first.latency_ms / 50))
    found = examined(board, workshop, golden)
    assert of(found, "golden").level == NOTE  # one earlier is not enough to call it a problem
    golden.kept.write_text("")
    for _ in range(3):
        append(golden.kept, replace(first, latency_ms=first.latency_ms / 50))
    found = examined(board, workshop, golden)
    assert of(found, "golden").level == PROBLEM and not found.passed
    assert str(golden.kept) in (of(found, "golden").fix or "")
    assert read(golden.kept)[-1].level == PROBLEM


def test_latencies_that_cannot_be_kept_cost_no_verdict(board: Board, workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = examined(board, workshop, Golden.shipped(root=tmp_path / "file"))
    assert found.passed and "not kept" in of(found, "golden").found


def test_settings_that_the_board_refuses(board: Board, workshop: Workshop, golden: Golden) -> None:
    tuned = Board(replace(board.device, tune=Tune(power_mode="NOT_THERE")), board.host)
    settings = of(examined(tuned, workshop, golden), "settings")
    assert settings.level == NOTE and "NOT_THERE" in settings.found
    *_, last = (settings.fix or "").splitlines()
    assert "sudo visudo -c" in last and shlex.split(last)[0] == "ssh"


@pytest.mark.parametrize("at", ["connecting", "reading its state", "taking the hold", "measuring 1"])
def test_an_interrupt_leaves_no_hold(board: Board, workshop: Workshop, golden: Golden, at: str) -> None:
    stop = threading.Event()

    def interrupt(words: str) -> None:
        if words == at:
            stop.set()

    with pytest.raises(Interrupted):
        examine(board, workshop, stop, golden, interrupt)
    assert stop.is_set()
    assert eventually(lambda: is_free(board))


def test_an_interrupt_is_heard_without_a_benchmark(board: Board, workshop: Workshop) -> None:
    examined(board, workshop)  # else the upload of the program would hear it, too
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        examine(board, workshop, stop, None)


WATTS = "import time\nwhile True: print('- 4.5', flush=True); time.sleep(0.01)"


@pytest.mark.parametrize(
    ("code", "level", "words"),
    [
        (WATTS, OK, "(board_dc_in) 4.500 W"),
        ("import sys; sys.exit('unplugged')", NOTE, "unplugged; energy will be estimated, not measured"),
    ],
)
def test_a_meter_beside_it_is_read(board: Board, workshop: Workshop, code: str, level: str, words: str) -> None:
    meter = Meter("command", command=[sys.executable, "-c", code], scope="board_dc_in")
    found = examined(Board(replace(board.device, meter=meter), board.host), workshop)
    check = of(found, "meter")
    assert check.level == level and words in check.found
    assert levels(found)["sensors"] == OK and found.passed


def test_wheels_that_this_machine_cannot_fetch_are_no_fault_of_the_board(
    board: Board, workshop: Workshop, golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = examined(board, replace(workshop, cache=tmp_path / "empty"), golden)
    assert not found.passed and not found.problems
    assert of(found, "runtime").level == UNKNOWN and "could not be fetched" in of(found, "golden").found


def test_accelerators(board: Board, workshop: Workshop) -> None:
    declared = Board(replace(board.device, accelerators=["gpu", "dla", "npu", "abacus"]), board.host)
    found = examined(declared, workshop)
    told = {name: of(found, f"accelerator {name}") for name in ("gpu", "dla", "abacus")}
    assert told["gpu"].level == OK and "runtime=litert_gpu" in told["gpu"].found
    assert told["dla"].level == UNKNOWN and "runtime=tensorrt" in told["dla"].found
    assert told["abacus"].level == UNKNOWN
    assert found.passed
