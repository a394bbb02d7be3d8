"""What every sensor file is turned into."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

MAX_W = 200.0  # no edge board takes more


class Attribute:
    """A number in a sysfs file, opened once: reading it again from the start makes the kernel ask the sensor again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def read(self) -> float:
        """Raises OSError or ValueError."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return float(os.pread(self._descriptor, 64, 0))


class Rail:
    """One channel. ``read`` gives W for kind ``sampled``, J since the first read for kind ``counter``.

    ``reason`` says why it is not used; ``scope`` None: nobody can say what it includes.
    """

    def __init__(self, source: str, name: str, kind: str, read: Callable[[], float]) -> None:
        self.source = source
        self.reader = source.partition(":")[0]
        self.name = name
        self.kind = kind
        self.read = read
        self.scope: str | None = None
        self.reason: str | None = None


class Group:
    """Rails that together make a total of a known scope."""

    def __init__(self, scope: str, rails: list[Rail], limit_w: float = MAX_W) -> None:
        self.scope = scope
        self.rails = rails
        self.limit_w = limit_w
        for rail in rails:
            rail.scope = scope
