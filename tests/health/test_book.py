"""The health of boards follows from what happened to them, by fixed rules."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.health import BAD, GOOD, IN_A_ROW, MAINTENANCE, UNKNOWN, Book, Event, after_all
from orchestrator.health.events import CHECKED, CLEARED, FAILED, KINDS, RECOVERY, SET_ASIDE, WORKED


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def failed(book: Book, times: int) -> str:
    return [book.failed("pi", f"link {n}", "s1").status for n in range(times)][-1]


def test_three_failures_in_a_row_take_a_board_out_with_the_last_reason(book: Book) -> None:
    assert failed(book, 2) == UNKNOWN and book.of("pi").usable
    assert failed(book, 1) == BAD
    assert not book.of("pi").usable
    assert "3 failures of the infrastructure in a row, the last: link 0" in book.of("pi").reason
    assert book.of("other").status == UNKNOWN


def test_a_turn_that_ends_well_ends_the_row_and_makes_no_bad_board_good(book: Book) -> None:
    failed(book, 2)
    book.worked("pi", "s1")
    assert failed(book, 2) == UNKNOWN
    assert failed(book, 1) == BAD
    assert book.worked("pi", "s1").status == BAD


def test_a_health_check_brings_it_back_and_a_failed_one_takes_it_out(book: Book) -> None:
    assert book.checked("pi", False, "golden: wrong answers", "doctor").status == BAD
    assert book.of("pi").reason == "health check: golden: wrong answers"
    assert book.checked("pi", True, "ready", "doctor").status == GOOD
    assert book.of("pi").failures == 0


def test_maintenance_ends_by_a_person_alone(book: Book) -> None:
    book.set_aside("pi", "new SD card", "ann")
    for status in (book.checked("pi", True, "", "doctor").status, book.checked("pi", False, "", "doctor").status):
        assert status == MAINTENANCE
    assert failed(book, IN_A_ROW) == MAINTENANCE
    assert book.cleared("pi", "", "ann").status == UNKNOWN
    assert failed(book, 2) == UNKNOWN


def test_recoveries_of_the_last_hour_are_counted(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("orchestrator.health.book.time.time", lambda: now)
    assert book.recovery("pi", "rebooted", "s1", most=2)
    now += 3000.0
    assert book.recovery("pi", "power-cycled", "s1", most=2)
    assert not book.recovery("pi", "power-cycled", "s1", most=2)
    assert book.recoveries("pi") == 2
    now += 700.0
    assert book.recoveries("pi") == 1
    assert book.recovery("pi", "rebooted", "s1", most=2)


def test_a_full_disk_takes_no_failure_away_and_allows_no_recovery(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orchestrator.health.book.lines.add", full)
    assert failed(book, 3) == BAD and book.of("pi").status == BAD
    assert not book.recovery("pi", "rebooted", "s1", most=2)


def test_what_is_damaged_is_left_out_and_nothing_after_it_is_lost(book: Book) -> None:
    failed(book, 1)
    with book.path.open("a") as file:
        file.write('{"at_s": 1, "kind": "nonsense"}\nnot json\n[]\n{"at_s": 5, "boa')  # the last one is torn
    assert failed(book, 2) == BAD
    assert [event.kind for event in book.events("pi")] == [FAILED] * 3


def test_many_writers_lose_nothing(book: Book) -> None:
    threads = [threading.Thread(target=failed, args=(book, 10)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(book.events("pi")) == 60


EVENTS = st.lists(
    st.builds(
        Event, st.floats(0, 1e9), st.just("pi"), st.sampled_from(KINDS), st.just("why"), st.sampled_from([True, False])
    ),
    max_size=30,
)


@given(EVENTS)
def test_only_a_health_check_or_a_person_brings_a_board_back(events: list[Event]) -> None:
    """Whatever happened before: replayed, every step from out of use to in use is one of the two."""
    for at, event in enumerate(events):
        before, after = after_all(events[:at]), after_all(events[: at + 1])
        if not before.usable and after.usable:
            assert event.kind == CLEARED or (event.kind == CHECKED and event.passed and before.status == BAD)
        if before.usable and not after.usable:
            assert event.kind in (FAILED, CHECKED, SET_ASIDE)
        if event.kind in (WORKED, RECOVERY):
            assert after.status == before.status


@given(EVENTS)
def test_an_event_comes_back_from_its_line_as_it_was(events: list[Event]) -> None:
    again: Callable[[Event], Event] = lambda event: Event.from_json(event.to_json())  # noqa: E731
    assert [again(event) for event in events] == events
