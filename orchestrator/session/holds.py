"""The tokens of a sweep's sessions, on disk, so that who goes on with the sweep goes on with its holds."""

from __future__ import annotations

import json
import os
import secrets
import threading
from pathlib import Path

from orchestrator.device import Board

HOLDS_FILE = "holds.json"


def hold_key(board: Board) -> str:
    """What a session is of: one board may be in two devices, with another user, folder or hold."""
    return f"{board.device.name} {board.host} {board.hold}"


class Holds:
    """A token per board. Only the user may read the file: with a token, and as the same user of the board, one gets
    into a session that is open there."""

    def __init__(self, directory: Path) -> None:
        """Of the sweep. A file that cannot be read counts as none: then a hold ends by itself."""
        self._path = directory / HOLDS_FILE
        self._lock = threading.Lock()
        self._tokens = self._read()

    def knows(self, board: Board) -> bool:
        """Whether this sweep has opened the board before."""
        return hold_key(board) in self._tokens

    def token(self, key: str) -> str:
        """The same one for a board of this sweep, whichever process asks; on the disk when this returns."""
        with self._lock:
            if key not in self._tokens:
                self._tokens[key] = secrets.token_hex(16)
                self._write()
            return self._tokens[key]

    def _read(self) -> dict[str, str]:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return {str(board): str(token) for board, token in stored.items()} if isinstance(stored, dict) else {}

    def _write(self) -> None:
        part = self._path.with_name(f".{HOLDS_FILE}-{secrets.token_hex(4)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._tokens, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
