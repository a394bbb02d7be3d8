"""The built-in board: its server and who may use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import paramiko
import pytest

from orchestrator.connection import LocalServer, connect
from orchestrator.connection.localserver import one_shot_key
from orchestrator.device import Board, Device
from orchestrator.errors import AuthenticationFailed, ConnectionFailed, HostKeyMismatch


def gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process ends; a zombie that nobody has reaped yet has ended."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if " Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_commands_files_and_streams(local_server: LocalServer, local_board: Board, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(2_000_000))
    with connect(local_board, local=local_server) as connection:
        assert connection.run(["printf", "%s", "a b$HOME"]).stdout == "a b$HOME"
        assert connection.run(["sh", "-c", "exit 5"], check=False).exit_code == 5
        assert connection.run(["cat"], stdin=b"x" * 100_000).stdout == "x" * 100_000
        connection.put(tmp_path / "a", str(tmp_path / "b c"))
        assert connection.get(str(tmp_path / "b c"), limit_bytes=2_000_000) == (tmp_path / "a").read_bytes()
        with connection.open_stream(["cat"]) as stream:
            stream.send({"n": [1, "é"]})
            assert stream.receive(5) == {"n": [1, "é"]}


def test_several_connections_at_once(local_server: LocalServer, local_board: Board) -> None:
    links = [connect(local_board, local=local_server) for _ in range(4)]
    try:
        assert [link.run(["echo", str(n)]).stdout for n, link in enumerate(links)] == [f"{n}\n" for n in range(4)]
    finally:
        for link in links:
            link.close()


def test_only_the_one_shot_key_gets_in(
    local_server: LocalServer, local_board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "key", one_shot_key())
    with pytest.raises(AuthenticationFailed, match="refused"):
        connect(local_board, local=local_server)


@pytest.mark.parametrize("way", ["none", "password", "other user"])
def test_no_other_way_in(local_server: LocalServer, way: str) -> None:
    hop = local_server.hop
    transport = paramiko.Transport((hop.host, hop.port))
    try:
        transport.start_client(timeout=5)
        with pytest.raises(paramiko.SSHException):
            if way == "none":
                transport.auth_none(hop.user)
            elif way == "password":
                transport.auth_password(hop.user, "")
            else:
                transport.auth_publickey("somebody", local_server.key)
        assert not transport.is_authenticated()
    finally:
        transport.close()


def test_its_host_key_is_checked_too(local_server: LocalServer, local_board: Board) -> None:
    [known_hosts] = local_server.hop.known_hosts
    content = known_hosts.read_text()
    known_hosts.write_text("")
    try:
        with pytest.raises(HostKeyMismatch):
            connect(local_board, local=local_server)
    finally:
        known_hosts.write_text(content)


def test_no_private_key_touches_a_disk(local_server: LocalServer) -> None:
    folder = local_server.hop.known_hosts[0].parent
    assert [path.name for path in folder.iterdir()] == ["known_hosts"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_commands_do_not_see_the_controllers_environment(local_board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "canary")
    with LocalServer() as server, connect(local_board, local=server) as connection:
        seen = connection.run(["env"]).stdout
    assert "canary" not in seen
    assert {"HOME", "PATH", "USER"} <= {line.partition("=")[0] for line in seen.splitlines()}


def test_a_closed_channel_ends_the_process_group_but_not_a_detached_one(
    local_server: LocalServer, local_board: Board
) -> None:
    script = """sleep 60 & plain=$!; setsid sleep 61 </dev/null >/dev/null 2>&1 & detached=$!
    sleep 0.3; echo "{\\"pids\\": [$$, $plain, $detached]}"; wait"""
    with connect(local_board, local=local_server) as connection:
        stream = connection.open_stream(["sh", "-c", script])
        message = stream.receive(5)
        assert message is not None
        shell, plain, detached = message["pids"]
        stream.close()
        assert gone(shell)
        assert gone(plain)
        try:
            assert not gone(detached, within_s=0.3)
        finally:
            os.kill(detached, signal.SIGKILL)


def test_a_timed_out_command_is_ended(local_server: LocalServer, local_board: Board, tmp_path: Path) -> None:
    with connect(local_board, local=local_server) as connection:
        with pytest.raises(Exception, match="did not end within"):
            connection.run(["sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 60"], timeout_s=0.5)
        assert gone(int((tmp_path / "pid").read_text()))


def test_close_ends_the_server_and_what_runs_on_it(local_board: Board) -> None:
    server = LocalServer()
    with connect(local_board, local=server) as connection:
        stream = connection.open_stream(["sh", "-c", 'echo "{\\"pid\\": $$}"; sleep 60'])
        message = stream.receive(5)
        assert message is not None
        folder = server.hop.known_hosts[0].parent
        server.close()
        assert gone(server.pid)
        assert gone(message["pid"])
        assert not folder.exists()
        with pytest.raises(ConnectionFailed):
            stream.receive(5)


PARENT = """
import json, sys, time
from orchestrator.connection import LocalServer
server = LocalServer()
print(json.dumps([server.pid, server.hop.port]), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_is_gone_with_its_parent(how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pid, _ = json.loads(parent.stdout.readline())
        parent.send_signal(how)
        assert gone(pid)


def test_it_costs_no_cpu_while_nothing_happens(local_server: LocalServer, local_board: Board) -> None:
    with connect(local_board, local=local_server) as connection, connection.open_stream(["cat"]):
        before = cpu_ticks(local_server.pid)
        time.sleep(1.0)
        assert cpu_ticks(local_server.pid) - before <= 1


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_it_starts_from_any_directory(local_board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with LocalServer() as server, connect(local_board, local=server) as connection:
        assert connection.is_alive


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, local_board: Board) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with LocalServer() as server, pytest.raises(ConnectionFailed, match="did not start"):
        connect(local_board, local=server)


def test_the_built_in_board_needs_its_server(local_board: Board) -> None:
    with pytest.raises(ConnectionFailed, match="has no server"):
        connect(local_board)
    assert not Device("mine", ["local"]).is_local
