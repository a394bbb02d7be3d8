from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.connection.address import Target, route
from orchestrator.device import Board, Device
from orchestrator.errors import ConfigError


def board(host: str, **settings: object) -> Board:
    return Board(Device("pi4", [host], **settings), host)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("pi", ("pi", None, None)),
        ("lab@pi:2222", ("pi", "lab", 2222)),
        ("lab@[::1]:2222", ("::1", "lab", 2222)),
        ("fe80::1", ("fe80::1", None, None)),
        ("ssh://lab@pi:22/", ("pi", "lab", 22)),
        ("user@corp@pi", ("pi", "user@corp", None)),
    ],
)
def test_host_strings(text: str, parts: tuple[str, str | None, int | None]) -> None:
    target = Target.parse(text)
    assert (target.host, target.user, target.port) == parts


@pytest.mark.parametrize("text", ["", "lab@", "-oProxyCommand=x", "pi:99999", "a b"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ConfigError, match="is no host"):
        Target.parse(text)


def test_the_inventory_goes_before_ssh_config(home: Path) -> None:
    key = home / "lab_key"
    key.write_text("x")
    (home / ".ssh/config").write_text("Host pi\n HostName 10.0.0.7\n User a\n Port 1000\n")
    [plain] = route(board("pi"))
    assert plain.address == "a@10.0.0.7:1000"
    assert plain.host_key_name == "[10.0.0.7]:1000"
    [own] = route(board("pi", user="b", port=2000, identity_file=str(key)))
    assert (own.address, own.identities) == ("b@10.0.0.7:2000", (key,))
    [spelled] = route(board("c@pi:3000", user="b", port=2000))
    assert spelled.address == "c@10.0.0.7:3000"


def test_a_missing_identity_file_is_named(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"identity_file of pi4.*nowhere"):
        route(board("pi", identity_file="~/nowhere"))


def test_includes_are_followed_and_leave_the_block_alone(home: Path) -> None:
    (home / ".ssh/config.d").mkdir()
    (home / ".ssh/config.d/lab").write_text("Host other\n User wrong\n")
    (home / ".ssh/config").write_text("Host pi\n Include config.d/*\n User right\nHost other\n Port 77\n")
    assert route(board("pi"))[0].user == "right"
    assert route(board("other"))[0].address == "wrong@other:77"


def test_jump_hosts_each_with_their_own_settings(home: Path) -> None:
    (home / ".ssh/config").write_text(
        "Host pi\n ProxyJump gw1,lab@gw2:2200\n"
        "Host gw1\n HostName 10.0.0.1\n User one\n ProxyJump outer\n"
        "Host *\n User me\n"
    )
    hops = route(board("pi", known_hosts="~/lab_hosts"))
    assert [hop.address for hop in hops] == ["me@outer:22", "one@10.0.0.1:22", "lab@gw2:2200", "me@pi:22"]
    assert hops[1].label == "jump host gw1 of pi"
    assert all(hop.known_hosts[0] == home / "lab_hosts" for hop in hops)


def test_a_wildcard_jump_host_does_not_jump_to_itself(home: Path) -> None:
    (home / ".ssh/config").write_text("Host *\n ProxyJump gw\n User me\n")
    assert [hop.host for hop in route(board("pi"))] == ["gw", "pi"]


def test_jumps_in_a_circle_are_refused(home: Path) -> None:
    (home / ".ssh/config").write_text("Host a\n ProxyJump b\nHost b\n ProxyJump c\nHost c\n ProxyJump b\n")
    with pytest.raises(ConfigError, match="in circles"):
        route(board("a"))


def test_known_hosts_files_of_ssh_config(home: Path) -> None:
    (home / ".ssh/config").write_text('Host pi\n UserKnownHostsFile ~/a "~/b"\n HostKeyAlias rack1\n')
    [hop] = route(board("pi"))
    assert hop.known_hosts == (home / "a", home / "b")
    assert hop.host_key_name == "rack1"


def test_a_broken_ssh_config_is_named(home: Path) -> None:
    (home / ".ssh/config").write_text("Hostpi\n")
    with pytest.raises(ConfigError, match="ssh/config"):
        route(board("pi"))
