"""Against OpenSSH's own sshd."""

from __future__ import annotations

import copy
import gc
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.connection import Connection, ProgramEnded, client, connect
from orchestrator.device import Board, Device
from orchestrator.errors import (
    AuthenticationFailed,
    BoardNotReady,
    CommandFailed,
    CommandTimedOut,
    ConnectionFailed,
    HostKeyMismatch,
    TransferFailed,
)
from tests.sshd import Proxy, Sshd, free_port, keygen

pytestmark = pytest.mark.usefixtures("home")

Start = Callable[..., Sshd]


@pytest.fixture
def connection(sshd: Sshd) -> Iterator[Connection]:
    with connect(sshd.board()) as made:
        yield made


@pytest.fixture
def proxy(sshd: Sshd) -> Iterator[Proxy]:
    made = Proxy(sshd.port)
    yield made
    made.close()


def through(proxy: Proxy, sshd: Sshd, **settings: object) -> Board:
    line = sshd.known_hosts_line().replace(str(sshd.port), str(proxy.port))
    (sshd.folder / "known_hosts").write_text(line)
    device = sshd.device(**settings)
    return Board(device, f"127.0.0.1:{proxy.port}")


# -- who is there ----------------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(HostKeyMismatch, match=r"is unknown: ssh-ed25519 SHA256:.*enrol device=board") as caught:
        connect(sshd.board(known_hosts=str(tmp_path / "none")))
    assert "127.0.0.1" in str(caught.value)


def test_a_changed_host_key_shows_both(sshd: Sshd, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text()
    lab = tmp_path / "lab"
    lab.write_text(f"{sshd.name} {other}")
    with pytest.raises(HostKeyMismatch, match=r"has changed: pinned is .* SHA256:(\S+), it shows .* SHA256:") as caught:
        connect(sshd.board(known_hosts=str(lab)))
    assert "ssh-keygen -R" in str(caught.value)


def test_a_revoked_host_key_is_refused_although_it_is_pinned(sshd: Sshd) -> None:
    board = sshd.board()
    with (sshd.folder / "known_hosts").open("a") as file:
        file.write("@revoked " + sshd.known_hosts_line())
    with pytest.raises(HostKeyMismatch, match="revoked"):
        connect(board)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_server_is_asked_for_the_kind_that_is_pinned(start_sshd: Start, tmp_path: Path, number: int) -> None:
    sshd = start_sshd(host_keys=("ed25519", "ecdsa", "rsa"))
    lab = tmp_path / "lab"
    lab.write_text(sshd.known_hosts_line(number))
    with connect(sshd.board(known_hosts=str(lab))) as connection:
        assert connection.is_alive


def test_the_users_own_known_hosts_and_default_key_serve_too(sshd: Sshd, home: Path) -> None:
    sshd.pin(home / ".ssh/known_hosts")
    (home / ".ssh/id_ed25519").write_bytes(sshd.user_key.read_bytes())
    with connect(Board(Device("pi", ["x"]), f"127.0.0.1:{sshd.port}")) as connection:
        assert connection.run(["true"]).exit_code == 0


def test_an_extra_known_hosts_file(sshd: Sshd, tmp_path: Path) -> None:
    board = sshd.board(known_hosts=None)
    with connect(board, extra_known_hosts=[sshd.pin(tmp_path / "extra")]) as connection:
        assert connection.is_alive


# -- jump hosts ------------------------------------------------------------------------------------------------------


def jump_config(home: Path, gateway: Sshd) -> None:
    (home / ".ssh/config").write_text(
        f"Host gw\n HostName 127.0.0.1\n Port {gateway.port}\n IdentityFile {gateway.user_key}\n"
        "Host 127.0.0.1\n ProxyJump gw\n"
    )


def test_an_unpinned_jump_host_is_refused(start_sshd: Start, home: Path) -> None:
    gateway, target = start_sshd(), start_sshd()
    jump_config(home, gateway)
    with pytest.raises(HostKeyMismatch, match=r"jump host gw of 127.*is unknown"):
        connect(target.board())


def test_the_target_behind_a_pinned_jump_host_is_checked_as_well(start_sshd: Start, home: Path, tmp_path: Path) -> None:
    gateway, target = start_sshd(), start_sshd()
    jump_config(home, gateway)
    with pytest.raises(HostKeyMismatch, match=rf"\[127.0.0.1\]:{target.port}\) is unknown"):
        connect(target.board(known_hosts=str(gateway.pin(tmp_path / "lab"))))


def test_through_a_pinned_jump_host(start_sshd: Start, home: Path) -> None:
    gateway, target = start_sshd(extra="LogLevel VERBOSE"), start_sshd()
    jump_config(home, gateway)
    gateway.pin(home / ".ssh/known_hosts")
    with connect(target.board()) as connection:
        words = connection.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.split()
        assert words[3] == str(target.port)
    assert "Accepted publickey" in (gateway.folder / "log").read_text()


def test_a_jump_host_that_cannot_reach_the_board(start_sshd: Start, home: Path) -> None:
    gateway, target = start_sshd(extra="AllowTcpForwarding no"), start_sshd()
    jump_config(home, gateway)
    gateway.pin(home / ".ssh/known_hosts")
    with pytest.raises(ConnectionFailed, match=r"opened no channel.*TCP forwarding"):
        connect(target.board())


# -- who we are ------------------------------------------------------------------------------------------------------


def test_a_key_that_is_not_wanted(sshd: Sshd, tmp_path: Path) -> None:
    stranger = keygen(tmp_path / "stranger", "rsa")
    with pytest.raises(AuthenticationFailed) as caught:
        connect(sshd.board(identity_file=str(stranger)))
    assert f"{stranger}: refused" in str(caught.value)
    assert f"ssh-copy-id -i {stranger} -p {sshd.port} {os.environ.get('USER', 'root')}@127.0.0.1" in str(caught.value)


def test_no_key_at_all(sshd: Sshd) -> None:
    with pytest.raises(AuthenticationFailed, match=r"no key to try.*ssh-keygen"):
        connect(sshd.board(identity_file=None))


def test_a_locked_key_says_ssh_add(sshd: Sshd, tmp_path: Path) -> None:
    locked = keygen(tmp_path / "locked", passphrase="secret")
    with pytest.raises(AuthenticationFailed, match=r"locked by a passphrase.*ssh-add"):
        connect(sshd.board(identity_file=str(locked)))


def test_a_key_in_the_agent(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        for _ in range(100):
            if (tmp_path / "agent").exists():
                break
            time.sleep(0.02)
        subprocess.run(["ssh-add", "-q", str(sshd.user_key)], check=True)
        with connect(sshd.board(identity_file=None)) as connection:
            assert connection.is_alive
    finally:
        agent.kill()
        agent.wait()


def left_over(before: tuple[int, int]) -> bool:
    """More open files or threads than before."""
    return open_files() > before[0] or threading.active_count() > before[1]


def test_nothing_is_left_open_after_a_refusal(sshd: Sshd, tmp_path: Path) -> None:
    board = sshd.board(identity_file=str(keygen(tmp_path / "stranger")))
    before = open_files(), threading.active_count()
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            connect(board)
    gc.collect()
    end = time.monotonic() + 3
    while left_over(before) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left_over(before)  # fewer is fine: something of an earlier test may end meanwhile


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# -- nobody is there -------------------------------------------------------------------------------------------------


def test_a_refused_port() -> None:
    port = free_port()
    with pytest.raises(ConnectionFailed, match=rf"127.0.0.1 port {port} does not answer.*refused.*is sshd running"):
        connect(Board(Device("pi4", ["x"]), f"127.0.0.1:{port}"))


def test_an_unknown_name() -> None:
    with pytest.raises(ConnectionFailed, match=r"no-such-board\.invalid is not known"):
        connect(Board(Device("pi4", ["x"]), "no-such-board.invalid"))


def test_a_server_that_never_says_a_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed):
            connect(Board(Device("pi4", ["x"], connect_timeout_s=0.8), f"127.0.0.1:{silent.getsockname()[1]}"))
        assert time.monotonic() - begin < 4


def occupied(port: int) -> socket.socket:
    """A connection that does not log in, once the server has forgotten the one that looked whether it is up."""
    while True:
        sock = socket.create_connection(("127.0.0.1", port))
        if sock.recv(4) == b"SSH-":
            return sock
        sock.close()


def test_a_busy_server_is_asked_again(start_sshd: Start) -> None:
    sshd = start_sshd(extra="MaxStartups 1:100:1")
    with occupied(sshd.port) as other:
        threading.Timer(0.3, other.shutdown, [socket.SHUT_RDWR]).start()
        with connect(sshd.board()) as connection:
            assert connection.is_alive


def test_a_server_that_stays_busy_is_given_up(start_sshd: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    sshd = start_sshd(extra="MaxStartups 1:100:1")
    with occupied(sshd.port):
        with pytest.raises(ConnectionFailed, match="MaxStartups"):
            connect(sshd.board())


# -- commands --------------------------------------------------------------------------------------------------------


def test_arguments_arrive_as_they_are(connection: Connection) -> None:
    odd = ["a b", "$HOME", "`id`", "~", "'\"", "é\n;x", ""]
    out = connection.run(["printf", "%s|", *odd])
    assert out.stdout == "".join(word + "|" for word in odd)


def test_output_error_and_status(connection: Connection) -> None:
    argv = ["sh", "-c", "echo out; echo err >&2; exit 7"]
    out = connection.run(argv, check=False)
    assert (out.stdout, out.stderr, out.exit_code) == ("out\n", "err\n", 7)
    with pytest.raises(CommandFailed, match="exit status 7: err"):
        connection.run(argv)


def test_standard_input(connection: Connection) -> None:
    assert connection.run(["wc", "-c"], stdin=b"x" * 300_000).stdout.strip() == "300000"
    assert connection.run(["cat"]).stdout == ""  # no input: at its end at once, never the controller's own


def test_a_command_that_ends_without_reading_its_input(connection: Connection) -> None:
    assert connection.run(["true"], stdin=b"x" * 5_000_000).exit_code == 0


def test_a_command_that_is_killed_is_no_lost_link(connection: Connection) -> None:
    with pytest.raises(CommandFailed, match="ended by a signal"):
        connection.run(["sh", "-c", "kill -9 $$"])
    assert connection.run(["echo", "alive"]).stdout == "alive\n"


@pytest.mark.parametrize("script", ["sleep 30", "exec >&- 2>&-; sleep 30", "yes"])
def test_a_command_that_takes_too_long(connection: Connection, script: str) -> None:
    begin = time.monotonic()
    with pytest.raises(CommandFailed) as caught:
        connection.run(["sh", "-c", script], timeout_s=0.5)
    assert isinstance(caught.value, CommandTimedOut) or "more than" in str(caught.value)
    assert time.monotonic() - begin < 3
    assert connection.run(["echo", "alive"]).stdout == "alive\n"


def test_endless_output_is_cut(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_OUTPUT_BYTES", 100_000)
    with pytest.raises(CommandFailed, match="more than 100000 bytes"):
        connection.run(["yes"])


def test_undecodable_output(connection: Connection) -> None:
    assert connection.run(["printf", r"\377\376x"]).stdout == "��x"


# -- links that break ------------------------------------------------------------------------------------------------


def test_a_cut_link_is_a_lost_connection_not_a_failed_command(sshd: Sshd, proxy: Proxy) -> None:
    with connect(through(proxy, sshd)) as connection:
        threading.Timer(0.3, proxy.cut).start()
        with pytest.raises(ConnectionFailed, match=r"the link to .* was lost"):
            connection.run(["sleep", "30"])
        assert not connection.is_alive
        with pytest.raises(ConnectionFailed):
            connection.run(["true"])


def test_a_silent_link_times_out(sshd: Sshd, proxy: Proxy, tmp_path: Path) -> None:
    with connect(through(proxy, sshd, connect_timeout_s=1.0)) as connection:
        proxy.stall()
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed, match="in time"):
            connection.run(["true"])
        assert time.monotonic() - begin < 5


def test_a_stream_over_a_cut_link(sshd: Sshd, proxy: Proxy) -> None:
    with connect(through(proxy, sshd)) as connection:
        stream = connection.open_stream(["cat"])
        stream.send({"n": 1})
        assert stream.receive(5) == {"n": 1}
        assert stream.receive(0.05) is None
        proxy.cut()
        with pytest.raises(ConnectionFailed):
            stream.receive(5)
        with pytest.raises(ConnectionFailed):
            stream.send({"n": 2})


# -- streams ---------------------------------------------------------------------------------------------------------


def test_a_program_that_ends_says_how(connection: Connection) -> None:
    with connection.open_stream(["sh", "-c", 'echo \'{"a":1}\'; echo "no such module" >&2; exit 3']) as stream:
        assert stream.receive(5) == {"a": 1}
        with pytest.raises(ProgramEnded, match="exit status 3: no such module") as caught:
            stream.receive(5)
    assert (caught.value.exit_code, caught.value.stderr) == (3, "no such module")


def test_hostile_lines_are_skipped(connection: Connection) -> None:
    script = r"""printf 'Welcome!\n\377\376\n[1]\n"x"\n{broken\n\n{"n":1}\r\n'
    python3 -c 'print("{\"a\":" + "[" * 200000)'; printf '{"n":2}'"""
    with connection.open_stream(["sh", "-c", script]) as stream:
        assert stream.receive(10) == {"n": 1}
        assert stream.receive(10) == {"n": 2}  # also without a line end
        with pytest.raises(ProgramEnded):
            stream.receive(5)


def test_a_line_without_end_is_cut_off(connection: Connection) -> None:
    with connection.open_stream(["sh", "-c", "sleep 20 & head -c 9000000 /dev/zero"]) as stream:
        with pytest.raises(TransferFailed, match="a line of more than"):
            stream.receive(10)


def test_much_on_standard_error_blocks_nothing(connection: Connection) -> None:
    script = 'head -c 6000000 /dev/zero | tr "\\0" e >&2; echo \'{"n":1}\'; exit 1'
    with connection.open_stream(["sh", "-c", script]) as stream:
        assert stream.receive(10) == {"n": 1}
        with pytest.raises(ProgramEnded) as caught:
            stream.receive(5)
    assert len(caught.value.stderr) <= 8192


# -- files -----------------------------------------------------------------------------------------------------------


def test_there_and_back_with_odd_names(connection: Connection, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "a {b} c").write_bytes(content)
    remote = str(tmp_path / "d {e}'$HOME' é")
    connection.put(tmp_path / "a {b} c", remote)
    assert Path(remote).read_bytes() == content
    assert connection.get(remote, limit_bytes=300_000) == content


def test_a_file_larger_than_the_limit_is_not_read(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 1001)
    with pytest.raises(TransferFailed, match="1001 bytes or more; at most 1000"):
        connection.get(str(tmp_path / "big"), limit_bytes=1000)


def test_a_file_that_lies_about_its_size(connection: Connection) -> None:
    assert Path("/proc/cpuinfo").stat().st_size == 0
    with pytest.raises(TransferFailed, match="at most 10 are taken"):
        connection.get("/proc/cpuinfo", limit_bytes=10)


def test_devices_are_not_read(connection: Connection) -> None:
    with pytest.raises(TransferFailed, match="not a regular file"):
        connection.get("/dev/zero", limit_bytes=1000)


def test_missing_files_and_folders(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(TransferFailed, match=r"reading .*nothing failed: No such file"):
        connection.get(str(tmp_path / "nothing"), limit_bytes=10)
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(TransferFailed, match="No such file"):
        connection.put(tmp_path / "x", str(tmp_path / "no/where"))


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small file system")
def test_a_full_disk_says_so(connection: Connection, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine mounts no tmpfs")
    try:
        (tmp_path / "big").write_bytes(b"x" * 3_000_000)
        with pytest.raises(TransferFailed, match="disk is full: big needs 3000000 bytes"):
            connection.put(tmp_path / "big", str(small / "big"))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_server_without_sftp(start_sshd: Start, tmp_path: Path) -> None:
    sshd = start_sshd(sftp=False)
    (tmp_path / "x").write_bytes(b"x")
    with connect(sshd.board()) as connection, pytest.raises(BoardNotReady, match=r"has no SFTP.*sftp-server"):
        connection.put(tmp_path / "x", str(tmp_path / "y"))


def test_every_error_can_be_copied() -> None:
    """The cells of one lost board share its error, and each is told with its own log."""
    error = ProgramEnded("gone", exit_code=3, stderr="why", hint="wait")
    twin = copy.copy(error).located(cell="a/b")
    assert (str(twin), twin.exit_code, twin.stderr) == ("gone (wait)", 3, "why")
    assert error.cell is None and twin.cell == "a/b"
