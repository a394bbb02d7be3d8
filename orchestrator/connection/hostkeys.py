"""Host keys: reading known_hosts without trusting its form, and refusing every key that is not in it.

The files are read line by line by our own reader: paramiko's raises on ``@cert-authority`` and ``@revoked``, knows no
wildcards and keeps one key per type. Keys are compared as the bytes they travel as.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from orchestrator.connection.address import Hop
from orchestrator.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key of a server."""

    kind: str  # ssh-ed25519, ssh-rsa, ...
    blob: bytes

    @classmethod
    def of(cls, key: paramiko.PKey) -> HostKey:
        return cls(key.get_name(), key.asbytes())

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def line(self, name: str) -> str:
        """The line of a known_hosts file."""
        return f"{name} {self.kind} {base64.b64encode(self.blob).decode()}\n"


@dataclass(frozen=True, slots=True)
class Known:
    """What the known_hosts files say about one server."""

    pinned: tuple[HostKey, ...]
    revoked: tuple[HostKey, ...]
    by_authority: bool  # a @cert-authority line names it; host certificates are not supported

    @property
    def algorithms(self) -> list[str]:
        """The pinned kinds in the words of the negotiation, so that the server shows a key that we know."""
        rsa = ["rsa-sha2-512", "rsa-sha2-256"]
        words = [rsa if key.kind == "ssh-rsa" else [key.kind] for key in self.pinned]
        return list(dict.fromkeys(word for group in words for word in group))


def known(name: str, files: Iterable[Path]) -> Known:
    """Collect what ``files`` say about the server that they call ``name``; a missing file says nothing."""
    found: dict[str, list[HostKey]] = {"": [], "@revoked": [], "@cert-authority": []}
    for path in files:
        for marker, key in _entries(path, name):
            found.get(marker, []).append(key)
    return Known(tuple(found[""]), tuple(found["@revoked"]), bool(found["@cert-authority"]))


def _entries(path: Path, name: str) -> Iterator[tuple[str, HostKey]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or not _names(words[0], name):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        yield marker, HostKey(words[1], blob)


def _names(patterns: str, name: str) -> bool:
    """Whether the first word of a line means ``name``: hashed, or patterns with ``*``, ``?`` and ``!``."""
    if patterns.startswith("|"):
        return _is_hash_of(patterns, name)
    hit = False
    for pattern in patterns.split(","):
        regex = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(regex, name, re.IGNORECASE):
            if pattern.startswith("!"):
                return False
            hit = True
    return hit


def _is_hash_of(word: str, name: str) -> bool:
    parts = word.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, digest = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


class HostKeyRefused(paramiko.SSHException):
    """The server showed a key that we must not talk to; the text says why and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Pinned(paramiko.RejectPolicy):
    """Lets a server in only with a key from known_hosts; nothing is ever added."""

    def __init__(self, hop: Hop, keys: Known, device: str) -> None:
        self._hop, self._known, self._device = hop, keys, device

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # type: ignore[override]
        """Called by paramiko for every server, since its own list of known keys is always empty."""
        if refused := refusal(self._hop, self._known, HostKey.of(key), self._device):
            raise refused


def refusal(hop: Hop, known: Known, shown: HostKey, device: str) -> HostKeyRefused | None:
    """Why we must not talk to a server that shows this key, None if it is the one we know."""
    if shown in known.revoked:
        return HostKeyRefused(
            f"the host key {shown.fingerprint} of {hop.host_key_name} is marked @revoked in known_hosts",
            "never use this key again; give the server a new one",
        )
    if shown in known.pinned:
        return None
    if known.pinned:
        pinned = ", ".join(f"{key.kind} {key.fingerprint}" for key in known.pinned)
        return HostKeyRefused(
            f"the host key of {hop.label} ({hop.host_key_name}) has changed: pinned is {pinned}, "
            f"it shows {shown.kind} {shown.fingerprint}",
            f"somebody may be listening in; if it was set up anew: ssh-keygen -R '{hop.host_key_name}' "
            f"-f {hop.known_hosts[0] if hop.known_hosts else '~/.ssh/known_hosts'}, "
            f"then {enrol_command(device)}",
        )
    note = "; host certificates (@cert-authority) are not supported" if known.by_authority else ""
    return HostKeyRefused(
        f"the host key of {hop.label} ({hop.host_key_name}) is unknown: {shown.kind} {shown.fingerprint}{note}",
        f"compare it with the board's own and pin it: {enrol_command(device)}",
    )


def enrol_command(device: str) -> str:
    """The line that pins this device's key, with the lab's folder: a shipped device may have the same name."""
    lab = os.environ.get("ORCHESTRATOR_LAB")
    where = f"--config-dir {shlex.quote(lab)} " if lab else ""
    return f"python -m orchestrator {where}enrol device={device}"
