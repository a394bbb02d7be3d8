"""Anything that prints ``timestamp watts``, a line for each reading."""

from __future__ import annotations

import hashlib
import math
import os
import re
import selectors
import signal
import statistics
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters import usual
from orchestrator.meters.seam import CLOCKS, Clocks, Ended, Instrument, Missed, Reading, plausible
from orchestrator.meters.wall import LARGEST_STEP_S, WallClock
from orchestrator.plain import plain
from orchestrator.redact import redacted, secrets_of, shown, without

NOW = ("-", "now")
TAIL_BYTES = 4096
_FILE = re.compile(r"[\w+-][\w.+-]*\.[A-Za-z]\w{0,4}")
_TICK_S = 0.2
_END_S = 1.0


class Command:
    """A child in a process group of its own, which is ended as a whole."""

    def __init__(self, settings: Meter, clocks: Clocks = CLOCKS) -> None:
        self._settings, self._clocks = settings, clocks
        self._limits = usual.limits(settings)
        self._secrets = secrets_of(settings.command)
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr = b""
        self._wall = WallClock(clocks)  # as it is when the child starts
        self._ages_s: list[float] = []  # of the readings with a time stamp, when they came
        self._last_s = -math.inf

    def open(self) -> Instrument:
        self.close()
        argv = self._settings.command
        self._stderr, self._last_s, self._ages_s = b"", -math.inf, []
        self._wall = WallClock(self._clocks)
        try:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise MeterError(f"{argv[0]} cannot be started: {error.strerror}") from error
        return Instrument(
            source(argv),
            usual.scope(self._settings),
            self._settings.rate_hz,
            self._limits,
            {"command": plain(shown(argv))[:200]},
        )

    def readings(self, stop: threading.Event) -> Iterator[Reading | Missed]:
        heard_s = self._clocks.monotonic()
        for line in self._lines(stop):
            now_s = self._clocks.monotonic()
            if line is not None and line.strip() and not line.lstrip().startswith("#"):
                heard_s = now_s
                yield self._read(line, now_s)
            elif now_s - heard_s > self._settings.timeout_s:
                yield Missed(f"it printed no reading for {now_s - heard_s:.1f} s{self._said()}")
                heard_s = now_s

    def ended(self) -> Ended:
        moved_s = self._wall.check()
        if self._ages_s and abs(moved_s) > LARGEST_STEP_S:
            return Ended(
                f"this machine's clock was set by {moved_s:+.3g} s meanwhile, and its time stamps go by that clock"
            )
        early_s = -min(self._ages_s, default=0.0)
        if early_s > LARGEST_STEP_S:
            return Ended(f"its time stamps lie up to {early_s:.3g} s in the future: are they seconds of this machine?")
        age_s = statistics.median(self._ages_s) if self._ages_s else 0.0
        if age_s > self._limits.lag_s:
            return Ended(f"its readings came {age_s:.3g} s after their time stamps, more than device.meter.lag_s")
        return Ended()

    def close(self) -> None:
        """End the whole group, also what is left of it when the child has ended."""
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_END_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self, line: str, now_s: float) -> Reading | Missed:
        words = line.replace(",", " ").split()
        try:
            watts = plausible(float(words[1]))
            if len(words) != 2:
                raise ValueError
            unix_s = None if words[0].lower() in NOW else float(words[0])
            if unix_s is not None and not math.isfinite(unix_s):
                raise ValueError
        except (ValueError, IndexError):
            return Missed(f"it printed {self._quoted(line)[:80]!r}, and not 'timestamp watts'")
        except MeterError as error:
            return Missed(error.message)
        if unix_s is None:
            return Reading(now_s, watts)
        self._wall.check()
        return self._stamped(self._wall.monotonic(unix_s), watts, now_s)

    def _stamped(self, t_s: float, watts: float, now_s: float) -> Reading | Missed:
        age_s = now_s - t_s
        self._ages_s.append(age_s)
        if t_s <= self._last_s:
            return Missed("it printed a time stamp that is not after the one before")
        if age_s > self._limits.lag_s:
            return Missed(f"a reading came {age_s:.3g} s after its time stamp (device.meter.lag_s)")
        self._last_s = t_s
        return Reading(t_s, watts)

    def _lines(self, stop: threading.Event) -> Iterator[str | None]:
        """What it prints; None when a moment passes without a line. Raises MeterError when it ends."""
        child = self._child
        if child is None or child.stdout is None or child.stderr is None:
            raise MeterError("it is not open")
        part = b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            selector.register(child.stderr, selectors.EVENT_READ)
            while not stop.is_set():
                for key, _ in selector.select(_TICK_S):
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                    if key.fileobj is child.stderr:
                        self._stderr = (self._stderr + data)[-TAIL_BYTES:]
                        continue
                    *lines, part = (part + data).split(b"\n")
                    yield from (raw.decode(errors="replace") for raw in lines)
                    part = part[-TAIL_BYTES:]
                if not selector.get_map() or (child.poll() is not None and not selector.select(0)):
                    raise MeterError(self._how_it_ended(child))
                yield None

    def _how_it_ended(self, child: subprocess.Popen[bytes]) -> str:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_END_S)
        return f"{self._settings.command[0]} ended with exit status {child.returncode}{self._said()}"

    def _said(self) -> str:
        said = self._quoted(self._stderr.decode(errors="replace").strip())[-300:]
        return f": {said}" if said else ""

    def _quoted(self, text: str) -> str:
        """What it said, without the secrets that it was given as arguments."""
        return plain(redacted(without(text, self._secrets)))


def source(argv: Sequence[str]) -> str:
    """Another script or another argument is another instrument, also where the interpreter is the same. A password is
    no part of it."""
    words = shown(argv)
    files = (Path(word).name for word in argv[1:] if word in words.split())
    script = next((f" {name}" for name in files if _FILE.fullmatch(name)), "")
    return f"command:{Path(argv[0]).name}{script} ({hashlib.sha256(words.encode()).hexdigest()[:8]})"
