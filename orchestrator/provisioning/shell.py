"""What provisioning needs of a board's connection, so that it imports no other room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Output(Protocol):
    """What a command wrote and how it ended."""

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...

    @property
    def exit_code(self) -> int: ...


class Shell(Protocol):
    """Commands and files; an ``orchestrator.connection.Connection`` is one."""

    def run(
        self, argv: Sequence[str], *, timeout_s: float | None = None, stdin: bytes | None = None, check: bool = True
    ) -> Output: ...

    def put(self, local: Path, remote: str) -> None: ...


class Requests(Protocol):
    """The conversation with the board's supervisor."""

    def request(self, op: str, *, timeout_s: float = 60.0, **fields: Any) -> dict[str, Any]: ...
