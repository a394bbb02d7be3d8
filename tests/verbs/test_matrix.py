"""What is said of rules that did nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig
from rich.console import Console

from orchestrator import config
from orchestrator.matrix import Matrix
from tests.config.composing import jobs, loader, master


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DictConfig:
    """A preset over two devices, of which the command line took another."""
    monkeypatch.setenv("ORCHESTRATOR_LAB", "")
    made = master(loader(), tmp_path)
    made.hydra.sweeper.params = {"device": "pi4,pi5", "threads": "range(1,4)"}
    made.hydra.overrides.task = ["device=pi3", "threads=2"]
    return made


def unmatched(root: Path, word: str, narrowed: dict[str, set[str]]) -> list[str]:
    matrix = Matrix(Console(quiet=True))
    matrix.narrowed = narrowed
    matrix.take(jobs(root, ["device=pi3", "threads=2", word]))
    return matrix.unmatched


def test_what_the_command_line_took_out_of_a_preset(narrow: DictConfig) -> None:
    assert config.narrowed(loader(), narrow) == {"device": {"pi4", "pi5"}, "threads": {"1", "3"}}
    narrow.hydra.overrides.task = ["model=digits"]
    assert config.narrowed(loader(), narrow) == {"device": set(), "threads": set()}


def test_a_rule_about_what_was_taken_out_need_not_match(tmp_path: Path, narrow: DictConfig) -> None:
    word, line = "exclude=[{device: pi4, threads: 2}, {device: pi6}]", "this exclude rule matched no cell: {device: pi"
    assert unmatched(tmp_path, word, config.narrowed(loader(), narrow)) == [f"{line}6}}"]
    assert unmatched(tmp_path, word, {}) == [f"{line}4, threads: 2}}", f"{line}6}}"]


def test_an_include_rule_that_added_nothing_is_told(tmp_path: Path, narrow: DictConfig) -> None:
    (line,) = unmatched(tmp_path, "include=[{threads: 2}, {threads: 1}]", {})
    assert line == "this include rule added no cell: {threads: 2}"
