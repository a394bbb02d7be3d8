"""``list``: what can be chosen, shipped and the lab's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app import run
from orchestrator.catalogue import choices
from orchestrator.config import LAB_VARIABLE


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "device/pi4": "name: pi4\nhosts: [pi4-01, pi4-02]\ntags: {pi4-01: [fan]}\n",
        "device/mine": "# A board of mine. More about it.\nname: mine\nhosts: [mine]\ncores: 2\n",
        "experiment/night": "# @package _global_\n# Every night.\nhydra: {sweeper: {params: {threads: '1,4'}}}\n",
    }.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv(LAB_VARIABLE, str(tmp_path))
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert run(["list", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_labs_files_come_first_and_say_so(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "device", "experiment")
    assert "device=pi4 (lab, instead of the shipped one)  2 boards: pi4-01, pi4-02 · tags fan" in lines
    assert "device=mine (lab)  A board of mine · 2 cores · at mine" in lines
    assert "+experiment=night (lab)  Every night · threads=1,4" in lines
    assert any(line.startswith("device=pi5  Raspberry Pi 5") and "16 GB" in line for line in lines)


def test_every_shipped_choice_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LAB_VARIABLE, raising=False)
    assert [
        c.path for group in ("device", "model", "optimization", "runtime") for c in choices(group) if not c.words
    ] == []


def test_what_is_not_there_is_refused(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "devices"]) == 1
    assert "no group 'devices'" in capsys.readouterr().err
    (lab / "device" / "broken.yaml").write_text("name: [")
    assert run(["list", "device"]) == 1
    assert "broken.yaml cannot be read" in capsys.readouterr().err
