"""What is alike in the settings of all that stands beside a board: its meter, and its power switch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from orchestrator.config.problem import Problem
from orchestrator.device import Device, Meter, PowerSwitch
from orchestrator.redact import BLOT, shown

PLACES = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?")
"""``host[:port]``."""
HARMLESS = re.compile(r"([a-z]+://)?[A-Za-z0-9_.-]+(:\d{1,5})?(/[\w.-]*)*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
COMMANDS = ("command", "turn_on", "turn_off")
"""Keys that hold words of a command, among which a password may be."""


def unused(key: str, settings: Meter | PowerSwitch, uses: Mapping[str, set[str]]) -> Iterator[Problem]:
    """What was set and does nothing for this kind."""
    if settings.kind not in uses:  # which kinds there are is told beside
        return
    for field in fields(settings):
        usual = field.default if field.default_factory is MISSING else field.default_factory()
        value = getattr(settings, field.name)
        if field.name not in uses[settings.kind] and value != usual:
            told = BLOT if field.name == "password_env" else shown(value) if field.name in COMMANDS else value
            yield Problem(f"{key}.{field.name}", told, f"nothing, since {key}.kind is {settings.kind}")


def no_variable(key: str, password_env: str | None) -> Iterator[Problem]:
    """A ``password_env`` that no variable can be called; it is not quoted, since it may be the password itself."""
    if password_env is not None and not VARIABLE.fullmatch(password_env):
        yield Problem(f"{key}.password_env", BLOT, "the name of the environment variable that holds the password")


def strangers(device: Device, key: str, by_host: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Settings by host of hosts that the device does not have."""
    for name, settings in by_host.items():
        if others := [host for host in settings if host not in device.hosts]:
            hosts = ", ".join(device.hosts)
            yield Problem(f"{key}.{name}", others, f"hosts as device.hosts spells them: {hosts}")


def quoted(address: str) -> str:
    """A wrong address as it was written, where no part of it can be a password."""
    return address if HARMLESS.fullmatch(address) else BLOT


def shared(key: str, boards: Mapping[str, list[str]], how: str) -> Iterator[Problem]:
    """What several boards have and each must have alone."""
    for value, names in boards.items():
        if len(names) > 1:
            yield Problem(key, f"{value} of {', '.join(names)}", how)
