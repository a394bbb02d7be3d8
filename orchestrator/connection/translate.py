"""The one place where the exceptions of paramiko, invoke, Fabric and sockets become ours."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import fabric.exceptions
import invoke.exceptions
from paramiko import ssh_exception

from orchestrator.connection.address import Hop
from orchestrator.connection.hostkeys import HostKeyRefused
from orchestrator.errors import AuthenticationFailed, BoardError, CommandFailed, ConnectionFailed, HostKeyMismatch

BANNER_ERROR = "Error reading SSH protocol banner"

Translation = Callable[[BaseException, Hop, str], BoardError]


def _lost(error: BaseException, hop: Hop, doing: str) -> BoardError:
    text = str(error) or type(error).__name__
    return ConnectionFailed(
        f"{hop.label}: the connection to {hop.address} failed while {doing}: {text}",
        hint="is the board up and on the network?",
    )


def _unreachable(error: BaseException, hop: Hop, doing: str) -> BoardError:
    reason = "cannot be reached"
    if isinstance(error, ssh_exception.NoValidConnectionsError):
        words = [cause.strerror for cause in error.errors.values() if isinstance(cause, OSError) and cause.strerror]
        reason = words[0].lower() if words else reason
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror.lower()
    return ConnectionFailed(
        f"{hop.label}: {hop.host} port {hop.port} does not answer while {doing}: {reason}",
        hint="is it switched on, is sshd running there, is the port right?",
    )


def _unnamed(error: BaseException, hop: Hop, doing: str) -> BoardError:
    return ConnectionFailed(
        f"{hop.label}: the name {hop.host} is not known to this machine",
        hint="check the spelling in device.hosts, or write the IP address",
    )


def _late(error: BaseException, hop: Hop, doing: str) -> BoardError:
    return ConnectionFailed(
        f"{hop.label}: {hop.address} did not answer in time while {doing}",
        hint="the board is overloaded, frozen, or the network is; device.connect_timeout_s sets the patience",
    )


def _handshake(error: BaseException, hop: Hop, doing: str) -> BoardError:
    """paramiko's general exception: its text is all that tells the cases apart."""
    text = str(error)
    if BANNER_ERROR in text:
        return ConnectionFailed(
            f"{hop.label}: {hop.host} port {hop.port} answers, but not as an SSH server does",
            hint="is it an SSH port? A server that is too busy (MaxStartups) looks the same",
        )
    if "No existing session" in text or text.startswith("Timeout"):
        return _late(error, hop, doing)
    return _lost(error, hop, doing)


def _incompatible(error: BaseException, hop: Hop, doing: str) -> BoardError:
    return ConnectionFailed(
        f"{hop.label}: {hop.address} speaks only SSH algorithms that are no longer safe: {error}",
        hint="give it an ed25519 host key, or a newer OpenSSH or dropbear (2020.79 or later)",
    )


def _host_key(error: BaseException, hop: Hop, doing: str) -> BoardError:
    return HostKeyMismatch(str(error), hint=getattr(error, "hint", None))


def copy_id(hop: Hop) -> str:
    """The command that puts a public key on a server."""
    port = f" -p {hop.port}" if hop.port != 22 else ""
    key = f" -i {hop.identities[0]}" if hop.identities else ""
    return f"ssh-copy-id{key}{port} {hop.user}@{hop.host}"


def _refused(error: BaseException, hop: Hop, doing: str) -> BoardError:
    return AuthenticationFailed(
        f"{hop.label}: {hop.address} lets none of our keys in: {str(error).rstrip('.')}",
        hint=f"put your public key there: {copy_id(hop)} (no key yet? ssh-keygen -t ed25519)",
    )


def _no_channel(error: BaseException, hop: Hop, doing: str) -> BoardError:
    return ConnectionFailed(
        f"{hop.label}: {hop.address} opened no channel while {doing}: {error}",
        hint="a jump host must allow TCP forwarding to the board, and a board needs sshd's MaxSessions >= 2",
    )


def _command(error: BaseException, hop: Hop, doing: str) -> BoardError:
    return CommandFailed(f"{hop.label}: {doing} failed: {error}")


def _misuse(error: BaseException, hop: Hop, doing: str) -> BoardError:
    """Classes that belong to features of Fabric and invoke that this adapter never touches."""
    return ConnectionFailed(f"{hop.label}: {type(error).__name__} while {doing}: {error}")


TRANSLATIONS: dict[type[BaseException], Translation] = {
    HostKeyRefused: _host_key,
    ssh_exception.BadHostKeyException: _host_key,
    ssh_exception.AuthenticationException: _refused,
    ssh_exception.PasswordRequiredException: _refused,
    ssh_exception.BadAuthenticationType: _refused,
    ssh_exception.PartialAuthentication: _refused,
    ssh_exception.UnableToAuthenticate: _refused,
    ssh_exception.ChannelException: _no_channel,
    ssh_exception.IncompatiblePeer: _incompatible,
    ssh_exception.ProxyCommandFailure: _lost,
    ssh_exception.NoValidConnectionsError: _unreachable,
    ssh_exception.CouldNotCanonicalize: _unnamed,
    ssh_exception.ConfigParseError: _misuse,
    ssh_exception.MessageOrderError: _lost,
    ssh_exception.SSHException: _handshake,
    socket.gaierror: _unnamed,
    TimeoutError: _late,
    EOFError: _lost,
    OSError: _unreachable,
    invoke.exceptions.UnexpectedExit: _command,
    invoke.exceptions.CommandTimedOut: _command,
    invoke.exceptions.AuthFailure: _refused,
    invoke.exceptions.Failure: _command,
    invoke.exceptions.Exit: _command,
    invoke.exceptions.ThreadException: _lost,
    invoke.exceptions.SubprocessPipeError: _lost,
    invoke.exceptions.ResponseNotAccepted: _command,
    invoke.exceptions.WatcherError: _command,
    invoke.exceptions.CollectionNotFound: _misuse,
    invoke.exceptions.ParseError: _misuse,
    invoke.exceptions.PlatformError: _misuse,
    invoke.exceptions.AmbiguousEnvVar: _misuse,
    invoke.exceptions.UncastableEnvVar: _misuse,
    invoke.exceptions.UnknownFileType: _misuse,
    invoke.exceptions.UnpicklableConfigMember: _misuse,
    fabric.exceptions.NothingToDo: _misuse,
    fabric.exceptions.GroupException: _misuse,
    fabric.exceptions.InvalidV1Env: _misuse,
}


def translation(kind: type[BaseException]) -> Translation:
    """The nearest entry of the table along the class's ancestors."""
    return next(TRANSLATIONS[base] for base in kind.__mro__ if base in TRANSLATIONS)


@contextmanager
def translated(hop: Hop, board: str, doing: str) -> Iterator[None]:
    """Turn whatever the libraries raise inside into a BoardError about ``hop``, on the way to ``board``."""
    try:
        yield
    except tuple(TRANSLATIONS) as error:
        made = translation(type(error))(error, hop, doing)
        raise made.located(board=board) from error
