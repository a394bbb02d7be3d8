"""A sensor on another host, such as an INA219 that sits in the supply line of the board: the board program's verb
``power`` reads it there."""

from __future__ import annotations

import glob
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from orchestrator.device import Meter
from orchestrator.errors import BoardError, ConfigError, MeterError, reason
from orchestrator.meters import usual
from orchestrator.meters.clock import Sight, sight
from orchestrator.meters.seam import CLOCKS, Clocks, Ended, Instrument, Missed, Reading, plausible
from orchestrator.plain import plain

READERS = ("hwmon", "ina3221")
"""Of the board program: chips that sit in a supply line, whichever it is. What else it reads is the host itself."""
_TICK_S = 0.2


class Stream(Protocol):
    """JSON lines to the program on that host and back; raises BoardError when the link is gone."""

    def send(self, message: dict[str, Any] | str) -> None: ...

    def receive(self, timeout_s: float) -> dict[str, Any] | None: ...

    def close(self) -> None: ...


class Host:
    """One sensor of that host: ``channel`` counts its power monitors. Its clock is that host's."""

    def __init__(
        self, settings: Meter, link: Callable[[], Stream], clocks: Clocks = CLOCKS, sys_root: str = "/sys"
    ) -> None:
        self._settings, self._link, self._clocks, self._sys_root = settings, link, clocks, sys_root
        self._stream: Stream | None = None
        self._index, self._kind = 0, "sampled"  # of the trace
        self._number = itertools.count(1)
        self._before: Sight | None = None
        self._after: Sight | None = None
        self._counted: tuple[float, float] | None = None
        self._lost: str | None = None  # why the readings ended, where nobody ended them

    def open(self) -> Instrument:
        self.close()
        try:
            return self._open()
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise MeterError(f"that host's program answers with something else: {type(error).__name__}") from error
        except (BoardError, ConfigError) as error:
            raise MeterError(str(error)) from error

    def readings(self, stop: threading.Event) -> Iterator[Reading | Missed]:
        """What one look at the clock missed comes with the next."""
        try:
            self._talk().send("go")
            heard_s = self._clocks.monotonic()
            while not stop.is_set():
                message = self._talk().receive(_TICK_S)
                taken = list(self._taken(message)) if message is not None else []
                yield from taken
                now_s = self._clocks.monotonic()
                if taken:
                    heard_s = now_s
                elif now_s - heard_s > self._settings.timeout_s:
                    yield Missed(f"that host sent no reading for {now_s - heard_s:.1f} s (device.meter.timeout_s)")
                    heard_s = now_s
            self._after = sight(self._their_clock, self._clocks.monotonic)
        except BoardError as error:
            self._lost = error.message
            raise MeterError(error.message) from error
        except Exception as error:
            self._lost = reason(error)
            raise

    def ended(self) -> Ended:
        if self._before is None or self._after is None:
            clock = "how far that host's clock is from this machine's was not measured at the end"
            return Ended(f"{self._lost}; so {clock}" if self._lost else clock)
        return Ended(None, max(self._before.bound_s, self._after.bound_s), self._after.offset_s - self._before.offset_s)

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(Exception):  # whatever state its link is in
                stream.close()

    def _open(self) -> Instrument:
        found = self._found([])
        sensor = self._chosen(found)
        traces = _of(found, sensor)
        scope = usual.scope(self._settings)
        if not traces:  # the program does not know what is behind it; the inventory does
            match = glob.escape(f"{_chip(sensor)}/{sensor['rail']}")
            found = self._found([{"match": match, "scope": scope}])
            traces = _of(found, sensor)
        if not traces:
            raise MeterError(f"{_name(sensor)} of that host cannot be read alone: {_why(found, sensor)}")
        self._index, trace = traces[0]
        self._kind, self._counted, self._after, self._lost = str(trace["kind"]), None, None, None
        self._before = sight(self._their_clock, self._clocks.monotonic)
        limits = usual.limits(self._settings, str(trace["reader"]))
        settings = {plain(key)[:40]: plain(value)[:80] for key, value in dict(sensor["details"]).items()}
        monitors = _listed(_monitors(found))
        details = {"sensor": _name(sensor), "reader": plain(trace["reader"])[:60], "channels": monitors, **settings}
        source = f"host:{self._settings.address} ({_name(sensor)})"
        return Instrument(source, scope, float(trace["rate_hz"]), limits, details)

    def _found(self, scopes: list[dict[str, str]]) -> dict[str, Any]:
        """What the program sees over there; its order is its first line, so that each is a new one."""
        self.close()
        self._stream = self._link()
        self._stream.send({"sys_root": self._sys_root, "sensor_scopes": scopes, "parent": None})
        return dict(self._until("found"))

    def _chosen(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        sensors = _monitors(found)
        if not sensors:
            raise MeterError(f"no INA or other power monitor answers on that host: {plain(found['reason'])[:500]}")
        if self._settings.channel >= len(sensors):
            asked = f"that host has no sensor {self._settings.channel} (device.meter.channel)"
            raise MeterError(f"{asked}, but {_listed(sensors)}")
        return dict(sensors[self._settings.channel])

    def _taken(self, message: Mapping[str, Any]) -> Iterator[Reading | Missed]:
        if message.get("p", [None])[0] == self._index:
            _, t_s, value = message["p"]
            if math.isfinite(float(t_s)):
                yield from self._value(float(t_s), float(value))
            else:
                yield Missed("that host's program sent a reading without a time")
        elif message.get("miss", [None])[0] == self._index:
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
                if not math.isfinite(float(said[1])):
                    raise MeterError("that host's clock makes no sense")
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


def _monitors(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What ``channel`` counts, in the order in which the program finds them."""
    return [one for one in found["sensors"] if one["reader"] in READERS and one["kind"] == "sampled"]


def _listed(sensors: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{number}: {_name(one)}" for number, one in enumerate(sensors))[:1000]


def _of(found: Mapping[str, Any], sensor: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """The trace of that sensor and no other, with its number."""
    return [(number, one) for number, one in enumerate(found["traces"]) if one["source"] == sensor["source"]]


def _chip(sensor: Mapping[str, Any]) -> str:
    """As the program calls it in patterns: ``hwmon:ina219 PATH`` is an ina219, ``ina3221:PATH`` an ina3221."""
    reader, _, rest = str(sensor["source"]).partition(":")
    return rest.partition(" ")[0] if reader == "hwmon" else reader


def _why(found: Mapping[str, Any], sensor: Mapping[str, Any]) -> str:
    """In the program's words; two chips of one name without labels are a sum to it."""
    said = [one["reason"] for one in found["sensors"] if one["source"] == sensor["source"] and one["reason"]]
    return plain(said[0])[:300] if said else "another one is called the same; give them labels in its device tree"


def _name(sensor: Mapping[str, Any]) -> str:
    return plain(f"{sensor['source']} {sensor['rail']}")[:200]
