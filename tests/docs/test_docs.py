"""The documentation says what the code does: its links, keys, limits, rules, metrics, tables and commands."""

from __future__ import annotations

import dataclasses
import re
import shlex
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from benchmarks.__main__ import BENCHMARKS
from orchestrator import config, stats
from orchestrator.cell import Scenario, Settings
from orchestrator.energy import LIMITS
from orchestrator.energy.rules import RULES as ENERGY_RULES
from orchestrator.fleet.plan import energy_seconds, seconds
from orchestrator.limits import NAME, Between, Matching, NameOrNames, NotEmpty, OneOf
from orchestrator.metrics import METRICS
from orchestrator.verbs import VERBS
from orchestrator.verdict import RULES
from tests.config.composing import jobs, loader
from tests.measurement.records import make_energy_pass, make_measurement

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for indent, language, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield re.sub(f"^{indent}", "", body, flags=re.MULTILINE)


# -- links


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in link]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda part: getattr(part, "name", part))
def test_every_link_leads_somewhere(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists(), f"{page.name} links to {link}"
    assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_tests_that_are_named_exist(page: Path) -> None:
    text = prose(page)
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert f"def {name}(" in (ROOT / path).read_text(), name
    for path in re.findall(r"`((?:orchestrator|remote|conf|tests)/[\w/]+(?:\.\w+)?)/?`", text):
        assert (ROOT / path).exists(), path


# -- keys


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any, dataclasses.Field[Any]]]:
    """Dotted name, type with its limits, and field of everything that can be set."""
    hints = get_type_hints(node, include_extras=True)
    for field in dataclasses.fields(node):
        key, hint = prefix + field.name, hints[field.name]
        kind = first_type(hint)
        if dataclasses.is_dataclass(kind):
            yield from leaves(kind, f"{key}.")
        else:
            yield key, hint, field


def first_type(hint: Any) -> Any:
    plain = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    return next(p for p in get_args(plain) if p is not type(None)) if isinstance(plain, types.UnionType) else plain


def type_words(hint: Any) -> str:
    plain = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    kind = first_type(hint)
    name = "any" if kind is Any else str((get_origin(kind) or kind).__name__)
    return name + (" or null" if isinstance(plain, types.UnionType) else "")


def default_words(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is list:
        return "[]"
    if field.default_factory is dict:
        return "{}"
    if field.default_factory is not dataclasses.MISSING:
        return str(field.default_factory())
    if field.default is dataclasses.MISSING:
        return "needed"
    if isinstance(field.default, str):
        return field.default or "(empty)"
    return str(yaml.safe_dump(field.default)).split("\n")[0].removesuffix(".0")


def limit_words(hint: Any) -> str:
    for limit in getattr(hint, "__metadata__", ()):
        match limit:
            case Between(low, high):
                return f"{low:.10g} to {high:.10g}"
            case OneOf(words):
                return ", ".join(words)
            case NotEmpty() | NameOrNames():
                return limit.allowed
            case Matching():
                return "a name" if limit is NAME else limit.allowed
    return "-"


KEYS = list(leaves(Settings))


@pytest.mark.parametrize(("key", "hint", "field"), KEYS, ids=[key for key, _, _ in KEYS])
def test_every_key_with_type_default_and_limits(key: str, hint: Any, field: dataclasses.Field[Any]) -> None:
    row = f"| `{key}` | {type_words(hint)} | {default_words(field)} | {limit_words(hint)} |"
    assert row in text_of("configuration.md")


def test_no_key_that_is_none() -> None:
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| (?:str|int|float|bool|list|dict|any)\b", text_of("configuration.md"), re.MULTILINE
    )
    assert sorted(rows) == sorted(key for key, _, _ in KEYS)


def test_every_shipped_choice_is_listed() -> None:
    defaults = yaml.safe_load((config.conf_directory() / "config.yaml").read_text())["defaults"]
    first = {group: choice for entry in defaults if isinstance(entry, dict) for group, choice in entry.items()}
    table = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", text_of("configuration.md"), re.MULTILINE))
    for folder in sorted(path for path in config.conf_directory().iterdir() if path.is_dir()):
        listed = re.findall(r"`(\w+)`", table[folder.name])
        assert set(listed) == {path.stem for path in folder.glob("*.yaml")}
        assert listed[0] == first.get(folder.name, listed[0])  # of presets none is the default


SCENARIOS = {
    path.stem: Scenario(**yaml.safe_load(path.read_text()))
    for path in sorted((config.conf_directory() / "scenario").glob("*.yaml"))
}


def test_the_shipped_scenarios_are_as_described() -> None:
    page = text_of("configuration.md")
    names = shipped_scenarios()
    assert sorted(names) == sorted(SCENARIOS)
    for key in (f.name for f in dataclasses.fields(Scenario) if f.name not in ("name", "description")):
        values = [getattr(SCENARIOS[name], key) for name in names]
        said = [f"{value:g}" if isinstance(value, int | float) else str(value or "null") for value in values]
        assert f"| `{key}` | {' | '.join(said)} |" in page


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_says_what_it_costs_and_has_the_time_for_it(name: str) -> None:
    scenario = SCENARIOS[name]
    said = [f"; {seconds(scenario) / 60:.1f} min a cell"]
    said += [f"{energy_seconds(scenario) / 60:.1f} more for energy"] if scenario.energy_s else []
    said += ["twice that for what is undecided"] if scenario.extra_processes else []
    assert scenario.extra_processes in (0, scenario.processes)
    assert all(words in scenario.description for words in said), said
    longest_s = scenario.warmup_s + scenario.max_window_s + scenario.end_to_end_s + scenario.pipeline_s
    processes = scenario.processes + scenario.extra_processes
    cell_s = processes * (scenario.cool_down_s + longest_s) + energy_seconds(scenario)
    assert scenario.timeout_s > cell_s  # a slow model ends by max_window_s, not by the deadline
    shipped = [SCENARIOS[n] for n in shipped_scenarios()]
    more = [dataclasses.replace(one, processes=one.processes + one.extra_processes) for one in shipped]
    for row, some in (("minutes a cell", shipped), ("with more processes", more)):
        minutes = " | ".join(f"{seconds(one) / 60:.1f}" for one in some)
        assert f"| {row} | {minutes} |" in text_of("configuration.md")


def shipped_scenarios() -> list[str]:
    """The names over the columns of their table."""
    found = re.search(r"^\| shipped \|((?: `\w+` \|)+)$", text_of("configuration.md"), re.MULTILINE)
    assert found
    return re.findall(r"`(\w+)`", found[1])


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_described(verb: str) -> None:
    assert re.search(rf"^\| `{verb}[ `]", text_of("configuration.md"), re.MULTILINE)


# -- rules, metrics, tables


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.quantity)
def test_every_rule_of_the_verdict(rule: Any) -> None:
    assert f"| `{rule.quantity}` | {rule.when} {rule.limit:g} | {rule.level} |" in text_of("measurement.md")


def test_every_benchmark_that_is_named() -> None:
    page = text_of("measurement.md")
    rows = page.split("\n## Evidence\n")[1].split("\n## ")[0]
    named = {*re.findall(r"python -m benchmarks ([a-z_]+)", page), *re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)}
    assert named and named <= set(BENCHMARKS)


def test_no_rule_that_is_none() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [<>]=? ", text_of("measurement.md"), re.MULTILINE)
    assert sorted(rows) == sorted(rule.quantity for rule in RULES)


def test_every_metric_and_no_other() -> None:
    several = (make_measurement(), make_measurement(0.2, group=10), make_measurement(energy=make_energy_pass()))
    found = {name for m in several for name in (*m.metrics, *m.missing)}
    groups = "|".join(sorted({name.partition("/")[0] for name in METRICS}))
    pattern = rf"`((?:{groups})/[a-z0-9_]+)`"
    assert set(re.findall(pattern, text_of("measurement.md"))) == found
    assert set(METRICS) == found


def test_how_many_values_a_percentile_needs() -> None:
    needed = ", ".join(str(count) for count in stats.PERCENTILE_MINIMUM.values())
    assert f"fewer than {needed} calls" in text_of("measurement.md")


def test_what_sensors_are_believed_to_err() -> None:
    page = text_of("measurement.md")

    def shown(value: float, unit: str) -> str:
        return f"{value:g} {unit}" if value else "-"

    for reader, limits in LIMITS.items():
        said = [f"`{reader}`", f"{limits.gain * 100:g} %", shown(limits.offset_w, "W")]
        said += [shown(limits.resolution_w * 1e3, "mW"), shown(limits.update_s, "s"), shown(limits.lag_s, "s")]
        assert f"| {' | '.join(said)} |" in page


def test_when_an_energy_is_suspect() -> None:
    page = text_of("measurement.md")
    for rule in ENERGY_RULES:
        limit = f"{rule.limit * 100:g} %" if rule.limit < 1 else f"{rule.limit:g}"
        assert f"| {rule.quantity} | {rule.when} {limit} |" in page


def test_the_table_of_runtimes() -> None:
    table = yaml.safe_load((ROOT / "orchestrator" / "provisioning" / "runtimes.yaml").read_text())["runtimes"]
    rows = re.findall(r"^\| (\w+) \| (\w+) \| ([^|]+) \| ([^|]+) \|$", text_of("board.md"), re.MULTILINE)
    wheels = [
        (name, row["arch"], "-".join(row["python"]), row["glibc"]) for name, e in table.items() for row in e["wheels"]
    ]
    said = [row for row in rows if row[0] in table and row[2] != "none"]
    assert said == wheels
    refused = [(name, arch, why) for name, entry in table.items() for arch, why in entry["refused"].items()]
    told = [(name, arch, why) for name, arch, python, why in rows if python == "none"]
    assert [r[:2] for r in told] == [r[:2] for r in refused]
    assert all(whole[2].startswith(short[2]) for short, whole in zip(told, refused, strict=True))
    named = {"litert": "for LiteRT", "tflite_runtime": "for tflite_runtime", "onnxruntime": "for ONNX Runtime"}
    named["openvino"] = "for OpenVINO"
    for name, words in named.items():
        assert f"{table[name]['memory_mb']} MB {words}" in text_of("board.md")


# -- commands


def commands() -> Iterator[tuple[str, str]]:
    """Every line of a code block, and every piece of code in a line, that starts the orchestrator."""
    for page in PAGES:
        lines = [line for body in blocks(page, "sh", "bash", "console", "") for line in body.splitlines()]
        lines += re.findall(r"`([^`\n]*python -m orchestrator [^`\n]+)`", prose(page))
        for line in lines:
            if re.match(r"(\w+=\S+ )*python -m orchestrator\b", line.strip()):
                yield page.name, line.strip()


COMMANDS = sorted(set(commands()))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the documentation tells people to write: YAML blocks that begin with its path, and heredocs."""
    folder = tmp_path / "mylab"
    folder.mkdir()
    for page in PAGES:
        for body in blocks(page, "yaml"):
            if found := re.match(r"(?:# @package \S+\n)?# mylab/(\S+\.yaml)", body):
                write(folder / found[1], body)
        for body in blocks(page, "sh"):
            for path, content in re.findall(r"cat > ~/mylab/(\S+) <<'YAML'\n(.*?)^YAML$", body, re.M | re.S):
                if not (folder / path).exists():
                    write(folder / path, content)
    monkeypatch.setenv("ORCHESTRATOR_LAB", "")
    return folder


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_every_command_composes(
    page: str, line: str, lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(line, comments=True)
    while "=" in words[0]:
        words.pop(0)
    assert words[:3] == ["python", "-m", "orchestrator"]
    arguments = [str(lab) if word in ("mylab", "~/mylab") else word for word in words[3:]]
    if "ORCHESTRATOR_LAB=" in line:
        arguments = ["--config-dir", str(lab), *arguments]
    rest = config.take_lab(arguments)
    if rest and rest[0] in VERBS:
        check_verb(rest, capsys)
        rest = [word for word in rest[1:] if word.startswith("device=")]
    overrides = [word for word in rest if word not in ("-m", "--multirun", "--cfg", "job")]
    assert all("=" in word for word in overrides), line
    parsed = OverridesParser.create(config_loader=loader()).parse_overrides(overrides)
    (batch,) = BasicSweeper.split_arguments(parsed, None)
    assert len([job for job in jobs(tmp_path, *batch) if job.asked]) == len(batch) >= 1


def check_verb(rest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Its flags exist; nothing is done."""
    verb, *arguments = rest
    flags = {word for word in arguments if word.startswith("--")}
    if verb == "enrol":
        assert flags <= {"--yes"}
        assert any(word.startswith("device=") for word in arguments)
        return
    with pytest.raises(SystemExit) as ended:
        VERBS[verb]([*arguments, "--help"])
    assert ended.value.code == 0
    assert flags <= set(re.findall(r"--[\w-]+", capsys.readouterr().out))


def test_there_are_commands_of_every_page() -> None:
    assert {"README.md", "configuration.md", "board.md"} <= {page for page, _ in COMMANDS}


def test_every_file_that_people_are_told_to_write(lab: Path, tmp_path: Path) -> None:
    config.take_lab(["--config-dir", str(lab)])
    files = sorted(lab.glob("*/*.yaml"))
    assert {"device", "scenario", "optimization", "experiment"} <= {path.parent.name for path in files}
    for path in files:
        group = path.parent.name
        job, *_ = jobs(tmp_path, [f"{'+' if group == 'experiment' else ''}{group}={path.stem}"])
        if group != "experiment":
            assert getattr(job.cell.settings, group).name == path.stem
