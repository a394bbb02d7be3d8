"""Files to and from a board over SFTP."""

from __future__ import annotations

import posixpath
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fabric
import paramiko

from orchestrator.connection.address import Hop
from orchestrator.connection.translate import translated
from orchestrator.device import Board
from orchestrator.errors import BoardNotReady, Interrupted, TransferFailed

SFTP_TIMEOUT_S = 30.0
CHUNK_BYTES = 256 * 1024


class Files:
    """The SFTP side of a connection; the session is opened when first needed."""

    def __init__(
        self,
        link: fabric.Connection,
        hop: Hop,
        board: Board,
        free_bytes: Callable[[str], int | None],
        stop: threading.Event | None = None,
    ) -> None:
        self._link, self._hop, self._board, self._free_bytes, self._stop = link, hop, board, free_bytes, stop

    def _go_on(self, _sent: int, _total: int) -> None:
        """Called by paramiko for every block: a long upload hears that the sweep ends."""
        if self._stop is not None and self._stop.is_set():
            raise Interrupted("stopped while a file was sent")

    def put(self, local: Path, remote: str) -> None:
        """Copy a file and check the size that arrived. Raises Interrupted once the sweep ends."""
        size_bytes = local.stat().st_size
        sftp = self._session()
        try:
            with self._transfer(f"sending {local.name} to {remote}"):
                sftp.put(str(local), remote, callback=self._go_on, confirm=False)
                arrived = sftp.stat(remote).st_size
        except TransferFailed as error:
            raise self._full_disk(remote, size_bytes) or error from error.__cause__
        if arrived != size_bytes:
            short = self._failed(f"{local.name} has {size_bytes} bytes, but {arrived} arrived as {remote}")
            raise self._full_disk(remote, size_bytes) or short

    def get(self, remote: str, *, limit_bytes: int) -> bytes:
        """Read a file; its size is checked before and while it is read, since it may grow."""
        sftp = self._session()
        with self._transfer(f"reading {remote}"):
            about = sftp.stat(remote)
            if not stat.S_ISREG(about.st_mode or 0):
                raise self._failed(f"{remote} is not a regular file")
            self._check(remote, about.st_size or 0, limit_bytes)
            content = bytearray()
            with sftp.open(remote, "rb") as file:
                file.prefetch(about.st_size)
                while chunk := file.read(CHUNK_BYTES):
                    content += chunk
                    self._check(remote, len(content), limit_bytes)
        return bytes(content)

    def _session(self) -> paramiko.SFTPClient:
        with translated(self._hop, self._board.name, "opening SFTP"):
            try:
                sftp: paramiko.SFTPClient = self._link.sftp()
            except paramiko.SSHException as error:
                if not self._link.is_connected:
                    raise
                raise BoardNotReady(
                    f"{self._hop.label}: the SSH server has no SFTP",
                    hint="install sftp-server (Debian: openssh-sftp-server; with dropbear too)",
                    board=self._board.name,
                ) from error
            channel = sftp.get_channel()
            if channel is not None:
                channel.settimeout(SFTP_TIMEOUT_S)
            return sftp

    @contextmanager
    def _transfer(self, doing: str) -> Iterator[None]:
        """What the far side refuses (an IOError) is a failed transfer; everything else a failed link."""
        with translated(self._hop, self._board.name, doing):
            try:
                yield
            except TimeoutError:
                raise
            except OSError as error:
                if not self._link.is_connected:
                    raise EOFError("the link was lost") from error
                raise self._failed(f"{doing} failed: {error.strerror or error}") from error

    def _full_disk(self, remote: str, size_bytes: int) -> TransferFailed | None:
        """SFTP version 3 has no word for a full disk (OpenSSH says ``Failure``), so look."""
        free = self._free_bytes(posixpath.dirname(remote))
        if free is None or free >= size_bytes:
            return None
        return self._failed(f"the disk is full: {posixpath.basename(remote)} needs {size_bytes} bytes, {free} are free")

    def _check(self, remote: str, size_bytes: int, limit_bytes: int) -> None:
        if size_bytes > limit_bytes:
            raise self._failed(f"{remote} has {size_bytes} bytes or more; at most {limit_bytes} are taken")

    def _failed(self, message: str) -> TransferFailed:
        return TransferFailed(message, board=self._board.name)
