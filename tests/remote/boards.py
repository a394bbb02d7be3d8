"""The real board program in a work folder of its own: real processes, real sockets, a real runtime."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
PYENV = Path.home() / ".pyenv" / "versions"
FORMATS = {"onnxruntime": "onnx", "openvino": "onnx", "tensorrt": "onnx", "tensorflow": "graphdef"}


def old_python(version: str) -> Path:
    """A real interpreter of that version (``3.8`` matches 3.8.18), or a skip with the reason."""
    found = shutil.which(f"python{version}")
    for path in sorted(PYENV.glob(f"{version}*/bin/python")):
        return path
    if found and subprocess.run([found, "-V"], capture_output=True).returncode == 0:
        return Path(found)
    pytest.skip(f"no Python {version} on this machine")


def install(target: Path, python: str, *packages: str) -> Path:
    """The wheels that a board gets pushed: no dependencies, since the interpreters need numpy only."""
    command = ["uv", "pip", "install", "-q", "--target", str(target), "--python", python, "--no-deps"]
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if uv is None:
        pytest.skip("no uv to install the runtime's wheels with")
    done = subprocess.run([uv, *command[1:], "--only-binary", ":all:", *packages], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the runtime's wheels could not be installed: {done.stderr[-300:]}")
    return target


class Attached:
    """A controller's end of the stream."""

    def __init__(
        self,
        board: Board,
        session: str,
        wait_s: float = 0.0,
        linger_s: float = 180.0,
        root: Path = Path("/"),
        claim: bool = False,
        priority: int = 0,
        who: str = "ann",
    ) -> None:
        command = [board.python, "-I", "-S", str(board.program), "attach", "--workdir", str(board.workdir)]
        command += ["--hold", board.hold, "--session", session, "--wait", str(wait_s), "--linger", str(linger_s)]
        command += ["--holder", json.dumps({"user": who, "host": "desk"}), "--root", str(root)]
        command += ["--claim", "1" if claim else "0", "--priority", str(priority)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = 0
        self.buffer = b""

    def line(self, timeout_s: float = 20.0) -> dict[str, Any]:
        """The next message; an empty one when the stream has ended."""
        assert self.process.stdout is not None
        give_up = time.monotonic() + timeout_s
        while b"\n" not in self.buffer:
            left = give_up - time.monotonic()
            assert left > 0, f"nothing came within {timeout_s} s"
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    return {}
                self.buffer += data
        raw, _, self.buffer = self.buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(raw)
        return found

    def send(self, op: str, **more: Any) -> int:
        self.number += 1
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"id": self.number, "op": op, **more}).encode() + b"\n")
        self.process.stdin.flush()
        return self.number

    def ask(self, op: str, **more: Any) -> dict[str, Any]:
        """The reply to a request; what else comes meanwhile is passed over."""
        number = self.send(op, **more)
        while True:
            message = self.line()
            assert message, "the stream ended before the reply"
            if message.get("id") == number:
                return message

    def follow(self, run_id: str, offset: int = 0, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """All messages with events up to the last event."""
        self.ask("follow", run_id=run_id, offset=offset)
        found: list[dict[str, Any]] = []
        while not found or found[-1]["event"]["event"] != "finished":
            message = self.line(timeout_s)
            assert message, "the stream ended before the last event"
            if "event" in message:
                found.append(message)
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()


class Board:
    """A work folder, a hold name of its own, and the program."""

    def __init__(self, workdir: Path, program: Path, python: str = sys.executable) -> None:
        self.workdir = workdir
        self.program = program
        self.python = python
        self.hold = f"test-{uuid.uuid4()}"
        self.attached: list[Attached] = []
        for name in ("blobs", "envs", "jobs"):
            (workdir / name).mkdir(parents=True, exist_ok=True)

    def attach(self, session: str = "secret", **more: Any) -> Attached:
        client = Attached(self, session, **more)
        self.attached.append(client)
        return client

    def blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        (self.workdir / "blobs" / digest).write_bytes(data)
        return digest

    def job(self, model: str = "tiny_float", env: str | None = "e" * 16, **changes: Any) -> dict[str, Any]:
        scenario = {
            "processes": 1,
            "mode": "single_stream",
            "cool_down_s": 0.0,
            "max_window_s": 600.0,
            "streams": 1,
            "pipeline_s": 0.0,
            "image": [1280, 720],
            "profile_runs": 0,
            "warmup_s": 0.02,
            "warmup_runs": 3,
            "window_s": 0.1,
            "min_runs": 10,
            "end_to_end_s": 0.02,
            "energy_s": 0.0,
            "energy_windows": 2,
            "idle_s": 0.0,
        }
        scenario.update({key: changes.pop(key) for key in list(changes) if key in scenario})
        data = (DATA / f"{model}.tflite").read_bytes() if isinstance(model, str) else model
        job = {
            "version": 5,
            "run_id": f"run-{uuid.uuid4()}",
            "cell_id": "local/tiny/none",
            "artifact": {
                "sha256": self.blob(data),
                "format": "tflite" if data[4:8] == b"TFL3" else FORMATS.get(changes.get("runtime", ""), "tflite"),
            },
            "env": env,
            "runtime": "litert",
            "threads": 1,
            "xnnpack": "auto",
            "delegate": None,
            "library": None,
            "options": [],
            "quality": None,
            "seed": 0,
            "scenario": scenario,
            "meter": False,
            "sensor_scopes": [],
            "first": 1,
            "of": scenario["processes"],
            "cpus": [],
            "cool_to_c": None,
            "deadline_s": 60.0,
        }
        return {**job, **changes}

    def holder_pid(self) -> int:
        return int(json.loads((self.workdir / "holder.json").read_text())["pid"])

    def processes(self) -> list[int]:
        """Every process of this board that still runs, found by the work folder or program in its arguments."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes()
                    if str(self.program).encode() in words and b"attach" not in words:
                        found.append(int(entry.name))
        return found

    def close(self) -> None:
        for client in self.attached:
            client.close()
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.holder_pid(), signal.SIGKILL)


def eventually(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Whether it becomes true in time."""
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
