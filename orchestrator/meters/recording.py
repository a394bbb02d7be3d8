"""The readings of an instrument over a pass, taken by a thread of its own."""

from __future__ import annotations

import itertools
import logging
import math
import statistics
import threading
import time
from dataclasses import replace

from orchestrator.energy.limits import UNKNOWN
from orchestrator.energy.meter import MeterReadings
from orchestrator.errors import MeterError, reason
from orchestrator.meters.seam import Ended, Instrument, Meter, Missed, Reading
from remote.contract import MAX_SAMPLES

log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""An instrument that went away is tried again so often."""
PATIENCE_S = 10.0
"""For the thread to end; each request has its own patience, of some seconds."""
FIRST_MISSES = 3
PROBE_S = 60.0
"""For the first reading of an instrument that is open, whatever it does; its own patience is shorter, as it is set."""
SHORTEST_STEP_S = 1e-6


def probe(meter: Meter, stop: threading.Event | None = None) -> tuple[Instrument, Reading]:
    """One real reading; closes the instrument again. ``stop`` ends it early, PROBE_S in any case. Raises MeterError."""
    try:
        instrument = meter.open()
        why = "it gave no reading"
        for number, item in enumerate(meter.readings(_Soon(stop or threading.Event(), PROBE_S)), 1):
            if isinstance(item, Reading):
                return instrument, item
            why = item.why
            if number >= FIRST_MISSES:
                break
        raise MeterError(why)
    finally:
        meter.close()


class _Soon(threading.Event):
    """Set when another one is, and after so many seconds."""

    def __init__(self, other: threading.Event, seconds: float) -> None:
        super().__init__()
        self._other, self._end_s = other, time.monotonic() + seconds

    def is_set(self) -> bool:
        return self._other.is_set() or time.monotonic() >= self._end_s

    def wait(self, timeout: float | None = None) -> bool:
        left_s = max(0.0, self._end_s - time.monotonic())
        self._other.wait(left_s if timeout is None else min(timeout, left_s))
        return self.is_set()


class Recording:
    """From construction to :meth:`stop`. Whatever happens to the instrument, it raises nothing."""

    def __init__(self, kind: str, meter: Meter) -> None:
        self._kind, self._meter = kind, meter
        self._stop = threading.Event()
        self._instrument: Instrument | None = None
        self._points: list[tuple[float, float]] = []
        self._doubt_s = 0.0
        self._missed = 0
        self._problem: str | None = None
        self.ended = Ended()
        self._thread = threading.Thread(target=self._run, name=f"meter {kind}", daemon=True)
        self._thread.start()

    @property
    def instrument(self) -> Instrument | None:
        """What answered, once it has."""
        return self._instrument

    @property
    def heard(self) -> bool:
        """Whether a reading has come."""
        return bool(self._points)

    def stop(self) -> None:
        """End the thread and the instrument; a second time nothing."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            log.warning("the %s meter does not end", self._kind)
            self.ended = _worse(Ended(f"it did not end within {PATIENCE_S:g} s"), self.ended)

    def readings(self) -> MeterReadings | None:
        """What came, after :meth:`stop`; None when the instrument never answered."""
        if self._instrument is None:
            return None
        found, points = self._instrument, tuple(self._points)
        return MeterReadings(
            kind=self._kind,
            source=found.source,
            scope=found.scope,
            rate_hz=found.rate_hz or _rate(points),
            limits=replace(found.limits, lag_s=found.limits.lag_s + self._doubt_s),
            points=points,
            missed=self._missed,
            problem=self._problem,
            invalid=self.ended.invalid or (None if points else self._problem or "it gave no reading"),
            details=found.details,
        )

    @property
    def problem(self) -> str | None:
        """What went wrong, last."""
        return self._problem

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._instrument = self._meter.open()
                for item in self._meter.readings(self._stop):
                    self._take(item)
            except MeterError as error:
                self._lost(error.message)
            except Exception as error:  # an instrument may cost its energy, never the cell
                log.exception("the %s meter", self._kind)
                self._lost(reason(error))
            finally:
                ended = self._meter.ended() if self._instrument else Ended()
                self.ended = _worse(self.ended, ended)
                self._meter.close()
            self._stop.wait(AGAIN_S)

    def _take(self, item: Reading | Missed) -> None:
        if isinstance(item, Missed):
            self._lost(item.why)
        elif not all(map(math.isfinite, (item.t_s, item.watts, item.doubt_s))):
            self._lost("a reading was no number")  # JSON has none for it, and the cell is kept as JSON
        elif len(self._points) < MAX_SAMPLES:
            self._points.append((item.t_s, item.watts))
            self._doubt_s = max(self._doubt_s, item.doubt_s)
        else:
            self._lost(f"more than {MAX_SAMPLES} readings: let it average, and print fewer")

    def _lost(self, why: str) -> None:
        self._missed += 1
        self._problem = why[:1000]


def unread(kind: str, address: str, scope: str | None, problem: str | None) -> MeterReadings:
    """Of an instrument that never answered: no readings, and why."""
    return MeterReadings(
        kind=kind,
        source=f"{kind}:{address}",
        scope=scope or "wall_ac",
        rate_hz=1.0,
        limits=UNKNOWN,
        missed=1,
        problem=problem or "it did not answer",
        invalid=problem or "it did not answer",
    )


def _rate(points: tuple[tuple[float, float], ...]) -> float:
    """As often as readings came, at the median."""
    steps = [after[0] - before[0] for before, after in itertools.pairwise(points)]
    middle_s = statistics.median(steps) if steps else 0.0
    return 1.0 / middle_s if middle_s > SHORTEST_STEP_S else 1.0


def _worse(one: Ended, other: Ended) -> Ended:
    return Ended(
        one.invalid or other.invalid,
        max(one.clock_bound_s, other.clock_bound_s),
        max(one.clock_drift_s, other.clock_drift_s, key=abs),
    )
