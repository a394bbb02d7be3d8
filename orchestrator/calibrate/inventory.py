"""A block of a lab's device file that ``calibrate`` writes: all other text of the file is somebody's own and stays."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from orchestrator.config import composed_settings, conf_directory
from orchestrator.device import Calibration, Device, PowerProfile
from orchestrator.errors import ConfigError

BEGIN = "# calibrated: begin. 'python -m orchestrator calibrate' writes the lines from here to the end anew"
END = "# calibrated: end"
KEYS = ("powers", "calibrations")
WIDTH = 118


@dataclasses.dataclass(frozen=True, slots=True)
class Calibrated:
    """What was found out about one host of a device."""

    device: str
    host: str
    power: PowerProfile | None
    lines: Sequence[Calibration]

    def block(self, before: Mapping[str, Any] | None = None) -> str:
        """The lines between the marks: what they held ``before`` of other hosts, and this."""
        powers = dict((before or {}).get("powers") or {})
        lines = [one for one in (before or {}).get("calibrations") or [] if one.get("host", "*") != self.host]
        powers.pop(self.host, None)
        if self.power is not None:
            powers[self.host] = without_none(dataclasses.asdict(self.power))
        lines += [dataclasses.asdict(one) for one in self.lines]
        held = {key: value for key, value in (("powers", powers), ("calibrations", lines)) if value}
        return yaml.safe_dump(held, sort_keys=False, width=WIDTH, allow_unicode=True) if held else ""


def without_none(node: Any) -> Any:
    """A mapping without the keys that say nothing."""
    if not isinstance(node, dict):
        return node
    return {key: without_none(value) for key, value in node.items() if value is not None}


def write(lab: Path, found: Calibrated) -> Path:
    """Put it into ``<lab>/device/<name>.yaml``, which is first copied from the shipped one if it is not there.

    The new text is composed under a name of its own, and then takes the place of the old one at once.

    Raises:
        ConfigError: the file has these keys in its own words, or does not compose with the new ones. It is as it was.
    """
    path, source = files(lab, found.device)
    if not source.is_file():
        raise ConfigError(
            f"there is no {path} and no shipped {source.name}",
            hint="keep a device's name and that of its file the same; " + by_hand(found),
        )
    text = rewritten(source.read_text(encoding="utf-8"), found, source)
    new = path.with_name(f"{path.stem}-new-{secrets.token_hex(4)}.yaml")  # a name that can be composed
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            shutil.copymode(path, new)
        checked(new.stem, found)
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}", hint=by_hand(found)) from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return path


def files(lab: Path, device: str) -> tuple[Path, Path]:
    """The lab's file of a device, and the one that its text is taken from."""
    path = (lab / "device" / f"{device}.yaml").resolve()
    return path, path if path.is_file() else conf_directory() / "device" / f"{device}.yaml"


def trouble(lab: Path, device: str, host: str) -> str | None:
    """Why :func:`write` would fail, as far as that can be told before anything is measured. Touches nothing."""
    path, source = files(lab, device)
    there = next(folder for folder in path.parents if folder.exists())
    if not os.access(there, os.W_OK):
        return f"{there} cannot be written"
    try:
        rewritten(source.read_text(encoding="utf-8"), Calibrated(device, host, None, ()), source)
    except OSError:
        return f"there is no {path} and no shipped {source.name}"
    except ConfigError as error:
        return error.message
    return None


def rewritten(text: str, found: Calibrated, path: Path) -> str:
    """The file's text with the block in its place, or at its end."""
    lines = text.splitlines()
    begins, ends = ([n for n, line in enumerate(lines) if line.strip() == mark] for mark in (BEGIN, END))
    if begins or ends:
        if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
            raise ConfigError(
                f"{path} has marks of a calibration that do not belong together",
                hint=f"leave one '{END}' below one '{BEGIN}', or none; " + by_hand(found),
            )
        head, block, tail = lines[: begins[0]], lines[begins[0] + 1 : ends[0]], lines[ends[0] + 1 :]
    else:
        head, block, tail = lines, [], []
    own = parsed("\n".join([*head, *tail]), path)
    if taken := [key for key in KEYS if key in own]:
        raise ConfigError(f"{path} has {' and '.join(taken)} in words of its own, which stay", hint=by_hand(found))
    new = found.block(parsed("\n".join(block), path)).splitlines()
    return "\n".join([*head, BEGIN, *new, END, *tail]) + "\n"


def parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        held = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {error}") from error
    if not isinstance(held, dict | None):
        raise ConfigError(f"{path} is no mapping of keys")
    return held or {}


def checked(choice: str, found: Calibrated) -> None:
    """Raises ConfigError unless the file composes, is within all limits, and says what was found of this host."""
    device = composed_settings([f"device={choice}"]).device
    if not says(device, found):
        raise ConfigError(
            f"the file of {found.device} would say something else of {found.host} than what is written into it",
            hint="its defaults may set powers or calibrations, too; " + by_hand(found),
        )


def says(device: Device, found: Calibrated) -> bool:
    lines = [one for one in device.calibrations if one.host == found.host]
    return device.powers.get(found.host) == found.power and lines == list(found.lines)


def by_hand(found: Calibrated) -> str:
    return f"what was found, to write it by hand:\n{found.block()}"
