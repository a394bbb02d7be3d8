"""The sampler's process, seen from the runner: what sensors there are, and what they have said so far."""

from __future__ import annotations

import select
import time

from remote import contract
from remote.child import Child
from remote.process import death, oom_kills
from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIND_S = 30.0  # sensors are tried one after the other, a counter for up to 0.3 s
_END_S = 1.5  # longer than any program is waited for
_LONGEST = 1.5  # times the nominal interval
_MARGIN_S = 1.0


class Readings:
    """``sensors``, ``traces`` and ``reason`` as in the record's ``energy``. A sampler that dies or hangs costs the
    readings from then on, and its traces say so."""

    def __init__(self, sys_root: str, sensor_scopes: list[dict[str, Any]], parent: int) -> None:
        self.sensors: list[dict[str, Any]] = []
        self.traces: list[dict[str, Any]] = []
        self.reason: str | None = None
        self._heard_s: list[float] = []
        self._closed = False
        self._oom_before = oom_kills()
        order = {"sys_root": sys_root, "sensor_scopes": sensor_scopes, "parent": parent}
        self._child = Child("power", order)
        self._find()

    def _find(self) -> None:
        """Wait for what there is."""
        give_up = time.monotonic() + _FIND_S
        found = None
        while found is None:
            pipe, left_s = self._child.pipe(), give_up - time.monotonic()
            if pipe is None or left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
                self._fail("before it had found the sensors")
                return
            self._child.receive()
            found = (self._child.said() or {}).get("found")
        self.sensors, self.reason = found["sensors"], found["reason"]
        self.traces = [dict(one, points=[], missed=0, problem=None) for one in found["traces"]]
        self._heard_s = [float("-inf")] * len(self.traces)

    def _fail(self, when: str) -> None:
        said = self.close()
        self.reason = clean("%s %s" % (said or "the sampler ended", when), 2000)

    def go(self) -> None:
        """Readings are wanted from now on."""
        self._child.send("go")

    def pipe(self) -> int | None:
        """What to wait for before :meth:`hear`."""
        return None if self._closed else self._child.pipe()

    def hear(self) -> None:
        """Take what it says."""
        self._child.receive()
        message = self._child.said()
        while message is not None:
            if "p" in message:
                index, t_s, value = message["p"]
                points = self.traces[index]["points"]
                if len(points) < contract.MAX_SAMPLES:
                    points.append([t_s, value])
                self._heard_s[index] = t_s
            elif "miss" in message:
                index, problem = message["miss"]
                self.traces[index]["missed"] += 1
                self.traces[index]["problem"] = problem
                self._heard_s[index] = time.monotonic()
            message = self._child.said()

    def heard_since(self, begin_s: float) -> bool:
        """Whether each trace was tried since then (CLOCK_MONOTONIC), or no more is to come."""
        return self.pipe() is None or all(heard_s >= begin_s for heard_s in self._heard_s)

    def patience_s(self) -> float:
        """Within which every trace has a reading."""
        return _MARGIN_S + max([_LONGEST / trace["rate_hz"] for trace in self.traces], default=0.0)

    def close(self) -> str | None:
        """End it; says what was wrong with it, if anything, which its traces then say, too."""
        if self._closed:
            return None
        self._closed = True
        returncode = self._child.close(_END_S)
        problem = None
        if self._child.forced:
            problem = "the sampler hung in a read and was stopped"
        elif returncode:
            problem = "the sampler %s" % death(returncode, self._oom_before)
        if problem is not None:
            for trace in self.traces:
                trace.update(missed=trace["missed"] + 1, problem=problem)
        return problem
