"""Opening connections hop by hop with Fabric: strict host keys and timeouts on each of them, and no leaks."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from typing import Any

import fabric
import paramiko

from orchestrator.connection import hostkeys
from orchestrator.connection.address import Hop
from orchestrator.connection.hostkeys import Pinned
from orchestrator.connection.keys import Keys
from orchestrator.connection.translate import translated
from orchestrator.device import Board

KEEPALIVE_S = 5
TCP_USER_TIMEOUT_MS = 20_000
"""Keepalives alone never notice a dead link: nobody awaits their answer, and TCP retransmits for minutes."""

# paramiko logs a traceback for each failure that is translated here, and every connection at INFO.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Chain:
    """The open connections to one board, first jump host first. Closed by its owner, from the board backwards."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._links: list[fabric.Connection] = []

    @property
    def last(self) -> fabric.Connection:
        """The one that reached farthest."""
        return self._links[-1]

    def extend(self, hop: Hop, key: paramiko.PKey | None = None) -> None:
        """Connect to the next server through the ones before it.

        Fabric would build the gateways of a ProxyJump itself, and let each of them in unchecked.
        """
        link = self._fabric(hop, key)
        self._links.append(link)
        with translated(hop, self._board.name, "connecting"):
            link.open()
        link.transport.set_keepalive(KEEPALIVE_S)

    def socket(self, hop: Hop) -> Any:
        """A channel or proxy command that leads to the next server; None if it is reached directly."""
        if not self._links and not hop.proxy_command:
            return None
        return self._fabric(hop, None).open_gateway()

    def transport(self, hop: Hop, sock: Any) -> paramiko.Transport:
        """An SSH transport that asks for a kind of host key that is pinned."""
        return _transport(sock, hostkeys.known(hop.host_key_name, hop.known_hosts))

    def close(self) -> None:
        """Fabric's own close() leaves a socket and a thread behind when open() had failed, and spares gateways."""
        while self._links:
            link = self._links.pop()
            for end in (link.close, link.client.close):
                with suppress(OSError, EOFError, paramiko.SSHException):
                    end()

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fabric(self, hop: Hop, key: paramiko.PKey | None) -> fabric.Connection:
        """A connection that takes nothing from the user's Fabric or SSH configuration by itself."""
        patience_s = self._board.device.connect_timeout_s
        known = hostkeys.known(hop.host_key_name, hop.known_hosts)
        gateway = self._links[-1] if self._links else hop.proxy_command or False
        link = fabric.Connection(
            hop.host,
            user=hop.user,
            port=hop.port,
            config=fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig(), overrides={"load_ssh_configs": False}),
            gateway=gateway,
            forward_agent=False,
            connect_kwargs={  # a new dictionary each time: Fabric writes into it
                "timeout": patience_s,  # Fabric rounds its own connect_timeout down to whole seconds
                "banner_timeout": patience_s,
                "auth_timeout": patience_s,
                "channel_timeout": patience_s,
                "auth_strategy": Keys(hop, key),
                "transport_factory": lambda sock, **kwargs: _transport(sock, known, **kwargs),
            },
        )
        link.client.set_missing_host_key_policy(Pinned(hop, known, self._board.device.name))
        return link


def _transport(sock: Any, known: hostkeys.Known, **kwargs: Any) -> paramiko.Transport:
    """A transport that notices dead links and asks the server for a kind of host key that is pinned."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    transport = paramiko.Transport(sock, **kwargs)
    options = transport.get_security_options()
    wanted = [kind for kind in known.algorithms if kind in options.key_types]
    options.key_types = tuple(dict.fromkeys([*wanted, *options.key_types]))
    return transport
