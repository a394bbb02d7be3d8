"""A bench meter or supply that speaks SCPI, by PyVISA with its backend in pure Python: no vendor's driver is needed.

Sources: IEEE 488.2 (``*IDN?``, ``*CLS``, the bits of ``*ESR?``), SCPI-99 (9.91E37 is not a number, 9.9E37 infinity).
"""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters import usual
from orchestrator.meters.poll import poll
from orchestrator.meters.seam import CLOCKS, Clocks, Ended, Instrument, Missed, Reading
from orchestrator.plain import plain

REFUSED = 0b111100
"""Of the event status register: errors of the command, its execution, the device and the query."""
NO_NUMBER = 9.8e37
NO_RESOURCE = "device.meter.address is no VISA resource that PyVISA-py knows; host:port is a socket"
UNITS = {"": 1.0, "w": 1.0, "mw": 1e-3, "uw": 1e-6, "kw": 1e3}
_VALUE = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_ONE = threading.Lock()
_SOCKET = re.compile(r"([A-Za-z0-9_.-]+):(\d{1,5})")


def resource(address: str) -> str:
    """``host:port`` as VISA spells it; a VISA resource as it is."""
    found = _SOCKET.fullmatch(address)
    return f"TCPIP::{found[1]}::{found[2]}::SOCKET" if found else address


def watts(answer: str, channel: int = 0) -> float:
    """The value of a channel among those between commas; units are understood, others than of power refused.

    Raises MeterError.
    """
    values = answer.strip().split(",")
    if channel >= len(values):
        raise MeterError(f"it answered {plain(answer)[:60]!r}: no value of channel {channel} (device.meter.channel)")
    found = _VALUE.fullmatch(values[channel])
    if found is None or found[2].lower() not in UNITS:
        raise MeterError(f"it answered {plain(answer)[:60]!r}, no number of watts: see device.meter.query")
    if abs(float(found[1])) >= NO_NUMBER:
        raise MeterError("it has no value: out of its range, or not measured yet")
    return float(found[1]) * UNITS[found[2].lower()]


class Scpi:
    """One value of what ``query`` answers."""

    def __init__(self, settings: Meter, clocks: Clocks = CLOCKS) -> None:
        self._settings, self._clocks = settings, clocks
        self._rate_hz = settings.rate_hz or usual.RATES_HZ["scpi"]
        self._device: Any = None

    def open(self) -> Instrument:
        self.close()
        who = plain(self._ask("*IDN?").strip())[:100]
        details = {"identity": who, "query": self._settings.query}
        if self._settings.setup:
            details |= {"setup": "; ".join(self._settings.setup)[:200], "setup_confirmed": self._set_up()}
        self._watts()
        name = " ".join(word.strip() for word in who.split(",")[:2])
        return Instrument(
            f"scpi:{self._settings.address} ({name})",
            usual.scope(self._settings),
            self._rate_hz,
            usual.limits(self._settings),
            details,
        )

    def readings(self, stop: threading.Event) -> Iterator[Reading | Missed]:
        lag_s = usual.limits(self._settings).lag_s
        return poll(self._watts, self._rate_hz, lag_s, stop, self._clocks)

    def ended(self) -> Ended:
        return Ended()

    def close(self) -> None:
        if self._device is not None:
            with suppress(Exception):  # what is being left need not work
                self._device.close()
        self._device = None

    def _set_up(self) -> str:
        """Send the setup; an instrument says itself whether it took it."""
        for line in ("*CLS", *self._settings.setup):
            self._say(line)
        try:
            status = int(float(self._ask("*ESR?")))
        except (MeterError, ValueError, OverflowError):  # 1e999
            return "no: it does not answer *ESR?"
        if status & REFUSED:
            raise MeterError(f"it refused a command of device.meter.setup (*ESR? is {status})")
        return "yes"

    def _watts(self) -> float:
        return watts(self._ask(self._settings.query), self._settings.channel)

    def _ask(self, query: str) -> str:
        device = self._connected()
        try:
            if not resource(self._settings.address).upper().endswith("::SOCKET"):
                return str(device.query(query))
            device.write(query)
            return self._line(device)
        except Exception as error:  # PyVISA, its backend and sockets each raise their own
            self.close()  # an answer that comes late would be taken for the next one's
            raise MeterError(f"it did not answer {query!r}: {_words(error)}") from error

    def _line(self, device: Any) -> str:
        """From a socket, byte by byte: PyVISA-py looks at its deadline only when no data comes, so that an instrument
        that says something now and then would hold a board for ever. Raises TimeoutError."""
        end_s, said = time.monotonic() + self._settings.timeout_s, b""
        while not said.endswith(b"\n"):
            if time.monotonic() > end_s:
                raise TimeoutError(f"no whole line within {self._settings.timeout_s:g} s (device.meter.timeout_s)")
            said += device.read_bytes(1, break_on_termchar=True)
        return said.decode("ascii")

    def _say(self, line: str) -> None:
        device = self._connected()
        try:
            device.write(line)
        except Exception as error:
            self.close()
            raise MeterError(f"it did not take {line!r}: {_words(error)}") from error

    def _connected(self) -> Any:
        if self._device is None:
            try:
                self._device = self._opened()
            except OSError as error:  # of a name that nobody knows PyVISA-py tells EBADF, of a socket that it closed
                why = error.strerror if error.errno != errno.EBADF else "is its name right, and does it listen?"
                raise MeterError(f"it cannot be reached: {why or _words(error)}") from error
            except ValueError as error:  # a driver that is not installed, too
                words = NO_RESOURCE if "for type Resource" in str(error) else _words(error)
                raise MeterError(f"it cannot be opened: {words}") from error
            except Exception as error:  # PyVISA-py raises it as it is where a socket cannot be connected
                raise MeterError(f"it cannot be reached: {_words(error)}") from error
        return self._device

    def _opened(self) -> Any:
        return _manager().open_resource(
            resource(self._settings.address),
            open_timeout=int(self._settings.timeout_s * 1000),
            read_termination="\n",
            write_termination="\n",
            timeout=int(self._settings.timeout_s * 1000),
        )


def _manager() -> Any:
    """PyVISA has one for the whole process, whose end would be the end of every other meter's connection: it stays."""
    import pyvisa

    with _ONE:
        return pyvisa.ResourceManager("@py")


def _words(error: BaseException) -> str:
    return plain(getattr(error, "description", None) or str(error) or type(error).__name__)[:200]
