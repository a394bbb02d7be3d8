"""Thirty nights of a small lab, with what happens to labs put in. Values are drawn; every rule is the real one.

Four Raspberry Pi 4 (a pool) and one Jetson, 15 cells, 5 processes each at 1 % of spread. Night by night real results
go through the real gate, the real health book and the real report; only boards and clocks are drawn:

- night 8: ``pi4-02`` dies. Three failures in a row, no switch: it is out, and its cells move to a sister.
- night 12: ``pi4-03`` throttles. It is given a fan two days later.
- night 17: the model of one cell gets slower by 8 %, a new artifact.
- night 21: ``pi4-01`` is swapped for another board under the same name, 2.5 % slower.
- night 25: a new version of the runtime costs 6 % in all cells of the Jetson.

A person accepts what was alarmed for two mornings later.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.cell import Settings
from orchestrator.console import terminal
from orchestrator.device import Device
from orchestrator.gatekeeper import accept
from orchestrator.health import Book
from orchestrator.measurement import Measurement
from orchestrator.night import Night
from orchestrator.nightly import Nightly
from orchestrator.regression import gate
from orchestrator.regression.cell import Case
from orchestrator.regression.entry import Entry, Value
from orchestrator.regression.question import Rerun
from orchestrator.result import DONE, FAILED, Failure, Result, Sweep
from orchestrator.stats import between_processes
from orchestrator.unattended import Gate
from orchestrator.unattended import Night as NightSettings
from orchestrator.verdict import INVALID, VALID, Verdict
from tests.measurement.records import id_of, make_axes, make_measurement

FIRST_S = 1_767_225_600.0  # 2026-01-01
DAY_S = 86_400.0
LATENCY = "latency/median_ms"
SPREAD = 0.01
BETWEEN_NIGHTS = 0.003
DIES, THROTTLES, SLOWER, SWAPPED, UPGRADED = 8, 12, 17, 21, 25
SLOW_CELL = 3
PI = Device("pi4", ["pi4-01", "pi4-02", "pi4-03", "pi4-04"])
JETSON = Device("jetson", ["jetson-01"])
BOARDS = [*PI.boards, *JETSON.boards]


@dataclass
class Lab:
    """The truth of one night after the other."""

    root: Path
    seed: int = 1
    serials: dict[str, str] = field(default_factory=lambda: {board.name: f"serial-{board.name}" for board in BOARDS})
    levels: dict[int, float] = field(default_factory=dict)
    waiting: list[tuple[int, str]] = field(default_factory=list)  # the morning, and the cell that is accepted then

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.levels = {n: math.log(self.chance.uniform(5, 80)) for n in range(15)}
        self.book = Book(self.root)
        settings = Settings(PI, None, None, None, None, None, gate=Gate(), night=NightSettings(enabled=True))  # type: ignore[arg-type]
        self.nightly = Nightly(settings, self.root, terminal())

    def nights(self, count: int = 30) -> Iterator[Night]:
        """Each as its morning report has it."""
        for number in range(1, count + 1):
            yield self._night(number)
            for morning, cell in [one for one in self.waiting if one[0] == number]:
                self.waiting.remove((morning, cell))
                accept(terminal(), self.root, [cell], False, "we know")

    def _night(self, number: int) -> Night:
        sweep = Sweep(
            f"night-{number:02d}",
            self.root / "multirun" / f"night-{number:02d}",
            FIRST_S + number * DAY_S,
            facts={"orchestrator": "1"},
            night=True,
        )
        given_up = {}
        if number == DIES:
            for _ in range(3):
                self.book.failed("pi4-02", "the link was lost and did not come back", sweep.id)
        if number >= DIES:
            given_up["pi4-02"] = "out of use"
        if number == SWAPPED:
            self.serials["pi4-01"] = "serial-of-another"
        weather = {board.name: self.chance.gauss(0, BETWEEN_NIGHTS) for board in BOARDS}
        results = [self._result(number, cell, sweep, weather) for cell in range(15)]
        ended = replace(sweep, given_up=given_up).ended("finished", sweep.started_s + 3 * 3600)
        cases = [self._rerun(number, case, weather) for case in gate.cases(Gate(), self.root, ended, results)]
        night = self.nightly.concluded(ended, gate.judged(cases), results, BOARDS, 2 if number == DIES else 0)
        self.waiting += [(number + 2, one.cell) for one in night.new]
        return night

    def board_of(self, number: int, cell: int) -> str:
        """The Jetson has cells 10 to 14. Those of the board that died go to another one."""
        if cell >= 10:
            return "jetson-01"
        board = f"pi4-0{1 + cell % 4}"
        return "pi4-04" if board == "pi4-02" and number >= DIES else board

    def level(self, number: int, cell: int, weather: dict[str, float], ours: bool = True) -> float:
        """The logarithm of the true median; without ``ours``: with the artifact and the runtime before the change."""
        board = self.board_of(number, cell)
        level = self.levels[cell] + weather[board]
        if board == "pi4-01" and number >= SWAPPED:
            level += math.log(1.025)
        if ours and cell == SLOW_CELL and number >= SLOWER:
            level += math.log(1.08)
        if ours and board == "jetson-01" and number >= UPGRADED:
            level += math.log(1.06)
        return level

    def drawn(self, level: float, processes: int = 5) -> tuple[float, ...]:
        return tuple(math.exp(level + self.chance.gauss(0, SPREAD)) for _ in range(processes))

    def _result(self, number: int, cell: int, sweep: Sweep, weather: dict[str, float]) -> Result:
        board = self.board_of(number, cell)
        axes = make_axes(device="jetson" if cell >= 10 else "pi4", model=f"model{cell}", runtime="litert")
        known = {
            "number": cell,
            "sweep_id": sweep.id,
            "cell_id": id_of(axes),
            "axes": axes,
            "started_s": sweep.started_s + 60 * cell,
            "ended_s": sweep.started_s + 60 * cell + 55,
            "busy_s": 55.0,
        }
        if number == DIES and cell == 1:  # a sister had no time for one of them
            error = Failure("ConnectionFailed", "the link was lost and did not come back", infrastructure=True)
            return Result(status=FAILED, board="pi4-02", error=error, **known)
        hot = board == "pi4-03" and THROTTLES <= number < THROTTLES + 2
        level = self.level(number, cell, weather) + (math.log(1.3) if hot else 0.0)
        return Result(status=DONE, board=board, measurement=self._measured(number, cell, board, level, hot), **known)

    def _measured(self, number: int, cell: int, board: str, level: float, hot: bool) -> Measurement:
        medians = self.drawn(level)
        middle = sorted(medians)[2]
        artifact = "slower" if cell == SLOW_CELL and number >= SLOWER else "v1"
        version = "2.4.0" if board == "jetson-01" and number >= UPGRADED else "2.3.0"
        throttled = Verdict(INVALID, ("was throttled or under-voltage meanwhile (2 new bits set)",))
        m = make_measurement()
        interval = between_processes(medians)
        return replace(
            m,
            metrics={**m.metrics, LATENCY: middle},
            uncertainty={LATENCY: interval} if interval else {},
            process_medians_ms=medians,
            verdict=throttled if hot else Verdict(VALID),
            tags={
                **m.tags,
                "board.serial": self.serials[board],
                "artifact.key": f"{artifact}-{cell}",
                "artifact.sha256": f"{artifact}-{cell}",
                "runtime.version": version,
                "runtime.environment": f"environment-{version}",
            },
        )

    def _rerun(self, number: int, case: Case, weather: dict[str, float]) -> Case:
        """What is suspicious is run again in the same night, beside the last good one."""
        if not case.needs_rerun:
            return case
        cell = int(case.tonight.cell.split("/")[1].removeprefix("model"))
        good = case.last_good
        same = good is not None and (good.artifact, good.environment) == (
            case.tonight.artifact,
            case.tonight.environment,
        )
        now = self._again(case.tonight, self.level(number, cell, weather))
        last = None if same else self._again(case.tonight, self.level(number, cell, weather, ours=False))
        return replace(case, rerun=Rerun(now, last, same))

    def _again(self, tonight: Entry, level: float) -> Entry:
        medians = self.drawn(level, 6)
        middle = (sorted(medians)[2] + sorted(medians)[3]) / 2
        return replace(tonight, values={**tonight.values, LATENCY: Value(middle, samples=medians)})


def told(night: Night) -> list[str]:
    """What a report names beside cells that are well, in short."""
    alarms = [f"{one.outcome}: {one.cell.split('/')[1]}" for one in (*night.new, *night.open)]
    closed = [f"closed: {one.cell.split('/')[1]}" for one in night.decisions if one.outcome == "closed"]
    hands = [f"hand: {board.board}" for board in night.boards if board.needs_a_hand]
    missing = [f"missing: {result.axes['model']}" for result in night.missing]
    return [*alarms, *closed, *hands, *missing, *night.notes]
