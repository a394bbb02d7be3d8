"""Bringing boards back, on a real server: what is done to them, how often, and never to somebody else's."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.device import Board, PowerSwitch, Recovery
from orchestrator.fleet import Ward
from orchestrator.fleet import ward as module
from orchestrator.health import BAD, GOOD, Book
from orchestrator.session import Workshop
from tests.checkup.test_examine import held
from tests.fleet.test_scheduling import Quiet
from tests.sshd import needs_sshd

pytestmark = needs_sshd
MakeWard = Callable[..., Ward]


@pytest.fixture
def make_ward(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeWard:
    monkeypatch.setattr(module, "GOING_DOWN_S", 0.0)
    monkeypatch.setattr(module, "POLL_S", 0.05)
    monkeypatch.setattr(module, "LOOK_S", 0.05)

    def made(every: bool = True) -> Ward:
        return Ward(Book(tmp_path), workshop, Quiet(), threading.Event(), tmp_path, "a night", every)  # type: ignore[arg-type]

    return made


@pytest.fixture
def reboots(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board comes back under another boot; all other facts are its own."""
    boots, real = itertools.count(), module.facts

    def facts(*arguments: Any) -> Any:
        return replace(real(*arguments), boot_id=f"boot {next(boots)}")

    monkeypatch.setattr(module, "facts", facts)


def recoverable(board: Board, tmp_path: Path, **known: Any) -> Board:
    """Its reboot is a file that is written; nothing is waited for."""
    recovery = Recovery(**{"wait_s": 0, "boot_s": 5, "reboot": ["touch", str(tmp_path / "rebooted")], **known})
    return Board(replace(board.device, recovery=recovery), board.host)


def bad(ward: Ward, board: Board) -> None:
    ward.book.checked(board.name, False, "golden: wrong answers", "before")


def test_a_board_that_answers_is_rebooted_and_comes_back_by_a_health_check(
    make_ward: MakeWard, reboots: None, board: Board, tmp_path: Path
) -> None:
    ward, board = make_ward(), recoverable(board, tmp_path, per_hour=1)
    bad(ward, board)
    assert ward.recovered(board, None, lambda: True)
    assert (tmp_path / "rebooted").is_file() and ward.book.of(board.name).status == GOOD
    assert [e.why for e in ward.book.events(board.name) if e.kind == "recovery"] == ["rebooted"]
    (tmp_path / "rebooted").unlink()
    bad(ward, board)
    assert not ward.recovered(board, None, lambda: True), "one an hour is allowed"
    assert not (tmp_path / "rebooted").exists() and ward.book.of(board.name).status == BAD


def test_one_that_did_not_reboot_is_not_back(make_ward: MakeWard, board: Board, tmp_path: Path) -> None:
    ward, board = make_ward(), recoverable(board, tmp_path, boot_s=1)
    bad(ward, board)
    assert not ward.recovered(board, None, lambda: True)
    assert (tmp_path / "rebooted").is_file() and ward.book.of(board.name).status == BAD


def test_nothing_is_done_to_a_board_that_somebody_has_or_nobody_wants_or_at_a_desk(
    make_ward: MakeWard, reboots: None, workshop: Workshop, board: Board, tmp_path: Path
) -> None:
    orders = tmp_path / "orders"
    switch = PowerSwitch("command", turn_on=["touch", str(orders)], turn_off=["touch", str(orders)], off_s=0)
    own = recoverable(board, tmp_path)
    own = Board(replace(own.device, power_switch=switch), own.host)
    ward = make_ward()
    bad(ward, own)
    with held(own, workshop):
        assert not ward.recovered(own, None, lambda: True)
        assert ward.admits(own, None) is not None
    assert not ward.recovered(own, None, lambda: False)
    assert not make_ward(every=False).recovered(own, None, lambda: True)
    assert not (tmp_path / "rebooted").exists() and not orders.exists()


def test_one_that_answers_again_needs_nothing_but_patience(
    make_ward: MakeWard, reboots: None, board: Board, tmp_path: Path
) -> None:
    ward, own = make_ward(), recoverable(board, tmp_path, wait_s=5)
    bad(ward, own)
    assert ward.recovered(own, None, lambda: True)
    assert not (tmp_path / "rebooted").exists()
