"""Boards side by side on real servers: a pool shares its cells, and the next plan knows how long they took."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd import Sshd
from tests.sweeps.lab import TINY, Lab, running

pytestmark = pytest.mark.slow
StartSshd = Callable[..., Sshd]
MODEL = Path(__file__).parent.parent / "remote" / "data" / "tiny_float.tflite"


def test_a_pool_of_three_and_a_single_board(lab: Lab, start_sshd: StartSshd) -> None:
    homes = [lab.folder / f"home of {n}" for n in range(3)]
    servers = [start_sshd(extra=f'SetEnv "HOME={home}"') for home in homes]
    for server, home in zip(servers, homes, strict=True):
        home.mkdir()
        (server.folder / "authorized_keys").write_text(servers[0].user_key.with_suffix(".pub").read_text())
        server.pin(lab.folder / "known_hosts_rack")
    hosts = [f"127.0.0.1:{server.port}" for server in servers]
    name = f"test-{os.getpid()}-rack"
    lab.add("rack", servers[0], hosts=hosts, workdir="~/board", hold=f"{name}-{{board}}")
    lab.add("fine", start_sshd())
    words = ("-m", "device=rack,fine", "model=file", f"model.path={MODEL}", "seed=0,1,2,3,4", *TINY)
    done = lab.finish(lab.start(*words, "scenario.processes=1"))
    assert done.status == 0, done.text
    assert "10 cells to run on 4 boards, about " in done.text
    results = [result for result in done.results() if result["axes"]["device"] == "rack"]
    assert {result["board"] for result in results} == set(hosts), "a board of the pool had nothing to do"
    spans = [(result["board"], result["started_s"], result["ended_s"]) for result in results]
    together = [a for a in spans for b in spans if a[0] != b[0] and max(a[1], b[1]) < min(a[2], b[2])]
    assert {board for board, _, _ in together} == set(hosts), "one after the other"
    assert all(0 < result["busy_s"] <= result["ended_s"] - result["started_s"] for result in done.results())
    assert all((home / "board" / "jobs").is_dir() for home in homes)
    nothing_left(name, str(lab.folder / "home of"))

    planned = lab.finish(lab.start(*words, "scenario.processes=1", "dry_run=true"))
    assert "(history), 0 artifacts to build" in planned.text, planned.text
    assert planned.text.count("rack (pool of 3)") == 3


def nothing_left(*needles: str) -> None:
    """Neither processes nor holds; a supervisor takes a moment to go."""
    end = time.monotonic() + 5
    while found := [*(line for n in needles for line in running(n)), *held(needles[0])]:
        assert time.monotonic() < end, found
        time.sleep(0.1)


def held(name: str) -> list[str]:
    return [line for line in Path("/proc/net/unix").read_text().splitlines() if name in line]
