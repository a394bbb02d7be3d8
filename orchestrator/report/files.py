"""Several files of one report, each whole or not at all."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.errors import OrchestratorError, reason

log = logging.getLogger(__name__)

Writer = Callable[[Path], object]


class ReportIncomplete(OrchestratorError):
    """Some files of a report could not be written; ``written`` are the others."""

    def __init__(self, message: str, written: dict[str, Path]) -> None:
        super().__init__(message)
        self.written = written


def write_files(directory: Path, writers: Mapping[str, Writer]) -> dict[str, Path]:
    """Write each file, by its name, into ``directory``; their paths by ending.

    Raises ReportIncomplete once all have been tried, OSError where there can be no such folder.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written, lost = dict[str, Path](), dict[str, str]()
    for name, write in writers.items():
        path = directory / name
        part = path.with_name(f".{path.stem}-part{path.suffix}")
        try:
            write(part)
            written[path.suffix.removeprefix(".")] = part.replace(path)
        except Exception as error:  # a full disk, or a format that cannot hold a value: no reason to lose the others
            log.exception("%s", path)
            lost[path.name] = reason(error)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    if lost:
        why = "; ".join(dict.fromkeys(lost.values()))
        raise ReportIncomplete(f"not written into {directory}: {', '.join(lost)}: {why}", written)
    return written
