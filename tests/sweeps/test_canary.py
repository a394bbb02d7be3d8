"""Secrets that are given to a sweep in every way there is: found in no file, no output, no command line, nowhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd import Sshd, free_port
from tests.sweeps.lab import Lab

pytestmark = pytest.mark.slow
CANARIES = ("cAnArY-of-the-tracker", "cAnArY-of-the-plug", "cAnArY-of-a-command", "cAnArY-of-a-token")


def holding(folder: Path, words: tuple[str, ...], besides: frozenset[Path]) -> list[str]:
    """Files, and names of files, with one of the words in them."""
    found = []
    for path in folder.rglob("*"):
        content = b""
        if path.is_file() and path not in besides:
            with contextlib.suppress(OSError):
                content = path.read_bytes()
        found += [f"{path}: {word}" for word in words if word.encode() in content or word in path.name]
    return found


class Lookout:
    """Reads all command lines and environments that others can see, as ``ps`` does."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    self.seen |= {f"{word}: {line[:300]}" for word in CANARIES if word in line}

    def close(self) -> None:
        self._over.set()
        self._thread.join()


def test_a_canary_is_found_nowhere(lab: Lab, start_sshd: Callable[..., Sshd]) -> None:
    server = start_sshd()
    meter = {
        "kind": "shelly",
        "address": f"127.0.0.1:{free_port()}",
        "user": "admin",
        "password_env": "PLUG",
        "scope": "wall_ac",
    }
    workdir = lab.add("fine", server, meter=meter)
    program = {"kind": "command", "command": ["false", f"--password={CANARIES[2]}"], "scope": "wall_ac", "rate_hz": 10}
    other = lab.add("other", server, meter=program, hosts=[f"127.0.0.1:{free_port()}"], connect_timeout_s=1)
    lab.tracking = "mlflow"
    lab.environment |= {
        "MLFLOW_TRACKING_URI": f"http://lab:{CANARIES[0]}@127.0.0.1:{free_port()}",
        "MLFLOW_TRACKING_TOKEN": CANARIES[3],
        "PLUG": CANARIES[1],
    }
    lookout = Lookout()
    done = lab.run("-m", "device=fine,other", "model=digits", "scenario.energy_s=0.5", "scenario.idle_s=0.2")
    again = lab.finish(lab.start("resume=last"))
    synced = lab.finish(lab.start("sync"))
    shown = lab.finish(lab.start("board", "show", "device=fine"))
    lookout.close()
    assert done.status == 2 and "not in the tracker" in done.text, done.text
    assert [r["status"] for r in done.results()] == ["done", "failed"]
    said = "\n".join(one.text for one in (done, again, synced, shown))
    assert not [word for word in CANARIES if word in said], said
    given = frozenset((lab.folder / "lab").rglob("*.yaml"))
    assert holding(lab.folder, CANARIES, given) == []
    assert {path.parent for path in (workdir, other)} == {lab.folder}, "what is on the boards was looked at, too"
    assert lookout.seen == set()
