"""A process that reads power sensors and does nothing else: beside the measuring process of the energy pass, or on
another host as an instrument. It imports no numpy, opens no network and writes no file.

On stdin come lines of JSON: the order, then ``"go"`` when readings are wanted; ``{"clock": n}`` is answered at once
with ``{"clock": [n, CLOCK_MONOTONIC in s]}``. It says ``{"found": {sensors, traces, reason}}``, then a line for each
reading, ``{"p": [trace, t_s, value]}`` with the middle of the read on CLOCK_MONOTONIC, or
``{"miss": [trace, reason]}``. It ends with its stdin.
"""

from __future__ import annotations

import json
import os
import random
import select
import sys
import time

from remote.contract import SCOPES
from remote.power import LEAST_OF_INTERVAL, MOST_OF_INTERVAL, CounterEnded, Meter, discover
from remote.process import die_with_parent
from remote.schema import ContractError, clean, fields, integer, many, maybe, one_of, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_ORDER = fields(
    {
        "sys_root": text(4096),
        "sensor_scopes": many(fields({"match": text(200), "scope": one_of(*SCOPES)}), 100),
        "parent": maybe(integer(1)),
    }
)


class _Sampled:
    """One total, read when due; ``next_s`` is infinite once it has ended."""

    def __init__(self, index: int, meter: Meter, say: Callable[..., None]) -> None:
        self._index = index
        self._meter = meter
        self._say = say
        self._random = random.Random(index)
        self.next_s = 0.0
        meter.start()

    def fire(self) -> None:
        """One reading. One that fails is a gap and never a zero."""
        before = time.monotonic()
        self.next_s = before + self._meter.interval_s * self._random.uniform(LEAST_OF_INTERVAL, MOST_OF_INTERVAL)
        try:
            value = self._meter.read()
        except (OSError, ValueError) as error:
            if isinstance(error, CounterEnded):
                self.next_s = float("inf")
            self._say(miss=[self._index, clean(str(error), 1000)])
        else:
            self._say(p=[self._index, (before + time.monotonic()) / 2, value])


class _Sampler:
    """Stdin, the readings that are due, and nothing in between."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)  # what a library prints goes to the log
        self._waiting = b""
        self._meters: list[Meter] = []
        self._running: list[_Sampled] = []

    def say(self, **message: Any) -> None:
        """A line, in one write."""
        os.write(self._out, json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n")

    def line(self, limit_s: float | None = None) -> Any:
        """The next line; None where none has come within the limit. Raises EOFError at the end."""
        if b"\n" not in self._waiting and select.select([0], [], [], limit_s)[0]:
            data = os.read(0, 65536)
            if not data:
                raise EOFError
            self._waiting += data
        line, found, rest = self._waiting.partition(b"\n")
        if not found:
            return None
        self._waiting = rest
        return json.loads(line.decode("utf-8"))

    def order(self) -> dict[str, Any]:
        """The first line, however many parts it comes in."""
        said = None
        while said is None:
            said = self.line()
        checked: dict[str, Any] = _ORDER(said, "order")
        return checked

    def find(self, order: dict[str, Any]) -> None:
        """Look for sensors, and say what there is."""
        found = discover(order["sys_root"], order["sensor_scopes"])
        self._meters = found.meters
        traces = [meter.described() for meter in found.meters]
        self.say(found={"sensors": found.sensors, "traces": traces, "reason": found.reason})

    def serve(self) -> None:
        """Answer and read until stdin ends."""
        while True:
            due_s = min([one.next_s for one in self._running], default=float("inf"))
            self._obey(self.line(None if due_s == float("inf") else max(0.0, due_s - time.monotonic())))
            now = time.monotonic()
            late = [one for one in self._running if one.next_s <= now]
            if late:
                min(late, key=lambda one: one.next_s).fire()  # one at a time: a clock may be asked for meanwhile

    def _obey(self, said: Any) -> None:
        if isinstance(said, dict) and "clock" in said:
            self.say(clock=[said["clock"], time.monotonic()])
        elif said == "go" and not self._running:
            self._running = [_Sampled(index, meter, self.say) for index, meter in enumerate(self._meters)]


def main() -> int:
    """Exit status 2: the order is none."""
    sampler = _Sampler()
    try:
        order = sampler.order()
        if order["parent"] is not None:
            die_with_parent(order["parent"])
        sampler.find(order)
        sampler.serve()
    except (EOFError, BrokenPipeError):  # nobody wants to know any more
        return 0
    except (ContractError, ValueError) as error:
        sys.stderr.write("power: %s\n" % error)
        return 2
    return 0
