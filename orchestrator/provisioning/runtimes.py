"""Which runtime a board can run: a table of what wheels exist (runtimes.yaml) against the board's facts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from orchestrator.cell import RUNTIME_FORMATS, Runtime
from orchestrator.errors import BoardNotReady
from orchestrator.provisioning.survey import Facts

MB = 1024 * 1024
Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """The runtime that a board gets, and what its wheels are made of."""

    name: str
    install: str  # push | system
    requirements: tuple[str, ...] = ()
    unneeded: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    platform: str = ""  # as the resolver calls it: aarch64-manylinux_2_36
    python: str = ""  # 3.11
    pinned: str | None = None  # digest of an environment that was made before, and is taken instead


def choose(runtime: Runtime, facts: Facts, form: str = "tflite", *, pillow: bool = False) -> RuntimeChoice:
    """The first candidate that executes artifacts of the format ``form`` and serves the board.

    ``pillow``: with what decodes photographs; a board's own packages (``install=system``) are left as they are.

    Raises BoardNotReady with the reason of every candidate.
    """
    asked, delegate = runtime.names, runtime.delegate
    if not asked:
        raise BoardNotReady(f"{', '.join(runtime.candidates)}: none has the delegate {delegate}")
    names = [name for name in asked if form in RUNTIME_FORMATS.get(name, ())]
    if not names:
        able = ", ".join(name for name, forms in RUNTIME_FORMATS.items() if form in forms)
        raise BoardNotReady(f"{', '.join(asked)}: none executes .{form}", hint=f"runtime=auto, or one of {able}")
    if runtime.install == "system":
        return RuntimeChoice(names[0], "system")
    reasons = {name: refusal(name, facts, delegate) for name in names}
    for name, reason in reasons.items():
        if reason is None:
            return replace(_choice(name, facts, pillow, delegate), pinned=runtime.environment)
    listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise BoardNotReady(
        f"no runtime serves this board ({facts.userland}, Python {facts.python_text}): {listed}",
        hint="another Python (device.python) or runtime.install=system may help",
    )


def _entry(name: str, delegate: str | None) -> dict[str, Any]:
    """A runtime's row of the table, as it is for a delegate."""
    entry: dict[str, Any] = _table()["runtimes"][name]
    return {**entry, **entry.get("delegates", {}).get(delegate, {})}


def package(name: str, delegate: str | None = None) -> str:
    """The package that a runtime is called after, the first of its requirements."""
    entry = _entry(name, delegate) if name in _table()["runtimes"] else {"requirements": [name]}
    return re.split(r"[^A-Za-z0-9._-]", entry["requirements"][0])[0]


def only_system(name: str) -> str | None:
    """Why a runtime is never pushed, None if it is."""
    words = _table()["system"].get(name)
    return None if words is None else f"it is not pushed, since {words}: runtime.install=system"


def refusal(name: str, facts: Facts, delegate: str | None = None) -> str | None:
    """Why a runtime cannot be pushed to a board, None if it can."""
    if name not in _table()["runtimes"]:
        return only_system(name) or "it is not known here"
    entry = _entry(name, delegate)
    level, python = glibc_level(facts), facts.python[:2]
    here = [row for row in entry["wheels"] if row["arch"] == facts.userland]
    fitting = [row for row in here if _version(row["python"][0]) <= python <= _version(row["python"][1])]
    if facts.python_implementation != "CPython":
        return f"its wheels are for CPython, not {facts.python_implementation}"
    if facts.userland in entry["refused"]:
        return str(entry["refused"][facts.userland])
    if not here:
        return f"there are no {facts.userland} wheels"
    if level is None:
        return f"its wheels need glibc 2.17 or newer, this board has {' '.join(facts.libc).strip() or 'another libc'}"
    if not fitting:
        spans = ", ".join("-".join(dict.fromkeys(row["python"])) for row in here)
        return f"its {facts.userland} wheels are for Python {spans}"
    lowest = min(_version(row["glibc"]) for row in fitting)
    if level < lowest:
        return f"its wheels for Python {_text(python)} need glibc {_text(lowest)}, this board has {facts.libc[1]}"
    if facts.memory_bytes is not None and facts.memory_bytes < entry["memory_mb"] * MB:
        return f"it needs {entry['memory_mb']} MB of memory, this board has {facts.memory_bytes // MB}"
    return None


def glibc_level(facts: Facts) -> Version | None:
    """The highest level that the resolver knows and the board reaches."""
    glibc = facts.glibc
    levels = [_version(text) for text in _table()["glibc_levels"]]
    return max((level for level in levels if glibc is not None and level <= glibc), default=None)


def _choice(name: str, facts: Facts, pillow: bool, delegate: str | None) -> RuntimeChoice:
    entry, level = _entry(name, delegate), glibc_level(facts)
    images = _table()["images"] if pillow else {"requirements": (), "drop": ()}
    if level is None:
        raise BoardNotReady(f"{name}: the board has no glibc")
    return RuntimeChoice(
        name,
        "push",
        requirements=(*entry["requirements"], *images["requirements"]),
        unneeded=tuple(entry["unneeded"]),
        drop=(*_table()["drop"], *entry["drop"], *images["drop"]),
        platform=f"{facts.userland}-manylinux_{level[0]}_{level[1]}",
        python=_text(facts.python[:2]),
    )


@cache
def _table() -> dict[str, Any]:
    text = files("orchestrator.provisioning").joinpath("runtimes.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def _version(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
