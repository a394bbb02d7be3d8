"""What a board gets pushed, made by the provisioning itself: a test that runs it tells whether something is missing."""

from __future__ import annotations

import platform
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cell import Runtime
from orchestrator.errors import BoardNotReady
from orchestrator.provisioning import choose, prepare
from orchestrator.provisioning.survey import parse
from tests.provisioning.test_survey import GOOD


def pushed(folder: Path, runtime: str, delegate: str | None = None) -> Path:
    """The unpacked environment of a runtime for this machine; a skip where it has none, or there is no index."""
    glibc = platform.libc_ver()
    here = replace(parse(GOOD), arch=platform.machine(), bits=64, libc=glibc, python=sys.version_info[:3])
    try:
        made = prepare(
            choose(Runtime(runtime, delegate=delegate), here, "onnx" if "onnx" in runtime else "tflite"), folder
        )
    except BoardNotReady as error:
        pytest.skip(f"no {runtime} {delegate or ''} for this machine: {error}")
    with tarfile.open(made.tar_path) as archive:
        archive.extractall(folder / "env", filter="data")
    return folder / "env"
