"""A sensor on another host, such as an INA219 that sits in the supply line of the board: the board program's verb
``power`` reads it there."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from orchestrator.device import Meter
from orchestrator.errors import BoardError, ConfigError, MeterError
from orchestrator.meters import usual
from orchestrator.meters.clock import Sight, sight
from orchestrator.meters.seam import CLOCKS, Clocks, Ended, Instrument, Missed, Reading, plausible
from orchestrator.plain import plain

_TICK_S = 0.2


class Stream(Protocol):
    """JSON lines to the program on that host and back; raises BoardError when the link is gone."""

    def send(self, message: dict[str, Any] | str) -> None: ...

    def receive(self, timeout_s: float) -> dict[str, Any] | None: ...

    def close(self) -> None: ...


class Host:
    """One sensor of that host: ``channel`` counts those that it reads. Its clock is that host's."""

    def __init__(
        self, settings: Meter, link: Callable[[], Stream], clocks: Clocks = CLOCKS, sys_root: str = "/sys"
    ) -> None:
        self._settings, self._link, self._clocks, self._sys_root = settings, link, clocks, sys_root
        self._stream: Stream | None = None
        self._kind = "sampled"
        self._number = itertools.count(1)
        self._before: Sight | None = None
        self._after: Sight | None = None
        self._counted: tuple[float, float] | None = None

    def open(self) -> Instrument:
        self.close()
        try:
            return self._open()
        except (BoardError, ConfigError) as error:
            raise MeterError(str(error)) from error

    def readings(self, stop: threading.Event) -> Iterator[Reading | Missed]:
        """What one look at the clock missed comes with the next."""
        try:
            self._talk().send("go")
            while not stop.is_set():
                message = self._talk().receive(_TICK_S)
                if message is not None:
                    yield from self._taken(message)
            self._after = sight(self._their_clock, self._clocks.monotonic)
        except BoardError as error:
            raise MeterError(error.message) from error

    def ended(self) -> Ended:
        if self._before is None or self._after is None:
            return Ended("how far that host's clock is from this machine's was not measured at the end")
        return Ended(None, max(self._before.bound_s, self._after.bound_s), self._after.offset_s - self._before.offset_s)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _open(self) -> Instrument:
        self._stream = self._link()
        scope = usual.scope(self._settings)
        # what that host's own sensors say of themselves is about that host: the inventory knows what is behind them
        self._stream.send(
            {"sys_root": self._sys_root, "sensor_scopes": [{"match": "*", "scope": scope}], "parent": None}
        )
        trace = self._chosen(self._until("found"))
        self._kind, self._counted, self._after = str(trace["kind"]), None, None
        self._before = sight(self._their_clock, self._clocks.monotonic)
        source = plain(trace["source"])[:200]
        limits = usual.limits(self._settings, str(trace["reader"]))
        details = {"sensor": source, "reader": plain(trace["reader"])[:60], "kind": plain(self._kind)[:20]}
        return Instrument(f"host:{self._settings.address} ({source})", scope, float(trace["rate_hz"]), limits, details)

    def _chosen(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        traces, channel = found.get("traces"), self._settings.channel
        if not isinstance(traces, list) or not traces:
            raise MeterError(f"no sensor answers on that host: {plain(found.get('reason'))[:500]}")
        if channel >= len(traces):
            names = "; ".join(f"{number}: {plain(one['source'])[:80]}" for number, one in enumerate(traces))
            raise MeterError(f"that host has no sensor {channel} (device.meter.channel), but {names}")
        return dict(traces[channel])

    def _taken(self, message: Mapping[str, Any]) -> Iterator[Reading | Missed]:
        if message.get("p", [None])[0] == self._settings.channel:
            _, t_s, value = message["p"]
            yield from self._value(float(t_s), float(value))
        elif message.get("miss", [None])[0] == self._settings.channel:
            yield Missed(plain(message["miss"][1])[:300])

    def _value(self, t_s: float, value: float) -> Iterator[Reading | Missed]:
        """W; of a counter the mean since its last reading, at the middle."""
        if self._kind == "counter":
            before, self._counted = self._counted, (t_s, value)
            if before is None or t_s <= before[0]:
                return
            t_s, value = (t_s + before[0]) / 2, (value - before[1]) / (t_s - before[0])
        try:
            yield Reading(t_s - (self._before.offset_s if self._before else 0.0), plausible(value))
        except MeterError as error:
            yield Missed(error.message)

    def _their_clock(self) -> float:
        number = next(self._number)
        self._talk().send({"clock": number})
        while True:
            said = self._until("clock")
            if said[0] == number:
                return float(said[1])

    def _until(self, key: str) -> Any:
        """The next message of that kind; readings that come between are of a time that nobody asks for any more."""
        end = self._clocks.monotonic() + self._settings.timeout_s
        while (left_s := end - self._clocks.monotonic()) > 0:
            message = self._talk().receive(left_s)
            if message is not None and key in message:
                return message[key]
        raise MeterError(f"that host said nothing for {self._settings.timeout_s:g} s (device.meter.timeout_s)")

    def _talk(self) -> Stream:
        if self._stream is None:
            raise MeterError("it is not open")
        return self._stream
