"""Where a board is and how to get there: host strings, ``~/.ssh/config`` and jump hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from orchestrator.device import Board
from orchestrator.errors import ConfigError
from orchestrator.whoami import user_name

SSH_PORT = 22
MAX_HOPS = 8
MAX_INCLUDE_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Hop:
    """One SSH server on the way to a board, the board itself being the last one."""

    label: str  # for messages: ``pi4-02``, or ``jump host gw of pi4-02``
    host: str
    port: int
    user: str
    identities: tuple[Path, ...]  # private keys named by somebody, in the order to try
    identities_only: bool
    host_key_name: str  # as known_hosts spells it
    known_hosts: tuple[Path, ...]
    proxy_command: str | None = None

    @property
    def address(self) -> str:
        """``user@host:port``."""
        return f"{self.user}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """A host string taken apart: ``[user@]host[:port]``, also ``[::1]:22`` and ``ssh://...``."""

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        user, _, rest = text.removeprefix("ssh://").rstrip("/").rpartition("@")
        bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", rest)
        plain = re.fullmatch(r"([^:\s\[\]]+)(?::(\d+))?", rest)
        if found := bracketed or plain:
            host, port = found[1], int(found[2]) if found[2] else None
        else:
            host, port = rest, None
        if not host or host.startswith("-") or re.search(r"\s", host) or not 0 < (port or SSH_PORT) < 65536:
            raise ConfigError(f"{text!r} is no host", hint="write [user@]host[:port] or an alias of ~/.ssh/config")
        return cls(host, user or None, port)


def host_key_name(host: str, port: int) -> str:
    """How known_hosts spells a server: the port is part of the name unless it is 22."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def route(board: Board, *, extra_known_hosts: tuple[Path, ...] = ()) -> list[Hop]:
    """Every server on the way, jump hosts first. Reads ``~/.ssh/config`` and touches no network.

    The inventory goes before ``~/.ssh/config``: what is written in the host string, then ``device.user``,
    ``device.port`` and ``device.identity_file``.
    """
    device, target = board.device, Target.parse(board.host)
    config = ssh_config()
    lab = (Path(device.known_hosts).expanduser(),) if device.known_hosts else ()
    identity = None
    if device.identity_file:
        identity = Path(device.identity_file).expanduser()
        if not identity.is_file():
            raise ConfigError(f"device.identity_file of {device.name}: there is no file {identity}")
    options = _lookup(config, target.host)
    own = Target(target.host, target.user or device.user, target.port or device.port)
    last = _hop(board.name, own, options, (*extra_known_hosts, *lab), identity)
    return [*_jumps(config, last, options, lab, board.name), last]


def _jumps(
    config: paramiko.SSHConfig, to: Hop, options: Mapping[str, Any], lab: tuple[Path, ...], board: str, depth: int = 0
) -> list[Hop]:
    """The hops of ``ProxyJump``; the first of them may have a ProxyJump of its own."""
    spec = str(options.get("proxyjump", "none"))
    if spec.lower() == "none":
        return []
    if depth >= MAX_HOPS:
        raise ConfigError(f"ProxyJump of {board} in ~/.ssh/config goes round in circles")
    hops: list[Hop] = []
    for text in spec.split(","):
        target = Target.parse(text.strip())
        settings = _lookup(config, target.host)
        hop = _hop(f"jump host {target.host} of {board}", target, settings, lab, None)
        if hop.host == to.host and hop.port == to.port:
            return []  # ``Host *`` with a ProxyJump also matches the jump host itself
        if not hops:
            hops += _jumps(config, hop, settings, lab, board, depth + 1)
        hops.append(hop)
    return hops


def _hop(
    label: str, target: Target, options: Mapping[str, Any], known_hosts: tuple[Path, ...], identity: Path | None
) -> Hop:
    host = str(options.get("hostname", target.host))
    port = target.port or int(options.get("port", SSH_PORT))
    listed = tuple(Path(name).expanduser() for name in options.get("identityfile", []))
    proxy = str(options.get("proxycommand", "none"))
    return Hop(
        label=label,
        host=host,
        port=port,
        user=target.user or str(options.get("user") or user_name()),
        identities=((identity,) if identity else ()) + tuple(path for path in listed if path.is_file()),
        identities_only=str(options.get("identitiesonly", "no")).lower() == "yes",
        host_key_name=str(options["hostkeyalias"]) if "hostkeyalias" in options else host_key_name(host, port),
        known_hosts=(*known_hosts, *_user_known_hosts(options)),
        proxy_command=None if proxy.lower() == "none" else proxy,
    )


def _user_known_hosts(options: Mapping[str, Any]) -> tuple[Path, ...]:
    listed = str(options.get("userknownhostsfile", "~/.ssh/known_hosts")).split()
    return tuple(Path(name.strip('"')).expanduser() for name in listed if name.lower() not in ("none", "/dev/null"))


def _lookup(config: paramiko.SSHConfig, alias: str) -> Mapping[str, Any]:
    try:
        return config.lookup(alias)
    except paramiko.SSHException as error:
        raise ConfigError(f"~/.ssh/config, host {alias}: {error}") from error


def ssh_config() -> paramiko.SSHConfig:
    """The user's ``~/.ssh/config`` with its ``Include`` lines followed (paramiko ignores them)."""
    path = Path("~/.ssh/config").expanduser()
    try:
        return paramiko.SSHConfig.from_text("".join(_lines(path)))
    except paramiko.SSHException as error:
        raise ConfigError(f"{path}: {error}") from error


def _lines(path: Path, depth: int = 0) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    block = "Host *\n"
    for line in text.splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() in ("host", "match"):
            block = line + "\n"
        if word.lower() != "include":
            yield line + "\n"
        elif depth < MAX_INCLUDE_DEPTH:
            for pattern in rest.split():
                for included in _included(pattern.strip('"')):
                    yield from _lines(included, depth + 1)
            yield block  # what follows belongs to the block that the Include stood in


def _included(pattern: str) -> list[Path]:
    home = Path("~/.ssh").expanduser()
    full = Path(pattern).expanduser()
    full = full if full.is_absolute() else home / full
    return sorted(Path(full.anchor).glob(str(full.relative_to(full.anchor))))
