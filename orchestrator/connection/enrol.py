"""Pinning host keys: the one way by which a new key gets in, with a person's consent."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from orchestrator.connection import hostkeys
from orchestrator.connection.address import Hop, route
from orchestrator.connection.chain import Chain
from orchestrator.connection.client import connect
from orchestrator.connection.hostkeys import HostKey
from orchestrator.connection.translate import translated
from orchestrator.device import Board, Device
from orchestrator.errors import BoardError, ConfigError, HostKeyMismatch

Confirm = Callable[[str], bool]
Say = Callable[[str], None]


def enrol(device: Device, *, confirm: Confirm, say: Say) -> bool:
    """Show and pin the host keys of all boards of a device and of their jump hosts, then try to log in.

    A changed key is never replaced. Returns whether every board can be used now; what is missing was said.
    """
    if device.is_local:
        say("local: the built-in board needs no enrolment")
        return True
    ready = [_enrol_board(Board(device, host), confirm, say) for host in device.hosts]
    return all(ready)


def _enrol_board(board: Board, confirm: Confirm, say: Say) -> bool:
    try:
        _pin_all(board, confirm, say)
        with connect(board) as connection:
            say(f"{board.name}: logged in as {connection.address}, ready")
        return True
    except BoardError as error:
        say(f"{error.message}\n  -> {error.hint}" if error.hint else str(error))
        return False


def _pin_all(board: Board, confirm: Confirm, say: Say) -> None:
    """Hop by hop, since a server behind a jump host can only be seen through it."""
    with Chain(board) as chain:
        hops = route(board)
        for number, hop in enumerate(hops, 1):
            _pin(hop, _shown(hop, chain, board), board, confirm, say)
            if number < len(hops):
                chain.extend(hop)


def _pin(hop: Hop, shown: HostKey, board: Board, confirm: Confirm, say: Say) -> None:
    known = hostkeys.known(hop.host_key_name, hop.known_hosts)
    refusal = hostkeys.refusal(hop, known, shown, board.device.name)
    if refusal is None:
        say(f"{hop.label}: {shown.kind} {shown.fingerprint} is pinned already")
        return
    if known.pinned or shown in known.revoked:
        raise HostKeyMismatch(str(refusal), hint=refusal.hint, board=board.name)
    say(f"{hop.label} ({hop.host_key_name}) shows the host key\n  {shown.kind} {shown.fingerprint}")
    say("  compare it with the board's own: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub")
    if not confirm(f"Pin this key of {hop.host_key_name}?"):
        raise HostKeyMismatch(f"the host key of {hop.label} was not pinned", board=board.name)
    path = append(hop, shown, board.device)
    say(f"{hop.label}: pinned in {path}")


def append(hop: Hop, key: HostKey, device: Device) -> Path:
    """Add a line to the lab's file, or the user's where the lab has none; mode 600, in one write."""
    path = Path(device.known_hosts or "~/.ssh/known_hosts").expanduser()
    if not device.known_hosts and hop.known_hosts:
        path = hop.known_hosts[0]  # UserKnownHostsFile
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = path.read_bytes() if path.exists() else b""
        line = key.line(hop.host_key_name)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write((b"\n" if old and not old.endswith(b"\n") else b"") + line.encode())
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _shown(hop: Hop, chain: Chain, board: Board) -> HostKey:
    """The key that a server shows, without logging in."""
    patience_s = board.device.connect_timeout_s
    with translated(hop, board.name, "asking for its host key"):
        sock = chain.socket(hop) or socket.create_connection((hop.host, hop.port), timeout=patience_s)
        transport = chain.transport(hop, sock)
        try:
            transport.banner_timeout = patience_s
            transport.start_client(timeout=patience_s)
            return HostKey.of(transport.get_remote_server_key())
        finally:
            transport.close()
            sock.close()
