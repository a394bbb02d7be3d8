from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.connection import connect
from orchestrator.connection.enrol import enrol
from orchestrator.device import Board, Device
from tests.sshd import Sshd, free_port, keygen

Start = Callable[..., Sshd]


class Person:
    """Answers and listens."""

    def __init__(self, answer: bool = True) -> None:
        self.answer, self.asked, self.heard = answer, list[str](), ""

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer

    def say(self, text: str) -> None:
        self.heard += text + "\n"

    def enrols(self, device: Device) -> bool:
        return enrol(device, confirm=self.confirm, say=self.say)


def fingerprint(key: Path) -> str:
    return subprocess.check_output(["ssh-keygen", "-l", "-f", f"{key}.pub"], text=True).split()[1]


def test_round_trip_into_the_users_file(sshd: Sshd, home: Path) -> None:
    known_hosts = home / ".ssh/known_hosts"
    known_hosts.write_text("somebody ssh-ed25519 AAAA")  # without a line end
    device = sshd.device(known_hosts=None)
    person = Person()
    assert person.enrols(device)
    assert fingerprint(sshd.host_keys[0]) in person.heard
    assert "ready" in person.heard
    assert known_hosts.read_text().splitlines() == ["somebody ssh-ed25519 AAAA", sshd.known_hosts_line().strip()]
    assert known_hosts.stat().st_mode & 0o777 == 0o600
    subprocess.run(["ssh-keygen", "-F", sshd.name, "-f", str(known_hosts)], check=True, capture_output=True)
    with connect(Board(device, device.hosts[0])) as connection:
        assert connection.is_alive


def test_a_second_time_changes_nothing(sshd: Sshd, home: Path, tmp_path: Path) -> None:
    device = sshd.device(known_hosts=str(tmp_path / "lab/hosts"))
    assert Person().enrols(device)
    content = (tmp_path / "lab/hosts").read_text()
    again = Person()
    assert again.enrols(device)
    assert again.asked == []
    assert (tmp_path / "lab/hosts").read_text() == content
    assert not (home / ".ssh/known_hosts").exists()


def test_a_no_pins_nothing(sshd: Sshd, home: Path) -> None:
    person = Person(answer=False)
    assert not person.enrols(sshd.device(known_hosts=None))
    assert "was not pinned" in person.heard
    assert not (home / ".ssh/known_hosts").exists()


def test_a_changed_key_is_never_replaced(sshd: Sshd, home: Path, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other")
    known_hosts = home / ".ssh/known_hosts"
    known_hosts.write_text(f"{sshd.name} {other.with_suffix('.pub').read_text()}")
    content = known_hosts.read_text()
    person = Person()
    assert not person.enrols(sshd.device(known_hosts=None))
    assert person.asked == []
    assert known_hosts.read_text() == content
    assert "has changed" in person.heard
    assert f"ssh-keygen -R '{sshd.name}' -f {known_hosts}" in person.heard
    assert fingerprint(other) in person.heard


def test_a_key_that_does_not_get_in_is_explained(sshd: Sshd, home: Path, tmp_path: Path) -> None:
    stranger = keygen(tmp_path / "stranger")
    person = Person()
    assert not person.enrols(sshd.device(known_hosts=None, identity_file=str(stranger)))
    assert f"ssh-copy-id -i {stranger} -p {sshd.port}" in person.heard
    assert sshd.name in (home / ".ssh/known_hosts").read_text()


def test_jump_hosts_are_pinned_on_the_way(start_sshd: Start, home: Path) -> None:
    gateway, target = start_sshd(), start_sshd()
    (home / ".ssh/config").write_text(
        f"Host gw\n HostName 127.0.0.1\n Port {gateway.port}\n IdentityFile {gateway.user_key}\n"
        "Host 127.0.0.1\n ProxyJump gw\n"
    )
    person = Person()
    assert person.enrols(target.device(known_hosts=None))
    assert len(person.asked) == 2
    assert (home / ".ssh/known_hosts").read_text() == gateway.known_hosts_line() + target.known_hosts_line()


def test_every_board_of_a_pool(start_sshd: Start, home: Path) -> None:
    first, second = start_sshd(), start_sshd()
    device = first.device(known_hosts=None)
    device.hosts = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}"]
    person = Person()
    assert not person.enrols(device)  # the first is away and the last wants another key
    assert "does not answer" in person.heard
    assert len(person.asked) == 2


@pytest.mark.usefixtures("home")
def test_the_built_in_board_needs_none() -> None:
    person = Person()
    assert person.enrols(Device("local", ["local"]))
    assert person.asked == []
