from __future__ import annotations

import inspect

import fabric.exceptions
import invoke.exceptions
import pytest
from paramiko import ssh_exception

from orchestrator.connection.address import Hop
from orchestrator.connection.translate import TRANSLATIONS, translated
from orchestrator.errors import BoardError, ConnectionFailed

HOP = Hop("pi4-02", "10.0.0.7", 2222, "lab", (), False, "[10.0.0.7]:2222", ())


@pytest.mark.parametrize("module", [ssh_exception, invoke.exceptions, fabric.exceptions], ids=lambda m: m.__name__)
def test_every_exception_of_the_libraries_is_translated(module: object) -> None:
    own = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == module.__name__  # type: ignore[attr-defined]
    ]
    assert own, "the libraries moved their exceptions"
    assert [kind.__name__ for kind in own if kind not in TRANSLATIONS] == []


@pytest.mark.parametrize(
    "error",
    [
        ssh_exception.SSHException("x"),
        ssh_exception.NoValidConnectionsError({("10.0.0.7", 2222): ConnectionRefusedError(111, "Connection refused")}),
        ssh_exception.AuthenticationException("x"),
        ssh_exception.ChannelException(2, "Connect failed"),
        ssh_exception.IncompatiblePeer("no acceptable kex algorithm"),
        TimeoutError(),
        EOFError(),
        ConnectionResetError(104, "reset"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_every_message_names_the_board_and_a_way_out(error: Exception) -> None:
    with pytest.raises(BoardError) as caught, translated(HOP, "pi4-02", "connecting"):
        raise error
    assert "pi4-02" in str(caught.value)
    assert "10.0.0.7" in caught.value.message
    assert caught.value.hint
    assert caught.value.__cause__ is error


def test_a_programming_error_is_not_hidden() -> None:
    with pytest.raises(KeyError), translated(HOP, "pi4-02", "connecting"):
        raise KeyError("x")


def test_an_unsafe_server_is_told_apart() -> None:
    with pytest.raises(ConnectionFailed, match=r"no longer safe.*dropbear"), translated(HOP, "pi4-02", "connecting"):
        raise ssh_exception.IncompatiblePeer("no acceptable host key")
