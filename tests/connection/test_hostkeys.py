from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from orchestrator.connection.hostkeys import HostKey, known
from tests.sshd import keygen

BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"x" * 36).decode()


@pytest.mark.parametrize(
    ("line", "name", "pinned"),
    [
        (f"pi ssh-ed25519 {BLOB}", "pi", True),
        (f"pi,10.0.0.7 ssh-ed25519 {BLOB} a comment", "10.0.0.7", True),
        (f"[pi]:2222 ssh-ed25519 {BLOB}", "[pi]:2222", True),
        (f"pi ssh-ed25519 {BLOB}", "[pi]:2222", False),
        (f"*.lab ssh-ed25519 {BLOB}", "pi.lab", True),
        (f"pi-0? ssh-ed25519 {BLOB}", "pi-02", True),
        (f"*.lab,!evil.lab ssh-ed25519 {BLOB}", "evil.lab", False),
        (f"@cert-authority * ssh-ed25519 {BLOB}", "pi", False),
        (f"@revoked pi ssh-ed25519 {BLOB}", "pi", False),
        (f"@new-marker pi ssh-ed25519 {BLOB}", "pi", False),
        (f"# pi ssh-ed25519 {BLOB}", "pi", False),
        ("pi ssh-ed25519 not/base64!", "pi", False),
        ("pi ssh-ed25519", "pi", False),
        ("|1|bad|hash ssh-ed25519 " + BLOB, "pi", False),
        ("\x00\xff garbage", "pi", False),
    ],
)
def test_lines(tmp_path: Path, line: str, name: str, pinned: bool) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"@\n\n{line}\n|1|\n")
    assert bool(known(name, [path, tmp_path / "missing"]).pinned) is pinned


def test_markers_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"@revoked * ssh-ed25519 {BLOB}\n@cert-authority *.lab ssh-ed25519 {BLOB}\n")
    about = known("pi.lab", [path])
    assert about.revoked == (HostKey("ssh-ed25519", base64.b64decode(BLOB)),)
    assert about.by_authority


def test_hashed_names_and_fingerprints_agree_with_openssh(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key").with_suffix(".pub").read_text().split()
    path = tmp_path / "known_hosts"
    path.write_text(f"[pi.lab]:2222 {key[0]} {key[1]}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "pi.lab" not in path.read_text()
    [found] = known("[pi.lab]:2222", [path]).pinned
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split()[1] == found.fingerprint


def test_rsa_keys_are_asked_for_by_their_modern_signatures(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"pi ssh-rsa {BLOB}\npi ssh-ed25519 {BLOB}\n")
    assert known("pi", [path]).algorithms == ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]
