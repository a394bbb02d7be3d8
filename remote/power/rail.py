"""What every sensor file is turned into."""

from __future__ import annotations

import math
import os

from remote.process import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    from remote.power.counter import Counter

MAX_W = 200.0  # no edge board takes more

DENIED = (
    "%s is there, but this user may not read it. To allow it until the next boot: sudo chmod a+r %s; "
    "for good: %s in /etc/tmpfiles.d/edge-orchestrator.conf"
)
_LASTING = "a line 'z %s 0444 root root -'"


class Attribute:
    """A number in a sysfs file, opened once: reading it again from the start makes the kernel ask the sensor again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def read(self) -> float:
        """Raises OSError or ValueError."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        text = os.pread(self._descriptor, 64, 0)
        try:
            value = float(text)
            if math.isfinite(value):
                return value
            raise ValueError
        except ValueError:
            said = "%s says %r, which is no number" % (self._path, text.decode("ascii", "replace").strip()[:40])
            raise ValueError(said) from None


class Rail:
    """One channel. ``read`` gives W for kind ``sampled``, J since it was restarted for kind ``counter``.

    ``reason`` says why it is not used; ``scope`` None: nobody can say what it includes. ``chip`` is set where only the
    inventory knows what is behind it (:mod:`remote.power.declared`). ``update_s``: how seldom the chip has a new value.
    """

    def __init__(self, source: str, name: str, read: Callable[[], float], counter: Counter | None = None) -> None:
        self.source = source
        self.reader = source.partition(":")[0]
        self.name = name
        self.kind = "counter" if counter else "sampled"
        self.read = read
        self.counter = counter
        self.chip: str | None = None
        self.scope: str | None = None
        self.reason: str | None = None
        self.denied = denied(source.partition(":")[2])
        self.details: dict[str, str] = {}
        self.update_s = 0.0


class Group:
    """Rails that together make a total of a known scope."""

    def __init__(self, scope: str, rails: list[Rail], limit_w: float = MAX_W) -> None:
        self.scope = scope
        self.rails = rails
        self.limit_w = limit_w
        for rail in rails:
            rail.scope = scope


def denied(path: str, lasting: str | None = None) -> str:
    """What to do about a file that only root may read; ``lasting`` is a pattern for the line in tmpfiles.d."""
    return DENIED % (path, path, _LASTING % (lasting or os.path.realpath(path)))


def settings(folder: str, names: Iterable[str]) -> dict[str, str]:
    """What a chip is set to: those of its attributes that are there."""
    found = {name: read_text(os.path.join(folder, name)) for name in names}
    return {name: text[:200] for name, text in found.items() if text}


def milliseconds(text: str | None) -> float:
    """An update interval in s, as hwmon has it in ms; 0 where it is not known."""
    try:
        return max(0.0, float(text or 0) / 1e3)
    except ValueError:
        return 0.0
