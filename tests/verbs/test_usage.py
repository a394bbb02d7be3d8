"""Bad usage of a verb is refused with status 1; 2 is kept for missing results."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import app, verbs
from orchestrator.errors import ConfigError
from orchestrator.result import Sweep
from tests.measurement.records import make_result


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_bad_usage(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=f"--nonsense.*python -m orchestrator {verb} --help"):
        verbs.VERBS[verb](["--nonsense"])
    assert app.run([verb, "--nonsense"]) == 1
    assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        verbs.VERBS[verb](["--help"])
    assert left.value.code == 0
    assert "``" not in capsys.readouterr().out


def test_compare_uses_the_baseline_of_the_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = tmp_path / "multirun" / "a" / "b"
    Sweep("s", at, 1.0, baseline="int8", status="finished").write()
    make_result(at, 0, 40.0, sweep_id="s")
    make_result(at, 1, 20.0, sweep_id="s", optimization="int8")
    assert verbs.compare(["--root", str(tmp_path), "--output", str(tmp_path / "[out]")]) == 0
    out = capsys.readouterr().out
    assert "vs int8" in out and "2.00× slower" in out
    assert f"written: {tmp_path}/[out]/comparison.html" in out
    assert verbs.compare(["--root", str(tmp_path), "--baseline", "none"]) == 0
    assert "vs none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compere"], "did you mean 'compare'?"),
        (["--dry-run"], "write dry_run=true"),
        (["-m", "threads=1,2", "--batch-size=4"], "write batch_size=4"),
    ],
)
def test_words_that_hydra_would_not_understand(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(words) == 1
    assert said in capsys.readouterr().err


def test_flags_come_first_and_a_preset_gets_its_plus() -> None:
    words = ["device=pi4", "-m", "experiment=nightly", "--cfg", "job", "+experiment=x", "~model"]
    expected = ["-m", "--cfg", "job", "~model", "device=pi4", "+experiment=nightly", "+experiment=x"]
    assert app.in_hydras_words(words) == expected


def test_compare_filters_and_pivots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = tmp_path / "multirun" / "a" / "b"
    Sweep("s", at, 1.0, status="finished").write()
    for n, (device, name) in enumerate((d, o) for d in ("pi4", "pi5") for o in ("none", "int8")):
        make_result(at, n, 40.0 if name == "none" else 20.0, sweep_id="s", device=device, optimization=name)
    root = ["--root", str(tmp_path)]
    assert verbs.compare(["s", "--pivot", "optimization", "device", "--value", "speedup", "device=pi5", *root]) == 0
    out = capsys.readouterr().out
    assert "int8                      2.00×" in out and "\nOnly cells with device=pi5: 2 of 4.\n" in out
    assert verbs.compare(["device=pi4", "--baseline", "optimization:int8", *root]) == 0
    assert "vs int8" in capsys.readouterr().out
    for bad, says in (
        (["--baseline", "device:pi9"], "device is pi4, pi5"),
        (["--pivot", "device", "colour"], "no axis 'colour'"),
        (["--value", "speed"], "did you mean 'speedup'"),
        (["device=pi9"], "device is pi4, pi5"),
    ):
        with pytest.raises(ConfigError, match=says):
            verbs.compare([*bad, *root])
