"""The events and the log of a job on a disk that may be full, or be filled by the log itself."""

from __future__ import annotations

import os
from contextlib import suppress

from remote.contract import MAX_LOG_BYTES

_HEAD_BYTES = MAX_LOG_BYTES // 4  # how it began
_TAIL_BYTES = MAX_LOG_BYTES // 2  # how it ended; together less than what may be fetched, for what still drips in
GROWTH_BYTES = 16 * MAX_LOG_BYTES
"""A log may grow to this while its job runs."""
_CUT = b"\n[the middle of this log was left out: it was longer than %d bytes]\n"


def cap_log(path: str, limit: int = MAX_LOG_BYTES) -> None:
    """Drop the middle of a log longer than ``limit``.

    In place, so that it makes room on a full disk instead of needing some. Whoever writes to it meanwhile appends and
    waits for nothing.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb+", buffering=0) as stream:
            size = os.fstat(descriptor).st_size
            if size <= limit:
                return
            tail = os.pread(descriptor, _TAIL_BYTES, size - _TAIL_BYTES)
            stream.truncate(_HEAD_BYTES)
            stream.write(_CUT % limit + tail)


class Journal:
    """``events.jsonl`` of a job; what the disk does not take stays in memory and is written when it does."""

    def __init__(self, path: str) -> None:
        """Raises OSError. A half line that a power cut left behind is dropped."""
        self.tail = b""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(self._descriptor).st_size
        whole = os.pread(self._descriptor, size, 0).rfind(b"\n") + 1
        if whole != size:
            os.ftruncate(self._descriptor, whole)

    def append(self, data: bytes) -> None:
        """Add whole lines or parts of them; never raises."""
        self.tail += data
        self.flush()

    def flush(self, sync: bool = False) -> bool:
        """Whether all of it is on disk now, with ``sync`` for good."""
        try:
            while self.tail:
                self.tail = self.tail[os.write(self._descriptor, self.tail) :]
            if sync:
                os.fsync(self._descriptor)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Once; what is in memory stays readable."""
        os.close(self._descriptor)
