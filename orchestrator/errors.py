"""What can go wrong, as one family.

    OrchestratorError
    |- ConfigError                      before anything runs
    |- BuildError
    |  `- UnsupportedOptimization       an impossible combination: skipped, not failed
    |- BoardError
    |  |- ConnectionFailed              the one that is worth a retry
    |  |- AuthenticationFailed
    |  |- HostKeyMismatch               unknown or changed host key
    |  |- BoardBusy                     somebody else holds the board
    |  |  `- HoldLost                   somebody ended our hold (board release)
    |  |- JobLost                       the board restarted, or its supervisor was ended: worth a retry
    |  |- BoardNotReady                 no Python, no space, no runtime for it
    |  |- TransferFailed
    |  |- SwitchError                   its power switch did not do what it was told
    |  `- CommandFailed
    |     `- CommandTimedOut
    |- BenchmarkFailed                  type, message and traceback came from the board
    |- Interrupted                      somebody pressed Ctrl-C
    |- MeasurementError                 the record makes no sense
    |  `- MeterError
    `- TrackingError

An error says what happened (``message``) and what to do about it (``hint``); the layers it passes on its way
up fill in on which ``board``, in which ``cell`` and where the ``log`` is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self


def reason(error: BaseException) -> str:
    """What went wrong, in words; the type of what nobody expected."""
    if isinstance(error, OrchestratorError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError from within says where: one of writing to a full disk does not."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


class OrchestratorError(Exception):
    """Base of every expected failure; shown to people without a traceback."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        board: str | None = None,
        cell: str | None = None,
        log: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.board = board
        self.cell = cell
        self.log = log

    def __copy__(self) -> Self:
        """As Python copies exceptions, the constructor is called with the message alone; some want more."""
        twin = self.__class__.__new__(self.__class__)
        twin.args = self.args
        twin.__dict__.update(self.__dict__)
        twin.__cause__, twin.__traceback__ = self.__cause__, self.__traceback__
        return twin

    def located(self, *, board: str | None = None, cell: str | None = None, log: str | None = None) -> Self:
        """Fill in where it happened; what a lower layer already knew stays."""
        self.board = self.board or board
        self.cell = self.cell or cell
        self.log = self.log or log
        return self

    def __str__(self) -> str:
        where = f"{self.board}: " if self.board and self.board not in self.message else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"


class ConfigError(OrchestratorError):
    """The configuration asks for something that does not exist or makes no sense."""


class BuildError(OrchestratorError):
    """The artifact could not be built."""


class UnsupportedOptimization(BuildError):
    """This optimization cannot be applied to this model; the cell is skipped with the reason."""


class BoardError(OrchestratorError):
    """Something between the controller and a board."""


class ConnectionFailed(BoardError):
    """The board cannot be reached, or the link was lost: infrastructure, worth a retry."""


class AuthenticationFailed(BoardError):
    """The board answered and refused the key."""


class HostKeyMismatch(BoardError):
    """The host key is unknown or has changed."""


class BoardBusy(BoardError):
    """Somebody else holds the board."""


class HoldLost(BoardBusy):
    """Our hold was ended from outside; whoever did that wants the board."""


class JobLost(BoardError):
    """What ran on the board is gone with the board's uptime or its supervisor, by no fault of the benchmark."""


class BoardNotReady(BoardError):
    """The board lacks something a benchmark needs."""


class TransferFailed(BoardError):
    """A file did not arrive as it was sent."""


class SwitchError(BoardError):
    """What turns a board's supply off and on did not do it, or cannot say so."""


class CommandFailed(BoardError):
    """A command on the board ended with an error."""


class CommandTimedOut(CommandFailed):
    """A command on the board did not end in time."""


class BenchmarkFailed(OrchestratorError):
    """The benchmark itself failed on the board; ``kind`` and ``trace`` are the board's own words."""

    def __init__(self, message: str, *, kind: str = "", trace: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.trace = trace


class Interrupted(OrchestratorError):
    """The sweep was asked to end; what ran was stopped on its board."""


class MeasurementError(OrchestratorError):
    """The record does not hold what it promises."""


class MeterError(MeasurementError):
    """A meter answered with nothing usable."""


class TrackingError(OrchestratorError):
    """The tracking server did not take a result; it stays on disk."""
