"""Nights, made up: an all-well one, one with everything, a hostile one, and large ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.night import BoardNight, Night
from orchestrator.regression import decision as d
from orchestrator.regression.decision import Decision, Point
from orchestrator.result import DONE, FAILED, INTERRUPTED, NOT_RUN, SKIPPED, Failure, Result, Sweep
from tests.measurement.records import id_of, make_axes, make_measurement

TONIGHT_S = 1_767_232_800.0
DAY_S = 86_400.0
LATENCY, ENERGY, MEMORY = "latency/median_ms", "energy/per_inference_mj", "memory/peak_rss_mb"
UNITS = {LATENCY: "ms", ENERGY: "mJ", MEMORY: "MB", "model/size_bytes": "bytes", "quality/top1": ""}
MODELS = ("mobilenetv2", "mobilenetv3small", "efficientnetb0", "resnet50", "digits")
MEASUREMENT = make_measurement()
HOSTILE = (
    "<script>alert(1)</script> ]]> --> &amp; \x00\x1b[31m\u202e\ud800| `x` "
    "[a](http://evil.example) ![i](x) @here <!here>\n# h"
)


def make_points(
    values: Sequence[float | None], *, boards: Sequence[str] = (), bad: Sequence[int] = ()
) -> tuple[Point, ...]:
    """One a night, the last one tonight."""
    last = len(values) - 1
    return tuple(
        Point(
            "tonight" if at == last else f"night-{at:02d}",
            TONIGHT_S - (last - at) * DAY_S,
            value,
            None if value is None else value * 0.988,
            None if value is None else value * 1.012,
            boards[at] if boards else "pi4-01",
            at not in bad,
        )
        for at, value in enumerate(values)
    )


def noisy(level: float, nights: int = 24, *, step: float = 0.0, at: int = 24, seed: int = 0) -> list[float | None]:
    noise = random.Random(seed)
    return [level * (1 + (step if n >= at else 0.0)) * (1 + noise.gauss(0, 0.006)) for n in range(nights)]


def make_decision(cell: str, metric: str, outcome: str, points: Sequence[Point] = (), **fields: object) -> Decision:
    """As the gate would make it of these nights."""
    known = [point.value for point in points if point.value is not None]
    value, baseline = (known[-1], known[0]) if known else (None, None)
    change = value / baseline - 1 if value is not None and baseline else None
    made = Decision(
        cell,
        metric,
        outcome,
        "both runs beside each other agree with the history",
        board="pi4-01",
        value=value,
        baseline=baseline,
        unit=UNITS.get(metric, ""),
        change=change,
        low=None if change is None else change - 0.012,
        high=None if change is None else change + 0.013,
        history=tuple(points),
        inputs={"threshold": 0.03, "window": 20},
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def make_result(
    number: int,
    status: str = DONE,
    *,
    board: str | None = "pi4-01",
    error: Failure | None = None,
    reason: str | None = None,
    **axes: str,
) -> Result:
    all_axes = make_axes(**axes)
    start = TONIGHT_S + 60 * number
    measured = MEASUREMENT if status == DONE else None
    return Result(
        number,
        "tonight",
        id_of(all_axes),
        status,
        all_axes,
        start,
        start + 55,
        board,
        measured,
        error,
        reason,
        busy_s=51.5,
    )


def make_sweep(**fields: object) -> Sweep:
    made = Sweep(
        "tonight", Path("multirun/2026-01-01/02-00-00-ab12"), TONIGHT_S, "python -m orchestrator -m +experiment=nightly"
    )
    return replace(made.ended("finished", TONIGHT_S + 4.2 * 3600), **fields)  # type: ignore[arg-type]


def all_well(cells: int = 40, metrics: Sequence[str] = (LATENCY, ENERGY, MEMORY), nights: int = 24) -> Night:
    results = [
        make_result(n, model=MODELS[n % 5], optimization=("none", "int8")[n // 5 % 2], threads=str(1 + n // 10))
        for n in range(cells)
    ]
    decisions, trends = [], {}
    for result in results:
        for metric in metrics:
            points = make_points(noisy(20.0 + result.number, nights, seed=result.number))
            trends[result.cell_id, metric] = points
            decisions.append(make_decision(result.cell_id, metric, d.STEADY, points))
    boards = tuple(BoardNight(f"pi4-0{n}", "pi4", "good", done=cells // 2, nights=(1.0,) * 13 + (1.0,)) for n in (1, 2))
    return Night(make_sweep(), tuple(results), tuple(decisions), boards, trends)


def with_everything() -> Night:
    """Something of every outcome, status and health."""
    well = all_well()
    lost = Failure(
        "ConnectionFailed",
        "jetson-01 does not answer on port 22",
        "is it switched on?",
        "40/log.txt",
        infrastructure=True,
    )
    own = Failure("RuntimeError", "failed to allocate 4096 MB", log="43/log.txt")
    others = [
        make_result(
            40 + n,
            FAILED,
            board="jetson-01",
            error=replace(lost, log=f"{40 + n}/log.txt"),
            device="jetson",
            model=MODELS[n],
        )
        for n in range(3)
    ]
    others.append(make_result(43, FAILED, board="jetson-01", error=own, device="jetson", model="resnet50"))
    others.append(make_result(44, INTERRUPTED, reason="the sweep was ended", device="jetson", model="digits"))
    late = [
        make_result(
            45 + n,
            NOT_RUN,
            board=None,
            reason="did not fit into the budget of 6h",
            device="jetson",
            model=m,
            optimization="int8",
        )
        for n, m in enumerate(MODELS)
    ]
    skips = [
        make_result(
            50 + n,
            SKIPPED,
            board=None,
            reason="threads 6 is more than the 4 cores of pi4 (device.cores)",
            threads="6",
            model=MODELS[n],
        )
        for n in range(4)
    ]
    ids = [result.cell_id for result in well.results]
    told, trends = list(well.decisions), dict(well.trends)

    def tell(cell: str, metric: str, outcome: str, points: tuple[Point, ...], **fields: object) -> None:
        told[:] = [one for one in told if (one.cell, one.metric) != (cell, metric)]
        told.append(make_decision(cell, metric, outcome, points, **fields))
        trends[cell, metric] = points

    runtime = {
        "since": "night-22",
        "changed": ("runtime version 2.1.0 → 2.3.0", "kernel 6.6.31 → 6.6.51"),
        "why": "The new runtime is 11.3 % slower than the last good one, run beside it on pi4-01 tonight.",
    }
    tell(ids[0], LATENCY, d.REGRESSION, make_points(noisy(20.1, step=0.113, at=22), bad=(7, 22, 23)), **runtime)
    boards = ["pi4-01"] * 12 + ["pi4-02"] * 12
    gaps: list[float | None] = [
        None if n in (4, 15) else value for n, value in enumerate(noisy(48.0, step=0.062, at=23, seed=3))
    ]
    tell(
        ids[1],
        ENERGY,
        d.REGRESSION,
        make_points(gaps, boards=boards),
        since="tonight",
        board="pi4-02",
        why="It takes 6 % more energy than the last good artifact beside it.",
    )
    tell(ids[2], d.OPEN, d.OPEN, ())
    told.pop()
    failing = make_decision(
        others[3].cell_id,
        "failure",
        d.REGRESSION,
        (),
        why="It failed tonight and twice when it was tried again; it had a result in each of 19 nights.",
        since="tonight",
        board="jetson-01",
    )
    told.append(failing)
    tell(
        ids[2],
        LATENCY,
        d.SYSTEM_CHANGED,
        make_points(noisy(33.0, step=0.07, at=21, seed=5)),
        since="night-21",
        changed=("kernel 6.6.31 → 6.6.51", "governor ondemand → schedutil"),
        why="The last good artifact is 7 % slower tonight, too.",
    )
    tell(
        ids[3],
        MEMORY,
        d.OPEN,
        make_points(noisy(118.0, step=0.21, at=17, seed=6), bad=range(17, 24)),
        since="night-17",
        why="Still 21 % above the baseline; accept it with 'accept' or fix it.",
    )
    tell(
        ids[4],
        LATENCY,
        d.UNCONFIRMED,
        make_points(noisy(9.0, step=0.05, at=23, seed=7)),
        since="tonight",
        why="The budget left no time to run it again.",
    )
    tell(ids[5], LATENCY, d.CLOSED, make_points(noisy(14.0)), why="Back at its baseline since tonight.", change=0.002)
    tell(ids[6], LATENCY, d.IMPROVED, make_points(noisy(51.0, step=-0.18, at=23)), why="18 % faster than the baseline.")
    tell(
        ids[7],
        "quality/top1",
        d.REGRESSION,
        make_points([0.912] * 22 + [0.893, 0.893]),
        since="night-22",
        change=0.019,
        inputs={"threshold": 0.01, "window": 20},
        low=0.012,
        high=0.026,
        why="It answers 1.9 points worse than the last good artifact.",
        changed=runtime["changed"],
    )
    tell(
        ids[8],
        MEMORY,
        d.NO_HISTORY,
        make_points([88.0]),
        baseline=None,
        change=None,
        low=None,
        high=None,
        why="Its first night.",
    )
    health = (
        BoardNight("pi4-01", "pi4", "good", done=24, nights=(1.0, 1.0, None, 0.96, *(1.0,) * 10)),
        BoardNight(
            "pi4-02", "pi4", "maintenance", "new SD card, by ada", 3.1 * DAY_S, nights=(1.0,) * 10 + (None,) * 4
        ),
        BoardNight(
            "jetson-01",
            "jetson",
            "bad",
            "does not answer on port 22, also after a power cycle",
            2.4 * 3600,
            6,
            1,
            3,
            (
                "03:12 three failures in a row",
                "03:13 rebooted: no answer within 180 s",
                "03:19 power cycled (shelly): no answer",
                "03:19 taken out",
            ),
            (1.0, 1.0, 1.0, 0.9, 1.0, 1.0, 0.7, 1.0, 0.6, 1.0, 1.0, 0.4, 0.8, 0.55),
        ),
        BoardNight("rock5b-01", "rock5b", "unknown"),
    )
    notes = ("The budget of 6h was spent: 5 cells had no turn.", "pi4-01 took over 6 cells of pi4-02.")
    return replace(
        well,
        results=(*well.results, *others, *late, *skips),
        decisions=tuple(told),
        boards=health,
        trends=trends,
        notes=notes,
        status=3,
    )


def hostile() -> Night:
    """Every text that comes from outside is an attack."""
    axes = {"device": HOSTILE, "model": HOSTILE}
    error = Failure(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    results = (
        make_result(0, board=HOSTILE, **axes),
        make_result(1, FAILED, board=HOSTILE, error=error, **axes, optimization=HOSTILE),
        make_result(2, NOT_RUN, reason=HOSTILE),
        make_result(3, SKIPPED, reason=HOSTILE, threads="2"),
    )
    cell = results[0].cell_id
    points = make_points([1.0, 2.0, 2.0], boards=["a", HOSTILE, HOSTILE])
    told = [
        replace(
            make_decision(cell, metric, outcome, points),
            why=HOSTILE,
            board=HOSTILE,
            unit=HOSTILE,
            since=HOSTILE,
            changed=(HOSTILE,),
        )
        for outcome in d.OUTCOMES
        for metric in (f"{LATENCY}/{outcome}", f"{HOSTILE}/{outcome}")
    ]
    boards = (BoardNight(HOSTILE, HOSTILE, "bad", HOSTILE, 5.0, events=(HOSTILE,)), BoardNight("b", "c", HOSTILE))
    return Night(
        make_sweep(id=HOSTILE, command=HOSTILE, directory=Path("x<b>&")),
        results,
        tuple(told),
        boards,
        notes=(HOSTILE,),
        status=3,
    )


def large(cells: int = 200) -> Night:
    """Five metrics a cell, each tenth of them worse."""
    night = all_well(cells, (LATENCY, ENERGY, MEMORY, "model/size_bytes", "quality/top1"), nights=30)
    told = [
        replace(one, outcome=d.REGRESSION, since="night-28") if at % 10 == 0 else one
        for at, one in enumerate(night.decisions)
    ]
    return replace(night, decisions=tuple(told), status=3)
