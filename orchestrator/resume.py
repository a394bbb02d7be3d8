"""Going on with a sweep that ended early, whatever ended it: which results stay, and which cells run again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator import alive
from orchestrator.config import CONFIG_FILE, LAB_VARIABLE, Job, changed_keys
from orchestrator.errors import ConfigError
from orchestrator.redact import BLOT
from orchestrator.result import DONE, RESULT_FILE, SKIPPED, Result, Sweep, find_sweep, load_sweep

KEY = "resume"
NAMED = 4
"""Keys that are named of a cell that was another one."""
_OF_ANY = {KEY, "root", "tracking", "dry_run"}
"""Keys that say nothing about what is measured."""
LOCK_FILE = "sweep.lock"
EARLIER = "earlier"
"""Folder, in that of a cell, of the results that it had before and that were no final ones."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A stored sweep that this process goes on with: the results that are final, and those that another try follows."""

    sweep: Sweep
    final: dict[int, Result]
    earlier: dict[int, Result]

    def check(self, jobs: Sequence[Job]) -> None:
        """Raises ConfigError where a cell of the stored sweep is another one now."""
        wrong = []
        for job in jobs:
            stored = self.sweep.directory / str(job.cell.directory.name) / CONFIG_FILE
            if stored.is_file() and (keys := changed_keys(job, stored)):
                more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
                wrong.append(f"cell {job.cell.number} had another {', '.join(keys[:NAMED])}{more}")
        if wrong:
            raise ConfigError(
                f"the sweep {self.sweep.id} was of something else: {'; '.join(wrong[:5])}",
                hint=f"give the command line that it was started with: {self.sweep.command}",
            )


def asked(arguments: Sequence[str]) -> str | None:
    """What ``resume=`` names on a command line."""
    given = [word.partition("=")[2] for word in arguments if word.partition("=")[0] in (KEY, f"+{KEY}", f"++{KEY}")]
    if not given or given[-1] in ("", "null"):
        return None
    return shlex.split(given[-1])[0]


def resumed(name: str, arguments: Sequence[str], default_root: Path) -> Resumed:
    """The stored sweep called ``name``.

    Raises ConfigError where there is none, where its controller still runs, or may run on another machine, and where
    there is nothing left to do about it.
    """
    if any(word.partition("=")[0] == "hydra.sweep.dir" for word in arguments):
        raise ConfigError("resume= goes on in the folder of the sweep", hint="leave hydra.sweep.dir alone")
    sweep, results = load_sweep(find_sweep(_root(arguments, default_root), name))
    if sweep.reproduces:
        raise ConfigError(f"{sweep.id} reproduces a cell", hint=f"start it again: reproduce {sweep.reproduces}")
    if sweep.status == "running":
        state = alive.state_of(sweep.controller)
        if state == alive.RUNNING:
            raise ConfigError(f"{sweep.id} still runs, as process {sweep.controller.get('pid')} of this machine")
        if state == alive.ELSEWHERE and name == "last":
            host = sweep.controller.get("host")
            raise ConfigError(
                f"{sweep.id} runs on {host}, or died there", hint=f"once it is dead there: resume={sweep.id}"
            )
    final = {result.number: result for result in results if is_final(result)}
    return Resumed(sweep, final, {r.number: r for r in results if r.number not in final})


def words(arguments: Sequence[str], earlier: Resumed) -> list[str]:
    """The command line to go on with: where the sweep lies and, if nothing else is asked for, what it was of."""
    folder = str(earlier.sweep.directory).replace("\\", "\\\\").replace("'", "\\'")
    where = f"hydra.sweep.dir='{folder}'"
    if any(word.lstrip("+").split("=")[0].split(".")[0] not in _OF_ANY for word in arguments):
        return [*arguments, where]
    first = shlex.split(earlier.sweep.command)[3:]
    if BLOT in earlier.sweep.command:
        raise ConfigError(
            f"the command line of {earlier.sweep.id} held a secret, which was not kept",
            hint=f"give it again: {earlier.sweep.command} resume={earlier.sweep.id}",
        )
    lab = first[:1] == ["--config-dir"]
    if lab and os.environ.get(LAB_VARIABLE) != first[1]:
        raise ConfigError(
            f"{earlier.sweep.id} used the lab {first[1]}",
            hint=f"python -m orchestrator --config-dir {shlex.quote(first[1])} resume={earlier.sweep.id}",
        )
    return [*first[2 if lab else 0 :], *arguments, where]


def is_final(result: Result) -> bool:
    """A number, an impossible combination, or a benchmark that failed by itself: it would fail again."""
    if result.status in (DONE, SKIPPED):
        return True
    return result.error is not None and not result.error.infrastructure


def _root(arguments: Sequence[str], default: Path) -> Path:
    given = [word.partition("=")[2] for word in arguments if word.startswith("root=")]
    return Path(shlex.split(given[-1])[0] if given and given[-1] else default).expanduser().resolve()


def alone(directory: Path) -> FileLock:
    """Held as long as this process goes on with the sweep; the kernel frees it. Raises ConfigError."""
    lock = FileLock(directory / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(f"another process goes on with the sweep in {directory}") from None
    return lock


def put_aside(result: Result, directory: Path) -> None:
    """Keep an earlier result, which a new one follows; what the tracker has confirmed of it is no longer true."""
    from orchestrator.tracking.writer import DELIVERED_FILE

    folder = directory / EARLIER
    folder.mkdir(exist_ok=True)
    (directory / DELIVERED_FILE).unlink(missing_ok=True)
    path = directory / RESULT_FILE
    if path.is_file():
        (folder / f"{result.started_s:.3f}.json").write_bytes(path.read_bytes())
