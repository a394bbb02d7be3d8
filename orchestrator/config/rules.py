"""The rules of a matrix: ``exclude`` drops cells, ``include`` adds some, as in the matrix of a CI service.

A rule is a mapping from an axis, or the dotted key of any setting, to a value or a list of values. Nothing is composed
here: an exclude rule looks at settings that are, an include rule makes overrides for those to come.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

import yaml
from hydra.core.override_parser.types import Override, Quote, QuotedString

from orchestrator.cell import Cell, Settings
from orchestrator.config.keys import AXES, GROUPS, NOT_MEASURED, nested
from orchestrator.errors import ConfigError
from orchestrator.guess import did_you_mean


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``text`` is how people see it, ``pairs`` maps a key to the values it may have."""

    text: str
    pairs: dict[str, tuple[Any, ...]]

    def matches(self, cell: Cell, chosen: Mapping[str, str]) -> bool:
        """Whether every pair holds; ``chosen`` maps a group to the name of the file that was chosen."""
        return all(
            any(same(wanted, value) for wanted in values for value in held(cell, chosen, key))
            for key, values in self.pairs.items()
        )

    def points(self) -> Iterator[dict[str, str]]:
        """What an include rule adds: an override per key, lists multiplied out."""
        for values in itertools.product(*self.pairs.values()):
            yield {key: f"{key}={in_hydras_grammar(value)}" for key, value in zip(self.pairs, values, strict=True)}


def in_hydras_grammar(value: Any) -> str:
    """A value as an override says it; words are quoted where Hydra would read something else."""
    if isinstance(value, str) and not (re.fullmatch(r"[\w./:-]+", value) and isinstance(yaml.safe_load(value), str)):
        return QuotedString(value, Quote.single).with_quotes()
    return str(Override._get_value_element_as_str(value))


def rules(of: str, written: Sequence[Any]) -> list[Rule]:
    """The checked rules of ``exclude`` or ``include`` (``of``); equal ones once.

    Raises:
        ConfigError: a rule is empty, no mapping, or names a key that does not exist; all that is wrong is listed.
    """
    wrong = [problem for rule in written for problem in problems_of(of, rule)]
    if wrong:
        raise ConfigError("\n".join(wrong))
    found = (
        Rule(text_of(rule), {key: tuple(v) if isinstance(v, list) else (v,) for key, v in rule.items()})
        for rule in written
    )
    return list({rule.text: rule for rule in found}.values())


def problems_of(of: str, rule: Any) -> Iterator[str]:
    """What is wrong with one rule, as lines."""
    where = f"{of} rule {text_of(rule)}"
    if not isinstance(rule, dict) or not rule:
        yield f"{where}: a rule is a mapping such as {{device: pi4, optimization: [int8, float16]}}"
        return
    for key, value in rule.items():
        if key not in settable():
            guess = did_you_mean(key, settable())
            yield f"{where}: unknown key '{key}'. {guess}An axis ({', '.join(AXES)}) or a setting such as model.weights"
        elif value == []:
            yield f"{where}: '{key}' has no value; leave it out to mean any"
        elif any(isinstance(one, dict) for one in (value if isinstance(value, list) else [value])):
            yield f"{where}: '{key}' is one value or a list of values, written with dots: {key}.name"


def text_of(rule: Any) -> str:
    """A rule on one line, as it may be written."""
    return str(yaml.safe_dump(rule, default_flow_style=True, width=10_000, sort_keys=False)).split("\n")[0]


def settable() -> list[str]:
    """Every key that a rule can name: the axes, and the settings that change what is measured."""
    return [*AXES, *(key for key in leaves(Settings) if key not in AXES and key.split(".")[0] not in NOT_MEASURED)]


def leaves(node: Any, prefix: str = "") -> Iterator[str]:
    """The dotted keys below a dataclass."""
    for name, hint in get_type_hints(node).items():
        kind = nested(hint)
        if dataclasses.is_dataclass(kind):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def held(cell: Cell, chosen: Mapping[str, str], key: str) -> list[Any]:
    """What a cell has under ``key``: a choice by its file's name and its own, a list as a whole and item by item."""
    if key in GROUPS:
        return [chosen.get(key), cell.axes[key]]
    value: Any = cell.settings
    for name in key.split("."):
        value = getattr(value, name, None)  # None: a part such as device.power.idle that is left out
    if key == "input_size":
        return [value, cell.input_size]  # null is the model's own
    return [value, *value] if isinstance(value, list) else [value]


def same(wanted: Any, value: Any) -> bool:
    """Whether a value is the wanted one: numbers by what they are worth, words as glob patterns."""
    if isinstance(wanted, bool) or isinstance(value, bool) or wanted is None or value is None:
        return wanted is value
    if isinstance(wanted, int | float) and isinstance(value, int | float):
        return wanted == value
    if isinstance(wanted, list) or isinstance(value, list):
        return bool(wanted == value)
    return str(value) == str(wanted) or fnmatch.fnmatchcase(str(value), str(wanted))
