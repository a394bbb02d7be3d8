"""``list``: what can be chosen, the lab's own files before the shipped ones, as Hydra finds them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.config import LAB_VARIABLE, conf_directory
from orchestrator.console import say, unbroken
from orchestrator.errors import ConfigError
from orchestrator.plain import plain

GROUPS = ("device", "model", "optimization", "runtime", "scenario", "experiment", "tracking")


@dataclass(frozen=True, slots=True)
class Choice:
    """One file of a group. ``lab``: it is the lab's own; ``hides``: a shipped one of the same name is not used."""

    name: str
    path: Path
    lab: bool
    hides: bool
    content: Mapping[str, Any]
    comment: str  # the first words of its comment

    @property
    def source(self) -> str:
        return " (lab, instead of the shipped one)" if self.hides else " (lab)" if self.lab else ""

    @property
    def words(self) -> str:
        """What it is, in a line."""
        told = str(self.content.get("description") or self.comment)
        return " · ".join(filter(None, (told, _DETAILS.get(self.path.parent.name, _nothing)(self.content))))


def choices(group: str) -> list[Choice]:
    """What ``group=`` may be, by name.

    Raises ConfigError for a file that is no YAML.
    """
    found: dict[str, Choice] = {}
    shipped = {path.stem: path for path in _files(conf_directory() / group)}
    lab = {path.stem: path for path in _files(Path(os.environ[LAB_VARIABLE]) / group)} if _has_lab() else {}
    for name, path in sorted({**shipped, **lab}.items()):
        found[name] = _choice(name, path, name in lab, name in lab and name in shipped)
    return list(found.values())


def groups() -> list[str]:
    """The known groups, then the lab's own."""
    own = [path.name for path in Path(os.environ[LAB_VARIABLE]).iterdir() if path.is_dir()] if _has_lab() else []
    return [*GROUPS, *sorted(name for name in own if name not in GROUPS and any(choices(name)))]


def print_catalogue(console: Console, chosen: Sequence[str]) -> None:
    """A table per group; all groups unless some are named."""
    known = groups()
    for name in chosen:
        if name not in known:
            raise ConfigError(f"there is no group '{name}'", hint=f"groups: {', '.join(known)}")
    for group in chosen or known:
        listed = choices(group)
        if listed and console.is_terminal:
            with unbroken():
                console.print(_table(group, listed))
        else:  # a line each, for grep
            for choice in listed:
                say(console, f"{_prefix(group)}{choice.name}{choice.source}  {choice.words}".rstrip())


def _prefix(group: str) -> str:
    """How it is written on the command line: presets are added, not chosen."""
    return f"+{group}=" if group == "experiment" else f"{group}="


def _table(group: str, listed: Sequence[Choice]) -> Table:
    made = Table(
        *("", ""), title=_prefix(group), title_justify="left", title_style="bold",
        box=box.SIMPLE, show_header=False, pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
    made.columns[0].no_wrap = True
    for choice in listed:
        made.add_row(Text.assemble((plain(choice.name), "bold"), (choice.source, "cyan")), Text(plain(choice.words)))
    return made


def _has_lab() -> bool:
    return bool(os.environ.get(LAB_VARIABLE))


def _files(folder: Path) -> Iterator[Path]:
    return folder.glob("*.yaml")


def _choice(name: str, path: Path, lab: bool, hides: bool) -> Choice:
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return Choice(name, path, lab, hides, content if isinstance(content, dict) else {}, _comment(text))


def _comment(text: str) -> str:
    """The first paragraph of the comment at the top, without Hydra's package line; its first sentence."""
    lines = re.match(r"((?:#[^\n]*\n?)*)", text)
    said = [line.lstrip("# ").strip() for line in (lines[1] if lines else "").splitlines()]
    kept = " ".join(line for line in said if not line.startswith("@package"))
    return re.split(r"(?<=[a-z)])\. |(?<=[a-z)])\.$", kept, maxsplit=1)[0]


def _nothing(content: Mapping[str, Any]) -> str:
    return ""


def _device(content: Mapping[str, Any]) -> str:
    sizes = [f"{mb / 1024:g}" for mb in content.get("memory_mb") or [] if isinstance(mb, int | float)]
    hosts = [str(host) for host in content.get("hosts") or []]
    parts = [
        f"{content['cores']} cores" if content.get("cores") else "",
        f"{'/'.join(sizes)} GB" if sizes else "",
        "+".join(map(str, content.get("accelerators") or [])),
        f"{len(hosts)} boards: {', '.join(hosts)}" if len(hosts) > 1 else f"at {hosts[0]}" if hosts else "no hosts",
    ]
    tags = content.get("tags")
    if isinstance(tags, dict):
        words = dict.fromkeys(str(word) for some in tags.values() if isinstance(some, list) for word in some)
        parts.append(f"tags {' '.join(words)}")
    return " · ".join(filter(None, parts))


def _experiment(content: Mapping[str, Any]) -> str:
    swept = ((content.get("hydra") or {}).get("sweeper") or {}).get("params") or {}
    return " ".join(f"{key}={value}" for key, value in swept.items())


_DETAILS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"device": _device, "experiment": _experiment}
