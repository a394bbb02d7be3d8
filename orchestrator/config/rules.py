"""The rules of a matrix: ``exclude`` drops cells, ``include`` adds some, as in the matrix of a CI service.

A rule is a mapping from an axis, or the dotted key of any setting, to a value or a list of values. Nothing is composed
here: an exclude rule looks at settings that are, an include rule makes overrides for those to come.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_origin, get_type_hints

import yaml
from hydra.core.override_parser.types import Override, Quote, QuotedString

from orchestrator.cell import AXES, Cell, Settings
from orchestrator.config.keys import GROUPS, NOT_MEASURED, nested
from orchestrator.errors import ConfigError
from orchestrator.guess import did_you_mean
from orchestrator.limits import OneOf
from orchestrator.redact import redacted

WORDS = (str, str | None)
"""The types of settings that are words."""


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

    def names_any(self, gone: Mapping[str, Collection[str]]) -> bool:
        """Whether it names, under some key, a value that is gone."""
        return any(
            same(wanted, one) for key, wants in self.pairs.items() for wanted in wants for one in gone.get(key, ())
        )

    def points(self) -> Iterator[dict[str, str]]:
        """What an include rule adds: an override per key, lists multiplied out."""
        for values in itertools.product(*self.pairs.values()):
            yield {key: override(key, value) for key, value in zip(self.pairs, values, strict=True)}


def override(key: str, value: Any) -> str:
    """What an include rule asks of Hydra. Only free keys may be new, and a list stays one where one item is named."""
    hint = type_of(key)
    whole = [value] if get_origin(hint) is list and not isinstance(value, list) else value
    return f"{'' if key in settable() else '++'}{key}={in_hydras_grammar(whole)}"


def in_hydras_grammar(value: Any) -> str:
    """A value as an override says it; words are quoted where Hydra would read something else."""
    if isinstance(value, list):
        return f"[{','.join(map(in_hydras_grammar, value))}]"
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
    once = {json.dumps(rule, sort_keys=True, default=str): rule for rule in written}
    return [
        Rule(text_of(rule), {key: tuple(spelled(key, one) for one in alternatives(key, v)) for key, v in rule.items()})
        for rule in once.values()
    ]


def alternatives(key: str, value: Any) -> list[Any]:
    """The values of which any may hold. Where the setting is a list itself, a flat list is one value."""
    if not isinstance(value, list):
        return [value]
    if get_origin(type_of(key)) is list and not (value and all(isinstance(one, list) for one in value)):
        return [value]
    return value


def spelled(key: str, value: Any) -> Any:
    """A value; but YAML reads ``off``, ``no``, ``on`` and ``yes`` as booleans: a word again where one is allowed."""
    if not isinstance(value, bool) or type_of(key) not in WORDS:
        return value
    written = ("on", "yes", "true") if value else ("off", "no", "false")
    allowed = next((limit.words for limit in limits_of(key) if isinstance(limit, OneOf)), ())
    return next((word for word in written if word in allowed), value)


def problems_of(of: str, rule: Any) -> Iterator[str]:
    """What is wrong with one rule, as lines."""
    where = f"{of} rule {text_of(rule)}"
    if not isinstance(rule, dict) or not rule:
        yield f"{where}: a rule is a mapping such as {{device: pi4, optimization: [int8, float16]}}"
        return
    for key, value in rule.items():
        if type_of(key) is None:
            guess = did_you_mean(key, settable())
            yield f"{where}: unknown key '{key}'. {guess}An axis ({', '.join(AXES)}) or a setting such as model.weights"
        elif value == [] and get_origin(type_of(key)) is not list:
            yield f"{where}: '{key}' has no value; leave it out to mean any"
        elif any(isinstance(one, dict) for one in (value if isinstance(value, list) else [value])):
            yield f"{where}: '{key}' is one value or a list of values, written with dots: {key}.name"
        elif any(isinstance(spelled(key, one), bool) for one in alternatives(key, value)) and type_of(key) in WORDS:
            yield f"{where}: '{key}' is a word, and YAML reads on, off, yes and no as true and false: quote it"


def text_of(rule: Any) -> str:
    """A rule on one line, as it may be written."""
    text = str(yaml.safe_dump(rule, default_flow_style=True, width=math.inf, sort_keys=False))
    return redacted(" ".join(text.removesuffix("\n...\n").split()))


@cache
def settable() -> dict[str, Any]:
    """Every key that a rule can name, and its type: the axes, and the settings that change what is measured."""
    found = {key: hint for key, hint in leaves(Settings) if key.split(".")[0] not in NOT_MEASURED}
    return dict.fromkeys(AXES, str) | found


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys below a dataclass, with their types and limits."""
    for name, hint in get_type_hints(node, include_extras=True).items():
        kind = nested(hint)
        if dataclasses.is_dataclass(kind):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hint


def type_of(key: str) -> Any:
    """The type of a setting without its limits; ``Any`` below a free mapping; None where there is no such key."""
    hint = settable().get(key)
    if hint is not None:
        return getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    free = (of for of in settable() if key.startswith(f"{of}.") and len(key) > len(of) + 1)
    return Any if any(get_origin(type_of(of)) is dict for of in free) else None


def limits_of(key: str) -> tuple[Any, ...]:
    """The limits beside the type of a setting."""
    return tuple(getattr(settable().get(key), "__metadata__", ()))


def held(cell: Cell, chosen: Mapping[str, str], key: str) -> list[Any]:
    """What a cell has under ``key``: a choice by its file's name and its own, a list as a whole and item by item."""
    if key in GROUPS:
        return [chosen.get(key), cell.axes[key]]
    value: Any = cell.settings
    for name in key.split("."):
        # None: a part such as device.power.idle that is left out
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
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
