"""The facts script under real interpreters, the too old ones included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remote import bundle
from remote import facts as script
from remote.contract import FACTS_SENTINEL
from tests.remote.boards import old_python

KEYS = {
    "python",
    "python_implementation",
    "home",
    "workdir",
    "workdir_error",
    "arch",
    "bits",
    "libc",
    "kernel",
    "os",
    "cpu_model",
    "cores",
    "memory_bytes",
    "available_memory_bytes",
    "disk_free_bytes",
    "device_tree_model",
    "boot_id",
    "hostname",
    "uid",
    "governor",
    "power_mode",
    "isolated_cpus",
    "firmware",
    "serial",
    "blobs",
    "envs",
}


def facts(python: str, settings: dict[str, object], isolated: bool = True) -> dict[str, object]:
    """What the script says when it comes on stdin, as over SSH."""
    command = [python, *(["-I"] if isolated else []), "-S", "-"]
    done = subprocess.run(command, input=bundle.facts_source(settings), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith(FACTS_SENTINEL)]
    assert len(lines) == 1
    found: dict[str, object] = json.loads(lines[0][len(FACTS_SENTINEL) :])
    return found


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8", "3.13"])
def test_every_python_can_say_what_it_is(version: str, tmp_path: Path) -> None:
    found = facts(str(old_python(version)), {"workdir": str(tmp_path / "w")}, isolated=version != "2.7")
    assert set(found) == KEYS
    assert found["python"][:2] == [int(part) for part in version.split(".")]  # type: ignore[index]
    assert found["workdir_error"] is None


def test_it_makes_the_folders_and_lists_what_is_whole(tmp_path: Path) -> None:
    workdir = tmp_path / "deep" / "er"
    facts(sys.executable, {"workdir": str(workdir)})
    assert sorted(path.name for path in workdir.iterdir()) == ["blobs", "envs", "jobs"]
    assert workdir.stat().st_mode & 0o077 == 0
    (workdir / "blobs" / "abc").touch()
    (workdir / "blobs" / ".part-1").touch()
    found = facts(sys.executable, {"workdir": str(workdir)})
    assert found["blobs"] == ["abc"]
    assert found["uid"] == os.getuid()


@pytest.mark.parametrize(
    ("files", "mode", "firmware"),
    [
        (
            {
                "/var/lib/nvpmodel/status": "pmode:0002 fmode:quiet",
                "/etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=2 NAME=15W >",
                "/etc/nv_tegra_release": "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref",
            },
            "15W",
            "L4T 35.4.1",
        ),
        ({"/proc/device-tree/chosen/bootloader/version": "fd5a5a8"}, None, "fd5a5a8"),
        ({}, None, None),
    ],
)
def test_the_power_mode_and_the_firmware(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], mode: str | None, firmware: str | None
) -> None:
    monkeypatch.setattr(script, "read", files.get)
    assert (script.power_mode(), script.firmware()) == (mode, firmware)


def test_it_expands_the_home(tmp_path: Path) -> None:
    found = facts(sys.executable, {"workdir": "~/never-made", "prepare": False})
    assert found["workdir"] == str(Path.home() / "never-made")
    assert not (Path.home() / "never-made").exists()


def test_a_work_folder_that_cannot_be_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for prepare in (True, False):
        found = facts(sys.executable, {"workdir": str(tmp_path / "file" / "w"), "prepare": prepare})
        assert str(tmp_path / "file") in str(found["workdir_error"])


def test_quotes_in_settings_stay_data(tmp_path: Path) -> None:
    odd = str(tmp_path / 'it\'s "odd"\n\\')
    assert facts(sys.executable, {"workdir": odd})["workdir"] == odd
