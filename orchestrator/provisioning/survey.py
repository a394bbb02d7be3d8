"""Facts about a board, asked before anything is uploaded, and read as untrusted input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from orchestrator.device import Device
from orchestrator.errors import BoardNotReady
from orchestrator.provisioning.shell import Output, Shell
from remote.bundle import facts_source
from remote.facts import SENTINEL

T = TypeVar("T")

OLDEST_PYTHON = (3, 8)
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit statuses of a POSIX shell
MAX_TEXT = 300
PYTHON_HINT = (
    "name another one in device.python; without root: "
    "curl -LsSf https://astral.sh/uv/install.sh | sh && uv python install 3.11 && uv python find 3.11"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at a board. ``blobs`` and ``envs`` are what lies in its work folder; deploying adds to them."""

    python: tuple[int, int, int]
    python_implementation: str
    home: str
    workdir: str  # absolute
    arch: str  # of the kernel, as uname says it
    bits: int  # of the Python, and so of its libraries
    libc: tuple[str, str]  # name and version, such as ("glibc", "2.36")
    kernel: str
    os: str
    cpu_model: str
    cores: int
    memory_bytes: int | None
    available_memory_bytes: int | None
    disk_free_bytes: int | None
    device_tree_model: str | None
    boot_id: str | None
    hostname: str
    uid: int
    governor: str | None
    power_mode: str | None
    isolated_cpus: str | None  # from the kernel's command line, as "2-3"
    firmware: str | None
    serial: str | None  # a digest that tells it from others of its kind
    blobs: set[str]
    envs: set[str]

    @property
    def userland(self) -> str:
        """The architecture that wheels must have: a 64-bit kernel may carry a 32-bit system (Raspberry Pi OS)."""
        narrow = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
        wide = {"arm64": "aarch64", "amd64": "x86_64"}
        return narrow.get(self.arch, self.arch) if self.bits == 32 else wide.get(self.arch, self.arch)

    @property
    def glibc(self) -> tuple[int, int] | None:
        """None on musl and everything else."""
        found = re.match(r"(\d+)\.(\d+)", self.libc[1])
        return (int(found[1]), int(found[2])) if self.libc[0] == "glibc" and found else None

    @property
    def python_text(self) -> str:
        """As people write it: 3.11.2."""
        return ".".join(map(str, self.python))


class NoWorkFolder(BoardNotReady):
    """The board answered, and cannot write its work folder; ``facts`` are what it said of itself."""

    def __init__(self, message: str, facts: Facts, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.facts = facts


def facts(shell: Shell, device: Device, workdir: str | None = None) -> Facts:
    """Ask a board what it is, and make its work folder: ``workdir``, else the device's.

    Raises BoardNotReady when there is no usable Python or the answer is garbage, NoWorkFolder when the work folder
    cannot be written.
    """
    source = facts_source({"workdir": workdir or device.workdir})
    out = shell.run([*interpreter(device.python), "-I", "-S", "-"], stdin=source, check=False)
    line = next((line for line in out.stdout.splitlines() if line.startswith(SENTINEL)), None)
    if line is None:
        raise _no_answer(shell, device, out)
    try:
        raw = json.loads(line.removeprefix(SENTINEL))
        found, trouble = parse(raw), raw["workdir_error"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BoardNotReady(f"the board's facts make no sense: {error}"[:MAX_TEXT]) from error
    if found.python < OLDEST_PYTHON:
        raise _too_old(device, f"Python {found.python_text}")
    if trouble:
        raise NoWorkFolder(
            f"the work folder cannot be written: {_text(trouble)}",
            found,
            hint="set device.workdir to a folder that can",
        )
    return found


def interpreter(python: str, home: str | None = None) -> list[str]:
    """The start of a command line that runs ``device.python``; only a shell knows ``~`` before there are facts."""
    if not python.startswith("~/"):
        return [python]
    return [f"{home}/{python[2:]}"] if home else ["sh", "-c", 'exec "$HOME/$0" "$@"', python[2:]]


def _no_answer(shell: Shell, device: Device, out: Output) -> BoardNotReady:
    if out.exit_code in (NOT_FOUND, NOT_EXECUTABLE):
        return BoardNotReady(f"there is no {device.python} on the board", hint=PYTHON_HINT)
    said = (out.stderr.strip() or out.stdout.strip())[-MAX_TEXT:]
    version = shell.run([*interpreter(device.python), "-V"], check=False)
    found = re.match(r"Python (\d+)\.(\d+)\S*", version.stdout + version.stderr)
    if found and (int(found[1]), int(found[2])) < OLDEST_PYTHON:
        return _too_old(device, found[0])
    return BoardNotReady(f"{device.python} on the board gave no usable answer (exit status {out.exit_code}): {said}")


def _too_old(device: Device, version: str) -> BoardNotReady:
    return BoardNotReady(
        f"{device.python} on the board is {version}; the benchmark needs 3.8 or newer", hint=PYTHON_HINT
    )


def parse(raw: Any) -> Facts:
    """Check every field. Raises LookupError, TypeError or ValueError."""
    python, libc = raw["python"], raw["libc"]
    return Facts(
        python=(_number(python[0]), _number(python[1]), _number(python[2])),
        python_implementation=_text(raw["python_implementation"]),
        home=_path(raw["home"]),
        workdir=_path(raw["workdir"]),
        arch=_text(raw["arch"]),
        bits=_number(raw["bits"]),
        libc=(_text(libc[0]), _text(libc[1])),
        kernel=_text(raw["kernel"]),
        os=_text(raw["os"]),
        cpu_model=_text(raw["cpu_model"]),
        cores=_number(raw["cores"]),
        memory_bytes=_maybe(raw["memory_bytes"], _number),
        available_memory_bytes=_maybe(raw["available_memory_bytes"], _number),
        disk_free_bytes=_maybe(raw["disk_free_bytes"], _number),
        device_tree_model=_maybe(raw["device_tree_model"], _text),
        boot_id=_maybe(raw["boot_id"], _text),
        hostname=_text(raw["hostname"]),
        uid=_number(raw["uid"]),
        governor=_maybe(raw["governor"], _text),
        power_mode=_maybe(raw["power_mode"], _text),
        isolated_cpus=_maybe(raw["isolated_cpus"], _text),
        firmware=_maybe(raw["firmware"], _text),
        serial=_maybe(raw["serial"], _text),
        blobs=_digests(raw["blobs"]),
        envs=_digests(raw["envs"]),
    )


def _maybe(value: Any, check: Callable[[Any], T]) -> T | None:
    return None if value is None else check(value)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no count")
    return value


def _text(value: Any) -> str:
    """One line, no control characters, not too long."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return "".join(char if char.isprintable() else " " for char in value)[:MAX_TEXT].strip()


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable() or len(value) > 4096:
        raise ValueError(f"{value!r} is no absolute path")
    return value


def _digests(value: Any) -> set[str]:
    if not isinstance(value, list):
        raise TypeError("a list of files is missing")
    return {name for name in value if isinstance(name, str) and re.fullmatch(r"[0-9a-f]{8,64}", name)}
