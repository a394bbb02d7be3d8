"""What goes wrong is said in words that name the thing, fails its own cell only, and never shows a traceback."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sshd import Proxy, Sshd, free_port, keygen
from tests.sweeps.lab import Done, Lab, running

pytestmark = pytest.mark.slow
StartSshd = Callable[..., Sshd]


def unharmed(done: Done, device: str = "fine") -> None:
    """The other board got its number, and nobody saw a traceback."""
    assert done.by_device()[device]["status"] == "done", done.text
    assert "Traceback" not in done.text, done.text


def failure(done: Done, device: str) -> str:
    result = done.by_device()[device]
    assert result["status"] == "failed", done.text
    error = result["error"]
    return f"{error['type']}: {error['message']} ({error['hint']})"


def test_boards_that_are_no_use_do_not_stop_the_others(lab: Lab, start_sshd: StartSshd) -> None:
    server = start_sshd()
    lab.add("fine", server)
    lab.add("gone", server, hosts=[f"127.0.0.1:{free_port()}"], connect_timeout_s=1)
    lab.add("locked", server, identity_file=str(keygen(lab.folder / "other_key")), hold="test-locked")
    lab.add("stranger", server, known_hosts=str(lab.folder / "empty"))
    lab.add("changed", server, known_hosts=str(changed_key(lab, server)))
    lab.add("snakeless", server, python="/opt/nowhere/python3")
    lab.add("babbling", server, python="/bin/echo")
    lab.add("readonly", server, workdir="/proc/nowhere")
    devices = "fine,gone,locked,stranger,changed,snakeless,babbling,readonly"
    done = lab.run("-m", f"device={devices}", "model=digits")
    assert done.status == 2, done.text
    unharmed(done)
    assert "ConnectionFailed" in failure(done, "gone") and "refused" in failure(done, "gone")
    assert "AuthenticationFailed" in failure(done, "locked") and "ssh-copy-id" in failure(done, "locked")
    assert "HostKeyMismatch" in failure(done, "stranger") and "enrol device=stranger" in failure(done, "stranger")
    assert "HostKeyMismatch" in failure(done, "changed") and "SHA256:" in failure(done, "changed")
    assert "BoardNotReady" in failure(done, "snakeless") and "device.python" in failure(done, "snakeless")
    assert "BoardNotReady" in failure(done, "babbling")
    assert "BoardNotReady" in failure(done, "readonly") and "/proc/nowhere" in failure(done, "readonly")
    assert all(Path(r["error"]["log"]).is_file() for r in done.results() if r["error"])


def changed_key(lab: Lab, server: Sshd) -> Path:
    other = keygen(lab.folder / "another_host_key").with_suffix(".pub").read_text().split()
    path = lab.folder / "changed_known_hosts"
    path.write_text(f"{server.name} {other[0]} {other[1]}\n")
    return path


def test_model_files_that_are_none(lab: Lab) -> None:
    good = sorted((Path(__file__).parent.parent / "remote" / "data").glob("tiny_float.tflite"))[0]
    files = {"good": good.read_bytes(), "empty": b"", "torn": good.read_bytes()[:300], "text": b"hello " * 100}
    for name, content in files.items():
        (lab.folder / f"{name}.tflite").write_bytes(content)
    paths = ",".join(str(lab.folder / f"{name}.tflite") for name in [*files, "missing"])
    done = lab.run("-m", "model=file", f"model.path={paths}")
    assert done.status == 2, done.text
    assert "Traceback" not in done.text
    by_model = {r["axes"]["model"]: r for r in done.results()}
    assert by_model["good"]["status"] == "done", done.text
    for name in ("empty", "torn", "text", "missing"):
        assert by_model[name]["status"] == "failed"
        assert f"{name}.tflite" in by_model[name]["error"]["message"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["thread=3"], "did you mean 'threads'?"),
        (["threads=0"], "allowed is 1 to 256"),
        (["device=pi99"], "there is no device 'pi99'"),
        (["dance"], "unknown command 'dance'"),
        (["model=file"], "model.path"),
        (["model.application=NoSuchNet"], "NoSuchNet"),
        (["-m", "model=glob(zzz*)"], "the matrix is empty"),
        (["hydra.mode=RUN"], "hydra.mode"),
        (["enrol"], "device=NAME"),
    ],
)
def test_what_is_refused_before_anything_runs(lab: Lab, words: list[str], said: str) -> None:
    done = lab.finish(lab.start(*words))
    assert done.status == 1, done.text
    assert said in done.text
    assert "Traceback" not in done.text
    assert list(lab.root.iterdir()) == []


def test_require_xnnpack_where_it_cannot_engage(lab: Lab) -> None:
    model = Path(__file__).parent.parent / "remote" / "data" / "tiny_int32.tflite"
    done = lab.run("model=file", f"model.path={model}", "runtime.xnnpack=require")
    assert done.status == 2, done.text
    assert "DelegateNotEngaged" in done.text and "Traceback" not in done.text


def test_a_tracker_that_is_away_loses_nothing(lab: Lab) -> None:
    lab.tracking = "mlflow"
    lab.environment["MLFLOW_TRACKING_URI"] = f"http://me:s3cret@127.0.0.1:{free_port()}"
    done = lab.run("model=digits")
    assert done.status == 0, done.text
    assert "not in the tracker" in done.text
    assert done.results()[0]["status"] == "done"
    assert done.sweep is not None
    assert not any("s3cret" in path.read_text(errors="replace") for path in done.sweep.rglob("*") if path.is_file())
    assert "s3cret" not in done.text
    del lab.environment["MLFLOW_TRACKING_URI"]
    later = lab.finish(lab.start("sync"))
    assert later.status == 0, later.text
    assert (done.sweep / "0" / "delivered.json").is_file()


def test_a_held_board_is_busy_or_waited_for(lab: Lab, start_sshd: StartSshd) -> None:
    server = start_sshd()
    lab.add("fine", server)
    long = ["scenario.processes=1", "scenario.window_s=6", "scenario.energy_s=0", "scenario.idle_s=0"]
    first = lab.start("device=fine", "model=digits", *long)
    lab.wait_for("measuring")
    second = lab.run("device=fine", "model=digits")
    assert second.status == 2, second.text
    assert "BoardBusy" in second.text and "Traceback" not in second.text
    third = lab.run("device=fine", "model=digits", "device.wait_for_hold_s=60")
    assert third.status == 0, third.text
    assert lab.finish(first).status == 0


def test_a_lost_link_is_taken_up_again(lab: Lab, start_sshd: StartSshd) -> None:
    server = start_sshd()
    proxy = Proxy(server.port)
    through = Sshd.__new__(Sshd)
    through.port, through.user_key, through.host_keys = proxy.port, server.user_key, server.host_keys
    lab.add("far", through)
    process = lab.start(
        "device=far", "model=digits", "scenario.processes=1", "scenario.window_s=4", "scenario.energy_s=0"
    )
    lab.wait_for("measuring")
    proxy.cut()
    done = lab.finish(process)
    proxy.close()
    assert done.status == 0, done.text
    assert "reconnecting" in done.log()
    assert done.results()[0]["status"] == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_cleanly(lab: Lab, start_sshd: StartSshd, number: signal.Signals) -> None:
    lab.tracking = "mlflow"
    workdir = lab.add("fine", start_sshd())
    process = lab.start(
        *("-m", "device=fine,local", "model=digits", "optimization=none,int8"),
        *("scenario.processes=1", "scenario.window_s=60", "scenario.energy_s=0"),
    )
    lab.wait_for("measuring")
    process.send_signal(number)
    done = lab.finish(process, timeout_s=40)
    assert done.status == 130, done.text
    assert "Traceback" not in done.text
    assert {r["status"] for r in done.results()} == {"interrupted"}
    assert len(done.results()) == 4
    time.sleep(0.5)
    assert running(str(workdir)) == []
    assert [line for line in running(str(lab.folder)) if not line.startswith("sshd:")] == []
    assert {run.info.status for run in lab.runs()} == {"KILLED"}


def test_results_survive_a_signal_later_on(lab: Lab) -> None:
    process = lab.start(
        *("-m", "model=digits", "threads=1,2", "scenario.processes=1", "scenario.energy_s=0", "scenario.window_s=6"),
    )
    lab.wait_for("measuring")
    end = time.monotonic() + 60
    while not list(lab.root.glob("multirun/*/*/0/result.json")) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1)
    process.terminate()
    done = lab.finish(process, timeout_s=40)
    assert done.status == 130, done.text
    assert [r["status"] for r in done.results()] == ["done", "interrupted"]
    assert " ms" in done.text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_on_the_board(lab: Lab, start_sshd: StartSshd, small_disk: Path) -> None:
    server = start_sshd()
    lab.add("fine", server)
    lab.add("full", server, workdir=str(small_disk / "work"), hold="test-full")
    done = lab.run("-m", "device=full,fine", "model=digits")
    assert done.status == 2, done.text
    unharmed(done)
    assert "not enough space" in failure(done, "full")


def test_a_full_disk_on_the_controller(lab: Lab, small_disk: Path) -> None:
    lab.environment["ORCHESTRATOR_HOME"] = str(small_disk)
    (small_disk / "ballast").write_bytes(b"x" * (6 * 1024 * 1024 - 20 * 4096))
    done = lab.run("-m", "model=digits", "optimization=none,int8")
    assert done.status == 2, done.text
    assert "No space left" in done.text and "Traceback" not in done.text
    assert f"not written into {small_disk}" in done.text and not list(small_disk.rglob(".comparison*"))


def test_nothing_is_listening_for_strangers(lab: Lab) -> None:
    """The built-in board listens on loopback only, and ends with the sweep."""
    process = lab.start("model=digits", "scenario.processes=1", "scenario.window_s=3", "scenario.energy_s=0")
    lab.wait_for("measuring")
    before = listening(process.pid)
    process.terminate()
    lab.finish(process, timeout_s=40)
    assert before, "no listening socket found"
    assert all(address.startswith("0100007F") for address in before)
    assert not before & {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}


def listening(parent: int) -> set[str]:
    """Local addresses, as /proc/net/tcp spells them, on which the child of ``parent`` listens."""
    sockets = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "stat").read_text().rpartition(")")[2].split()[1] != str(parent):
                continue
            sockets |= {str(fd.readlink()) for fd in (folder / "fd").iterdir()}
        except OSError:
            continue
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
            found.add(words[1])
    return found
