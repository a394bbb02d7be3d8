"""The board-side program as one file: a zipapp with the same bytes whenever and wherever it is made."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can say
_CONTROLLER_ONLY = {"bundle.py"}
_START = "import sys\n\nfrom remote.__main__ import main\n\nsys.exit(main(sys.argv[1:]))\n"


def _sources() -> dict[str, bytes]:
    root = Path(__file__).parent
    found = {"__main__.py": _START.encode()}
    for path in root.rglob("*.py"):
        inside = path.relative_to(root)
        if str(inside) not in _CONTROLLER_ONLY:
            found["remote/" + inside.as_posix()] = path.read_bytes()
    return found


def build() -> bytes:
    """The bytes of the program. Stored, not compressed: a board starts it faster, and 100 kB travel in no time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, source in sorted(_sources().items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, wherever it is made
            info.external_attr = 0o100644 << 16
            archive.writestr(info, source)
    return buffer.getvalue()


def write(path: Path) -> str:
    """Write the program to ``path``; returns its sha256."""
    data = build()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def facts_source(settings: dict[str, Any]) -> bytes:
    """What to send on stdin to ``<python> -I -S -``: the facts script and the call with its settings.

    ``settings``: ``workdir`` (may begin with ``~``) and ``prepare`` (default true: make its folders).
    """
    source = (Path(__file__).parent / "facts.py").read_text(encoding="utf-8")
    return ("%s\n\nmain(json.loads(%r))\n" % (source, json.dumps(settings))).encode("ascii")
