"""The temperature gate: a measuring process begins on a cool board, and so each of them on an equally cool one."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from remote.files import read_json, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from remote.board import State

POLL_S = 0.5
SAY_EVERY_S = 5.0
STILL_S = 30.0
"""A board that has not come below its coldest for so long is as cool as it gets."""
_NEAR_C = 1.0  # of the coldest that was ever reached: sensors count in steps of up to this
_NO_SENSOR = "no temperature sensor: nothing tells when the board is below %g C (device.cool_to_c)"


class Coldest:
    """The lowest temperature that a gate has ended with above its limit, for all jobs of a session: ``session`` is the
    id of the supervisor's process."""

    def __init__(self, workdir: str, session: int) -> None:
        self._path = os.path.join(workdir, "coldest.json")
        self._session = session
        known = read_json(self._path)
        celsius = known.get("temperature_c") if isinstance(known, dict) and known.get("session") == session else None
        self.celsius: float | None = celsius if isinstance(celsius, (int, float)) else None

    def keep(self, celsius: float) -> None:
        """Unless a lower one is known. That it cannot be written costs time and nothing else."""
        if self.celsius is None or celsius < self.celsius:
            self.celsius = celsius
            with suppress(OSError):
                write_json(self._path, {"session": self._session, "temperature_c": celsius})


class Gate:
    """Waits before each measuring process until the board is at or below a temperature, at most so long.

    A limit below what the board has when idle cannot be met. It costs its whole patience once: afterwards a process
    waits until the board is about as cool as it ever was, which is what makes processes alike.
    """

    def __init__(
        self, limit_c: float | None, patience_s: float, state: State, coldest: Coldest, say: Callable[..., None]
    ) -> None:
        self._limit_c = limit_c
        self._patience_s = patience_s
        self._state = state
        self._say = say
        self._coldest = coldest
        self.outcomes: list[dict[str, Any]] = []
        if limit_c is not None and not state.temperature.exists:
            state.missing["gates"] = _NO_SENSOR % limit_c
            self._limit_c = None

    def wait(self, number: int) -> None:
        """For the process of this number; how it went is added to ``outcomes``."""
        if self._limit_c is None:
            return
        begin_s = time.monotonic()
        temperature_c = self._cool(number, self._limit_c, begin_s)
        passed = temperature_c is not None and temperature_c <= self._limit_c
        if not passed and temperature_c is not None:
            self._coldest.keep(temperature_c)
        self.outcomes.append(
            {
                "number": number,
                "begin_s": begin_s,
                "waited_s": time.monotonic() - begin_s,
                "limit_c": self._limit_c,
                "temperature_c": temperature_c,
                "passed": passed,
            }
        )

    def _cool(self, number: int, limit_c: float, begin_s: float) -> float | None:
        """Wait; the temperature at the end, None where the sensor has fallen silent."""
        enough_c = limit_c if self._coldest.celsius is None else max(limit_c, self._coldest.celsius + _NEAR_C)
        least_c, least_s, say_s = float("inf"), begin_s, begin_s
        while True:
            now, temperature_c = time.monotonic(), self._state.temperature.read()
            if temperature_c is None or temperature_c <= enough_c:
                return temperature_c
            if temperature_c < least_c:
                least_c, least_s = temperature_c, now
            if now - begin_s >= self._patience_s or now - least_s >= STILL_S:
                return temperature_c
            if now >= say_s:
                say_s = now + SAY_EVERY_S
                self._say(number=number, temperature_c=temperature_c, limit_c=limit_c)
            if now >= self._state.next_s:
                self._state.fire()
            time.sleep(min(POLL_S, max(0.01, begin_s + self._patience_s - now)))
