"""The page of a dry run: within 100 columns, and everything that a user must know before boards are busy."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.builder import Builder
from orchestrator.cell import Cell
from orchestrator.device import Meter
from orchestrator.fleet import forecast, plan
from orchestrator.history import History
from orchestrator.preview import print_plan, summary
from orchestrator.stock import Stock
from orchestrator.words import counted, duration, megabytes, numbers
from tests.fleet.test_pool import cell


def page(cells: list[Cell], cache: Path, *, history: History | None = None, excluded: Mapping[str, int] = {}) -> str:
    where = Console(file=io.StringIO(), width=100)
    with Builder(cache) as builder:
        print_plan(where, plan(cells, history), builder, cache, excluded)
    assert isinstance(where.file, io.StringIO)
    text = where.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100, text
    return text


def with_settings(made: Cell, **settings: Any) -> Cell:
    return replace(made, settings=replace(made.settings, **settings))


def test_a_mixed_matrix(tmp_path: Path) -> None:
    pool = [cell(n, "10.0.0.1", "10.0.0.2", "10.0.0.3", quantization=("none", "int8")[n % 2]) for n in range(4)]
    pool = [replace(c, settings=replace(c.settings, seed=0, threads=1 + c.number // 2)) for c in pool]
    far = replace(pool[0].settings.device, name="pi4", hosts=["pi4"], cores=4)
    single = [with_settings(replace(pool[0], number=4 + n), device=far, threads=t) for n, t in enumerate((1, 4, 8))]
    twin = replace(pool[0], number=7)
    history = History({(single[0].id, None): [33.0]})
    text = page([*pool, *single, twin], tmp_path, history=history, excluded={"device=pi4 optimization=int8": 3})
    lines = text.splitlines()
    assert lines[0] == "6 cells to run on 4 boards, about 43 s (history 1/6), 2 artifacts to build, 1 skipped"
    assert "skipped cell 6: threads 8 is more than the 4 cores of pi4 (device.cores)" in lines
    assert "excluded 3 cells by the rule device=pi4 optimization=int8" in lines
    assert "repeated cell 7: the same as cell 0, which counts for both" in lines
    assert [line.split() for line in lines if line.startswith("10.0.0.1 (pool of 3)")] == [
        ["10.0.0.1", "(pool", "of", "3)", "10.0.0.1", "2", "20", "s", "scenario", "2", "not", "built", "yet"],
        ["10.0.0.1", "(pool", "of", "3)", "10.0.0.2", "1", "10", "s", "scenario", "2", "not", "built", "yet"],
        ["10.0.0.1", "(pool", "of", "3)", "10.0.0.3", "1", "10", "s", "scenario", "2", "not", "built", "yet"],
    ]
    assert any(line.split()[:6] == ["pi4", "pi4", "2", "43", "s", "history"] for line in lines), text
    assert "0 cached, 2 to build (time unknown)" in text
    assert "about 43 s, and what boards wait for builds (the longest cells first, 4 boards at once)" in text


def test_what_energy_takes(tmp_path: Path) -> None:
    """A meter makes it certain; a history holds it already, if it was measured."""
    made = [cell(0, "a"), cell(1, "b"), cell(2, "b")]
    scenario = replace(made[0].settings.scenario, warmup_s=0.5, energy_s=5, energy_windows=3, idle_s=2)
    made = [with_settings(one, scenario=scenario, seed=one.number) for one in made]
    metered = replace(made[1].settings.device, meter=Meter(kind="scpi", address="plug"))
    made = [made[0], *(with_settings(one, device=metered) for one in made[1:])]
    lines = page(made, tmp_path).splitlines()
    at = lines.index("energy   20 s a cell (windows 3 x 5 s, idle 2 x 2 s)")
    assert [line.strip() for line in lines[at + 1 : at + 3]] == [
        "b: 39 s in the times above, by its meter (scpi)",
        "a: 20 s more where a sensor answers",
    ]
    alone_s, metered_s = (entry.estimate.seconds for entry in plan(made).entries[:2])
    assert metered_s == alone_s + 19.5
    known = History({(one.id, None): [33.0] for one in made})
    lines = page(made, tmp_path, history=known).splitlines()
    at = lines.index("energy   20 s a cell (windows 3 x 5 s, idle 2 x 2 s)")
    assert lines[at + 1].strip() == "in the times above where it was measured before: the history includes it"
    assert lines[at + 2].startswith("in all")
    some = page(made, tmp_path, history=History({(made[0].id, None): [33.0]}))
    assert "the history of 1 cell includes it" in some and "b: 39 s in the times above, by its meter" in some
    none = [with_settings(one, scenario=replace(scenario, energy_s=0)) for one in made]
    assert "energy " not in page(none, tmp_path)


def test_a_meter_that_cannot_follow_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    """A Shelly has a value a second and trails by 2 s: six of them after that."""
    made = cell(0, "a")
    device = replace(made.settings.device, meter=Meter(kind="shelly", address="plug"))
    scenario = replace(made.settings.scenario, warmup_s=0.5, energy_s=3.0, energy_windows=3, idle_s=2)
    cells = [with_settings(made, device=device, scenario=scenario, seed=seed) for seed in (0, 1)]
    said = "no energy by the meter of a (shelly): windows of 3 s are too short for it in quick,"
    lines = page(cells, tmp_path).splitlines()
    assert lines.count(said) == 1
    assert lines[lines.index(said) + 1].strip() == "scenario.energy_s=12 or more, or scenario.energy_s=0 for none"
    assert "no net energy" not in "".join(lines), "one thing after the other"
    assert "         a: 27 s more where a sensor answers" in lines
    history = History({(one.id, None): [33.0] for one in cells})
    assert said in page(cells, tmp_path, history=history).splitlines()
    alone = plan([with_settings(made, scenario=scenario)]).entries[0]
    assert plan(cells).entries[0].estimate == alone.estimate, "its time is not certain"
    for energy_s in (0.0, 12.0):
        fine = [with_settings(one, scenario=replace(scenario, energy_s=energy_s)) for one in cells]
        assert "no energy" not in page(fine, tmp_path)
    for idle_s, least in ((5.0, "scenario.idle_s=6 or more, or scenario.idle_s=0 for none"), (6.0, None), (0.0, None)):
        shown = page(
            [with_settings(made, device=device, scenario=replace(scenario, energy_s=12, idle_s=idle_s))], tmp_path
        )
        assert ("no net energy by the meter of a (shelly): idle spans of 5 s are too short" in shown) == bool(least)
        assert (least or "") in shown
    unknown_rate = replace(device, meter=Meter(kind="command", command=["watts"]))
    assert "no energy" not in page([with_settings(cells[0], device=unknown_rate)], tmp_path)


def test_one_cell_and_many(tmp_path: Path) -> None:
    one = page([cell(0, "a")], tmp_path)
    assert one.startswith("1 cell to run on 1 board, about 10 s (scenario), 1 artifact to build\n")
    many = page([with_settings(cell(n, "a"), seed=0, threads=1 + n) for n in range(250)], tmp_path)
    assert "and 50 cells more (200-249)" in many
    assert len(many.splitlines()) < 220


def test_a_plan_without_a_cell_to_run(tmp_path: Path) -> None:
    made = cell(0, "a")
    text = page([with_settings(made, device=replace(made.settings.device, cores=1), threads=2)], tmp_path)
    assert text.splitlines()[0] == "0 cells to run on 0 boards, 1 skipped"


def test_what_is_cached_is_known(tmp_path: Path) -> None:
    made = plan([replace(cell(0, "a", quantization=q), number=n) for n, q in enumerate(("none", "int8"))])
    entry = made.entries[0]
    stock = Stock(
        {e.key: e.recipe for e in made.entries if e.recipe}, {entry.key: {"size_bytes": 14_000_000, "build_s": 9.2}}
    )
    assert stock.words(entry) == "cached 14.0 MB" and stock.words(made.entries[1]) == "to build"
    assert stock.upload(made.entries) == "14.0 MB + 1 not built yet"
    assert stock.builds() == "1 cached, 1 to build (1 about 9 s each, going by a variant of the model)"
    assert summary(made, forecast(made), stock).endswith("1 artifact to build")


def test_words() -> None:
    assert (counted(1, "cell"), counted(0, "cell")) == ("1 cell", "0 cells")
    assert [duration(s) for s in (0.4, 99, 100, 599, 3000, 7200)] == [
        "0 s",
        "99 s",
        "1.7 min",
        "10.0 min",
        "50 min",
        "2.0 h",
    ]
    assert (megabytes(31_000), megabytes(3_512_000)) == ("31 kB", "3.5 MB")
    assert numbers([3, 1, 2, 9, 5]) == "1-3, 5, 9"
    assert numbers(range(0, 40, 2)).endswith("14, ...")
