"""Twenty boards at once: a real sshd each on loopback, two pools of eight and four single devices, the command line.

What it shows is the controller: how many boards it keeps busy, how evenly, at what cost, and that nothing is left,
also after Ctrl-C. All boards share this machine's few cores, so latencies mean nothing here, and cells per second
are bound by the cores, not by the controller.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.sshd import Sshd, keygen

POOLS = {"rack-a": 8, "rack-b": 8, "one": 1, "two": 1, "three": 1, "four": 1}
CELLS_A_BOARD = 3
TINY = (
    *("scenario.processes=1", "scenario.warmup_s=0", "scenario.warmup_runs=1", "scenario.window_s=0.05"),
    *("scenario.min_runs=1", "scenario.end_to_end_s=0", "scenario.energy_s=0", "scenario.idle_s=0"),
)
PROJECT = Path(__file__).parent.parent
MODEL = PROJECT / "tests" / "remote" / "data" / "tiny_float.tflite"
HOLD = f"bench-{os.getpid()}"
PATIENCE_S = 10.0
"""After a cut, boards end what they have within this time."""


@dataclass
class Run:
    """One sweep: its exit status, its results, and what the controller took at most."""

    status: int
    results: list[dict[str, Any]]
    took_s: float
    rss_mb: float = 0.0
    threads: int = 0
    holds: int = 0
    left: list[str] = field(default_factory=list)

    @property
    def done(self) -> list[dict[str, Any]]:
        return [result for result in self.results if result["status"] == "done"]

    @property
    def cells_a_second(self) -> float:
        spans = [(result["started_s"], result["ended_s"]) for result in self.done]
        return float(len(spans) / (max(end for _, end in spans) - min(begin for begin, _ in spans)))

    @property
    def at_once(self) -> int:
        """Most boards that had a cell at the same time."""
        events = [(r["started_s"], 1) for r in self.done] + [(r["ended_s"], -1) for r in self.done]
        now = most = 0
        for _, step in sorted(events):
            now += step
            most = max(most, now)
        return most

    def shares(self, device: str) -> list[int]:
        """Cells of each board of a pool, the fewest first."""
        counts = Counter(r["board"] for r in self.done if r["axes"]["device"] == device)
        return sorted([*counts.values(), *[0] * (POOLS[device] - len(counts))])


def run() -> dict[str, Any]:
    """One board, twenty boards, and twenty boards with one Ctrl-C in the middle."""
    with tempfile.TemporaryDirectory() as name, rack(Path(name)) as ports:
        folder = Path(name)
        sweep(folder, ports, ["four"])  # what has to be fetched and built is there afterwards
        one = sweep(folder, ports, ["one"])
        all_of_it = sweep(folder, ports, list(POOLS))
        cut = sweep(folder, ports, list(POOLS), cut_after=10)
    return {
        "boards": sum(POOLS.values()),
        "cores_of_this_machine": os.cpu_count(),
        "cells": sum(map(cells_of, POOLS)),
        "done": len(all_of_it.done),
        "exit_status": all_of_it.status,
        "boards_at_once": all_of_it.at_once,
        "boards_used": len({result["board"] for result in all_of_it.done}),
        "holds_at_once": all_of_it.holds,
        "cells_a_board_in_pools": {d: " ".join(map(str, all_of_it.shares(d))) for d in POOLS if POOLS[d] > 1},
        "fewest_to_most": round(min(s[0] / s[-1] for s in map(all_of_it.shares, POOLS)), 2),
        "cells_a_second_to_one_board": round(all_of_it.cells_a_second / one.cells_a_second, 2),
        "controller_rss_mb": {"one board": one.rss_mb, "all": all_of_it.rss_mb},
        "controller_threads": {"one board": one.threads, "all": all_of_it.threads},
        "sweep_s": round(all_of_it.took_s, 1),
        "left": all_of_it.left,
        "after_ctrl_c": {
            "exit_status": cut.status,
            "results": dict(Counter(result["status"] for result in cut.results)),
            "seconds_to_the_end": round(cut.took_s, 1),
            "left": cut.left,
        },
    }


@contextmanager
def rack(folder: Path) -> Iterator[list[int]]:
    """The boards and the lab's files about them; yields the ports. Every board has a home of its own."""
    key = keygen(folder / "key")
    with ExitStack() as servers:
        ports: list[int] = []
        for device, boards in POOLS.items():
            hosts = []
            for number in range(boards):
                home = folder / "homes" / f"{device}-{number}"
                home.mkdir(parents=True)
                server = Sshd(folder / "sshd" / f"{device}-{number}", extra=f"SetEnv HOME={home}")
                servers.callback(server.stop)
                (server.folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
                server.pin(folder / "known_hosts")
                hosts.append(f"127.0.0.1:{server.port}")
                ports.append(server.port)
            content = {"name": device, "hosts": hosts, "identity_file": str(key), "hold": f"{HOLD}-{{board}}"}
            write(folder / "lab" / "device" / f"{device}.yaml", content | {"known_hosts": str(folder / "known_hosts")})
        yield ports


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))


def cells_of(device: str) -> int:
    return POOLS[device] * CELLS_A_BOARD


def matrix(devices: Sequence[str]) -> list[str]:
    """Every board has as many cells: a pool more of them than a single board, so a rule drops some of the product."""
    most = max(map(cells_of, devices))
    rules = [{"device": d, "seed": list(range(cells_of(d), most))} for d in devices if cells_of(d) < most]
    return [f"device={','.join(devices)}", f"seed=range(0,{most})", f"exclude={json.dumps(rules)}".replace('"', "")]


def sweep(folder: Path, ports: Sequence[int], devices: Sequence[str], cut_after: int | None = None) -> Run:
    """Run the command line over the cells of some devices; interrupted once as many have a result.

    Raises RuntimeError with the end of what it printed where it ended in another way than it should.
    """
    root, expected = Path(tempfile.mkdtemp(dir=folder)), 0 if cut_after is None else 130
    words = [*matrix(devices), "model=file", f"model.path={MODEL}", "tracking=none", *TINY]
    output = root / "output.txt"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "--config-dir", str(folder / "lab"), "-m", *words],
            cwd=PROJECT,
            env=os.environ | {"ORCHESTRATOR_HOME": str(root)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    begin, rss_kb, threads, holds = time.monotonic(), 0, 0, 0
    while child.poll() is None:
        status = state_of(child.pid)
        rss_kb, threads = max(rss_kb, status.get("VmRSS", 0)), max(threads, status.get("Threads", 0))
        holds = max(holds, len(held()))
        if cut_after is not None and len(list(root.glob("multirun/*/*/*/result.json"))) >= cut_after:
            child.send_signal(signal.SIGINT)
            cut_after, begin = None, time.monotonic()
        time.sleep(0.1)
    took_s = time.monotonic() - begin
    if child.returncode != expected:
        said = output.read_text(errors="replace")[-4000:]
        raise RuntimeError(f"the sweep ended with status {child.returncode}, not {expected}:\n{said}")
    results = [json.loads(path.read_text()) for path in root.glob("multirun/*/*/*/result.json")]
    return Run(child.returncode, results, took_s, round(rss_kb / 1024), threads, holds, left(folder, ports))


def state_of(pid: int) -> dict[str, int]:
    """Numbers of ``/proc/<pid>/status``."""
    try:
        lines = [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    except OSError:
        return {}
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def left(folder: Path, ports: Sequence[int]) -> list[str]:
    """Processes on the boards, holds and connections that are still there after a while."""
    end = time.monotonic() + PATIENCE_S
    while (found := remains(folder, ports)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def held() -> set[str]:
    """The holds of our boards in this kernel."""
    names = (line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines())
    return {name for name in names if HOLD in name}


def remains(folder: Path, ports: Sequence[int]) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder / "homes") in line or f"--hold {HOLD}" in line:
            found.append(f"process: {line[:100]}")
    found += [f"hold: {name}" for name in held()]
    ends = {f"{port:04X}" for port in ports}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, status, *_ = line.split()
        if status == "01" and {here.split(":")[1], there.split(":")[1]} & ends:
            found.append(f"connection: {here} {there}")
    return found
