"""From the start of the command to the first byte that a board's SSH port hears."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPEATS = 7
PROJECT = Path(__file__).parent.parent


def run() -> dict[str, Any]:
    """Seconds, median of interleaved repeats; the ratio is to importing Hydra and Fabric alone."""
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(REPEATS):
            ours.append(first_byte_s(folder))
            bare.append(imports_s())
    return {
        "first_ssh_byte_s": round(statistics.median(ours), 3),
        "first_ssh_byte_max_s": round(max(ours), 3),
        "limit_s": 1.5,
        "importing_hydra_and_fabric_s": round(statistics.median(bare), 3),
        "ratio": round(statistics.median(ours) / statistics.median(bare), 2),
    }


def first_byte_s(folder: str) -> float:
    """A listener plays the board: it stops the clock when the client says who it is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = ["device=x86", f"device.hosts=[127.0.0.1:{listener.getsockname()[1]}]", "model=digits", "tracking=none"]
        begin = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=PROJECT,
            env=os.environ | {"ORCHESTRATOR_HOME": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            elapsed = time.monotonic() - begin
    child.terminate()
    child.wait(60)
    return elapsed


def imports_s() -> float:
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", "import hydra, fabric"], check=True)
    return time.monotonic() - begin
