"""Measurements on this machine and background work never overlap, and neither waits without a reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from orchestrator.fleet.turns import Turns


class Visitor(threading.Thread):
    """Enters a turn and stays until told to leave."""

    def __init__(self, turn: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(daemon=True)
        self.turn, self.inside, self.leave = turn, threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with self.turn():
            self.inside.set()
            self.leave.wait(10)

    def is_inside(self, within_s: float = 0.2) -> bool:
        return self.inside.wait(within_s)

    def go(self) -> None:
        self.leave.set()
        self.join(10)


def test_background_work_runs_at_once_on_an_idle_machine() -> None:
    turns = Turns(patience_s=60)
    visitor = Visitor(turns.background)
    assert visitor.is_inside(5)
    visitor.go()


def test_background_work_waits_for_a_measurement_and_a_measurement_for_it() -> None:
    turns = Turns(patience_s=0.01)
    measuring = Visitor(turns.measuring)
    assert measuring.is_inside(5)
    working = Visitor(turns.background)
    assert not working.is_inside()
    measuring.go()
    assert working.is_inside(5)
    second = Visitor(turns.measuring)
    assert not second.is_inside()
    working.go()
    assert second.is_inside(5)
    second.go()


def test_two_measurements_never_overlap() -> None:
    turns = Turns()
    first, second = Visitor(turns.measuring), Visitor(turns.measuring)
    time.sleep(0.2)
    assert first.inside.is_set() != second.inside.is_set()
    first.go()
    second.go()


def test_between_two_cells_only_impatient_work_gets_in() -> None:
    turns = Turns(patience_s=60)
    with turns.occupying():
        patient = Visitor(turns.background)
        assert not patient.is_inside()
    assert patient.is_inside(5)  # the lane is done
    patient.go()
    hurried = Turns(patience_s=0.05)
    with hurried.occupying():
        impatient = Visitor(hurried.background)
        assert impatient.is_inside(5)
        impatient.go()
