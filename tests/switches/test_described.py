"""What ``device.power_switch`` must say: each mistake is named by key, value and way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator import config
from orchestrator.device import SWITCHES
from orchestrator.errors import ConfigError
from orchestrator.redact import secrets_in
from orchestrator.switches.kinds import KINDS
from tests.config.composing import jobs

KEY = "device.power_switch"
ONE = ["device=pi4", "device.hosts=[pi4-01]"]
POOL = ["device=pi4", "device.hosts=[pi4-01,pi4-02]"]


def of(kind: str, *words: str, pool: bool = False) -> list[str]:
    return [*(POOL if pool else ONE), f"{KEY}.kind={kind}", *(word.replace("@", KEY, 1) for word in words)]


def test_every_kind_can_be_made() -> None:
    assert tuple(KINDS) == SWITCHES[1:]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (of("shelly"), [f"{KEY}.address", "an address for each board", "{board}", "host[:port] alone"]),
        (of("shelly", "@.address=http://plug"), ["'http://plug'", "host[:port] alone", f"{KEY}.user"]),
        (
            of("tasmota", "@.address=p", "@.turn_on=[x]"),
            [f"{KEY}.turn_on = 'x'", f"nothing, since {KEY}.kind is tasmota"],
        ),
        (of("pdudaemon", "@.address=lab"), ["'lab'", "host[:port]/PDU", "16421"]),
        (of("pdudaemon", "@.address=lab/rack", "@.password_env=X"), [f"{KEY}.password_env", "'***'", "nothing"]),
        (of("uhubctl", "@.address=hub", "@.outlet=1"), ["'hub'", "such as 1-1.4"]),
        (of("uhubctl", "@.address=1-1.4"), [f"{KEY}.outlet = 0", "1 to 14"]),
        (of("uhubctl", "@.address=1-1.4", "@.outlet=1", "@.user=x"), [f"{KEY}.user", "nothing"]),
        (of("command", "@.turn_on=[x]"), [f"{KEY}.turn_off", "a program and its arguments that turns off a board"]),
        (of("command", "@.turn_off=[x]"), [f"{KEY}.turn_on", "a program and its arguments that turns on a board"]),
        (of("command", "@.turn_on=['']", "@.turn_off=[x]"), [f"{KEY}.turn_on", "a program and its arguments"]),
        (of("command", "@.turn_on=[x]", "@.turn_off=[y]", "@.address=p"), [f"{KEY}.address", "nothing"]),
        (of("command", "@.turn_on=[r,false]", "@.turn_off=[x]"), [f"{KEY}.turn_on", "r False", "words in quotes"]),
        (of("command", "@.turn_on=relay on", "@.turn_off=[x]"), [f"{KEY}.turn_on", "a list is expected"]),
        (of("none", "@.address=p"), [f"{KEY}.address", f"nothing, since {KEY}.kind is none"]),
        (of("toaster"), [f"{KEY}.kind", "shelly, tasmota, pdudaemon, uhubctl, command"]),
        (of("shelly", "@.address=p", "@.off_s=601"), [f"{KEY}.off_s", "0 to 600"]),
        (of("shelly", "@.address=p", "+@.outlets.pi9=1"), [f"{KEY}.outlets", "pi9", "pi4-01"]),
        (of("shelly", "@.address=p", "+@.addresses.pi9=q"), [f"{KEY}.addresses", "pi9"]),
        (of("shelly", "@.address=p", "+@.outlets.pi4-01=-1"), [f"{KEY}.outlets.pi4-01 = -1", "0 to 1000"]),
        (
            of("shelly", "@.address=p", pool=True),
            ["p, outlet 0, of pi4-01, pi4-02", "take the others", f"{KEY}.outlets"],
        ),
        (
            of("command", "@.turn_on=[a,'{board}']", "@.turn_off=[b]", pool=True),
            [f"{KEY}.turn_off", "b of pi4-01, pi4-02", "write {board} in it"],
        ),
    ],
)
def test_a_switch_that_is_not_described_well(tmp_path: Path, overrides: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, overrides)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        of("shelly", "@.address='[fe80::1]:80'", "@.user=me", "@.password_env=PLUG"),
        of("shelly", "@.address=strip", "+@.outlets.pi4-02=1", pool=True),
        of("tasmota", "@.address='plug-{board}'", pool=True),
        of("pdudaemon", "@.address='lab:16421/192.168.0.42'"),
        of("pdudaemon", "@.address=lab/rack", "@.outlet=1", "+@.outlets.pi4-02=2", pool=True),
        of("uhubctl", "@.address=1-1.4", "@.outlet=2"),
        of("uhubctl", "@.address='2'", "@.outlet=1"),
        of("command", "@.turn_on=[relay,on,'{board}']", "@.turn_off=[relay,off,'{board}']", pool=True),
    ],
)
def test_one_that_is(tmp_path: Path, overrides: list[str]) -> None:
    (job,) = jobs(tmp_path, overrides)
    assert all(board.power_switch is not None for board in job.cell.settings.device.boards)


@pytest.mark.parametrize(
    "word", ["address=admin:s3cret@plug1", "address='plug1?password=s3cret'", "password_env='s3cret '"]
)
def test_a_password_is_refused_and_not_quoted(tmp_path: Path, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, of("shelly", f"@.{word}"))
    assert "s3cret" not in str(caught.value)


def test_two_devices_of_a_sweep_share_no_outlet(tmp_path: Path) -> None:
    def two(*words: str) -> list[list[str]]:
        return [[f"device={name}", *(word.replace("@", KEY, 1) for word in words)] for name in ("pi4", "pi5")]

    plug = ("@.kind=shelly", "@.address=strip")
    with pytest.raises(ConfigError, match=r"the same for pi4 \(pi4\) and pi5 \(pi5\): turning one off"):
        jobs(tmp_path, *two(*plug))
    script = ("@.kind=command", "@.turn_on=[relay,on]", "@.turn_off=[relay,off]")
    with pytest.raises(ConfigError, match=r"device\.power_switch\.turn_on is the same for pi4"):
        jobs(tmp_path, *two(*script))
    first, second = two(*plug)
    jobs(tmp_path, first, [*second, f"{KEY}.outlet=1"], [*first, "threads=2"])


def test_a_password_among_the_arguments_is_not_stored(tmp_path: Path) -> None:
    lists = {"turn_on": "[relay, --password, s3cret, on]", "turn_off": "[relay, -P, s3cret, off]"}
    said = [f"{KEY}.{key}={words}" for key, words in lists.items()]
    (job,) = jobs(tmp_path, of("command", *said))
    job.save()
    stored = job.cell.directory / "config.yaml"
    assert not any("s3cret" in path.read_text() for path in job.cell.directory.rglob("*.yaml"))
    assert yaml.safe_load(stored.read_text())["device"]["power_switch"]["turn_on"] == [
        "relay",
        "--password",
        "***",
        "on",
    ]
    assert secrets_in(said) == {"s3cret"}


def test_a_switch_is_no_part_of_what_is_measured(tmp_path: Path) -> None:
    """So that a stored cell is run again with the switch that its board has now."""
    (before,) = jobs(tmp_path, ONE)
    before.save()
    (now,) = jobs(tmp_path, of("shelly", "@.address=p"))
    assert config.changed_keys(now, before.cell.directory / "config.yaml") == []
