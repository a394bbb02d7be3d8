"""A board that is left to somebody of higher priority: its begun cells stay its own, others need not wait for it."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cell import Cell
from orchestrator.errors import BoardBusy, HoldLost
from orchestrator.fleet.arrivals import GIVEN_S
from orchestrator.result import Result
from orchestrator.session import Outcome, Part, Waiting
from tests.fleet import test_scheduling as model
from tests.fleet.test_rota import interleaved, outcome

ANN = Waiting(0, "ann", "desk")


class Night:
    """Sessions that measure; ``waits`` is asked after each turn, ``come`` before each opening."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.ran: list[tuple[str, int, int]] = []  # board, cell, process
        self.waited: list[float] = []
        self.told: list[str] = []
        self.sessions = model.session_class(model.World(0, reliable=True), set())
        opens = self.sessions.open  # type: ignore[attr-defined]

        def come(session: Any, progress: object, wait_s: float) -> None:
            self.waited.append(wait_s)
            self.come(session, wait_s)
            opens(session, progress, wait_s)

        def run(session: Any, of: Cell, artifact: object, part: Part, say: object) -> Outcome:
            self.ran += [(session.board.name, of.number, part.first + n) for n in range(part.processes)]
            return outcome(part.first, part.processes, run_id=part.run_id)

        self.sessions.open, self.sessions.run = come, run  # type: ignore[attr-defined]
        self.sessions.waiting = lambda session: self.waits(session)  # type: ignore[attr-defined]
        monkeypatch.setattr(model, "session_class", lambda *_: self.sessions)
        monkeypatch.setattr(model.Quiet, "told", lambda _, board, words: self.told.append(words))

    def come(self, session: Any, wait_s: float) -> None:
        """Nothing is in the way."""

    def waits(self, session: Any) -> Waiting | None:
        return None

    def run(self, folder: Path, *hosts: str, cells: int = 4) -> list[Result]:
        plan = model.placed(folder, *interleaved(folder, hosts, cells))
        world = model.World(0, reliable=True)
        return model.run(world, plan, folder, self.monkeypatch, away=set(), stop_s=None)


def test_a_board_that_gives_way_after_every_turn_measures_each_process_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(monkeypatch)
    night.waits = lambda session: ANN  # type: ignore[method-assign]
    results = night.run(tmp_path, "a")
    assert {r.status for r in results} == {"done"}, [r.why for r in results]
    assert Counter(night.ran) == Counter({("a", cell, process): 1 for cell in range(4) for process in (1, 2, 3)})
    assert night.waited[0] == 0 and set(night.waited[1:]) == {GIVEN_S}
    given = [words for words in night.told if words == "given to ann@desk, who waits; goes on when it is free"]
    assert len(given) == len(night.waited) - 1 > 4, "it is not asked whether somebody waits for what is done with"


def test_its_sister_goes_on_meanwhile_with_what_was_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night, sister_done = Night(monkeypatch), threading.Event()

    def waits(session: Any) -> Waiting | None:
        return ANN if session.board.name == "a" and not sister_done.is_set() else None

    def come(session: Any, wait_s: float) -> None:
        assert wait_s == 0 or sister_done.wait(20), night.ran

    night.waits, night.come = waits, come  # type: ignore[method-assign]
    closes = night.sessions.close  # type: ignore[attr-defined]

    def close(session: Any) -> None:
        closes(session)
        if session.board.name == "b":
            sister_done.set()

    night.sessions.close = close  # type: ignore[attr-defined]
    results = night.run(tmp_path, "a", "b", cells=8)
    assert {r.status for r in results} == {"done"}, [r.why for r in results]
    assert set(Counter((cell, process) for _, cell, process in night.ran).values()) == {1}
    assert {r.board for r in results} == {"a", "b"}


def test_a_board_that_is_not_free_again_in_all_that_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(monkeypatch)

    def come(session: Any, wait_s: float) -> None:
        if wait_s:
            session.gone()
            raise BoardBusy("the board is held by ann@desk")

    night.waits, night.come = lambda session: ANN, come  # type: ignore[method-assign]
    monkeypatch.setattr(night.sessions, "gone", lambda session: None)
    results = night.run(tmp_path, "a")
    assert {r.status for r in results} == {"failed"} and night.waited == [0.0, GIVEN_S]


def test_a_hold_that_is_ended_while_it_is_asked_is_not_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(monkeypatch)

    def waits(session: Any) -> None:
        session.ended_by = HoldLost("the hold was ended by bob@laptop")

    night.waits = waits  # type: ignore[method-assign]
    results = night.run(tmp_path, "a")
    assert {r.status for r in results} == {"failed"} and night.waited == [0.0]
    assert {"bob@laptop" in r.why for r in results} == {True}
