"""The pages of a morning: the same verdict on all, whole, escaped, and no larger than they must be."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.morning import verdict_words, write_morning
from orchestrator.morning.junit import junit
from orchestrator.morning.markdown import markdown
from orchestrator.morning.page import page
from orchestrator.night import Night
from orchestrator.regression import decision as d
from orchestrator.report import ReportIncomplete
from tests.morning import nights

EMPTY = Night(nights.make_sweep(), ())
NIGHTS = {
    "all well": nights.all_well(),
    "everything": nights.with_everything(),
    "hostile": nights.hostile(),
    "empty": EMPTY,
}


class Checked(HTMLParser):
    """Every element is closed where it was opened, and none is of a kind that could run or fetch."""

    VOID = ("meta", "br")
    ALLOWED = frozenset(
        (
            *("html", "head", "meta", "title", "style", "body", "header", "section", "article", "details", "summary"),
            *("p", "h1", "h2", "h3", "ul", "li", "dl", "dt", "dd", "div", "span", "b", "i", "small", "code", "br"),
            *("table", "thead", "tbody", "tr", "th", "td", "figure", "svg", "desc", "path", "rect", "circle", "text"),
        )
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        names = [name for name, _ in attrs]
        assert not any(name.startswith("on") or name in ("href", "src") for name in names)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", NIGHTS)
def test_the_page_is_sound_and_runs_nothing(name: str) -> None:
    text = page(NIGHTS[name])
    assert Checked(text).seen <= Checked.ALLOWED
    assert "default-src &#x27;none&#x27;" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    text.encode("utf-8")


def test_a_night_in_which_all_is_well_says_so_at_once() -> None:
    night = NIGHTS["all well"]
    assert verdict_words(night) == "All well: 40 of 40 cells, nothing slower"
    assert "<h1>All well: 40 of 40 cells, nothing slower</h1>" in page(night)
    assert 'class="verdict good"' in page(night)
    assert markdown(night).startswith("## All well: 40 of 40 cells, nothing slower\n")


def test_a_night_with_everything_says_first_what_matters_most() -> None:
    night = NIGHTS["everything"]
    assert verdict_words(night) == (
        "4 regressions, 1 system change, 1 board needs a hand, 5 cells without a result, 5 cells not run, "
        "1 still open, 1 not confirmed, 40 of 50 cells"
    )
    text = page(night)
    heads = re.findall(r"<h2>([^<]+?) ?<", text)
    assert heads == [
        *("Regressions", "System changed", "Still open", "Not confirmed", "Without a result", "Not run", "Boards"),
        *("Gone, or better", "Steady", "Skipped", "How it was decided"),
    ]
    assert "Exit status <b>3</b>" in text
    assert text.count("does not answer on port 22 ") == 1  # a reason is told once
    for words in ("runtime version 2.1.0 → 2.3.0", "40/log.txt and 2 more", "−1.9 points", "new SD card, by ada"):
        assert words in text
    assert text.count('class="trend"') == 6


def test_a_first_night_claims_nothing() -> None:
    well = NIGHTS["all well"]
    first = replace(well, decisions=tuple(replace(one, outcome=d.NO_HISTORY) for one in well.decisions))
    assert verdict_words(first) == "All well: 40 of 40 cells, no history yet to compare with"


def test_nothing_ran() -> None:
    assert verdict_words(EMPTY) == "Nothing ran"
    assert 'class="verdict warn"' in page(EMPTY)


@pytest.mark.parametrize(("status", "words"), [(1, "refused"), (130, "interrupted")])
def test_what_did_not_come_to_its_end_is_never_well(status: int, words: str) -> None:
    night = replace(NIGHTS["all well"], status=status)
    assert verdict_words(night) == f"{words}, 40 of 40 cells"
    assert 'class="verdict bad"' in page(night)


def test_a_trend_shows_the_step_the_boards_and_the_nights_apart() -> None:
    text = page(NIGHTS["everything"])
    latency, energy = re.findall(r'<svg class="trend".*?</svg>', text)[:2]
    assert latency.count('class="apart"') == 2 and latency.count('class="tonight"') == 1
    assert latency.count('class="whisker"') == 24
    assert '<path class="step"' in latency and '<path class="board"' not in latency
    assert '<path class="board"' in energy and energy.count('class="gap"') == 2
    assert "<title>median latency of pi4/mobilenetv2/none threads 1 over 24 nights</title>" in latency
    assert "Median latency, ms" in latency


@pytest.mark.parametrize("values", [[5.0], [None, None], [0.0, 0.0], [1.0, 1e9], [None, 3.0]])
def test_any_history_can_be_drawn(values: list[float | None]) -> None:
    points = nights.make_points(values)
    one = nights.make_decision("pi4/a/b", nights.LATENCY, d.REGRESSION, points, change=0.1)
    for more in (one, replace(one, outcome=d.STEADY), replace(one, baseline=None, inputs={}, value=None)):
        text = page(Night(nights.make_sweep(), (), (more,)))
        Checked(text)
        assert "nan" not in text and "inf" not in text.replace("infra", "")


def test_two_hundred_cells_are_below_two_megabytes() -> None:
    night = nights.large()
    assert len(page(night).encode()) < 2_000_000
    text = markdown(night)
    assert text.count("\n| ") == 1 + 10 and "and 90 more" in text
    assert len(text) < 10_000


def test_markdown_of_a_hostile_night_stays_text() -> None:
    text = markdown(NIGHTS["hostile"])
    assert not re.search(r"(?<!\\)<|(?<!\\)`|(?<!\\)!\\?\[|(?<!\\)\]\(", text)
    assert "@here" not in text and "http://" not in text and "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert all(line.startswith(("#", "|", "- ", "**", "Night", "and ")) for line in text.splitlines() if line)


def test_all_files_are_written_or_their_loss_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night = NIGHTS["hostile"]
    written = write_morning(night, tmp_path / "new" / "folder")
    assert {ending: path.name for ending, path in written.items()} == {
        "html": "morning.html",
        "md": "morning.md",
        "xml": "junit.xml",
    }
    assert written["xml"].read_bytes() == junit(night)
    assert len(list(written["md"].parent.iterdir())) == 3
    old = written["html"].read_text()
    monkeypatch.setattr("orchestrator.morning.write.page", lambda night: 1 / 0)
    with pytest.raises(ReportIncomplete, match=r"morning\.html") as lost:
        write_morning(night, tmp_path / "new" / "folder")
    assert set(lost.value.written) == {"md", "xml"}
    assert written["html"].read_text() == old
    assert len(list(written["md"].parent.iterdir())) == 3
