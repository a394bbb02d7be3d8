"""The matrix language: which cells a rule drops, which it adds, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import config
from orchestrator.cell import Cell
from orchestrator.config.rules import Rule, rules, same
from orchestrator.errors import ConfigError
from tests.config.composing import jobs, loader, master, settings_of_words


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LAB", "")


@pytest.fixture(scope="module")
def cell() -> Cell:
    """A file model on a pi4, four threads."""
    words = ("device=pi4", "optimization=none", "model=file", "model.path=/models/net_v3.tflite", "threads=4")
    return Cell(0, settings_of_words(*words), Path("/nowhere"))


CHOSEN = {"device": "pi4", "model": "file", "optimization": "none", "runtime": "auto", "scenario": "quick"}


@pytest.mark.parametrize(
    "rule",
    [
        {"device": "pi4"},
        {"device": "pi*", "threads": 4},
        {"device": ["pi5", "pi4"]},
        {"model": "file"},
        {"model": "net_*"},  # the name that tables show
        {"threads": 4.0},
        {"threads": "4"},
        {"threads": [1, 4]},
        {"input_size": None},
        {"model.kind": "f*"},
        {"scenario.window_s": 2},
        {"runtime.candidates": "litert"},  # one of a list
        {"device.cores": [4, 8], "batch_size": 1},
        {"runtime.xnnpack": ["require", "auto"]},
        {"optimization.steps": []},  # a list is one value where the setting is one
        {"runtime.candidates": ["litert", "tflite_runtime", "onnxruntime"]},
        {"runtime.candidates": [["litert"], ["litert", "tflite_runtime", "onnxruntime"]]},
    ],
)
def test_a_rule_that_holds(cell: Cell, rule: dict[str, object]) -> None:
    (made,) = rules("exclude", [rule])
    assert made.matches(cell, CHOSEN)


@pytest.mark.parametrize(
    "rule",
    [
        {"device": "pi5"},
        {"device": "pi4", "threads": 1},  # all pairs, not any
        {"threads": True},
        {"threads": [1, 2]},
        {"model": "net"},
        {"input_size": 224},
        {"model.input_size": 0},
        {"device.power.load.high_w": 6},
        {"runtime.xnnpack": False},  # off, as YAML reads it
        {"runtime.candidates": ["litert"]},
        {"optimization.steps": ["prune", "int8"]},
        {"model.arguments.width": 8},
    ],
)
def test_a_rule_that_does_not_hold(cell: Cell, rule: dict[str, object]) -> None:
    (made,) = rules("exclude", [rule])
    assert not made.matches(cell, CHOSEN)


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), st.from_regex(r"[a-z0-9_.-]*")))
def test_every_value_is_itself_and_no_other_kind(value: object) -> None:
    assert same(value, value)
    if not isinstance(value, str):
        assert not same(value, "pi4") and not same(
            value, not value if isinstance(value, bool) else None if value else 7
        )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, ["exclude rule {}", "a rule is a mapping"]),
        ("pi4", ["exclude rule pi4", "a rule is a mapping"]),
        ({"thraeds": 4}, ["exclude rule {thraeds: 4}", "did you mean 'threads'?", "batch_size"]),
        ({"modle.weights": "x"}, ["'modle.weights'", "did you mean 'model.weights'?"]),
        ({"model.colour": "x"}, ["unknown key 'model.colour'"]),
        ({"objective": "x"}, ["unknown key 'objective'"]),
        ({"model": {"weights": "x"}}, ["with dots"]),
        ({"model": []}, ["no value"]),
        ({"model": False}, ["exclude rule {model: false}", "'model' is a word", "quote it"]),
        ({"model.weights": ["random", True]}, ["'model.weights' is a word", "quote it"]),
        ({"runtime.xnnpack": True}, ["'runtime.xnnpack' is a word"]),  # none of its words is on
        ({"model.argument.width": 1}, ["unknown key 'model.argument.width'"]),
    ],
)
def test_a_wrong_rule_is_named(rule: object, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        rules("exclude", [rule, {"device": "fine"}])
    assert all(word in str(caught.value) for word in words) and "fine" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("runtime.xnnpack=off", {"runtime.xnnpack": False}),
        ("optimization=pruned_int8", {"optimization.steps": ["prune", "int8"]}),
        ("++model.arguments.width=8", {"model.arguments.width": [4, 8]}),
    ],
)
def test_a_rule_that_holds_after_an_override(word: str, rule: dict[str, object]) -> None:
    (made,) = rules("exclude", [rule])
    words = ("model=factory", "model.factory=nets:tiny")
    assert made.matches(Cell(0, settings_of_words(*words, word), Path("/nowhere")), {})
    assert not made.matches(Cell(0, settings_of_words(*words), Path("/nowhere")), {})


def test_rules_that_say_the_same_are_one_and_their_text_holds_no_secret() -> None:
    long = {"model.path": "x" * 20_000 + "\n"}
    made = rules(
        "exclude", [{"threads": 4, "device": "a"}, {"device": "a", "threads": 4}, long, {**long, "threads": 1}]
    )
    assert len(made) == 3
    (secret,) = rules("exclude", [{"model.path": "https://me:secret@there/x"}])
    assert "secret" not in secret.text


def composed(tmp_path: Path, *words: str, **more: bool) -> list[config.Job]:
    """The jobs of a command line, through Hydra's own sweeper's product."""
    source = loader()
    given = master(source, tmp_path)
    given.hydra.overrides.task = list(words)
    (batch,) = BasicSweeper.split_arguments(
        OverridesParser.create(config_loader=source).parse_overrides(list(words)), None
    )
    return config.compose_cells(source, given, batch, 10, **more)


def points(found: list[config.Job], *axes: str) -> list[tuple[str, ...]]:
    return [tuple(job.cell.axes[axis] for axis in axes) for job in found]


def test_excluded_cells_stay_in_place_and_are_not_validated(tmp_path: Path) -> None:
    found = composed(tmp_path, "threads=1,2,999", "exclude=[{threads: [2, 999]}, {threads: 2}]")
    assert [job.excluded for job in found] == [
        None,
        "{threads: [2, 999]}",
        "{threads: [2, 999]}",
    ]  # the first that holds
    assert [job.cell.number for job in found] == [10, 11, 12]
    assert all(job.asked for job in found)


def test_included_cells_are_those_left_with_what_the_rule_says(tmp_path: Path) -> None:
    found = composed(
        tmp_path,
        *("model=digits,mobilenetv2", "optimization=int8", "threads=2", "exclude=[{model: digits}]"),
        "include=[{model: digits, threads: [4, 8]}, {device: pi5, scenario.window_s: 5}]",
    )
    assert [(job.cell.number, job.excluded is None, job.asked) for job in found] == [
        *((10, False, True), (11, True, True), (12, True, False), (13, True, False), (14, True, False)),
    ]
    assert points(found[2:], "device", "model", "optimization", "threads") == [
        ("local", "digits", "int8", "4"),
        ("local", "digits", "int8", "8"),
        ("pi5", "mobilenetv2", "int8", "2"),
    ]
    assert found[-1].cell.extras == ("scenario.window_s=5",)
    assert len({job.cell.directory for job in found}) == 5


def test_what_a_rule_does_not_name_is_as_in_the_cells_left(tmp_path: Path) -> None:
    words = ("device=pi4,pi5", "threads=1,2", "exclude=[{device: pi5, threads: 2}]")
    found = composed(tmp_path, *words, "include=[{optimization: int8}, {threads: 4, device: pi4}]")
    assert points(found[4:], "device", "threads", "optimization") == [
        *(("pi4", "1", "int8"), ("pi4", "2", "int8"), ("pi5", "1", "int8")),
        ("pi4", "4", "none"),  # once, whatever it was made from
    ]


def test_a_cell_that_is_there_in_other_words_is_not_added(tmp_path: Path) -> None:
    found = composed(tmp_path, "threads=1,2", "include=[{threads: 1}, {runtime.xnnpack: auto}, {seed: 0}, {seed: 1}]")
    assert [job.included for job in found] == [None, None, "{seed: 1}", "{seed: 1}"]


def test_lists_and_free_keys_are_included(tmp_path: Path) -> None:
    words = ("model=factory", "model.factory=nets:tiny", "optimization=pruned")
    steps = "{optimization.steps: [[prune, int8], [prune, float16]]}, {optimization.steps: int8}"
    found = composed(tmp_path, *words, f"include=[{steps}, {{model.arguments.width: [4, 8]}}]")[1:]
    assert [job.cell.settings.optimization.steps for job in found[:3]] == [
        *(["prune", "int8"], ["prune", "float16"], ["int8"]),
    ]
    assert [job.cell.settings.model.arguments for job in found[3:]] == [{"width": 4}, {"width": 8}]


def test_includes_come_with_the_first_batch_only(tmp_path: Path) -> None:
    words = ("threads=1,2", "include=[{threads: 4}]")
    assert len(composed(tmp_path, *words)) == 3
    assert len(composed(tmp_path, *words, including=False)) == 2


def test_an_include_rule_that_does_not_compose_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"include rule \{model: digit\}: .*did you mean 'digits'"):
        composed(tmp_path, "include=[{model: digit}]")
    with pytest.raises(ConfigError, match="threads = 0, set in the command line"):
        composed(tmp_path, "include=[{threads: 0}]")


def test_words_of_an_include_rule_stay_what_they_are() -> None:
    rule = Rule("", {"model.path": ("/a b/x,y=1.tflite",), "input_size": (None,), "model.name": ("it's {a}",)})
    overrides = list(next(rule.points()).values())
    parsed = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(overrides)}
    assert parsed == {"model.path": "/a b/x,y=1.tflite", "input_size": None, "model.name": "it's {a}"}


@pytest.mark.parametrize("word", ["dry_run=true,false", "root=/a,/b", "tracking=none,mlflow", "+experiment=a,b"])
def test_what_is_one_for_the_whole_sweep_is_no_axis(tmp_path: Path, word: str) -> None:
    given = master(loader(), tmp_path)
    given.hydra.overrides.task = [word]
    with pytest.raises(ConfigError, match="cannot be an axis"):
        config.cells_asked(loader(), given)


def test_a_matrix_is_counted_with_its_preset_and_the_command_line_wins(tmp_path: Path) -> None:
    given = master(loader(), tmp_path)
    given.hydra.sweeper.params = {"threads": "1,2,4", "optimization": "none,int8"}
    given.hydra.overrides.task = ["threads=range(1,11)", "device=glob(pi*)", "model=digits"]
    assert config.cells_asked(loader(), given) == 10 * 2 * 3


def test_more_threads_than_cores_is_not_refused(tmp_path: Path) -> None:
    """A study over threads must not be refused for its smallest board."""
    (job,) = jobs(tmp_path, ["device=pi4", "threads=64"])
    assert job.cell.settings.threads == 64
